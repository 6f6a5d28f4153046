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
  SEKISHO_RULE_LATE: {
    status: 409,
    exitCode: 1,
    meaning:
      'Another node of the fleet changed the same rule, or took its number, at the same moment; nothing was changed.',
    remedy: 'Look at `sekisho rules`, which shows what the other node did, and ask again.',
  },
  SEKISHO_MEASURE_UNKNOWN: {
    status: 404,
    exitCode: 1,
    meaning: 'No rule of that number is in force.',
    remedy: '`sekisho rules` shows those that are, and those that ended within the last day.',
  },
  SEKISHO_RULE_STORE: {
    status: 503,
    exitCode: 1,
    meaning: 'A temporary rule could not be written to the disk; nothing was changed.',
    remedy: "Look at the space and the permissions of `<data>/rules/`; the message carries the store's own words.",
  },
  SEKISHO_RULE_WORKERS: {
    status: 500,
    exitCode: 1,
    meaning: 'A temporary rule was kept, but at least one worker could not take it.',
    remedy: 'The log says which worker and why; `sekisho rules` shows what is kept. A reload brings it to new workers.',
  },
} as const satisfies Catalogue;

export const rulesError = errorsOf(RULES_ERRORS);
