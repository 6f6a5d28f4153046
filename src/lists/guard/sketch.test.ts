import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { textToName } from '../../wire/name.ts';
import { SuffixHash, type SuffixKey } from '../index/suffix-hash.ts';
import { overlapOf, SKETCH_SIZE, type Sketch, SketchBuilder } from './sketch.ts';

const KEY: SuffixKey = [7, 11, 13, 17];

function add(builder: SketchBuilder, i: number, key = KEY): void {
  const hash = new SuffixHash(key);
  hash.hashName(textToName(`name-${i}`));
  builder.add(hash.high, hash.middle);
}

function sketchOf(from: number, to: number, key = KEY): Sketch {
  const builder = new SketchBuilder(key);
  for (let i = from; i < to; i++) {
    add(builder, i, key);
  }
  return builder.finish();
}

describe('the sketch', () => {
  it('is exact for sets up to its size', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 900 }), fc.integer({ min: 0, max: 900 }), (size, shift) => {
        const overlap = overlapOf(sketchOf(0, size), sketchOf(shift, shift + size));
        expect(overlap).toEqual({ kept: Math.max(0, size - shift) / size, error: 0 });
      }),
      { numRuns: 30, seed: 5 },
    );
  });

  it('estimates the share of the old names that the new version holds, within its error', () => {
    const before = sketchOf(0, 20_000);
    for (const [from, to, truth] of [
      [0, 20_000, 1],
      [2_000, 22_000, 0.9],
      [10_000, 30_000, 0.5],
      [0, 10_000, 0.5],
      [0, 80_000, 1],
      [19_000, 60_000, 0.05],
    ] as const) {
      const overlap = overlapOf(before, sketchOf(from, to));
      expect(Math.abs((overlap?.kept ?? -1) - truth)).toBeLessThanOrEqual(4 * (overlap?.error ?? 0));
      expect(overlap?.error).toBeLessThan(0.032);
    }
  });

  it('does not depend on order or repetition, and holds no more than its size', () => {
    const builder = new SketchBuilder(KEY);
    for (let round = 0; round < 3; round++) {
      for (let i = 4_999; i >= 0; i--) add(builder, i);
    }
    const sketch = builder.finish();
    expect(sketch).toEqual(sketchOf(0, 5_000));
    expect(sketch.hashes).toHaveLength(SKETCH_SIZE);
    expect([...sketch.hashes].sort((one, other) => one - other)).toEqual(sketch.hashes);
  });

  it('has nothing to say about nothing, or under another key', () => {
    expect(overlapOf(sketchOf(0, 0), sketchOf(0, 5))).toBeUndefined();
    expect(overlapOf(sketchOf(0, 5), sketchOf(0, 5, [1, 1, 1, 1]))).toBeUndefined();
    expect(overlapOf(sketchOf(0, 5), sketchOf(0, 0))).toEqual({ kept: 0, error: 0 });
  });
});
