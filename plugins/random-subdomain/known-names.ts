/**
 * Names that were seen to exist in the last days, and the zones they lie in, in fixed memory: a Bloom filter in two
 * generations, shared by all workers.
 *
 *     memory  |key, 2 words|begun, 2 words|generation in use| …pad |bits of generation 0|bits of generation 1|
 *
 * A name is asked for in both generations and put into the one in use; when that is old enough, and never before, the
 * older one is wiped and takes its place. Half of a generation is for names that the older one holds already: whoever
 * fills the filter with names of his own keeps new ones out, and drives none out. The hash has a key of its own that is
 * kept with the bits, so that the memory means the same after a restart. What is wrongly taken for known (about one name
 * in a hundred when a generation is full) passes where it would have been limited.
 */
import { halfSipHash, hashHigh, hashLow, type Question } from '../../src/contract/plugin.ts';

const HEADER_WORDS = 16;
const KEY = 0;
/** When the generation in use was begun: wall-clock seconds. */
const BEGUN = 2;
const CURRENT = 3;
/** Names put into the generation in use. */
const ENTERED = 4;
/** Bits set and asked for per name; with half of all bits set, one strange name in 2^6 is taken for known. */
const PROBES = 6;
/** Share of a generation for names that the older one does not hold. */
const NEW_SHARE = 0.5;
/** Behind the last byte of a zone in what is hashed, so that it is never taken for the name of the same bytes. */
const ZONE = 0x5a;

/** The generation in use holds the name … */
export const YOUNG = 0;
/** … or the older one alone: it stays known by `add`, whoever filled the newer one … */
export const AGEING = 1;
/** … or neither. */
export const STRANGE = 2;

export class KnownNames {
  readonly memory: SharedArrayBuffer;
  readonly #words: Int32Array;
  /** Bits of one generation, less one. */
  readonly #mask: number;
  /** Names that set half of the bits of a generation: bits × ln 2 / PROBES. */
  readonly #capacity: number;
  readonly #scratch = new Uint8Array(260);
  readonly #scratchWords = new Int32Array(this.#scratch.buffer);

  /** `memory`: what `createKnownMemory` made, or what was saved of it. */
  constructor(memory: SharedArrayBuffer) {
    this.memory = memory;
    this.#words = new Int32Array(memory);
    this.#mask = ((this.#words.length - HEADER_WORDS) / 2) * 32 - 1;
    this.#capacity = ((this.#mask + 1) * Math.LN2) / PROBES;
  }

  has(question: Question): boolean {
    this.#hash(question);
    return this.#all(0) || this.#all(1);
  }

  /** Is the zone of so many of the name's labels known? */
  hasZone(question: Question, labels: number): boolean {
    this.#hashZone(question, labels);
    return this.#all(0) || this.#all(1);
  }

  /** Put the name in. Returns false where the generation in use has it already, or has no room for it. */
  add(question: Question): boolean {
    this.#hash(question);
    return this.#enter();
  }

  /** The same for a zone. */
  addZone(question: Question, labels: number): boolean {
    this.#hashZone(question, labels);
    return this.#enter();
  }

  /** YOUNG, AGEING or STRANGE. */
  ageOf(question: Question): number {
    this.#hash(question);
    const current = this.#words[CURRENT]! & 1;
    if (this.#all(current)) return YOUNG;
    return this.#all(1 - current) ? AGEING : STRANGE;
  }

  /** Share of what new names may take of the generation in use that they have taken, 0–1. */
  get taken(): number {
    return Math.min(1, this.#words[ENTERED]! / (this.#capacity * NEW_SHARE));
  }

  #enter(): boolean {
    const current = this.#words[CURRENT]! & 1;
    if (this.#all(current)) return false;
    const room = this.#all(1 - current) ? this.#capacity : this.#capacity * NEW_SHARE;
    if (this.#words[ENTERED]! >= room) return false;
    let bit = hashLow;
    for (let i = 0; i < PROBES; i++) {
      const place = (bit >>> 0) & this.#mask;
      // Workers set bits of the same word.
      Atomics.or(this.#words, this.#wordOf(current, place), 1 << (place & 31));
      bit = (bit + (hashHigh | 1)) | 0;
    }
    Atomics.add(this.#words, ENTERED, 1);
    return true;
  }

  /** Wipe the older generation and put it in use where it is time: main thread, now and then. Returns true when it was. */
  rotate(nowSeconds: number, keepSeconds: number): boolean {
    const age = (nowSeconds | 0) - this.#words[BEGUN]!;
    if (age < keepSeconds / 2) return false;
    const next = 1 - (this.#words[CURRENT]! & 1);
    const size = (this.#words.length - HEADER_WORDS) / 2;
    this.#words.fill(0, HEADER_WORDS + next * size, HEADER_WORDS + (next + 1) * size);
    this.#words[ENTERED] = 0;
    this.#words[BEGUN] = nowSeconds | 0;
    Atomics.store(this.#words, CURRENT, next);
    return true;
  }

  /** Names put into the generation in use. */
  get entered(): number {
    return this.#words[ENTERED]!;
  }

  #all(generation: number): boolean {
    let bit = hashLow;
    for (let i = 0; i < PROBES; i++) {
      const place = (bit >>> 0) & this.#mask;
      if ((this.#words[this.#wordOf(generation, place)]! & (1 << (place & 31))) === 0) return false;
      bit = (bit + (hashHigh | 1)) | 0;
    }
    return true;
  }

  #wordOf(generation: number, place: number): number {
    return HEADER_WORDS + generation * ((this.#mask + 1) >>> 5) + (place >>> 5);
  }

  #hashZone({ name, nameLength, labelStarts, labelCount }: Question, labels: number): void {
    const from = labels >= labelCount ? 0 : labelStarts[labelCount - labels]!;
    const length = nameLength - from;
    for (let i = 0; i < length; i++) this.#scratch[i] = name[from + i]!;
    this.#scratch[length] = ZONE;
    halfSipHash(this.#scratchWords, length + 1, this.#words[KEY]!, this.#words[KEY + 1]!);
  }

  #hash(question: Question): void {
    halfSipHash(question.nameWords, question.nameLength, this.#words[KEY]!, this.#words[KEY + 1]!);
  }
}

/** Bytes that memory for `bytes` bytes of filter takes: a power of two for each generation, and the header. */
export function knownMemoryBytes(bytes: number): number {
  return 2 * 2 ** Math.floor(Math.log2(bytes / 2)) + HEADER_WORDS * 4;
}

/** Empty memory. `random32`: a CSPRNG. */
export function createKnownMemory(bytes: number, nowSeconds: number, random32: () => number): SharedArrayBuffer {
  const memory = new SharedArrayBuffer(knownMemoryBytes(bytes));
  const words = new Int32Array(memory);
  words[KEY] = random32();
  words[KEY + 1] = random32();
  words[BEGUN] = nowSeconds | 0;
  return memory;
}

/** Counters of a zone's names in a generation, two rows. */
const SHARE_PLACES = 8192;

/** How many names each zone has put in: none may take more than its share of what new ones may. */
export class ZoneShares {
  readonly #counts: Int32Array;
  readonly #most: number;

  constructor(memory: SharedArrayBuffer, filterBytes: number) {
    this.#counts = new Int32Array(memory);
    const bits = (knownMemoryBytes(filterBytes) - HEADER_WORDS * 4) * 4;
    this.#most = Math.ceil(((bits * Math.LN2) / PROBES) * NEW_SHARE * ZONE_SHARE);
  }

  /** One more name of the zone of this hash. False where it has its share. */
  take(low: number, high: number): boolean {
    const one = low & (SHARE_PLACES - 1);
    const other = SHARE_PLACES + (high & (SHARE_PLACES - 1));
    if (Math.min(this.#counts[one]!, this.#counts[other]!) >= this.#most) return false;
    Atomics.add(this.#counts, one, 1);
    Atomics.add(this.#counts, other, 1);
    return true;
  }

  /** A new generation has begun. */
  clear(): void {
    this.#counts.fill(0);
  }
}

/** One zone's share of what new names may take. */
const ZONE_SHARE = 1 / 16;

export function createShareMemory(): SharedArrayBuffer {
  return new SharedArrayBuffer(2 * SHARE_PLACES * 4);
}
