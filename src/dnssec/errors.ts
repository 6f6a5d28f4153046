/** What can stand against an exception from validation. */
import { type Catalogue, errorsOf } from '../errors/errors.ts';

export const DNSSEC_ERRORS = {
  SEKISHO_NOT_VALIDATING: {
    status: 409,
    exitCode: 1,
    meaning: 'The configuration in force validates nothing, so there is nothing to except.',
    remedy: 'Section `dnssec` of the configuration switches validation on (docs/dnssec.md).',
  },
  SEKISHO_EXCEPTION_REFUSED: {
    status: 422,
    exitCode: 1,
    meaning:
      'An exception from validation lacks what its ground needs, or is on what none may be on; nothing was changed.',
    remedy: 'Every problem is listed; `sekisho dnssec except --help` shows what is needed.',
  },
  SEKISHO_EXCEPTION_CONFLICT: {
    status: 409,
    exitCode: 1,
    meaning: 'There is an exception for this zone already, or no room for another; nothing was changed.',
    remedy: '`sekisho rules` shows the exceptions in force; renew or lift the one that is there.',
  },
  SEKISHO_EXCEPTION_UNKNOWN: {
    status: 404,
    exitCode: 1,
    meaning: 'No exception for this zone is in force.',
    remedy: '`sekisho dnssec` shows the zones that are excepted now.',
  },
} as const satisfies Catalogue;

export const dnssecError = errorsOf(DNSSEC_ERRORS);
