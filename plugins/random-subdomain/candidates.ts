/**
 * Names that were answered and may become known: who asks a name alone proves nothing, so it has to be asked from several
 * networks, over some time. One table of fixed size for all workers; a name has one place, and gives it up to the next one
 * once its time has run.
 *
 *     place of the name's hash ─▶ tag[place] | first[place], seconds | networks[place], two hashes of 16 bits
 *
 * Written without locks: what is lost between two workers costs a name one more question.
 */
import type { Question } from '../../src/contract/plugin.ts';

const PLACES = 32_768;
const MASK = PLACES - 1;
/** A candidate is safe from others for so long. */
const SAFE_SECONDS = 3;

export function createCandidateMemory(): SharedArrayBuffer {
  return new SharedArrayBuffer(3 * PLACES * 4);
}

export interface Evidence {
  /** Networks that must have asked. */
  readonly networks: number;
  /** Seconds from the first of these questions to the last, at least. */
  readonly overSeconds: number;
}

export class Candidates {
  readonly #tags: Int32Array;
  readonly #first: Int32Array;
  readonly #networks: Int32Array;
  readonly #evidence: Evidence;

  constructor(memory: SharedArrayBuffer, evidence: Evidence) {
    this.#tags = new Int32Array(memory, 0, PLACES);
    this.#first = new Int32Array(memory, PLACES * 4, PLACES);
    this.#networks = new Int32Array(memory, 2 * PLACES * 4, PLACES);
    this.#evidence = evidence;
  }

  /** Is the name one? A single look, for every answer from the cache. */
  has(question: Question): boolean {
    return this.#tags[question.hashLow & MASK] === tagOf(question.hashHigh);
  }

  /**
   * The name of this hash was asked by `network` and exists. Returns true when there is enough evidence for it; it stays a
   * candidate until `remove`. `more`: networks beyond the least.
   */
  note(hashLow: number, hashHigh: number, network: number, nowSeconds: number, more = 0): boolean {
    const place = hashLow & MASK;
    const tag = tagOf(hashHigh);
    const one = 1 + (network & 0x7fff);
    const { networks, overSeconds } = this.#evidence;
    if (this.#tags[place] !== tag) {
      if (this.#tags[place] !== 0 && nowSeconds - this.#first[place]! < SAFE_SECONDS) return false;
      this.#tags[place] = tag;
      this.#first[place] = nowSeconds | 0;
      this.#networks[place] = one;
      return networks + more <= 1 && overSeconds === 0;
    }
    const seen = this.#networks[place]!;
    const first = seen & 0xffff;
    const second = seen >>> 16;
    if (second === 0 && first !== one) this.#networks[place] = first | (one << 16);
    const distinct = first === one ? (second === 0 ? 1 : 2) : second === 0 || second === one ? 2 : 3;
    return distinct >= Math.min(3, networks + more) && nowSeconds - this.#first[place]! >= overSeconds;
  }

  /** It has become known. */
  remove(hashLow: number, hashHigh: number): void {
    const place = hashLow & MASK;
    if (this.#tags[place] === tagOf(hashHigh)) this.#tags[place] = 0;
  }
}

/** 0 marks a free place. */
function tagOf(hashHigh: number): number {
  return hashHigh === 0 ? 1 : hashHigh;
}
