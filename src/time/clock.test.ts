import { describe, expect, it } from 'vitest';
import { ManualClock, originOf } from './clock.ts';
import { systemTimers } from './timers.ts';

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

describe('work that comes back by a clock that a test turns', () => {
  it('runs at its own time and in order, also what was added meanwhile, until it is stopped', () => {
    const clock = new ManualClock(1_000);
    const ran: string[] = [];
    const note = (what: string) => ran.push(`${what} ${clock.nowMs()}`);
    const stop = clock.every(300, () => note('three'));
    clock.every(500, () => {
      note('five');
      if (ran.length === 2) clock.every(50, () => note('late'));
    });
    clock.advance(299);
    expect(ran).toEqual([]);
    clock.advance(301);
    expect(ran).toEqual(['three 1300', 'five 1500', 'late 1550', 'three 1600', 'late 1600']);
    stop();
    ran.length = 0;
    clock.advance(100);
    expect([ran, clock.nowMs()]).toEqual([['late 1650', 'late 1700'], 1700]);
    expect(() => clock.every(0, () => {})).toThrow(RangeError);
  });

  it('ends when the system’s timer is stopped', async () => {
    let ran = 0;
    const stopped = await new Promise<number>((resolve) => {
      const stop = systemTimers.every(1, () => {
        ran++;
        stop();
        setTimeout(() => resolve(ran), 20);
      });
    });
    expect(stopped).toBe(1);
  });
});
