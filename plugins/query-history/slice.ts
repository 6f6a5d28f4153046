/** What was asked in a span of time: totals, and the heavy hitters of each kind. The unit that is merged, kept and compared. */
import { ATTRIBUTES, type Attribute, DISTINCT_BITS, KINDS, type Kind } from './layout.ts';
import { addTotals, NO_TOTALS, type Totals } from './totals.ts';

export interface Entry {
  /** A name as text, odd bytes escaped (shown-name.ts); a network with its length; an address. */
  readonly key: string;
  /** Queries; never too few, too many by the sketch's error at most. */
  count: number;
  /** In the order of ATTRIBUTES; those of the part that was seen, scaled up to all of `count`. */
  readonly attributes: number[];
  /** About how many different names, or of a network how many lines asked at once; 0 where that is not kept. */
  distinct: number;
}

export interface Slice {
  /** Wall-clock milliseconds of its beginning. */
  readonly startMs: number;
  /** How long it was observed. A slice that was merged from others may cover more than its own span. */
  readonly seconds: number;
  readonly totals: Totals;
  /** Heaviest first. */
  readonly tops: Readonly<Record<Kind, readonly Entry[]>>;
  /** A key that is not listed had at most so many queries. */
  readonly floors: Readonly<Record<Kind, number>>;
}

export function byKind<T>(of: (kind: Kind) => T): Record<Kind, T> {
  return Object.fromEntries(KINDS.map((kind) => [kind, of(kind)])) as Record<Kind, T>;
}

export function emptySlice(startMs: number): Slice {
  return { startMs, seconds: 0, totals: NO_TOTALS, tops: byKind(() => []), floors: byKind(() => 0) };
}

export function attribute(entry: Entry, name: Attribute): number {
  return entry.attributes[ATTRIBUTES.indexOf(name)] ?? 0;
}

/** One slice out of several, at most `limit` entries a kind. Begins with the earliest. */
export function mergeSlices(slices: readonly Slice[], limit: number): Slice {
  if (slices.length === 0) return emptySlice(0);
  const floors = byKind(() => 0);
  const tops = byKind((kind) => {
    const merged = new Map<string, Entry>();
    for (const slice of slices) {
      floors[kind] += slice.floors[kind];
      for (const entry of slice.tops[kind]) addEntry(merged, entry, kind === 'network');
    }
    const sorted = heaviest(merged, limit);
    if (merged.size > limit) floors[kind] = Math.max(floors[kind], sorted.at(-1)?.count ?? 0);
    return sorted;
  });
  return {
    startMs: Math.min(...slices.map(({ startMs }) => startMs)),
    seconds: slices.reduce((sum, { seconds }) => sum + seconds, 0),
    totals: slices.reduce((sum, { totals }) => addTotals(sum, totals), NO_TOTALS),
    tops,
    floors,
  };
}

/** `lines`: `distinct` counts who asks, and those of two epochs are the same as far as anybody knows. */
export function addEntry(into: Map<string, Entry>, entry: Entry, lines = false): void {
  const there = into.get(entry.key);
  if (!there) {
    into.set(entry.key, { ...entry, attributes: [...entry.attributes] });
    return;
  }
  there.count += entry.count;
  for (let i = 0; i < there.attributes.length; i++) there.attributes[i]! += entry.attributes[i] ?? 0;
  // Bitmaps are not kept beyond their epoch. The names of two epochs may be the same ones or not: a flood's are not, so
  // both add up as far as the queries allow.
  there.distinct = lines
    ? Math.max(there.distinct, entry.distinct)
    : Math.min(there.count, there.distinct + entry.distinct);
}

export function heaviest(entries: ReadonlyMap<string, Entry>, limit: number): Entry[] {
  return [...entries.values()]
    .sort((one, other) => other.count - one.count || (one.key < other.key ? -1 : 1))
    .slice(0, limit);
}

/** The bitmaps cannot tell more than so many apart. */
export const MOST_DISTINCT = Math.round(DISTINCT_BITS * Math.log(DISTINCT_BITS * 2));
