/**
 * Names that were seen to exist in the last days, in fixed memory: a Bloom filter in two generations, shared by all workers.
 *
 *     memory  |key, 2 words|begun, 2 words|generation in use| …pad |bits of generation 0|bits of generation 1|
 *
 * A name is asked for in both generations and put into the one in use; when that is old enough or half full, the older
 * one is wiped and takes its place. The hash has a key of its own that is kept with the bits, so that the memory means the
 * same after a restart. What is wrongly taken for known (about one name in a hundred when a generation is full) passes
 * where it would have been limited.
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

export class KnownNames {
  readonly memory: SharedArrayBuffer;
  readonly #words: Int32Array;
  /** Bits of one generation, less one. */
  readonly #mask: number;

  /** `memory`: what `createKnownMemory` made, or what was saved of it. */
  constructor(memory: SharedArrayBuffer) {
    this.memory = memory;
    this.#words = new Int32Array(memory);
    this.#mask = ((this.#words.length - HEADER_WORDS) / 2) * 32 - 1;
  }

  has(question: Question): boolean {
    this.#hash(question);
    return this.#all(0) || this.#all(1);
  }

  /** Put the name in. Returns false where the generation in use has it already. */
  add(question: Question): boolean {
    this.#hash(question);
    const current = this.#words[CURRENT]! & 1;
    if (this.#all(current)) return false;
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
    // Half of the bits are set after so many names: bits × ln 2 / PROBES.
    const full = this.#words[ENTERED]! > ((this.#mask + 1) * Math.LN2) / PROBES;
    if (age < keepSeconds / 2 && !full) return false;
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
