/**
 * A dry run of a rule over the last minutes, before it is offered: what it would have been compared with, what it would have
 * matched, and how much of that would have been over its limit, ten seconds after ten seconds.
 *
 * What is on record of the queries are sums: of a name, how many there were, how many of each type, how many that the cache did not
 * answer. Where a rule needs two of these at once (A queries that the cache did not answer), at least as many are meant as the two
 * sums must overlap by (Fréchet): what is promised is there.
 */
import type { MeasureMatch } from '../../src/contract/plugin.ts';
import type { TYPE_CLASSES } from './layout.ts';
import { attribute, type Entry, type Slice } from './slice.ts';

/** What the plugin compares its rules with: every query, or those that the cache does not answer. */
export type Sees = 'queries' | 'misses';

export interface Trial {
  readonly seconds: number;
  /** Queries a second that the rule would have matched. */
  readonly matchedPerSecond: number;
  /** Of these, those over its limit. */
  readonly limitedPerSecond: number;
}

/** `slices`: of the last minutes, each as it was recorded. */
export function trialOf(match: MeasureMatch, limitPerSecond: number, sees: Sees, slices: readonly Slice[]): Trial {
  let [seconds, matched, limited] = [0, 0, 0];
  for (const slice of slices) {
    const entry = entryFor(match, slice);
    const count = entry ? seenOf(entry, match, sees) : 0;
    seconds += slice.seconds;
    matched += count;
    limited += Math.max(0, count - limitPerSecond * slice.seconds);
  }
  const covered = Math.max(1, seconds);
  return { seconds, matchedPerSecond: matched / covered, limitedPerSecond: limited / covered };
}

/**
 * Queries a second that the match is about, whatever becomes of them: the incident's own rate. Of what is not listed, the most that it
 * can be.
 */
export function incidentRate(match: MeasureMatch, slice: Slice): number {
  const entry = entryFor(match, slice);
  const count = entry ? typedOf(entry, match) : slice.floors[kindOf(match)];
  return count / Math.max(1, slice.seconds);
}

export function kindOf(match: MeasureMatch): 'name' | 'pattern' | 'domain' | 'network' | 'address' {
  if (match.name !== undefined) return 'name';
  if (match.pattern !== undefined) return 'pattern';
  if (match.domain !== undefined) return 'domain';
  return match.source?.includes('/') ? 'network' : 'address';
}

export function keyOf(match: MeasureMatch): string | undefined {
  return match.name ?? match.pattern ?? match.domain ?? match.source;
}

export function entryFor(match: MeasureMatch, slice: Slice): Entry | undefined {
  const kind = kindOf(match);
  const key = keyOf(match);
  const found = slice.tops[kind].find((entry) => entry.key === key);
  // The flood may hold patterns below the one that is matched; the domain's own row has them all.
  if (found || kind !== 'pattern') return found;
  return slice.tops.domain.find((entry) => `*.${entry.key}` === key);
}

function seenOf(entry: Entry, match: MeasureMatch, sees: Sees): number {
  const typed = typedOf(entry, match);
  if (sees === 'queries') return typed;
  const misses = attribute(entry, 'misses');
  return Math.max(0, Math.min(typed, misses, typed + misses - entry.count));
}

export function typedOf(entry: Entry, { type }: MeasureMatch): number {
  return type === undefined ? entry.count : attribute(entry, type as (typeof TYPE_CLASSES)[number]);
}

/** Everything that `narrow` matches, `wide` matches too, as far as their words tell. */
export function covers(wide: MeasureMatch, narrow: MeasureMatch): boolean {
  if (wide.type !== undefined && wide.type !== narrow.type) return false;
  if (wide.source !== undefined && wide.source !== narrow.source) return false;
  if (wide.name !== undefined) return wide.name === narrow.name;
  const zone = wide.domain ?? wide.pattern?.slice(2);
  if (zone === undefined) return true;
  const inner = narrow.name ?? narrow.domain ?? narrow.pattern?.slice(2);
  if (inner === undefined) return false;
  if (inner.endsWith(`.${zone}`)) return true;
  return inner === zone && (wide.domain !== undefined || narrow.pattern !== undefined);
}
