/** One rule as a former version wrote it, and as it is now. */
import type { Ground } from '../grounds/ground.ts';
import { idOf, type KeptState, type MeasureProposal, type Rule } from './rule.ts';

/** A row of a former change log: of measures (`at`, `measure`) or of the sinkhole (`at_ms`, `name`, `rule`). */
export interface FormerChange {
  readonly at?: number;
  readonly at_ms?: number;
  readonly who: string;
  readonly action: string;
  readonly reason: string;
  readonly name?: string;
  readonly measure?: string;
  readonly rule?: string;
}

export interface FormerMeasure extends MeasureProposal {
  readonly id: string;
  readonly ground: Ground;
  readonly escalated: string;
  readonly dryRun: boolean;
  readonly appliedBy: string;
  readonly appliedAtMs: number;
  readonly endsAtMs: number;
  readonly state: KeptState;
  readonly endedAtMs?: number;
  readonly endedWhy: string;
}

export interface FormerRule {
  readonly name: string;
  readonly subtree: boolean;
  readonly dryRun: boolean;
  readonly ground: Ground;
  readonly endsAtMs?: number;
  readonly reviewAtMs?: number;
  readonly addedBy: string;
  readonly addedAtMs: number;
  readonly termFromMs: number;
  readonly renewals: number;
}

/** `offset`: is added to its number. */
export function fromMeasure(former: FormerMeasure, offset: number): Rule {
  const { limitRationale, escalation, normalPerSecond, startPerSecond, removes, hits, diagnosis, cause } = former;
  const { plugin, match, limitPerSecond, dryRun, ground, endsAtMs, state, endedAtMs, endedWhy, escalated } = former;
  return {
    id: idOf(Number(former.id.slice(1)) + offset),
    origin: 'diagnosis',
    plugin,
    match,
    limitPerSecond,
    dryRun,
    ground,
    endsAtMs,
    reviewAtMs: undefined,
    addedBy: former.appliedBy,
    addedAtMs: former.appliedAtMs,
    termFromMs: former.appliedAtMs,
    renewals: 0,
    state,
    endedAtMs,
    endedWhy,
    proposed: {
      limitRationale,
      escalation,
      normalPerSecond,
      startPerSecond,
      removes,
      hits,
      diagnosis,
      cause,
      escalated,
    },
  };
}

/** A rule of the sinkhole's desk. `ended`: as what; undefined where it runs. */
export function fromRule(
  former: FormerRule,
  id: string,
  ended: 'lifted' | 'expired' | undefined,
  endedAtMs: number | undefined,
  endedWhy: string,
): Rule {
  const { name, subtree, dryRun, ground, endsAtMs, reviewAtMs, addedBy, addedAtMs, termFromMs, renewals } = former;
  return {
    id,
    origin: 'operator',
    plugin: 'sinkhole',
    match: subtree ? { domain: name } : { name },
    limitPerSecond: 0,
    dryRun,
    ground,
    endsAtMs,
    reviewAtMs,
    addedBy,
    addedAtMs,
    termFromMs,
    renewals,
    state: ended ?? (dryRun ? 'dry-run' : 'in-force'),
    endedAtMs,
    endedWhy,
    proposed: undefined,
  };
}
