/**
 * The memory of one worker's recorder: what is in it, and, as important, what cannot be.
 *
 *     control   which half is written now, whether a query is being recorded
 *     totals    numbers that only grow, about queries as such
 *     names     ┌ half 0 ┐ ┌ half 1 ┐   names, registered domains, label patterns
 *     sources   ┌ half 0 ┐ ┌ half 1 ┐   source networks, source addresses
 *
 * `names` and `sources` are two buffers that know nothing of each other. A key of the one is made from the question
 * alone, a key of the other from the client's address alone; neither has a field that could point into the other. So
 * "who looked up what" is not filtered out later: there is no place where it could stand (guideline (ス): 必要最小限).
 * marginals.test.ts shows it: change the clients of a stream, and not one byte of `names` changes.
 */

/** What heavy hitters are kept of. */
export const NAME_KINDS = ['name', 'domain', 'pattern'] as const;
export const SOURCE_KINDS = ['network', 'address'] as const;
export const KINDS = [...NAME_KINDS, ...SOURCE_KINDS] as const;
export type Kind = (typeof KINDS)[number];

/** Query types told apart per heavy hitter; everything else is OTHER. */
export const TYPE_CLASSES = ['A', 'AAAA', 'HTTPS', 'PTR', 'TXT', 'ANY', 'DNSKEY', 'OTHER'] as const;
/** What is counted beside a heavy hitter's queries, the eight type classes first. */
export const ATTRIBUTES = [
  ...TYPE_CLASSES,
  'misses',
  'servfail',
  'nxdomain',
  /** Answer bytes in units of 64, rounded up, so that a slice's sum fits 32 bits. */
  'blocks',
  /** Took a second or more. */
  'slow',
  /** Answers of more than 900 bytes, or cut short because they were. */
  'large',
  /** Dropped or refused. */
  'denied',
  /** First label looks random. */
  'random',
  /** Queries that were really looked at, not multiplied (sampling.ts). */
  'samples',
] as const;
export type Attribute = (typeof ATTRIBUTES)[number];
export const ATTRIBUTE_COUNT = ATTRIBUTES.length;
export const MISSES = 8;
export const SERVFAIL = 9;
export const NXDOMAIN = 10;
export const BLOCKS = 11;
export const SLOW = 12;
export const LARGE = 13;
export const DENIED = 14;
export const RANDOM = 15;
export const SAMPLES = 16;

/**
 * Words of the bitmap that estimates how many different names lie below a domain or pattern, or how many lines of a network asked
 * (linear counting).
 */
export const DISTINCT_WORDS = 16;
export const DISTINCT_BITS = DISTINCT_WORDS * 32;

/** Slots of a bucket: a key has one bucket, and looks at its eight slots only. */
export const WAYS = 8;
export const ROWS = 4;

/** Sizes of one kind's table and sketch; powers of two. */
export interface Shape {
  readonly slots: number;
  /** Counters in each of the four rows of the Count-Min sketch. */
  readonly width: number;
  /** Bytes kept of the key as text; a multiple of 4. */
  readonly keyBytes: number;
  readonly distinct: boolean;
}

export const SHAPES: Readonly<Record<Kind, Shape>> = {
  name: { slots: 2048, width: 65_536, keyBytes: 256, distinct: false },
  domain: { slots: 1024, width: 8_192, keyBytes: 256, distinct: true },
  pattern: { slots: 1024, width: 8_192, keyBytes: 256, distinct: true },
  network: { slots: 1024, width: 8_192, keyBytes: 16, distinct: true },
  address: { slots: 1024, width: 16_384, keyBytes: 16, distinct: false },
};

/** Where each array of one kind begins inside a half, in 32-bit words. */
export interface TablePlan {
  readonly lows: number;
  readonly highs: number;
  readonly counts: number;
  readonly before: number;
  readonly unseen: number;
  readonly lengths: number;
  readonly attributes: number;
  readonly distinct: number;
  readonly keys: number;
  readonly rows: number;
  readonly end: number;
}

export function planTable(shape: Shape, at: number): TablePlan {
  const { slots, width, keyBytes, distinct } = shape;
  const lows = at;
  const highs = lows + slots;
  const counts = highs + slots;
  const before = counts + slots;
  const unseen = before + slots;
  const lengths = unseen + slots;
  const attributes = lengths + slots;
  const distinctAt = attributes + slots * ATTRIBUTE_COUNT;
  const keys = distinctAt + (distinct ? slots * DISTINCT_WORDS : 0);
  const rows = keys + (slots * keyBytes) / 4;
  return {
    lows,
    highs,
    counts,
    before,
    unseen,
    lengths,
    attributes,
    distinct: distinctAt,
    keys,
    rows,
    end: rows + ROWS * width,
  };
}

/** Words of one half that holds `kinds`. */
export function halfWords(kinds: readonly Kind[]): number {
  return kinds.reduce((at, kind) => planTable(SHAPES[kind], at).end, 0);
}

/** `control`: the half that is written now (0 or 1), and 1 while a query is being recorded. */
export const ACTIVE = 0;
export const BUSY = 1;

/** Can be handed to a worker as it is. */
export interface RecorderMemory {
  readonly control: SharedArrayBuffer;
  readonly totals: SharedArrayBuffer;
  readonly names: SharedArrayBuffer;
  readonly sources: SharedArrayBuffer;
}

/** Numbers in `totals` (totals.ts). */
export const TOTALS_CELLS = 768;

export function createRecorderMemory(): RecorderMemory {
  return {
    control: new SharedArrayBuffer(64),
    totals: new SharedArrayBuffer(TOTALS_CELLS * 8),
    names: new SharedArrayBuffer(2 * 4 * halfWords(NAME_KINDS)),
    sources: new SharedArrayBuffer(2 * 4 * halfWords(SOURCE_KINDS)),
  };
}

export function memoryBytes(memory: RecorderMemory): number {
  return Object.values(memory).reduce((sum, { byteLength }) => sum + byteLength, 0);
}
