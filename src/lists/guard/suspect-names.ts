/**
 * Which names the guard has to look at more closely: popular ones, their parents, public suffixes. All others, which is
 * nearly all of a million, are done with after two or three bits, by the hash that they have anyway.
 *
 *   hash of the name   ─▶ both its bits set?  may be popular, or a suffix by a rule of its own
 *   hash of its parent ─▶ its bit set?        may be a suffix by a wildcard rule (`*.ck`)
 *
 * It says yes to some that are neither (about one in a thousand) and no to none that is.
 */
import { SuffixHash, type SuffixKey } from '../index/suffix-hash.ts';
import type { PopularNames } from './popular-names.ts';
import type { PublicSuffixRules } from './public-suffix-rules.ts';

/** Bits for each name held. */
const BITS_PER_NAME = 64;
/** 4 MiB: with more popular names than half a million it says yes more often. */
const MAX_BITS = 1 << 25;
/** There are about 150: with so much room, one parent in a thousand looks like one. */
const WILDCARD_RULES = 4000;

export class SuspectNames {
  readonly #names: BitTable;
  readonly #parents: BitTable;
  readonly #all: boolean;

  /** `rules` undefined: every name is suspect. */
  constructor(key: SuffixKey, popular: PopularNames, rules: PublicSuffixRules | undefined) {
    this.#all = rules === undefined;
    const names = new BitTable(key, popular.takers + (rules?.size ?? 0));
    const parents = new BitTable(key, rules ? WILDCARD_RULES : 0);
    this.#names = names;
    this.#parents = parents;
    for (const name of popular.takerNames()) names.addTwice(name, 0);
    rules?.visit({
      suffix: (bytes, at) => names.addTwice(bytes, at),
      wildcardParent: (bytes, at) => parents.add(bytes, at),
    });
  }

  /** `hash` holds the name's, under the key, and its parent's. `labels`: how many it has. */
  has(hash: SuffixHash, labels: number): boolean {
    // Top-level names are suffixes, whether they exist or not.
    return (
      labels === 1 ||
      this.#all ||
      (this.#names.has(hash.low) && this.#names.has(hash.middle)) ||
      this.#parents.has(hash.parentLow)
    );
  }
}

class BitTable {
  readonly #words: Int32Array;
  readonly #shift: number;
  readonly #hash: SuffixHash;

  constructor(key: SuffixKey, names: number) {
    const wanted = Math.min(MAX_BITS, Math.max(1024, names * BITS_PER_NAME));
    const bits = Math.ceil(Math.log2(wanted));
    this.#shift = 32 - bits;
    this.#words = new Int32Array(2 ** bits / 32);
    this.#hash = new SuffixHash(key);
  }

  /** The name at `at` of `bytes`. */
  add(bytes: Uint8Array, at: number): void {
    this.#hash.hashName(bytes, at);
    this.#set(this.#hash.low);
  }

  /** The same under two words of its hash. */
  addTwice(bytes: Uint8Array, at: number): void {
    this.#hash.hashName(bytes, at);
    this.#set(this.#hash.low);
    this.#set(this.#hash.middle);
  }

  has(word: number): boolean {
    const bit = word >>> this.#shift;
    return (this.#words[bit >>> 5]! & (1 << bit)) !== 0;
  }

  #set(word: number): void {
    const bit = word >>> this.#shift;
    this.#words[bit >>> 5]! |= 1 << bit;
  }
}
