/**
 * What is normal now: the same hour of the week in the weeks before, with its neighbours. Median and median absolute
 * deviation, so that one bad night among five does not become the norm; hours with an open overload are left out as well,
 * as long as enough others are there.
 */
import type { KeptSlice } from './archive.ts';
import { SPAN_MS } from './archive.ts';
import type { Kind } from './layout.ts';
import { byKind, type Slice } from './slice.ts';
import { quantile } from './totals.ts';

/** Median and spread (median absolute deviation × 1.4826, the standard deviation of a normal distribution). */
export interface Typical {
  readonly median: number;
  readonly spread: number;
}

export type Basis = 'hour of the week' | 'hour of the day' | 'last day' | 'minutes before' | 'moments before' | 'none';

export interface Baseline {
  readonly basis: Basis;
  /** Hours (or, for the last basis, minutes) that it is made of. */
  readonly samples: number;
  /** Of these, hours that were not measured here but imported. */
  readonly imported: number;
  /** Queries a second. */
  readonly rate: Typical;
  /** Share of answers that are SERVFAIL, 0–1. */
  readonly servfail: Typical;
  /** 95th percentile of the latency, milliseconds. */
  readonly latency: Typical;
  /** Queries a second of every key that is ever heavy. */
  readonly keys: Readonly<Record<Kind, ReadonlyMap<string, number>>>;
  /** Different names below a key in ten seconds or so, as far as they are told apart. */
  readonly distinct: Readonly<Record<Kind, ReadonlyMap<string, number>>>;
  /** A key that is not there had at most so many queries a second. */
  readonly floors: Readonly<Record<Kind, number>>;
  /** Queries a second by type, response code, transport, cache result. */
  readonly types: ReadonlyMap<string, number>;
  readonly rcodes: ReadonlyMap<string, number>;
  readonly transports: ReadonlyMap<string, number>;
  readonly cache: ReadonlyMap<string, number>;
  readonly upstreams: ReadonlyMap<string, number>;
}

type SplitName = 'types' | 'rcodes' | 'transports' | 'cache' | 'upstreams' | 'latencies';

const HOUR = SPAN_MS.hour;
const DAY = 24 * HOUR;
const WEEK = 7 * DAY;
/** Fewer samples than this are no basis. */
const ENOUGH = 3;
/** Tens of seconds of a young server belong to its normal up to so many times the rate of the calmest. */
const CALM = 1.5;

/** The hours worth asking the archive for: [from, to) in wall-clock milliseconds. */
export function baselineSpans(nowMs: number, weeks = 5): { fromMs: number; toMs: number }[] {
  const hour = Math.floor(nowMs / HOUR) * HOUR;
  const spans = [{ fromMs: hour - DAY, toMs: hour }];
  for (let day = 1; day <= 7; day++) spans.push(around(hour - day * DAY));
  for (let week = 2; week <= weeks; week++) spans.push(around(hour - week * WEEK));
  return spans;
}

function around(hour: number) {
  return { fromMs: hour - HOUR, toMs: hour + 2 * HOUR };
}

/** Out of hours as `baselineSpans` names them; `minutes` are the quarter of an hour before, for a server without a past. */
export function baselineOf(nowMs: number, hours: readonly KeptSlice[], minutes: readonly KeptSlice[]): Baseline {
  const hour = Math.floor(nowMs / HOUR) * HOUR;
  const unique = [...new Map(hours.map((slice) => [slice.startMs, slice])).values()].filter(
    // The hour that is under way is no past; one that was hardly observed says nothing.
    ({ startMs, seconds }) => startMs < hour && seconds >= 600,
  );
  const distance = (startMs: number, period: number) => {
    const off = (((hour - startMs) % period) + period) % period;
    return Math.min(off, period - off);
  };
  const candidates: [Basis, KeptSlice[]][] = [
    [
      'hour of the week',
      unique.filter(({ startMs }) => startMs <= hour - WEEK + HOUR && distance(startMs, WEEK) <= HOUR),
    ],
    ['hour of the day', unique.filter(({ startMs }) => startMs <= hour - DAY + HOUR && distance(startMs, DAY) <= HOUR)],
    ['last day', unique.filter(({ startMs }) => startMs >= hour - DAY)],
    ['minutes before', minutes.filter(({ seconds }) => seconds >= 10)],
  ];
  // Sources are kept for a day, whatever the basis of the rest.
  const lastDay = unique.filter(({ startMs, incident }) => startMs >= hour - DAY && !incident);
  const sources = lastDay.length >= ENOUGH ? lastDay : minutes;
  for (const [basis, slices] of candidates) {
    const calm = slices.filter(({ incident }) => !incident);
    const chosen = calm.length >= ENOUGH ? calm : slices;
    if (chosen.length >= ENOUGH) return made(basis, chosen, sources);
  }
  return made('none', [], []);
}

function made(
  basis: Basis,
  slices: readonly (Slice & { readonly imported?: boolean })[],
  sources: readonly Slice[],
): Baseline {
  const distinct = byKind((kind) => {
    const most = new Map<string, number>();
    for (const slice of slices)
      for (const entry of slice.tops[kind])
        most.set(entry.key, Math.max(most.get(entry.key) ?? 0, entry.distinct / Math.max(1, slice.seconds / 10)));
    return most;
  });
  const { median: rate, spread } = typical(slices.map(rateOf));
  // What an import does not tell is not 0.
  const told = (of: SplitName) =>
    slices.filter(({ totals, imported }) => !imported || Object.keys(totals[of] ?? {}).length > 0);
  const split = (of: SplitName) => medians(told(of), ({ totals }) => Object.entries(totals[of] ?? {}));
  return {
    basis,
    samples: slices.length,
    imported: slices.filter(({ imported }) => imported).length,
    rate: { median: rate, spread },
    servfail: typical(told('rcodes').map(servfailShare)),
    latency: typical(told('latencies').map(({ totals }) => quantile(totals.latencies, 0.95) ?? 0)),
    keys: byKind((kind) =>
      kind === 'network' || kind === 'address'
        ? sourceRates(kind, sources, rate)
        : medians(
            slices.filter(({ tops, imported }) => !imported || tops[kind].length > 0),
            (slice) => slice.tops[kind].map(({ key, count }) => [key, count]),
          ),
    ),
    distinct,
    floors: byKind((kind) => typical(slices.map((slice) => slice.floors[kind] / Math.max(1, slice.seconds))).median),
    types: split('types'),
    rcodes: split('rcodes'),
    transports: split('transports'),
    cache: split('cache'),
    upstreams: split('upstreams'),
  };
}

/** The normal of a server whose history is younger than three minutes: its calmest tens of seconds. `slices`: before it began. */
export function momentsBefore(slices: readonly Slice[]): Baseline | undefined {
  const calmest = Math.min(...slices.map(rateOf));
  const calm = slices.filter((slice) => slice.seconds >= 9 && rateOf(slice) <= calmest * CALM + 1);
  return calm.length >= ENOUGH ? made('moments before', calm, calm) : undefined;
}

/** Seconds before it began from which on they say what is usual. */
const LEAST_BEFORE = 20;

/**
 * Single addresses are not kept on disk, and imported figures may not tell of names or types; what was asked just before it began is in
 * memory.
 */
export function withMemory(normal: Baseline, before: Slice | undefined): Baseline {
  if (!before || before.seconds < LEAST_BEFORE || normal.basis === 'none') return normal;
  const rates = (counts: readonly (readonly [string, number])[]) =>
    new Map(counts.map(([key, count]) => [key, count / before.seconds] as const));
  const keys = byKind((kind) =>
    kind === 'address' || normal.keys[kind].size === 0
      ? rates(before.tops[kind].map(({ key, count }) => [key, count]))
      : normal.keys[kind],
  );
  const split = (of: Exclude<SplitName, 'latencies'>) =>
    normal[of].size > 0 ? normal[of] : rates(Object.entries(before.totals[of] ?? {}));
  return {
    ...normal,
    keys,
    types: split('types'),
    rcodes: split('rcodes'),
    transports: split('transports'),
    cache: split('cache'),
    upstreams: split('upstreams'),
  };
}

/** The normal of a longer time, out of that of its hours. */
export function meanOf(hours: readonly Baseline[]): Baseline {
  const [first] = hours;
  if (!first || hours.length === 1) return first ?? made('none', [], []);
  const mean = (of: (hour: Baseline) => number) => hours.reduce((sum, hour) => sum + of(hour), 0) / hours.length;
  const means = (of: (hour: Baseline) => ReadonlyMap<string, number>) => {
    const sums = new Map<string, number>();
    for (const hour of hours)
      for (const [key, rate] of of(hour)) sums.set(key, (sums.get(key) ?? 0) + rate / hours.length);
    return sums;
  };
  const typicalOf = (of: (hour: Baseline) => Typical): Typical => ({
    median: mean((hour) => of(hour).median),
    spread: mean((hour) => of(hour).spread),
  });
  return {
    basis: first.basis,
    samples: Math.min(...hours.map(({ samples }) => samples)),
    imported: Math.max(...hours.map(({ imported }) => imported)),
    rate: typicalOf(({ rate }) => rate),
    servfail: typicalOf(({ servfail }) => servfail),
    latency: typicalOf(({ latency }) => latency),
    keys: byKind((kind) => means(({ keys }) => keys[kind])),
    distinct: byKind((kind) => means(({ distinct }) => distinct[kind])),
    floors: byKind((kind) => mean(({ floors }) => floors[kind])),
    types: means(({ types }) => types),
    rcodes: means(({ rcodes }) => rcodes),
    transports: means(({ transports }) => transports),
    cache: means(({ cache }) => cache),
    upstreams: means(({ upstreams }) => upstreams),
  };
}

/** A source's share of the traffic of the last day, of the rate that is normal at this hour. */
function sourceRates(kind: Kind, slices: readonly Slice[], rate: number): Map<string, number> {
  return medians(slices, (slice) => {
    const scale = (rate * Math.max(1, slice.seconds)) / Math.max(1, slice.totals.queries);
    return slice.tops[kind].map(({ key, count }) => [key, count * scale]);
  });
}

/** Queries a second. */
export function rateOf({ totals, seconds }: Slice): number {
  return seconds > 0 ? totals.queries / seconds : 0;
}

export function servfailShare({ totals }: Slice): number {
  const answers = Object.values(totals.rcodes).reduce((sum, count) => sum + count, 0);
  return answers === 0 ? 0 : (totals.rcodes['SERVFAIL'] ?? 0) / answers;
}

export function typical(values: readonly number[]): Typical {
  const median = middle(values);
  return { median, spread: 1.4826 * middle(values.map((value) => Math.abs(value - median))) };
}

function middle(values: readonly number[]): number {
  if (values.length === 0) return 0;
  const sorted = [...values].sort((one, other) => one - other);
  const half = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[half]! : (sorted[half - 1]! + sorted[half]!) / 2;
}

/** Median rate of every key over the slices; a slice without the key counts as 0. */
function medians(
  slices: readonly Slice[],
  of: (slice: Slice) => readonly (readonly [string, number])[],
): Map<string, number> {
  const rates = new Map<string, number[]>();
  for (const slice of slices)
    for (const [key, count] of of(slice)) {
      const list = rates.get(key) ?? [];
      list.push(count / Math.max(1, slice.seconds));
      rates.set(key, list);
    }
  return new Map(
    [...rates].map(([key, list]) => [key, middle([...list, ...Array<number>(slices.length - list.length).fill(0)])]),
  );
}
