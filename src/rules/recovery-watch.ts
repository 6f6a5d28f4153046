/** What becomes of measures by what they do: one that matches nothing is withdrawn, one whose incident is over is lifted. */
import { errorText } from '../errors/errors.ts';
import type { Clock } from '../time/clock.ts';
import type { Carriers } from './carriers.ts';
import type { Entry } from './entry.ts';
import type { Life } from './life.ts';
import { PROOF_MS } from './recovery.ts';
import type { Rule, RuleMatch } from './rule.ts';
import type { Slots } from './slots.ts';
import type { RulesLog } from './watch.ts';

/**
 * Queries a second, over the last `seconds`, that the match is about, whatever became of them; undefined where that cannot be
 * said. Asked of whoever diagnoses.
 */
export type IncidentRate = (match: RuleMatch, seconds: number) => number | undefined;

/** Of what was there when it was proposed: what matches less, while the incident goes on, is not what it is for. */
const PROOF_SHARE = 0.05;
/** Over so long the incident's rate is taken: since the measure began, and over the minute that is judged. */
const PROOF_SECONDS = 20;
const MINUTE_SECONDS = 60;

export interface WatchParts {
  readonly clock: Clock;
  readonly slots: Slots;
  readonly carriers: Carriers;
  readonly log: RulesLog;
  readonly incidentRate: IncidentRate;
}

/** Rejects where the disk takes it not. */
export async function watchMeasures(running: readonly Entry[], life: Life, parts: WatchParts): Promise<void> {
  for (const entry of running) {
    const { rule, recovery, monitor, slot } = entry;
    // Where nothing counts, a rate of 0 says nothing.
    if (!recovery || !parts.carriers.carries(rule.plugin)) continue;
    const total = monitor.totalAt(parts.slots.read(slot).matched);
    const nothing = matchesNothing(entry, total, parts);
    if (nothing !== undefined) {
      if (!rule.dryRun) {
        await life.liftByItself(entry, `${nothing}: withdrawn`);
        continue;
      }
      entry.proposal = nothing;
      parts.log.warn({ measure: rule.id, plugin: rule.plugin, why: nothing }, 'a dry run matches nothing');
    }
    const seesAll = parts.carriers.sees(rule.plugin) === 'queries';
    const incident = () => rateOf(rule, MINUTE_SECONDS, parts) ?? (seesAll ? undefined : Number.NaN);
    if (!recovery.sample(parts.clock.nowMs(), total, incident) || rule.dryRun) continue;
    const { quiet, threshold } = recovery;
    const why = `back to normal: at most ${threshold.toFixed(1)} queries/s in each of the last ${quiet} minutes`;
    await life.liftByItself(entry, why);
  }
}

/** Why it does nothing of what it was put in force for, said once; undefined where it does, or that is not known yet. */
function matchesNothing(entry: Entry, total: number, parts: WatchParts): string | undefined {
  const { proof, rule, recovery } = entry;
  if (!proof || parts.clock.nowMs() < proof.byMs) return undefined;
  entry.proof = undefined;
  const matched = total - proof.from;
  const expected = ((rule.proposed?.startPerSecond ?? 0) * PROOF_MS) / 1000;
  const goesOn = (rateOf(rule, PROOF_SECONDS, parts) ?? 0) > (recovery?.threshold ?? 0);
  if (matched > 0 && !(goesOn && matched < expected * PROOF_SHARE)) return undefined;
  const seconds = Math.round(PROOF_MS / 1000);
  return `it matched ${matched} queries in its first ${seconds} s, where ${Math.round(expected)} were expected`;
}

function rateOf({ match }: Rule, seconds: number, { incidentRate, log }: WatchParts): number | undefined {
  try {
    return incidentRate(match, seconds);
  } catch (error) {
    log.error({ reason: errorText(error) }, 'the rate of an incident cannot be told');
    return undefined;
  }
}

/** The highest that anybody tells. */
export function anyOf(tellers: Iterable<IncidentRate>): IncidentRate {
  return (match, seconds) => {
    const rates = [...tellers].map((rateOf) => rateOf(match, seconds)).filter((rate) => rate !== undefined);
    return rates.length === 0 ? undefined : Math.max(...rates);
  };
}
