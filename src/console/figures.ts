/** Figures of this moment: what grew between two readings of the counters, per second, beside the state of the server. */
import type { MetricSample } from '../metrics/prometheus.ts';

export type PerSecond = Readonly<Record<string, number>>;

/** Sent to every console at once. No name, no address of a client, no subscriber. */
export interface Figures {
  /** ISO 8601, UTC. */
  readonly at: string;
  /** That they are made of. */
  readonly seconds: number;
  readonly queries: PerSecond;
  readonly rcodes: PerSecond;
  readonly cache: PerSecond;
  readonly drops: PerSecond;
  /** Milliseconds; null where nothing was answered. */
  readonly latency: { readonly p50: number; readonly p95: number; readonly p99: number } | null;
  /** What `GET /v1/status` says. */
  readonly status: object;
}

/** One point of the curves. */
export interface Point {
  /** Milliseconds since 1970. */
  readonly at: number;
  readonly queries: number;
  readonly servfail: number;
  readonly nxdomain: number;
  readonly hits: number;
  readonly drops: number;
  readonly p95: number | null;
}

type Counts = Readonly<Record<string, number>>;

/** Counters as they stand. */
export interface Reading {
  readonly wallMs: number;
  readonly nowMs: number;
  readonly queries: Counts;
  readonly rcodes: Counts;
  readonly cache: Counts;
  readonly drops: Counts;
  /** Upper bound of a bucket in seconds → answers in that bucket alone. */
  readonly latency: Counts;
}

export function readCounters(
  samples: (name: string) => readonly MetricSample[],
  clock: { nowMs(): number; wallMs(): number },
): Reading {
  const by = (name: string, label: string): Counts => {
    const counts: Record<string, number> = {};
    for (const { labels, value } of samples(name)) {
      const key = labels[label] ?? '';
      counts[key] = (counts[key] ?? 0) + value;
    }
    return counts;
  };
  const sum = (name: string) => samples(name).reduce((total, { value }) => total + value, 0);
  return {
    wallMs: clock.wallMs(),
    nowMs: clock.nowMs(),
    queries: by('sekisho_queries_total', 'transport'),
    rcodes: by('sekisho_responses_total', 'rcode'),
    cache: by('sekisho_cache_lookups_total', 'result'),
    drops: {
      ...by('sekisho_drops_total', 'reason'),
      shed: by('sekisho_overload_shed_total', 'dry_run')['false'] ?? 0,
      kernel: sum('sekisho_udp_kernel_drops_total'),
    },
    latency: by('sekisho_query_duration_seconds_bucket', 'le'),
  };
}

export function figuresBetween(before: Reading, after: Reading, status: object): Figures {
  const seconds = Math.max(0.001, (after.nowMs - before.nowMs) / 1000);
  const grown = (key: 'queries' | 'rcodes' | 'cache' | 'drops'): PerSecond => {
    const rates: Record<string, number> = {};
    for (const [name, value] of Object.entries(after[key])) {
      const rate = Math.max(0, value - (before[key][name] ?? 0)) / seconds;
      if (rate > 0) rates[name] = Math.round(rate * 10) / 10;
    }
    return rates;
  };
  return {
    at: new Date(after.wallMs).toISOString(),
    seconds: Math.round(seconds * 10) / 10,
    queries: grown('queries'),
    rcodes: grown('rcodes'),
    cache: grown('cache'),
    drops: grown('drops'),
    latency: latencyBetween(before.latency, after.latency),
    status,
  };
}

export function pointOf({ at, queries, rcodes, cache, drops, latency }: Figures): Point {
  return {
    at: Date.parse(at),
    queries: total(queries),
    servfail: rcodes['SERVFAIL'] ?? 0,
    nxdomain: rcodes['NXDOMAIN'] ?? 0,
    hits: (cache['hit'] ?? 0) + (cache['stale'] ?? 0),
    drops: total(drops),
    p95: latency?.p95 ?? null,
  };
}

function total(rates: PerSecond): number {
  return Math.round(Object.values(rates).reduce((sum, rate) => sum + rate, 0) * 10) / 10;
}

function latencyBetween(before: Counts, after: Counts): Figures['latency'] {
  const buckets = Object.entries(after)
    .map(([bound, count]): [number, number] => [
      bound === '+Inf' ? Number.POSITIVE_INFINITY : Number(bound),
      Math.max(0, count - (before[bound] ?? 0)),
    ])
    .sort(([one], [other]) => one - other);
  const all = buckets.reduce((sum, [, count]) => sum + count, 0);
  if (all <= 0) return null;
  const quantile = (share: number): number => {
    let [lower, below] = [0, 0];
    for (const [bound, count] of buckets) {
      if (count > 0 && below + count >= all * share) {
        if (!Number.isFinite(bound)) break;
        return round((lower + (bound - lower) * ((all * share - below) / count)) * 1000);
      }
      if (Number.isFinite(bound)) lower = bound;
      below += count;
    }
    return round(lower * 1000);
  };
  return { p50: quantile(0.5), p95: quantile(0.95), p99: quantile(0.99) };
}

function round(ms: number): number {
  return ms < 10 ? Math.round(ms * 100) / 100 : Math.round(ms);
}
