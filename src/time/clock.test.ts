import { describe, expect, it } from 'vitest';
import { originOf } from './clock.ts';

describe('the origin that the clocks of all threads share', () => {
  /** Two clocks of one time; between two readings pass the milliseconds that `pauses` says, and 1 µs where it says nothing. */
  function clocks(pauses: number[]) {
    let nowMs = 1_000;
    const read = (origin: number) => () => {
      nowMs += pauses.shift() ?? 0.001;
      return nowMs - origin;
    };
    return { own: read(400), common: read(0) };
  }

  it('is the difference of the two', () => {
    const { own, common } = clocks([]);
    expect(originOf(own, common)).toBeCloseTo(400, 2);
  });

  it('does not keep what a thread lost that got no processor between the two readings', () => {
    for (const pauses of [[0, 0, 12], [0, 12, 0], [0, 7, 7, 0, 3, 3], Array.from({ length: 90 }, () => 5)]) {
      const { own, common } = clocks(pauses);
      expect(originOf(own, common)).toBeCloseTo(400, 2);
    }
  });

  it('takes the closest of a bounded number of readings where none is close', () => {
    const { own, common } = clocks(Array.from({ length: 1_000 }, (_, i) => (i === 101 || i === 100 ? 0.5 : 5)));
    expect(Math.abs(originOf(own, common) - 400)).toBeLessThan(1);
  });
});
