/** What can stand against sharing with other operators. */
import { type Catalogue, errorsOf } from '../errors/errors.ts';

export const SHARING_ERRORS = {
  SEKISHO_SHARE_REFUSED: {
    status: 422,
    exitCode: 1,
    meaning: 'This cannot be shared as it was asked for; nothing left the server.',
    remedy: 'The message says why; `sekisho share --help` shows what can be shared.',
  },
  SEKISHO_SHARE_UNREADABLE: {
    status: 422,
    exitCode: 1,
    meaning: 'A file from another operator is not in a form that can be imported; no list was written.',
    remedy:
      'Indicators are taken as a STIX 2.1 bundle, or as the JSON that `sekisho share indicators --format json` writes.',
  },
} as const satisfies Catalogue;

export const sharingError = errorsOf(SHARING_ERRORS);
