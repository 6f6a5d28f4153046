/**
 * From records to the index's memory (memory.ts).
 *
 *   records  |hash|hash|hash|set| …      by the first bits of the hash, last first, then as added; words as in the slots
 *   merged   |b0: r r r · ·|b1: r r|…    each in its bucket's range, equal names once; the gaps are what merging saved
 *   slots    |r r r|r r|…                without gaps; buckets are numbered in the order of the hash, so that this second
 *                                        pass runs through memory in one direction
 */
import { letGo } from './let-go.ts';
import { bucketsFor, bytesFor, filterBits, type PolicyIndexSize, PolicyIndexView, SLOT_WORDS } from './memory.ts';
import type { RuleSets } from './rule-sets.ts';

export interface Merged {
  /** Different names. */
  readonly names: number;
  readonly records: Int32Array<ArrayBuffer>;
  /** Bucket `b` holds the records `starts[b]` to `ends[b]`. */
  readonly starts: Int32Array;
  readonly ends: Int32Array;
}

/**
 * Bring records of equal hash together; `onRepeat(set, conflict)` hears of each that changed nothing, or
 * of which a part was left out. The memory of `chunks` is let go on the way, so that it can be had for what follows.
 */
export function mergeRecords(
  chunks: Int32Array<ArrayBuffer>[],
  count: number,
  rules: RuleSets,
  onRepeat: (set: number, conflict: boolean) => void,
): Merged {
  const buckets = bucketsFor(count);
  const scale = buckets * 2 ** -32;
  const starts = new Int32Array(buckets + 1);
  for (const chunk of chunks) {
    for (let at = 0; at < chunk.length; at += SLOT_WORDS) starts[((chunk[at]! >>> 0) * scale) | 0]!++;
  }
  startsFromCounts(starts);

  const ends = starts.slice(0, buckets);
  const records = new Int32Array(count * SLOT_WORDS);
  let names = 0;
  for (const chunk of chunks) {
    for (let at = 0; at < chunk.length; at += SLOT_WORDS) {
      const low = chunk[at]!;
      const middle = chunk[at + 1]!;
      const high = chunk[at + 2]!;
      const set = chunk[at + 3]!;
      const bucket = ((low >>> 0) * scale) | 0;
      const free = ends[bucket]! * SLOT_WORDS;
      let to = starts[bucket]! * SLOT_WORDS;
      while (to < free && (records[to] !== low || records[to + 1] !== middle || records[to + 2] !== high)) {
        to += SLOT_WORDS;
      }
      if (to < free) {
        const held = records[to + 3]!;
        const union = rules.union(held, set);
        if (union === held || rules.conflict) onRepeat(set, rules.conflict);
        records[to + 3] = union;
        continue;
      }
      records[to] = low;
      records[to + 1] = middle;
      records[to + 2] = high;
      records[to + 3] = set;
      ends[bucket]!++;
      names++;
    }
    letGo(chunk);
  }
  return { names, records, starts, ends };
}

/** Write the index into a buffer got from `allocate`, and let the records go. `setUses`: names that use each set, by its number in `rules`. */
export function layOut(
  { names, records, starts: froms, ends }: Merged,
  rules: RuleSets,
  allocate: (bytes: number) => SharedArrayBuffer,
) {
  const scale = bucketsFor(names) * 2 ** -32;
  const next = new Int32Array(bucketsFor(names) + 1);
  const setUses = new Int32Array(rules.sets.used);
  // From the end, as in builder.ts.
  for (let bucket = ends.length - 1; bucket >= 0; bucket--) {
    const end = ends[bucket]! * SLOT_WORDS;
    for (let at = froms[bucket]! * SLOT_WORDS; at < end; at += SLOT_WORDS) {
      next[((records[at]! >>> 0) * scale) | 0]!++;
      setUses[records[at + 3]!]!++;
    }
  }
  startsFromCounts(next);

  const { sets, placeOf } = placeSets(rules, setUses);
  const size: PolicyIndexSize = { names, setWords: sets.length, dataWords: rules.data.used };
  const bytes = bytesFor(size);
  const buffer = allocate(bytes);
  const view = new PolicyIndexView(size, buffer);
  view.starts.set(next);
  view.sets.set(sets);
  view.data.set(rules.data.arena.subarray(0, rules.data.used));

  const { slots, filter, filterScale } = view;
  filter.fill(0);
  for (let bucket = ends.length - 1; bucket >= 0; bucket--) {
    const end = ends[bucket]! * SLOT_WORDS;
    for (let at = froms[bucket]! * SLOT_WORDS; at < end; at += SLOT_WORDS) {
      const low = records[at]!;
      const middle = records[at + 1]!;
      const high = records[at + 2]!;
      const to = next[((low >>> 0) * scale) | 0]!++ * SLOT_WORDS;
      slots[to] = low;
      slots[to + 1] = middle;
      slots[to + 2] = high;
      slots[to + 3] = placeOf[records[at + 3]!]!;
      filter[((middle >>> 0) * filterScale) | 0]! |= filterBits(high);
    }
  }
  letGo(records);
  return { size, bytes, buffer, view, setUses };
}

/** The sets that are in use, one after the other, and where each begins. */
function placeSets({ sets: { arena, used } }: RuleSets, uses: Int32Array) {
  let words = 0;
  for (let at = 0; at < used; at += arena[at]! + 1) if (uses[at]! > 0) words += arena[at]! + 1;
  const sets = new Int32Array(words);
  const placeOf = new Int32Array(used);
  let to = 0;
  for (let at = 0; at < used; at += arena[at]! + 1) {
    if (uses[at] === 0) continue;
    const count = arena[at]!;
    placeOf[at] = to;
    sets.set(arena.subarray(at, at + count + 1), to);
    // Of the words behind it, two are masks and each rule takes two.
    sets[to] = (count - 2) >> 1;
    to += count + 1;
  }
  return { sets, placeOf };
}

/** Turn the count at each place into the sum of the counts before it; the last place gets the sum of all. */
function startsFromCounts(counts: Int32Array): void {
  let sum = 0;
  for (let i = 0; i < counts.length; i++) {
    const count = counts[i]!;
    counts[i] = sum;
    sum += count;
  }
}
