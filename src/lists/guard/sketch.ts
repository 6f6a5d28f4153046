/**
 * A small picture of a large set of names, by which two versions of a list are compared: the SKETCH_SIZE smallest of the
 * names' hashes (bottom-k sketch; Cohen and Kaplan 2007).
 *
 * Which names have the smallest hashes is as good as drawn by lot, and drawn alike for both versions. So the share of the
 * old version's sample that the new one holds estimates the share of all its names. The standard error is
 * √(p(1-p)/n) for a sample of n: with 1024 at most 1.6 percentage points; a list of up to 1024 names is compared exactly.
 * The hash is keyed, or a feed could choose names that make the sample. It is the index's (index/suffix-hash.ts), so that
 * each name is hashed once: sketches compare within one process.
 */
import type { SuffixKey } from '../index/suffix-hash.ts';

/** Hashes kept. */
export const SKETCH_SIZE = 1024;

/** Plain data. */
export interface Sketch {
  /** Sketches are comparable only under one key. */
  readonly key: SuffixKey;
  /** Ascending, without duplicates: integers below 2⁵³. Fewer than SKETCH_SIZE: all there are. */
  readonly hashes: readonly number[];
}

export class SketchBuilder {
  readonly #key: SuffixKey;
  readonly #hashes = new Float64Array(4 * SKETCH_SIZE);
  #count = 0;
  /** Hashes from here on up are not among the smallest. */
  #limit = Number.POSITIVE_INFINITY;

  constructor(key: SuffixKey) {
    this.#key = key;
  }

  /** Count a name by two words of its hash under the key. Adding the same again changes nothing. */
  add(high: number, middle: number): void {
    const hash = (high >>> 0) * 2 ** 21 + (middle >>> 11);
    if (hash >= this.#limit) return;
    this.#hashes[this.#count++] = hash;
    if (this.#count === this.#hashes.length) this.#compact();
  }

  finish(): Sketch {
    this.#compact();
    return { key: this.#key, hashes: [...this.#hashes.subarray(0, this.#count)] };
  }

  #compact(): void {
    const sorted = this.#hashes.subarray(0, this.#count).sort();
    let kept = 0;
    for (let i = 0; i < sorted.length && kept < SKETCH_SIZE; i++) {
      if (i === 0 || sorted[i] !== sorted[kept - 1]) sorted[kept++] = sorted[i]!;
    }
    this.#count = kept;
    if (kept === SKETCH_SIZE) this.#limit = sorted[kept - 1]!;
  }
}

export interface Overlap {
  /** Share of the old names that the new version still holds, 0–1. */
  readonly kept: number;
  /** Standard error of `kept`; 0 where it is exact. */
  readonly error: number;
}

/** How much of `before` is in `now`; undefined where they have different keys or there is nothing to compare. */
export function overlapOf(before: Sketch, now: Sketch): Overlap | undefined {
  if (before.key.some((word, i) => word !== now.key[i]) || before.hashes.length === 0) return undefined;
  // Beyond the larger end of a full sketch nobody knows what the list holds.
  const limit = Math.min(endOf(before), endOf(now));
  const held = new Set(now.hashes);
  const sample = before.hashes.filter((hash) => hash <= limit);
  if (sample.length === 0) return undefined;
  const kept = sample.filter((hash) => held.has(hash)).length / sample.length;
  const exact = limit === Number.POSITIVE_INFINITY;
  if (exact) return { kept, error: 0 };
  // The formula gives 0 where none or all of the sample are held; one of the sample is as fine as it can see.
  return { kept, error: Math.max(Math.sqrt((kept * (1 - kept)) / sample.length), 1 / sample.length) };
}

function endOf(sketch: Sketch): number {
  return sketch.hashes.length < SKETCH_SIZE ? Number.POSITIVE_INFINITY : sketch.hashes[SKETCH_SIZE - 1]!;
}
