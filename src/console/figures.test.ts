import { expect, test } from 'vitest';
import type { MetricSample } from '../metrics/prometheus.ts';
import { figuresBetween, pointOf, readCounters } from './figures.ts';

function reading(nowMs: number, counts: Readonly<Record<string, readonly [Record<string, string>, number][]>>) {
  const samples = (name: string): MetricSample[] => (counts[name] ?? []).map(([labels, value]) => ({ labels, value }));
  return readCounters(samples, { nowMs: () => nowMs, wallMs: () => Date.UTC(2026, 10, 28) + nowMs });
}

const BEFORE = reading(0, {
  sekisho_queries_total: [[{ transport: 'udp' }, 1000]],
  sekisho_responses_total: [[{ rcode: 'NOERROR' }, 990]],
  sekisho_query_duration_seconds_bucket: [
    [{ le: '0.001' }, 900],
    [{ le: '0.01' }, 50],
    [{ le: '+Inf' }, 50],
  ],
});

test('figures are what grew between two readings, per second', () => {
  const after = reading(2000, {
    sekisho_queries_total: [
      [{ transport: 'udp' }, 1200],
      [{ transport: 'tcp' }, 20],
    ],
    sekisho_responses_total: [
      [{ rcode: 'NOERROR' }, 1190],
      [{ rcode: 'SERVFAIL' }, 10],
    ],
    sekisho_cache_lookups_total: [
      [{ result: 'hit' }, 150],
      [{ result: 'stale' }, 10],
      [{ result: 'miss' }, 40],
    ],
    sekisho_drops_total: [[{ reason: 'short' }, 4]],
    sekisho_overload_shed_total: [
      [{ dry_run: 'false' }, 6],
      [{ dry_run: 'true' }, 1000],
    ],
    sekisho_udp_kernel_drops_total: [[{ worker: '0' }, 2]],
    sekisho_query_duration_seconds_bucket: [
      [{ le: '0.001' }, 980],
      [{ le: '0.01' }, 66],
      [{ le: '+Inf' }, 54],
    ],
  });
  const figures = figuresBetween(BEFORE, after, { ready: true });
  expect(figures).toMatchObject({
    at: '2026-11-28T00:00:02.000Z',
    seconds: 2,
    queries: { udp: 100, tcp: 10 },
    rcodes: { NOERROR: 100, SERVFAIL: 5 },
    drops: { short: 2, shed: 3, kernel: 1 },
    status: { ready: true },
  });
  // 80 of 100 below 1 ms, 96 below 10 ms; what lies beyond the last bound is told by that bound.
  expect(figures.latency?.p50).toBeCloseTo(0.63, 1);
  expect(figures.latency?.p95).toBeCloseTo(9, 0);
  expect(figures.latency?.p99).toBe(10);
  expect(pointOf(figures)).toMatchObject({ queries: 110, servfail: 5, nxdomain: 0, hits: 80, drops: 6 });
});

test('counters that start over, because a worker did, make no figure below nothing', () => {
  const after = reading(2000, { sekisho_queries_total: [[{ transport: 'udp' }, 10]] });
  const figures = figuresBetween(BEFORE, after, {});
  expect(figures.queries).toEqual({});
  expect(figures.latency).toBeNull();
});
