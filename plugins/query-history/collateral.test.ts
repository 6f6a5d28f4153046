import { expect, test } from 'vitest';
import { collateral, type Others } from './collateral.ts';
import { ATTRIBUTES } from './layout.ts';
import { byKind, type Entry, emptySlice, type Slice } from './slice.ts';
import { NO_TOTALS } from './totals.ts';

const entry = (
  key: string,
  count: number,
  counted: Partial<Record<(typeof ATTRIBUTES)[number], number>> = {},
): Entry => ({
  key,
  count,
  distinct: 0,
  attributes: ATTRIBUTES.map((name) => counted[name] ?? 0),
});
function slice(queries: number, tops: Partial<Slice['tops']>, floor = 0): Slice {
  const none = emptySlice(0);
  const floors = byKind(() => floor);
  return { ...none, seconds: 60, totals: { ...NO_TOTALS, queries }, tops: { ...none.tops, ...tops }, floors };
}
const NOTHING: Others = { yesterday: undefined, today: undefined, before: undefined };

test('an address that stands for a thousand lines since this morning touches them, though yesterday it was nobody', () => {
  const before = slice(10_000, { address: [entry('100.64.0.1', 2_000)] });
  const yesterday = slice(1_000_000, {}, 10);
  expect(collateral({ source: '100.64.0.1' }, 'queries', { yesterday, today: undefined, before })).toEqual({
    hits: 0.2,
    hitsIsUpperBound: false,
  });
});

test('an address of which nothing is known had at most what its network had', () => {
  const yesterday = slice(1_000_000, { network: [entry('100.64.0.0/24', 300_000)] });
  const hits = (source: string) => collateral({ source }, 'queries', { ...NOTHING, yesterday });
  expect(hits('100.64.0.1')).toEqual({ hits: 0.3, hitsIsUpperBound: true });
  expect(hits('192.0.2.1')).toEqual({ hits: 0, hitsIsUpperBound: true });
});

test('a name that became popular today counts as much as one that was popular yesterday', () => {
  const yesterday = slice(1_000_000, { name: [entry('old.example', 50_000)] }, 100);
  const today = slice(10_000, { name: [entry('new.example', 900)] }, 1);
  const others = { ...NOTHING, yesterday, today };
  expect(collateral({ name: 'new.example' }, 'queries', others).hits).toBeCloseTo(0.09);
  expect(collateral({ name: 'old.example' }, 'queries', others).hits).toBeCloseTo(0.05);
  expect(collateral({ name: 'nobody.example' }, 'queries', others)).toEqual({ hits: 0.0001, hitsIsUpperBound: true });
});

test('a rule that sees cache misses touches those of others alone, and no more than there are of its type', () => {
  const today = slice(10_000, { pattern: [entry('*.cdn.example', 1_000, { A: 600, misses: 80 })] });
  const hits = (type?: string) =>
    collateral({ pattern: '*.cdn.example', ...(type && { type }) }, 'misses', { ...NOTHING, today }).hits;
  expect([hits(), hits('A')]).toEqual([0.008, 0.008]);
});

test('without a past nothing is known, and that is said', () => {
  expect(collateral({ name: 'a.example' }, 'queries', NOTHING)).toEqual({ hits: 0, hitsIsUpperBound: true });
});
