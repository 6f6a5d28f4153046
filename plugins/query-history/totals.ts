/**
 * Numbers about queries as such: each worker adds, nobody resets, the main thread takes differences. A reader may see a
 * query's first number and not yet its last; the next reading has both.
 */

import { CACHE_RESULTS, DROP_REASONS, rcodeName, TRANSPORTS, typeName } from '../../src/contract/plugin.ts';
import { TOTALS_CELLS } from './layout.ts';

/** Response codes told apart; what is above counts as SERVFAIL, as in the server's own metrics. */
export const RCODE_COUNT = 24;
/** Types below this have a number of their own, all others share the last. */
export const TYPE_COUNT = 257;
const TYPE_OTHER = TYPE_COUNT - 1;
const SIZE_COUNT = 72;
const LATENCY_COUNT = 192;

export const QUERIES = 0;
export const ANSWER_BYTES = 1;
export const LATENCY_US = 2;
export const TRANSPORT_AT = 8;
export const RCODE_AT = 16;
export const CACHE_AT = RCODE_AT + RCODE_COUNT;
export const DROP_AT = CACHE_AT + 8;
export const TYPE_AT = DROP_AT + 24;
export const SIZE_AT = TYPE_AT + TYPE_COUNT;
export const LATENCY_AT = SIZE_AT + SIZE_COUNT;
if (LATENCY_AT + LATENCY_COUNT > TOTALS_CELLS) throw new Error('totals do not fit');

export function typeCell(type: number): number {
  return TYPE_AT + (type < TYPE_OTHER ? type : TYPE_OTHER);
}

/**
 * A histogram with eight buckets to each power of two, as HdrHistogram's: every value lies within 1/16 of its bucket's
 * middle. Below 16 each value has a bucket of its own. `count` bounds the index.
 */
export function logBucket(value: number, count: number): number {
  const whole = value >>> 0;
  if (whole < 16) return whole;
  const power = 31 - Math.clz32(whole);
  const index = 16 + (power - 4) * 8 + ((whole >>> (power - 3)) & 7);
  return index < count ? index : count - 1;
}

/** Smallest value of a bucket. */
export function bucketStart(index: number): number {
  if (index < 16) return index;
  const power = 4 + ((index - 16) >>> 3);
  return 2 ** power + ((index - 16) & 7) * 2 ** (power - 3);
}

/** Bucket of a latency in microseconds; up to half a minute is told apart. */
export function latencyCell(us: number): number {
  return LATENCY_AT + logBucket(us, LATENCY_COUNT);
}

/** Bucket of an answer's size in bytes. */
export function sizeCell(bytes: number): number {
  return SIZE_AT + logBucket(bytes >>> 2, SIZE_COUNT);
}

/** Totals of a span of time, as they are kept and shown. Absent = none. */
export interface Totals {
  queries: number;
  answerBytes: number;
  transports: Record<string, number>;
  rcodes: Record<string, number>;
  cache: Record<string, number>;
  drops: Record<string, number>;
  types: Record<string, number>;
  /** Queries sent to each upstream, those sent again included, and apart `192.0.2.53:53 timed out`. */
  upstreams: Record<string, number>;
  /** Smallest value of a bucket (bytes, milliseconds) → how often. */
  sizes: Record<string, number>;
  latencies: Record<string, number>;
}

export const NO_TOTALS: Totals = {
  queries: 0,
  answerBytes: 0,
  transports: {},
  rcodes: {},
  cache: {},
  drops: {},
  types: {},
  upstreams: {},
  sizes: {},
  latencies: {},
};

/** What was added between two readings. */
export function totalsBetween(before: Float64Array, after: Float64Array): Totals {
  const grown = (cell: number) => Math.max(0, (after[cell] ?? 0) - (before[cell] ?? 0));
  const named = (at: number, count: number, name: (i: number) => string) => {
    const out: Record<string, number> = {};
    for (let i = 0; i < count; i++) if (grown(at + i) > 0) out[name(i)] = grown(at + i);
    return out;
  };
  return {
    queries: grown(QUERIES),
    answerBytes: grown(ANSWER_BYTES),
    transports: named(TRANSPORT_AT, TRANSPORTS.length, (i) => TRANSPORTS[i] ?? String(i)),
    rcodes: named(RCODE_AT, RCODE_COUNT, rcodeName),
    cache: named(CACHE_AT, CACHE_RESULTS.length, (i) => CACHE_RESULTS[i] ?? String(i)),
    drops: named(DROP_AT, DROP_REASONS.length, (i) => DROP_REASONS[i] ?? String(i)),
    types: named(TYPE_AT, TYPE_COUNT, (i) => (i === TYPE_OTHER ? 'other' : typeName(i))),
    // Counted by the source and not by who asked (upstreams.ts).
    upstreams: {},
    sizes: named(SIZE_AT, SIZE_COUNT, (i) => String(bucketStart(i) * 4)),
    latencies: named(LATENCY_AT, LATENCY_COUNT, (i) => String(bucketStart(i) / 1000)),
  };
}

export function addTotals(one: Totals, other: Totals): Totals {
  const sum = (a: Record<string, number>, b: Record<string, number>) => {
    const out = { ...a };
    for (const [key, value] of Object.entries(b)) out[key] = (out[key] ?? 0) + value;
    return out;
  };
  return {
    queries: one.queries + other.queries,
    answerBytes: one.answerBytes + other.answerBytes,
    transports: sum(one.transports, other.transports),
    rcodes: sum(one.rcodes, other.rcodes),
    cache: sum(one.cache, other.cache),
    drops: sum(one.drops, other.drops),
    types: sum(one.types, other.types),
    // Rows that were written before there were any have none.
    upstreams: sum(one.upstreams ?? {}, other.upstreams ?? {}),
    sizes: sum(one.sizes, other.sizes),
    latencies: sum(one.latencies, other.latencies),
  };
}

/** The value below which `share` of a histogram lies; undefined for an empty one. */
export function quantile(histogram: Readonly<Record<string, number>>, share: number): number | undefined {
  const buckets = Object.entries(histogram)
    .map(([start, count]) => [Number(start), count] as const)
    .sort(([one], [other]) => one - other);
  const all = buckets.reduce((sum, [, count]) => sum + count, 0);
  let seen = 0;
  for (const [start, count] of buckets) {
    seen += count;
    if (seen >= all * share) return start;
  }
  return undefined;
}
