/** What the sinkhole desk refuses. */
import { type Catalogue, errorsOf } from '../../src/contract/plugin.ts';

export const SINKHOLE_ERRORS = {
  SEKISHO_SINKHOLE_REFUSED: {
    status: 422,
    exitCode: 1,
    meaning: 'A sinkhole rule lacks what its ground needs, or names what no rule may name; nothing was changed.',
    remedy: 'Every problem is listed; `sekisho sinkhole --help` shows a complete command line.',
  },
  SEKISHO_SINKHOLE_CONFLICT: {
    status: 409,
    exitCode: 1,
    meaning: 'The change does not fit the rules that are there; nothing was changed.',
    remedy: '`sekisho sinkhole list` shows the rules; renew or remove the one that the message names.',
  },
  SEKISHO_SINKHOLE_NO_RULE: {
    status: 404,
    exitCode: 1,
    meaning: 'The sinkhole desk has no rule on that name.',
    remedy: '`sekisho sinkhole list` shows the rules; those of the configuration are changed there.',
  },
  SEKISHO_SINKHOLE_STORE: {
    status: 503,
    exitCode: 1,
    meaning: 'The sinkhole desk could not write its rules to the disk; nothing was changed.',
    remedy: "Look at the space and the permissions of `<data>/sinkhole/`; the message carries the store's own words.",
  },
  SEKISHO_SINKHOLE_WORKERS: {
    status: 500,
    exitCode: 1,
    meaning: 'A sinkhole rule was kept, but at least one worker could not take it.',
    remedy:
      'The log says which worker and why; `sekisho sinkhole list` shows what is kept. A reload brings it to new workers.',
  },
} as const satisfies Catalogue;

export const sinkholeError = errorsOf(SINKHOLE_ERRORS);
