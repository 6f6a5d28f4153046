/** A rule as the desk holds it in memory: with its counters, its rates, and what was said of it. */
import { expiryMs, type Ground } from '../grounds/ground.ts';
import type { Clock } from '../time/clock.ts';
import { RateMonitor } from './rates.ts';
import { Recovery } from './recovery.ts';
import { isRunning, type Rule, type RuleMatch, type RuleState, warnAtMs } from './rule.ts';

/** A rule that stands in the configuration. */
export interface ConfiguredRule {
  readonly match: RuleMatch;
  readonly ground: Ground;
  readonly dryRun: boolean;
  /** From 1. */
  readonly place: number;
}

export interface Entry {
  rule: Rule;
  /** Place in the configuration, from 1; 0 = of the desk. */
  readonly place: number;
  /** Monotonic milliseconds; Infinity = never. Where the clock jumps they are made again (`retime`). */
  endsMs: number;
  warnMs: number;
  /** Whether it has ended cannot be said: the time is in doubt. It does not act. */
  suspended: boolean;
  /** Where its queries are counted. */
  readonly slot: number;
  monitor: RateMonitor;
  /** Of a measure: whether what it is about is over. */
  recovery: Recovery | undefined;
  /** Of a measure just put in force: by when (monotonic milliseconds) it has to have matched more than `from`. */
  proof: { readonly byMs: number; readonly from: number } | undefined;
  /** What was over its limit, as the counter stood when it took the slot. */
  readonly limitedFrom: number;
  /** What has been logged already. */
  warned: boolean;
  /** Why somebody could lift it, or should look at it. */
  proposal: string | undefined;
}

/** `counted`: the slot's counters as they stand. */
export function entryOf(
  rule: Rule,
  slot: number,
  counted: { readonly matched: number; readonly limited: number },
  clock: Clock,
): Entry {
  const nowMs = clock.nowMs();
  return {
    rule,
    place: 0,
    ...timesOf(rule, clock),
    slot,
    monitor: new RateMonitor(nowMs, counted.matched),
    recovery: rule.proposed && new Recovery(rule.proposed.normalPerSecond, rule.proposed.startPerSecond, nowMs, 0),
    proof: undefined,
    limitedFrom: counted.limited,
    warned: false,
    proposal: undefined,
  };
}

/** A rule of the configuration of `plugin`. */
export function configuredEntry(
  { match, ground, dryRun, place }: ConfiguredRule,
  plugin: string,
  slot: number,
  matched: number,
  clock: Clock,
): Entry {
  const rule: Rule = {
    id: '',
    origin: 'configuration',
    plugin,
    match,
    limitPerSecond: 0,
    dryRun,
    ground,
    endsAtMs: expiryMs(ground),
    reviewAtMs: undefined,
    addedBy: '',
    addedAtMs: 0,
    termFromMs: 0,
    renewals: 0,
    state: dryRun ? 'dry-run' : 'in-force',
    endedAtMs: undefined,
    endedWhy: '',
    proposed: undefined,
  };
  return { ...entryOf(rule, slot, { matched, limited: 0 }, clock), place, warnMs: Number.POSITIVE_INFINITY };
}

/** The clock has jumped, or is known again. What has ended stays ended. */
export function retime(entry: Entry, clock: Clock): void {
  if (!isRunning(entry.rule)) return;
  const { endsMs, warnMs, suspended } = timesOf(entry.rule, clock);
  entry.endsMs = endsMs;
  entry.suspended = suspended;
  if (entry.place === 0) entry.warnMs = warnMs;
}

export function stateOf({ rule, endsMs, suspended }: Entry, nowMs: number): RuleState {
  if (!isRunning(rule)) return rule.state;
  if (suspended) return 'suspended';
  return nowMs >= endsMs ? 'expired' : rule.state;
}

/** From when on no packet thread acts on it; -Infinity where none may at all. */
export function actsUntilMs({ rule, endsMs, suspended }: Entry): number {
  return suspended || !isRunning(rule) ? Number.NEGATIVE_INFINITY : endsMs;
}

function timesOf(rule: Rule, clock: Clock): Pick<Entry, 'endsMs' | 'warnMs' | 'suspended'> {
  return {
    endsMs: monotonicMs(rule.endsAtMs, clock),
    warnMs: monotonicMs(warnAtMs(rule), clock),
    suspended: rule.endsAtMs !== undefined && !Number.isFinite(clock.termMs()),
  };
}

/** Wall-clock instant as one of the monotonic clock. */
function monotonicMs(wallMs: number | undefined, clock: Clock): number {
  return wallMs === undefined ? Number.POSITIVE_INFINITY : clock.nowMs() + wallMs - clock.wallMs();
}
