/**
 * Keyed hashes of all the suffixes of a name, made in one pass from the right: the zones that it may lie in.
 *
 *     www.shop.example.com   low[2]: example.com   low[3]: shop.example.com   low[4]: the name
 *
 * Of top-level domains nothing is kept.
 */
import { type Question, SuffixHash } from '../../src/contract/plugin.ts';

/** Suffixes of more labels are not told apart: enough for an IPv6 /64 in ip6.arpa. */
export const MAX_LABELS = 20;

/** Odd, so that every partition is told apart. */
const PARTITION = 0x9e3779b1;

export class Suffixes {
  readonly low = new Int32Array(MAX_LABELS + 1);
  readonly high = new Int32Array(MAX_LABELS + 1);
  /** Labels of the longest suffix that was hashed. */
  count = 0;
  readonly #hash: SuffixHash;

  /** `key`: 64 secret bits. */
  constructor([key0, key1]: readonly [number, number]) {
    // SipHash's own constants make four words of two (Aumasson and Bernstein 2012, §2.1).
    this.#hash = new SuffixHash([key0, key1, key0 ^ 0x6c796765, key1 ^ 0x74656462]);
  }

  /** `partition`: other servers (`Question.partition`) have zones of their own, whatever their names. */
  ofQuestion({ name, labelCount, labelStarts }: Question, partition: number): void {
    const hash = this.#hash;
    const count = labelCount < MAX_LABELS ? labelCount : MAX_LABELS;
    this.count = count;
    hash.begin();
    for (let labels = 1; labels <= count; labels++) {
      hash.absorb(name, labelStarts[labelCount - labels]!);
      if (labels < 2) continue;
      hash.finish();
      this.low[labels] = hash.low ^ Math.imul(partition, PARTITION);
      this.high[labels] = hash.high;
    }
  }

  /** The same for a name in wire form, of at most MAX_LABELS labels. */
  ofName(name: Uint8Array, partition = 0): void {
    const starts: number[] = [];
    for (let at = 0; name[at] !== 0; at += name[at]! + 1) starts.push(at);
    this.count = Math.min(starts.length, MAX_LABELS);
    this.#hash.begin();
    for (let labels = 1; labels <= this.count; labels++) {
      this.#hash.absorb(name, starts[starts.length - labels]!);
      if (labels < 2) continue;
      this.#hash.finish();
      this.low[labels] = this.#hash.low ^ Math.imul(partition, PARTITION);
      this.high[labels] = this.#hash.high;
    }
  }
}
