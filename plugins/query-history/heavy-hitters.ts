/**
 * Heavy hitters of one kind in fixed memory: a small table of exact counters in front of a Count-Min sketch.
 *
 *     key ──▶ its bucket of 8 slots ──found──▶ count it there, and nothing else
 *                    │ not found
 *                    ▼
 *             Count-Min, 4 rows ──estimate above the bucket's lightest──▶ it takes that slot; what the
 *                                                                         slot had counted goes to the sketch
 *
 * This is the augmented sketch (Roy, Khan, Alonso: "Augmented Sketch", SIGMOD 2016). Popular keys cost one bucket of a
 * cache line or two, the sketch sees only the rest, so its error is a share of the rest. Counts are never too low, and
 * too high by at most what collided in all four rows. Updates are plain additions, so sketches of several workers with
 * the same hash key merge by adding up.
 *
 * The keys' 64-bit hashes are keyed with a secret: nobody outside can choose names that collide.
 */
import {
  ATTRIBUTE_COUNT,
  DISTINCT_BITS,
  DISTINCT_WORDS,
  planTable,
  ROWS,
  type Shape,
  type TablePlan,
  WAYS,
} from './layout.ts';

export class HeavyHitters {
  readonly shape: Shape;
  /** Attributes of all slots, ATTRIBUTE_COUNT a slot; counted since the key got its slot. */
  readonly attributes: Int32Array;
  /** Bytes of the keys, `shape.keyBytes` a slot; `lengths` says how many of a slot's are used. */
  readonly keys: Uint8Array;
  readonly keyWords: Int32Array;
  readonly lengths: Int32Array;
  /** The last `add` gave a slot to a key that had none: the caller writes its bytes. */
  admitted = false;
  readonly #lows: Int32Array;
  readonly #highs: Int32Array;
  readonly #counts: Int32Array;
  /** What the sketch knew of the key when it got its slot. */
  readonly #before: Int32Array;
  /** Queries before it got its slot, of which no attributes are known. */
  readonly #unseen: Int32Array;
  readonly #distinct: Int32Array;
  readonly #rows: Int32Array;
  readonly #bucketMask: number;
  readonly #shift: number;
  /** End of this kind inside the half, in words. */
  readonly end: number;

  /** `at`: first word of this kind in `words`. */
  constructor(words: Int32Array, shape: Shape, at: number) {
    const plan: TablePlan = planTable(shape, at);
    this.shape = shape;
    this.end = plan.end;
    this.#lows = words.subarray(plan.lows, plan.highs);
    this.#highs = words.subarray(plan.highs, plan.counts);
    this.#counts = words.subarray(plan.counts, plan.before);
    this.#before = words.subarray(plan.before, plan.unseen);
    this.#unseen = words.subarray(plan.unseen, plan.lengths);
    this.lengths = words.subarray(plan.lengths, plan.attributes);
    this.attributes = words.subarray(plan.attributes, plan.distinct);
    this.#distinct = words.subarray(plan.distinct, plan.keys);
    this.keyWords = words.subarray(plan.keys, plan.rows);
    this.keys = new Uint8Array(words.buffer, words.byteOffset + plan.keys * 4, shape.slots * shape.keyBytes);
    this.#rows = words.subarray(plan.rows, plan.end);
    this.#bucketMask = shape.slots / WAYS - 1;
    this.#shift = 32 - Math.log2(shape.width);
  }

  /** Count the key `weight` times. Returns its slot, or -1 where it has none. */
  add(low: number, high: number, weight: number): number {
    const lows = this.#lows;
    const highs = this.#highs;
    const counts = this.#counts;
    const bucket = (high & this.#bucketMask) * WAYS;
    for (let slot = bucket; slot < bucket + WAYS; slot++) {
      if (lows[slot] === low && highs[slot] === high && counts[slot] !== 0) {
        counts[slot]! += weight;
        this.admitted = false;
        return slot;
      }
    }
    return this.#addToSketch(low, high, bucket, weight);
  }

  /** A different name was seen below the key in `slot`; `hash` stands for the name. */
  markDistinct(slot: number, hash: number): void {
    const bit = hash & (DISTINCT_BITS - 1);
    this.#distinct[slot * DISTINCT_WORDS + (bit >>> 5)]! |= 1 << (bit & 31);
  }

  /** Queries of the key, never too few. */
  estimate(low: number, high: number): number {
    const bucket = (high & this.#bucketMask) * WAYS;
    for (let slot = bucket; slot < bucket + WAYS; slot++) {
      if (this.#lows[slot] === low && this.#highs[slot] === high && this.#counts[slot] !== 0)
        return this.#counts[slot]!;
    }
    let least = 0x7fffffff;
    for (let row = 0; row < ROWS; row++) least = Math.min(least, this.#rows[this.#cell(row, low, high)]!);
    return least;
  }

  count(slot: number): number {
    return this.#counts[slot]!;
  }

  low(slot: number): number {
    return this.#lows[slot]!;
  }

  high(slot: number): number {
    return this.#highs[slot]!;
  }

  /** By how much the attributes of `slot` have to be multiplied to stand for all of its queries. */
  scale(slot: number): number {
    const count = this.#counts[slot]!;
    return count / Math.max(1, count - this.#unseen[slot]!);
  }

  /** About how many different names were marked below `slot`; `DISTINCT_BITS` × 7 or so is the most that it can tell. */
  distinct(slot: number): number {
    let zeros = DISTINCT_BITS;
    for (let i = 0; i < DISTINCT_WORDS; i++) zeros -= bitsSet(this.#distinct[slot * DISTINCT_WORDS + i]!);
    return Math.round(DISTINCT_BITS * Math.log(DISTINCT_BITS / Math.max(0.5, zeros)));
  }

  #addToSketch(low: number, high: number, bucket: number, weight: number): number {
    const rows = this.#rows;
    const counts = this.#counts;
    let estimate = 0x7fffffff;
    for (let row = 0; row < ROWS; row++) {
      const cell = this.#cell(row, low, high);
      const value = rows[cell]! + weight;
      rows[cell] = value;
      if (value < estimate) estimate = value;
    }
    let lightest = bucket;
    let least = counts[bucket]!;
    for (let slot = bucket + 1; slot < bucket + WAYS; slot++) {
      if (counts[slot]! < least) {
        lightest = slot;
        least = counts[slot]!;
      }
    }
    this.admitted = false;
    if (estimate <= least) return -1;
    if (least !== 0) this.#giveBack(lightest);
    this.#take(lightest, low, high, estimate, weight);
    return lightest;
  }

  #giveBack(slot: number): void {
    const counted = this.#counts[slot]! - this.#before[slot]!;
    if (counted === 0) return;
    const low = this.#lows[slot]!;
    const high = this.#highs[slot]!;
    for (let row = 0; row < ROWS; row++) this.#rows[this.#cell(row, low, high)]! += counted;
  }

  #take(slot: number, low: number, high: number, estimate: number, weight: number): void {
    this.#lows[slot] = low;
    this.#highs[slot] = high;
    this.#counts[slot] = estimate;
    this.#before[slot] = estimate;
    this.#unseen[slot] = estimate - weight;
    const attributes = this.attributes;
    const from = slot * ATTRIBUTE_COUNT;
    for (let i = from; i < from + ATTRIBUTE_COUNT; i++) attributes[i] = 0;
    if (this.shape.distinct) {
      const at = slot * DISTINCT_WORDS;
      for (let i = at; i < at + DISTINCT_WORDS; i++) this.#distinct[i] = 0;
    }
    this.admitted = true;
  }

  /** Four hash functions out of two (Kirsch, Mitzenmacher 2006). */
  #cell(row: number, low: number, high: number): number {
    return row * this.shape.width + ((low + Math.imul(row, high | 1)) >>> this.#shift);
  }
}

function bitsSet(word: number): number {
  word -= (word >>> 1) & 0x55555555;
  word = (word & 0x33333333) + ((word >>> 2) & 0x33333333);
  return Math.imul((word + (word >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24;
}

/** The tables of `kinds` in one half of `memory`. */
export function openHalf<K extends string>(
  memory: SharedArrayBuffer,
  half: 0 | 1,
  kinds: readonly K[],
  shapes: Readonly<Record<K, Shape>>,
): { readonly tables: readonly HeavyHitters[]; readonly words: Int32Array } {
  const words = new Int32Array(memory, (half * memory.byteLength) / 2, memory.byteLength / 8);
  const tables: HeavyHitters[] = [];
  for (const kind of kinds) tables.push(new HeavyHitters(words, shapes[kind], tables.at(-1)?.end ?? 0));
  return { tables, words };
}
