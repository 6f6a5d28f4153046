/** What the audit log refuses. */
import { type Catalogue, errorsOf } from '../errors/errors.ts';

export const AUDIT_ERRORS = {
  SEKISHO_AUDIT_FAILED: {
    status: 503,
    exitCode: 1,
    meaning: 'The audit log could not be written, so what had to be audited was refused.',
    remedy: 'Look at the space and the permissions of `server.data`; the log names the reason.',
  },
  SEKISHO_AUDIT_DAMAGED: {
    status: 503,
    exitCode: 1,
    meaning: 'The audit log was found damaged, so reads of personal data are refused.',
    remedy:
      'Investigate what happened; then someone with the role privacy runs `sekisho audit acknowledge --reason …`.',
  },
  SEKISHO_AUDIT_BROKEN: {
    status: 500,
    exitCode: 1,
    meaning: 'The chain of the audit log is broken: entries were changed, inserted or removed.',
    remedy: 'Compare the file with a backup and with the hashes in the log of the server, then acknowledge it.',
  },
  SEKISHO_PURPOSE_MISSING: {
    status: 400,
    exitCode: 1,
    meaning: 'A purpose is required to read personal data; nothing was read.',
    remedy: 'Say in a sentence why: `--reason TEXT` on the command line, `reason` over the API. It is recorded.',
  },
} as const satisfies Catalogue;

export const auditError = errorsOf(AUDIT_ERRORS);
