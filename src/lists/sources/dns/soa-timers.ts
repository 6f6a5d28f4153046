/** The intervals of a zone's SOA (RFC 1035 §3.3.13), kept from being absurd. */
import type { ZoneTimers } from '../source.ts';
import type { Soa } from './record-text.ts';

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** Policy zones change by the minute, so short intervals are wanted; a refresh of a month in the SOA is a mistake. */
const BOUNDS = {
  refresh: [30 * SECOND, DAY],
  retry: [10 * SECOND, HOUR],
  expire: [HOUR, 28 * DAY],
} as const;

export function zoneTimers(soa: Soa): ZoneTimers {
  const refreshMs = within(soa.refreshS, BOUNDS.refresh);
  return {
    refreshMs,
    // A retry longer than the refresh would ask less often in trouble than in peace.
    retryMs: Math.min(refreshMs, within(soa.retryS, BOUNDS.retry)),
    // RFC 1912 §2.2: the expire is to be longer than the refresh, or the zone expires between two good looks.
    expireMs: Math.max(2 * refreshMs, within(soa.expireS, BOUNDS.expire)),
  };
}

function within(seconds: number, [least, most]: readonly [number, number]): number {
  return Math.min(most, Math.max(least, seconds * SECOND));
}
