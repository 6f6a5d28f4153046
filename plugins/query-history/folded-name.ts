/**
 * What a name is counted under besides itself: its registered domain, and its pattern, the name with what looks
 * random at its left folded into one.
 *
 *     a8x0k2qz.img.shop.example.co.jp     domain  example.co.jp
 *     └ random ┘                          pattern *.img.shop.example.co.jp
 *
 * Both are suffixes, so one pass over the labels from the right hashes both. That is why this is done on the packet path
 * and not later from the heavy names: the names of a random-subdomain attack are asked once each, none of them is ever
 * heavy, and only their common suffix shows.
 */
import { type Question, SuffixHash, type SuffixKey } from '../../src/contract/plugin.ts';
import { looksRandom } from './random-label.ts';
import type { SharedSuffixes } from './shared-suffixes.ts';

/** A pattern has at most so many labels more than its domain: an address below ip6.arpa has 32. */
const MAX_PATTERN_LABELS = 4;
const MAX_SUFFIX_LABELS = 5;

export class FoldedName {
  domainLow = 0;
  domainHigh = 0;
  /** Where the domain's bytes begin in the question's name. */
  domainAt = 0;
  /** False for a name that is itself a registered domain, or above one. */
  hasPattern = false;
  patternLow = 0;
  patternHigh = 0;
  patternAt = 0;
  /** The first label looks random. */
  random = false;
  readonly #hash: SuffixHash;
  readonly #suffixes: SharedSuffixes;

  constructor(key: SuffixKey, suffixes: SharedSuffixes) {
    this.#hash = new SuffixHash(key);
    this.#suffixes = suffixes;
  }

  fold(question: Question): void {
    const { name, labelCount: labels, labelStarts } = question;
    const hash = this.#hash;
    hash.begin();
    let depth = 0;
    while (depth < labels) {
      hash.absorb(name, labelStarts[labels - ++depth]!);
      if (depth < 2) continue;
      hash.finish();
      // Below a suffix that many owners share, the domain is one label longer.
      if (depth >= MAX_SUFFIX_LABELS || !this.#suffixes.has(hash.low, hash.middle)) break;
    }
    if (depth < 2) hash.finish();
    this.domainLow = hash.low;
    this.domainHigh = hash.middle;
    this.domainAt = depth === 0 ? 0 : labelStarts[labels - depth]!;
    const below = labels - depth;
    this.random = below > 0 && looksRandom(name, 0);
    this.hasPattern = below > 0;
    if (below === 0) return;
    let folded = 1;
    if (this.random) while (folded < below && looksRandom(name, labelStarts[folded]!)) folded++;
    const end = Math.min(labels - folded, depth + MAX_PATTERN_LABELS);
    if (end > depth) {
      while (depth < end) hash.absorb(name, labelStarts[labels - ++depth]!);
      hash.finish();
    }
    this.patternLow = hash.low;
    this.patternHigh = hash.middle;
    this.patternAt = labelStarts[labels - depth]!;
  }
}
