/**
 * Measures on a name become rules of the sinkhole desk, which keeps them, counts them and ends them like any other; the
 * measures desk lifts them when the name's rate is back.
 */

import { type Measure, type MeasureCarrier, SekishoError } from '../../src/contract/plugin.ts';
import type { Desk } from './desk.ts';
import { stateOf } from './entry.ts';
import { ruleName } from './rule-name.ts';

export function sinkholeCarrier(desk: Desk): MeasureCarrier {
  return {
    async put({ match, dryRun, ground }, who) {
      await desk.add({ name: match.name, 'dry-run': dryRun, ground }, who);
    },
    async take({ match }, who, why) {
      try {
        await desk.remove(ruleName(match.name ?? ''), who, why);
      } catch (error) {
        // Somebody has removed it at the desk: that is what was wanted.
        if (!(error instanceof SekishoError) || error.code !== 'SEKISHO_SINKHOLE_NO_RULE') throw error;
      }
    },
    hits: (measure) => entryOf(desk, measure)?.monitor.total,
  };
}

function entryOf(desk: Desk, { match }: Measure) {
  const nowMs = desk.nowMs();
  return desk
    .entries()
    .find((entry) => entry.rule !== undefined && entry.name.text === match.name && stateOf(entry, nowMs) !== 'expired');
}
