import { expect, test } from 'vitest';
import { ManualClock } from '../../time/clock.ts';
import { EngineTime } from './engine-time.ts';

const HOUR = 3_600_000;

test('terms are judged by the engine, carried on by the monotonic clock, and in doubt before', () => {
  const clock = new ManualClock();
  const time = new EngineTime({
    ...clock,
    nowMs: () => clock.nowMs(),
    wallMs: () => clock.wallMs(),
    termMs: () => Infinity,
  });
  expect([time.termMs(), time.wallMs(), time.aheadMs]).toEqual([Infinity, clock.wallMs(), undefined]);
  time.heard(clock.wallMs() + 5000, clock.nowMs());
  expect([time.aheadMs, time.warnings()]).toEqual([5000, []]);
  clock.advance(HOUR);
  expect(time.termMs()).toBe(clock.wallMs() + 5000);
});

test('a clock that is off by an hour is told; one that was put back brings nothing back', () => {
  const clock = new ManualClock();
  const time = new EngineTime(clock);
  time.heard(clock.wallMs() + HOUR, clock.nowMs());
  expect(time.warnings()).toEqual([expect.stringMatching(/3600 s ahead of this node's/)]);
  const was = time.wallMs();
  time.heard(clock.wallMs(), clock.nowMs());
  expect(time.wallMs()).toBe(was);
  expect(time.warnings()).toEqual([expect.stringMatching(/put back by 3600 s/)]);
  // Drift is followed in both directions.
  time.heard(was - 900, clock.nowMs());
  expect(time.wallMs()).toBe(was - 900);
  clock.advance(2 * HOUR);
  time.heard(clock.wallMs() - HOUR, clock.nowMs());
  expect(time.warnings()).toEqual([expect.stringMatching(/put back by 7199 s/)]);
});
