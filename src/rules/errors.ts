/** What can stand against a temporary rule. */
import { type Catalogue, errorsOf } from '../errors/errors.ts';

export const RULES_ERRORS = {
  SEKISHO_MEASURE_REFUSED: {
    status: 422,
    exitCode: 1,
    meaning: 'A measure lacks what its ground needs, or is on what no measure may be on; nothing was changed.',
    remedy: 'Every problem is listed; `sekisho diagnose` prints a complete command line for each proposal.',
  },
  SEKISHO_MEASURE_CONFLICT: {
    status: 409,
    exitCode: 1,
    meaning: 'The measure does not fit those that are there; nothing was changed.',
    remedy: '`sekisho measures` shows them; lift the one that the message names, or diagnose again.',
  },
  SEKISHO_MEASURE_UNKNOWN: {
    status: 404,
    exitCode: 1,
    meaning: 'No measure of that number is in force.',
    remedy: '`sekisho measures` shows those that are, and those that ended within the last day.',
  },
  SEKISHO_MEASURE_STORE: {
    status: 503,
    exitCode: 1,
    meaning: 'A measure could not be written to the disk, so it was not put in force.',
    remedy: 'Look at the space and the permissions of `<data>/measures/`; the log names the reason.',
  },
} as const satisfies Catalogue;

export const rulesError = errorsOf(RULES_ERRORS);
