import { expect, test } from 'vitest';
import { type KeptSlice, SPAN_MS } from './archive.ts';
import { type Baseline, baselineOf, baselineSpans } from './baseline.ts';
import { DECLARED_MS, type Measures, OverloadState, signalsOf } from './overload.ts';
import { byKind, emptySlice } from './slice.ts';
import { NO_TOTALS } from './totals.ts';

const HOUR = SPAN_MS.hour;
const WEEK = 168 * HOUR;
const NOW = 3000 * WEEK + 5 * HOUR + 17 * 60_000;
const THIS_HOUR = NOW - 17 * 60_000;

function hour(startMs: number, rate: number, more: Partial<KeptSlice> = {}): KeptSlice {
  const queries = rate * 3600;
  const totals = { ...NO_TOTALS, queries, rcodes: { NOERROR: queries }, latencies: { 10: queries } };
  return { ...emptySlice(startMs), seconds: 3600, totals, incident: false, ...more };
}
const weeks = (rates: readonly number[]) =>
  rates.flatMap((rate, i) => [-1, 0, 1].map((near) => hour(THIS_HOUR - (i + 1) * WEEK + near * HOUR, rate + near)));

test('the normal is the median of the same hours of other weeks: one bad week does not become the norm', () => {
  const normal = baselineOf(NOW, weeks([100, 104, 900, 98]), []);
  expect(normal).toMatchObject({ basis: 'hour of the week', samples: 12 });
  expect(normal.rate.median).toBeGreaterThan(95);
  expect(normal.rate.median).toBeLessThan(110);
  expect(normal.rate.spread).toBeLessThan(15);
});

test('hours with an overload are left out, as long as enough others are there', () => {
  const bad = weeks([900, 910, 905]).map((slice) => ({ ...slice, startMs: slice.startMs - 0, incident: true }));
  const good = [1, 2, 3].map((i) => hour(THIS_HOUR - 4 * WEEK + (i - 2) * HOUR, 100));
  expect(baselineOf(NOW, [...bad, ...good], []).rate.median).toBe(100);
});

test('with less past, the days before, the last day, the last hour; and it says which', () => {
  const basis = (...args: Parameters<typeof baselineOf>) => baselineOf(...args).basis;
  const days = [1, 2, 3].map((day) => hour(THIS_HOUR - day * 24 * HOUR, 100));
  expect(basis(NOW, days, [])).toBe('hour of the day');
  expect(
    basis(
      NOW,
      [5, 6, 7, 8].map((ago) => hour(THIS_HOUR - ago * HOUR, 100)),
      [],
    ),
  ).toBe('last day');
  const minutes = [1, 2, 3].map((ago) => hour(NOW - ago * 60_000, 100, { seconds: 60 }));
  expect(basis(NOW, [], minutes)).toBe('minutes before');
  expect(basis(NOW, [], [])).toBe('none');
});

test('a name that was heavy in one week only has a normal of nothing', () => {
  const [one, ...others] = weeks([100, 100, 100]);
  const entry = { key: 'once.example', count: 36_000, attributes: [], distinct: 0 };
  const tops = byKind((kind) => (kind === 'name' ? [entry] : []));
  expect(baselineOf(NOW, [{ ...one!, tops }, ...others], []).keys.name.get('once.example')).toBe(0);
});

test('what is asked of the archive covers every hour that the baseline looks at, and not the one under way', () => {
  const spans = baselineSpans(NOW);
  for (const { startMs } of weeks([1, 1, 1, 1])) {
    expect(
      spans.some(({ fromMs, toMs }) => startMs >= fromMs && startMs < toMs),
      String(startMs),
    ).toBe(true);
  }
  expect(Math.max(...spans.map(({ toMs }) => toMs))).toBeLessThanOrEqual(THIS_HOUR);
});

const calm: Measures = { rate: 1000, servfail: 0.01, kernelDrops: 0, cpu: 0.3, latencyMs: 20 };
const normal: Baseline = baselineOf(NOW, weeks([1000, 1040, 980]), []);

test.each([
  ['rate', 3000],
  ['servfail', 0.3],
  ['kernelDrops', 50],
  ['cpu', 0.97],
  ['latencyMs', 2000],
] as const)('%s above its threshold is a signal, with its rationale', (signal, value) => {
  expect(signalsOf(calm, normal)).toEqual([]);
  const [found, ...others] = signalsOf({ ...calm, [signal]: value }, normal);
  expect(others).toEqual([]);
  expect(found).toMatchObject({ signal, value });
  expect(found!.rationale.length).toBeGreaterThan(30);
});

test('a rate that doubles from next to nothing is no overload, nor is any rate without a past to compare with', () => {
  const quiet = baselineOf(NOW, weeks([2, 3, 2]), []);
  expect(signalsOf({ ...calm, rate: 60 }, quiet)).toEqual([]);
  expect(signalsOf({ ...calm, rate: 90_000 }, baselineOf(NOW, [], []))).toEqual([]);
});

test('a signal opens after twenty seconds, one spike does not, and five quiet minutes close', () => {
  const state = new OverloadState();
  const high = signalsOf({ ...calm, rate: 3000 }, normal);
  expect(state.observe(high, 0, NOW)).toEqual([]);
  expect(state.observe([], 10_000, NOW)).toEqual([]);
  state.observe(high, 20_000, NOW);
  expect(state.open).toBeUndefined();
  expect(state.observe(high, 30_000, NOW)).toMatchObject([{ opened: { by: 'detected', reason: 'rate' } }]);
  for (let i = 0; i < 29; i++) expect(state.observe([], 40_000 + i * 10_000, NOW)).toEqual([]);
  expect(state.observe([], 400_000, NOW)).toMatchObject([{ closed: { by: 'detected' } }]);
  expect(state.open).toBeUndefined();
});

test('a declared one ends by itself after an hour', () => {
  const state = new OverloadState();
  state.declare('sato', 'ticket 4711', 1000, NOW);
  expect(state.open).toMatchObject({ by: 'declared', who: 'sato', reason: 'ticket 4711' });
  state.observe([], 1000 + DECLARED_MS - 1, NOW);
  expect(state.open).toBeDefined();
  expect(state.observe([], 1000 + DECLARED_MS, NOW)).toMatchObject([{ why: 'its time is over' }]);
  expect(state.open).toBeUndefined();
});

test('each declaration keeps its person, reason and begin, and ends by itself; the history is open while one holds', () => {
  const state = new OverloadState();
  state.declare('sato', 'ticket 4711', 0, NOW);
  state.declare('suzuki', 'customer 12 calls', 600_000, NOW + 600_000);
  // Said again it goes on, and began when it began.
  state.declare('sato', 'ticket 4711', 1_200_000, NOW + 1_200_000);
  const who = () => state.all.map(({ by, who, reason, sinceMs }) => [by, who, reason, sinceMs - NOW]);
  expect(who()).toEqual([
    ['declared', 'suzuki', 'customer 12 calls', 600_000],
    ['declared', 'sato', 'ticket 4711', 0],
  ]);
  expect(state.observe([], 600_000 + DECLARED_MS, NOW)).toMatchObject([
    { closed: { who: 'suzuki' }, why: 'its time is over', open: true },
  ]);
  expect(state.open).toMatchObject({ who: 'sato', sinceMs: NOW });
  expect(state.observe([], 1_200_000 + DECLARED_MS, NOW)).toMatchObject([{ closed: { who: 'sato' }, open: false }]);
  expect([state.open, state.all]).toEqual([undefined, []]);
});

test('a detected one that ends beside a declared one does not close the history', () => {
  const state = new OverloadState();
  const high = signalsOf({ ...calm, rate: 3000 }, normal);
  for (const at of [0, 10_000]) state.observe(high, at, NOW);
  state.declare('sato', 'ticket 4711', 20_000, NOW);
  const changes = Array.from({ length: 30 }, (_, i) => state.observe([], 30_000 + i * 10_000, NOW)).flat();
  expect(changes).toMatchObject([{ closed: { by: 'detected' }, open: true }]);
  expect(state.all).toMatchObject([{ by: 'declared' }]);
  expect(state.close()).toMatchObject([{ who: 'sato' }]);
  expect(state.open).toBeUndefined();
});

/** A seeded source: mulberry32. */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/**
 * Seven days at realistic noise: hours of the day, weekdays that differ, minutes that swing together, counts by chance, something on
 * television for some minutes now and then, an authority that fails for a while, a slow evening.
 */
test.each([1, 2, 3, 4])('a quiet week, seed %i: at most one false alarm in seven days', (seed) => {
  const random = seeded(seed);
  const normally = () => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
  const [perSecond, spread] = [800, 0.08];
  const usual = (wallMs: number) => perSecond * (0.55 + 0.45 * Math.sin(((wallMs / HOUR - 10) / 24) * 2 * Math.PI));
  const days = Array.from({ length: 40 }, () => Math.exp(spread * normally()));
  const dayOf = (wallMs: number) => days[Math.floor((wallMs - (THIS_HOUR - 5 * WEEK)) / (24 * HOUR)) % days.length]!;
  const past = Array.from({ length: 6 * 168 }, (_, i) => {
    const startMs = THIS_HOUR + WEEK - i * HOUR;
    return hour(startMs, usual(startMs) * dayOf(startMs) * Math.exp(0.03 * normally()));
  });
  const state = new OverloadState();
  let [normal, swing, event, failing, alarms]: [Baseline | undefined, number, number, number, number] = [
    undefined,
    0,
    0,
    0,
    0,
  ];
  for (let epoch = 0; epoch < 7 * 8640; epoch++) {
    const wallMs = THIS_HOUR + epoch * 10_000;
    if (epoch % 360 === 0) normal = baselineOf(wallMs, past, []);
    swing = 0.98 * swing + 0.012 * normally();
    // A goal, a quake, a new episode: ten times a week for some minutes.
    if (random() < 10 / 60_480) event = 6 + Math.floor(20 * random());
    if (random() < 10 / 60_480) failing = 12;
    const rate = usual(wallMs) * dayOf(wallMs) * Math.exp(swing) * (event-- > 0 ? 1.5 : 1);
    const measured: Measures = {
      rate: rate + Math.sqrt(rate / 10) * normally(),
      servfail: Math.max(0, 0.004 + 0.001 * normally() + (failing-- > 0 ? 0.04 : 0)),
      kernelDrops: random() < 1e-4 ? 4 : 0,
      cpu: 0.35 * (rate / perSecond) + 0.02 * Math.abs(normally()),
      latencyMs: 35 * Math.exp(0.4 * normally()),
    };
    for (const change of state.observe(signalsOf(measured, normal!), epoch * 10_000, wallMs))
      if ('opened' in change) alarms++;
  }
  expect(alarms).toBeLessThanOrEqual(1);
});
