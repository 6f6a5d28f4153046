/**
 * A fixed set of networks, asked for each packet whether it holds an address.
 *
 * The networks become disjoint ranges, sorted, and a look-up is one binary search: 4 comparisons for ten networks, 10 for
 * a thousand. IPv4 and IPv6 are kept apart, so ::/0 does not let IPv4 in (net/address.ts says why).
 */
import { isMapped, type Prefix } from './address.ts';

/** Flips the sign bit: signed comparison then orders as unsigned does. */
const UNSIGNED = -0x80000000;

export class PrefixSet {
  /** First and last IPv4 address of each range, as order-preserving signed integers. */
  readonly #from4: Int32Array;
  readonly #to4: Int32Array;
  /** Four words for each bound of an IPv6 range. */
  readonly #from6: Int32Array;
  readonly #to6: Int32Array;

  constructor(prefixes: readonly Prefix[]) {
    const v4 = prefixes.filter((prefix) => prefix.bits >= 96 && isMapped(prefix.words));
    const v6 = prefixes.filter((prefix) => !(prefix.bits >= 96 && isMapped(prefix.words)));
    const ranges4 = merged(v4.map(rangeOf));
    this.#from4 = Int32Array.from(ranges4, (range) => range.from[3]! ^ UNSIGNED);
    this.#to4 = Int32Array.from(ranges4, (range) => range.to[3]! ^ UNSIGNED);
    const ranges6 = merged(v6.map(rangeOf));
    this.#from6 = Int32Array.from(ranges6.flatMap((range) => [...range.from].map((word) => word ^ UNSIGNED)));
    this.#to6 = Int32Array.from(ranges6.flatMap((range) => [...range.to].map((word) => word ^ UNSIGNED)));
  }

  /** True when one of the networks holds the address (four big-endian words). */
  has(words: Int32Array): boolean {
    return words[0] === 0 && words[1] === 0 && words[2] === 0xffff
      ? this.#has4(words[3]! ^ UNSIGNED)
      : this.#has6(words);
  }

  #has4(address: number): boolean {
    const from = this.#from4;
    let low = 0;
    let high = from.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (from[middle]! <= address) low = middle + 1;
      else high = middle;
    }
    return low > 0 && address <= this.#to4[low - 1]!;
  }

  #has6(words: Int32Array): boolean {
    let low = 0;
    let high = this.#from6.length >>> 2;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (notAbove(this.#from6, middle << 2, words)) low = middle + 1;
      else high = middle;
    }
    return low > 0 && notBelow(this.#to6, (low - 1) << 2, words);
  }
}

function notAbove(bounds: Int32Array, at: number, words: Int32Array): boolean {
  for (let i = 0; i < 4; i++) {
    const word = words[i]! ^ UNSIGNED;
    if (bounds[at + i] !== word) return bounds[at + i]! < word;
  }
  return true;
}

function notBelow(bounds: Int32Array, at: number, words: Int32Array): boolean {
  for (let i = 0; i < 4; i++) {
    const word = words[i]! ^ UNSIGNED;
    if (bounds[at + i] !== word) return bounds[at + i]! > word;
  }
  return true;
}

interface Range {
  from: Int32Array;
  to: Int32Array;
}

function rangeOf(prefix: Prefix): Range {
  const to = prefix.words.slice();
  for (let bit = prefix.bits; bit < 128; bit++) to[bit >> 5]! |= 1 << (31 - (bit & 31));
  return { from: prefix.words, to };
}

/** Sort, and drop ranges inside others: prefixes either nest or are disjoint. */
function merged(ranges: Range[]): Range[] {
  const sorted = ranges.sort((one, other) => compare(one.from, other.from) || compare(other.to, one.to));
  const result: Range[] = [];
  for (const range of sorted) {
    const last = result.at(-1);
    if (!last || compare(range.from, last.to) > 0) result.push(range);
  }
  return result;
}

function compare(one: Int32Array, other: Int32Array): number {
  for (let i = 0; i < 4; i++) if (one[i] !== other[i]) return one[i]! >>> 0 < other[i]! >>> 0 ? -1 : 1;
  return 0;
}
