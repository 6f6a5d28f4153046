import { expect, it } from 'vitest';
import { NEAR_MISSES, NearMisses } from './near-misses.ts';

it('so many wrong ids at one socket are too many, if they come within a few seconds', () => {
  const misses = new NearMisses();
  const add = (times: number, stepMs: number, socket = 7) =>
    Array.from({ length: times }, (_, i) => misses.add(socket, 1000 + i * stepMs)).filter(Boolean).length;
  expect(add(NEAR_MISSES - 1, 1)).toBe(0);
  expect(misses.add(8, 1000)).toBe(false);
  expect(misses.add(7, 1000)).toBe(true);
  // Counting starts over.
  expect(add(NEAR_MISSES * 3, 1)).toBe(3);
  expect(add(100, 1000, 9)).toBe(0);
  // A socket in the same place takes it over.
  expect(add(NEAR_MISSES - 1, 1, 10)).toBe(0);
  expect(misses.add(10 + 4096, 1000)).toBe(false);
  expect(misses.add(10, 1000)).toBe(false);
});
