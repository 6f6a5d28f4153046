import { describe, expect, test } from 'vitest';
import { RateMonitor } from './rates.ts';

/** Samples every 5 s; each step is minutes at queries a second. */
function watched(...steps: readonly (readonly [minutes: number, rate: number])[]) {
  let nowMs = 500_000;
  // The counter is about to wrap.
  let hits = 2 ** 32 - 1000;
  const monitor = new RateMonitor(nowMs, hits | 0);
  const go = (minutes: number, rate: number) => {
    for (let i = 0; i < minutes * 12; i++) {
      nowMs += 5_000;
      hits += rate * 5;
      monitor.sample(nowMs, Math.floor(hits) | 0);
    }
  };
  for (const [minutes, rate] of steps) go(minutes, rate);
  return { monitor, go };
}

test('rates are means of minutes: now, start, peak, and the lowest quarter of an hour', () => {
  const { monitor } = watched([1, 100], [10, 400], [20, 20], [2, 60]);
  expect(monitor.now).toBeCloseTo(60);
  expect(monitor.start).toBeCloseTo(100);
  expect(monitor.peak).toBeCloseTo(400);
  expect(monitor.baseline).toBeCloseTo(20);
  expect(monitor.total).toBe(60 * (100 + 4000 + 400 + 120));
});

test('before anything was sampled nothing is claimed', () => {
  const monitor = new RateMonitor(0, 0);
  expect([monitor.now, monitor.start, monitor.baseline, monitor.proposal()]).toEqual(Array(4).fill(undefined));
});

describe('lifting is proposed', () => {
  test('when the rate has been at rest below a tenth of the peak for half an hour, not a minute earlier', () => {
    const { monitor, go } = watched([10, 1000], [29, 50]);
    expect(monitor.proposal()).toBeUndefined();
    go(1, 50);
    expect(monitor.proposal()).toMatch(/back at its baseline \(50 q\/s\) for 30 minutes, after a peak of 1 000 q\/s/);
    go(1, 900);
    expect(monitor.proposal(), 'withdrawn as soon as it comes back').toBeUndefined();
  });

  test('when hardly anybody ever asked', () => {
    expect(watched([29, 0.2]).monitor.proposal()).toBeUndefined();
    expect(watched([30, 0.2]).monitor.proposal()).toMatch(/never asked for more often/);
  });

  test.each([
    ['the rate never changed', [[120, 500]]],
    [
      'it fell, but not to a tenth',
      [
        [10, 1000],
        [60, 150],
      ],
    ],
    [
      'it is still falling',
      [
        [10, 10_000],
        [15, 900],
        [15, 100],
      ],
    ],
    [
      'it comes back',
      [
        [10, 10_000],
        [40, 10],
        [3, 60],
      ],
    ],
  ] as const)('not while %s', (_, steps) => {
    expect(watched(...steps).monitor.proposal()).toBeUndefined();
  });
});

test('a monitor that goes on from another keeps what was learnt, and counts on', () => {
  const { monitor } = watched([5, 1000], [30, 10]);
  const next = new RateMonitor(9_000_000, 77);
  next.continueFrom(monitor);
  expect([next.peak, next.baseline, next.start, next.total]).toEqual([
    monitor.peak,
    monitor.baseline,
    monitor.start,
    monitor.total,
  ]);
  next.sample(9_005_000, 77 + 50);
  expect(next.total).toBe(monitor.total + 50);
  expect(next.now).toBeCloseTo(10);
  expect(next.proposal()).toBeDefined();
});
