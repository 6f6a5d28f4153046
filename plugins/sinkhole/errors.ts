/** What the desk refuses of the sinkhole's rules. */
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
} as const satisfies Catalogue;

export const sinkholeError = errorsOf(SINKHOLE_ERRORS);
