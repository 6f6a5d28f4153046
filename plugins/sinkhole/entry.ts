/**
 * A rule as the desk holds it in memory: from wherever it came, with its counter, its rates, and what was said of it.
 */

import { type Clock, expiryMs, type Ground } from '../../src/contract/plugin.ts';
import { RateMonitor } from './rates.ts';
import { aboutText, type DeskRule, type RuleState, warnAtMs } from './rule.ts';
import type { RuleName } from './rule-name.ts';
import type { TableRule } from './table.ts';

/** A rule that stands in the configuration. */
export interface ConfigurationRule {
  readonly name: RuleName;
  readonly ground: Ground;
  readonly dryRun: boolean;
  /** From 1. */
  readonly place: number;
}

export interface Entry {
  readonly name: RuleName;
  readonly subtree: boolean;
  readonly dryRun: boolean;
  readonly ground: Ground;
  /** Undefined for a rule of the configuration. */
  readonly rule: DeskRule | undefined;
  /** Monotonic milliseconds; Infinity = never. A step of the wall clock does not move them. */
  readonly endsMs: number;
  readonly warnMs: number;
  /** Where its hits are counted. */
  readonly slot: number;
  monitor: RateMonitor;
  readonly about: Uint8Array;
  /** What has been logged, or recorded, already. */
  warned: boolean;
  ended: boolean;
  proposal: string | undefined;
}

export function deskEntry(rule: DeskRule, slot: number, monitor: RateMonitor, clock: Clock): Entry {
  return {
    name: rule.name,
    subtree: rule.subtree,
    dryRun: rule.dryRun,
    ground: rule.ground,
    rule,
    endsMs: monotonicMs(rule.endsAtMs, clock),
    warnMs: monotonicMs(warnAtMs(rule), clock),
    slot,
    monitor,
    about: new TextEncoder().encode(aboutText(rule.ground)),
    warned: false,
    ended: false,
    proposal: undefined,
  };
}

export function configurationEntry(rule: ConfigurationRule, slot: number, clock: Clock): Entry {
  return {
    name: rule.name,
    subtree: false,
    dryRun: rule.dryRun,
    ground: rule.ground,
    rule: undefined,
    endsMs: monotonicMs(expiryMs(rule.ground), clock),
    warnMs: Number.POSITIVE_INFINITY,
    slot,
    monitor: new RateMonitor(clock.nowMs(), 0),
    about: new TextEncoder().encode(aboutText(rule.ground)),
    warned: false,
    ended: false,
    proposal: undefined,
  };
}

export function stateOf(entry: Entry, nowMs: number): RuleState {
  if (nowMs >= entry.endsMs) return 'expired';
  return entry.dryRun ? 'dry-run' : 'in-force';
}

export function tableRule(entry: Entry, place: number): TableRule {
  const { name, subtree, dryRun, endsMs, slot, about } = entry;
  return { name: name.wire, subtree, dryRun, endsMs, slot, place, about };
}

/** Wall-clock instant as one of the monotonic clock. */
function monotonicMs(wallMs: number | undefined, clock: Clock): number {
  return wallMs === undefined ? Number.POSITIVE_INFINITY : clock.nowMs() + wallMs - clock.wallMs();
}
