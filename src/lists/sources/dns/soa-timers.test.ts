import { expect, it } from 'vitest';
import { zoneTimers } from './soa-timers.ts';

const HOUR = 3_600_000;

it('takes reasonable intervals as they are', () => {
  const timers = zoneTimers({ serial: 1, refreshS: 3600, retryS: 600, expireS: 604800 });
  expect(timers).toEqual({ refreshMs: HOUR, retryMs: 600_000, expireMs: 168 * HOUR });
});

it('bounds zeros and ages, and keeps retry ≤ refresh < expire', () => {
  expect(zoneTimers({ serial: 1, refreshS: 0, retryS: 0, expireS: 0 })).toEqual({
    refreshMs: 30_000,
    retryMs: 10_000,
    expireMs: HOUR,
  });
  expect(zoneTimers({ serial: 1, refreshS: 2 ** 32 - 1, retryS: 2 ** 32 - 1, expireS: 2 ** 32 - 1 })).toEqual({
    refreshMs: 24 * HOUR,
    retryMs: HOUR,
    expireMs: 28 * 24 * HOUR,
  });
  expect(zoneTimers({ serial: 1, refreshS: 60, retryS: 3600, expireS: 1 }).retryMs).toBe(60_000);
  expect(zoneTimers({ serial: 1, refreshS: 86400, retryS: 60, expireS: 1 }).expireMs).toBe(48 * HOUR);
});
