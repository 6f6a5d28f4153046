/**
 * The main thread's side of the recorders: takes the difference of the totals each second, turns the halves each epoch,
 * and merges what the workers had in the half that rests. No worker waits for it.
 */
import { type HeavyHitters, openHalf } from './heavy-hitters.ts';
import {
  ACTIVE,
  ATTRIBUTE_COUNT,
  BUSY,
  type Kind,
  NAME_KINDS,
  type RecorderMemory,
  SHAPES,
  SOURCE_KINDS,
} from './layout.ts';
import { shownAddress, shownName, shownNetwork } from './shown-name.ts';
import { byKind, type Entry, heaviest, type Slice } from './slice.ts';
import { NO_TOTALS, type Totals, totalsBetween } from './totals.ts';

/** Entries a kind that a slice keeps. */
export const SLICE_ENTRIES = 512;
/** Looks at BUSY before a worker counts as dead in the middle of a query (each look is some nanoseconds, a query 250). */
const MAX_LOOKS = 100_000;

interface WorkerView {
  readonly control: Int32Array;
  readonly totals: Float64Array;
  readonly names: readonly { tables: readonly HeavyHitters[]; words: Int32Array }[];
  readonly sources: readonly { tables: readonly HeavyHitters[]; words: Int32Array }[];
}

export class Collector {
  readonly #workers: readonly WorkerView[];
  readonly #before: Float64Array[];
  readonly #prefixes: readonly [number, number];

  constructor(memories: readonly RecorderMemory[], ipv4Prefix: number, ipv6Prefix: number) {
    this.#prefixes = [ipv4Prefix, ipv6Prefix];
    this.#workers = memories.map((memory) => ({
      control: new Int32Array(memory.control),
      totals: new Float64Array(memory.totals),
      names: ([0, 1] as const).map((half) => openHalf(memory.names, half, NAME_KINDS, SHAPES)),
      sources: ([0, 1] as const).map((half) => openHalf(memory.sources, half, SOURCE_KINDS, SHAPES)),
    }));
    this.#before = this.#workers.map(({ totals }) => totals.slice());
  }

  /** Totals since the last call, all workers together. */
  takeTotals(): Totals {
    let before = new Float64Array(this.#before[0]?.length ?? 0);
    let after = new Float64Array(before.length);
    this.#workers.forEach(({ totals }, i) => {
      const now = totals.slice();
      before = before.map((value, cell) => value + (this.#before[i]?.[cell] ?? 0));
      after = after.map((value, cell) => value + (now[cell] ?? 0));
      this.#before[i] = now;
    });
    return this.#workers.length === 0 ? NO_TOTALS : totalsBetween(before, after);
  }

  /** Turn the halves, read what rests, clear it. The totals are not this method's business: `totals` of the slice is empty. */
  takeTops(startMs: number, seconds: number): Slice {
    const resting = this.#workers.map((worker) => {
      const half = Atomics.load(worker.control, ACTIVE) & 1;
      Atomics.store(worker.control, ACTIVE, half ^ 1);
      return half;
    });
    for (const { control } of this.#workers)
      for (let looks = 0; looks < MAX_LOOKS && Atomics.load(control, BUSY) !== 0; looks++);
    const floors = byKind(() => 0);
    const merge = (kind: Kind, at: number, side: 'names' | 'sources'): Entry[] => {
      const tables = this.#workers.map((worker, i) => worker[side][resting[i]!]!.tables[at]!);
      const { entries, floor } = mergeTables(tables, (table, slot) => this.#key(kind, table, slot));
      const sorted = heaviest(entries, SLICE_ENTRIES);
      floors[kind] = entries.size > SLICE_ENTRIES ? Math.max(floor, sorted.at(-1)?.count ?? 0) : floor;
      return sorted;
    };
    const tops = byKind<readonly Entry[]>(() => []);
    for (const [at, kind] of NAME_KINDS.entries()) tops[kind] = merge(kind, at, 'names');
    for (const [at, kind] of SOURCE_KINDS.entries()) tops[kind] = merge(kind, at, 'sources');
    this.#workers.forEach((worker, i) => {
      worker.names[resting[i]!]!.words.fill(0);
      worker.sources[resting[i]!]!.words.fill(0);
    });
    return { startMs, seconds, totals: NO_TOTALS, tops, floors };
  }

  #key(kind: Kind, table: HeavyHitters, slot: number): string {
    if (kind === 'network' || kind === 'address') {
      const words = table.keyWords.slice(slot * 4, slot * 4 + 4);
      return kind === 'address' ? shownAddress(words) : shownNetwork(words, ...this.#prefixes);
    }
    // A copy, closed by a root label whatever the other thread wrote: a name never runs on into the next slot.
    const from = slot * table.shape.keyBytes;
    const bytes = new Uint8Array(table.shape.keyBytes + 1);
    bytes.set(table.keys.subarray(from, from + Math.min(table.lengths[slot]!, table.shape.keyBytes)));
    const name = shownName(bytes, 0);
    return kind === 'pattern' ? `*.${name}` : name;
  }
}

/**
 * The same table of all workers as one: a key's count is the sum of what each of them knows of it, also where it is only in
 * the sketch of some.
 */
export function mergeTables(
  tables: readonly HeavyHitters[],
  keyOf: (table: HeavyHitters, slot: number) => string,
): { entries: Map<string, Entry>; floor: number } {
  const entries = new Map<string, Entry>();
  const seen = new Map<string, { low: number; high: number; workers: Set<number> }>();
  let floor = 0;
  tables.forEach((table, worker) => {
    const slots = heaviestSlots(table);
    floor += Math.max(lightestFullBucket(table), slots.length === SLICE_ENTRIES ? table.count(slots.at(-1)!) : 0);
    for (const slot of slots) {
      const count = table.count(slot);
      const key = keyOf(table, slot);
      const scale = table.scale(slot);
      const attributes = Array.from(
        table.attributes.subarray(slot * ATTRIBUTE_COUNT, (slot + 1) * ATTRIBUTE_COUNT),
        (value) => Math.round(value * scale),
      );
      const distinct = table.shape.distinct ? Math.min(count, table.distinct(slot)) : 0;
      const there = entries.get(key);
      if (there) {
        there.count += count;
        attributes.forEach((value, i) => {
          there.attributes[i]! += value;
        });
        there.distinct = Math.max(there.distinct, distinct);
      } else entries.set(key, { key, count, attributes, distinct });
      const known = seen.get(key) ?? { low: table.low(slot), high: table.high(slot), workers: new Set() };
      known.workers.add(worker);
      seen.set(key, known);
    }
  });
  if (tables.length > 1)
    for (const [key, { low, high, workers }] of seen)
      tables.forEach((table, worker) => {
        if (!workers.has(worker)) entries.get(key)!.count += table.estimate(low, high);
      });
  return { entries, floor };
}

/** The slots worth turning into text: as many as a slice keeps. */
function heaviestSlots(table: HeavyHitters): number[] {
  return Array.from({ length: table.shape.slots }, (_, slot) => slot)
    .filter((slot) => table.count(slot) > 0)
    .sort((one, other) => table.count(other) - table.count(one))
    .slice(0, SLICE_ENTRIES);
}

/** A key that found no slot had at most as many queries as the lightest in its bucket; here, in the worst bucket. */
function lightestFullBucket(table: HeavyHitters): number {
  let worst = 0;
  for (let bucket = 0; bucket < table.shape.slots; bucket += 8) {
    let least = Number.POSITIVE_INFINITY;
    for (let slot = bucket; slot < bucket + 8; slot++) least = Math.min(least, table.count(slot));
    worst = Math.max(worst, least);
  }
  return worst;
}
