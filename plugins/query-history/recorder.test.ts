import { describe, expect, test } from 'vitest';
import { CACHE_MISS } from '../../src/contract/plugin.ts';
import { type Observed, observed, testRecorder } from '../../test/support/history-queries.ts';
import { memoryBytes } from './layout.ts';
import { attribute, type Slice } from './slice.ts';
import { quantile } from './totals.ts';

function sliceOf(queries: readonly Observed[], workers = 1): Slice {
  const { recorders, collector } = testRecorder(workers);
  queries.forEach((query, i) => {
    recorders[i % workers]!.observe(observed(query));
  });
  const totals = collector.takeTotals();
  return { ...collector.takeTops(0, 10), totals };
}
const times = (count: number, query: Observed) => Array.from({ length: count }, () => query);
const keys = (slice: Slice, kind: keyof Slice['tops']) => slice.tops[kind].map(({ key, count }) => [key, count]);

test('the memory of a worker is fixed and below 32 MiB', () => {
  expect(memoryBytes(testRecorder().memories[0]!)).toBeLessThan(32 * 2 ** 20);
});

test('a name is counted as itself, under its registered domain and under its pattern', () => {
  const slice = sliceOf([
    ...times(3, { name: 'www.shop.example.co.jp' }),
    ...times(2, { name: 'example.co.jp' }),
    { name: 'k3j9x2v7q1.shop.example.co.jp' },
  ]);
  expect(keys(slice, 'name')).toEqual([
    ['www.shop.example.co.jp', 3],
    ['example.co.jp', 2],
    ['k3j9x2v7q1.shop.example.co.jp', 1],
  ]);
  expect(keys(slice, 'domain')).toEqual([['example.co.jp', 6]]);
  expect(keys(slice, 'pattern')).toEqual([['*.shop.example.co.jp', 4]]);
});

test('several random-looking labels are folded into one', () => {
  const slice = sliceOf([
    { name: 'k3j9x2v7q1.b8f2h6w0.victim.example.com' },
    { name: 'z1x2c3v4b5.q9w8e7r6.victim.example.com' },
  ]);
  expect(keys(slice, 'pattern')).toEqual([['*.victim.example.com', 2]]);
  expect(slice.tops.pattern[0]).toMatchObject({ distinct: 2 });
});

test('a suffix that is shared by many is learnt, and its domains are told apart from then on', () => {
  const { recorders, collector, teacher } = testRecorder();
  const ask = () => {
    for (const name of ['a.one.s3.amazonaws.com', 'a.two.s3.amazonaws.com']) recorders[0]!.observe(observed({ name }));
  };
  ask();
  expect(collector.takeTops(0, 10).tops.domain.map(({ key }) => key)).toEqual(['amazonaws.com']);
  expect(teacher.consider('example.com')).toBe(false);
  expect(teacher.consider('com.pl')).toBe(true);
  expect(teacher.consider('s3.amazonaws.com')).toBe(true);
});

test('sources are counted as network and as address, IPv4 and IPv6', () => {
  const slice = sliceOf([
    ...times(2, { name: 'a.example', client: '192.0.2.7' }),
    { name: 'a.example', client: '192.0.2.200' },
    { name: 'a.example', client: '2001:db8:1:2ff::1' },
    { name: 'a.example', client: '2001:db8:1:201::1' },
  ]);
  expect(keys(slice, 'network')).toEqual([
    ['192.0.2.0/24', 3],
    ['2001:db8:1:200::/56', 2],
  ]);
  expect(keys(slice, 'address')[0]).toEqual(['192.0.2.7', 2]);
});

test('malformed and dropped packets count, with the reason, and have a source', () => {
  const slice = sliceOf([{ replyLength: 0, dropReason: 0 }, { replyLength: 12, rcode: 1 }, { name: 'a.example' }]);
  expect(slice.totals).toMatchObject({
    queries: 3,
    drops: { short: 1 },
    rcodes: { FORMERR: 1, NOERROR: 1 },
    types: { A: 1 },
  });
  expect(keys(slice, 'network')).toEqual([['192.0.2.0/24', 3]]);
  expect(keys(slice, 'name')).toEqual([['a.example', 1]]);
});

test('what became of a name is counted beside it', () => {
  const slice = sliceOf([
    { name: 'a.example', type: 'TXT', replyLength: 1200, cacheResult: CACHE_MISS, latencyMs: 1500 },
    { name: 'a.example', rcode: 2 },
    { name: 'a.example', rcode: 3 },
    { name: 'a.example', replyLength: 0, dropReason: 4 },
  ]);
  const [entry] = slice.tops.name;
  const of = (what: Parameters<typeof attribute>[1]) => attribute(entry!, what);
  expect({ txt: of('TXT'), misses: of('misses'), servfail: of('servfail') }).toEqual({
    txt: 1,
    misses: 1,
    servfail: 1,
  });
  expect({ nxdomain: of('nxdomain'), slow: of('slow'), large: of('large'), denied: of('denied') }).toEqual({
    nxdomain: 1,
    slow: 1,
    large: 1,
    denied: 1,
  });
  expect(quantile(slice.totals.latencies, 1)).toBeGreaterThan(1300);
  expect(quantile(slice.totals.latencies, 0.5)).toBe(0);
});

test('workers are merged', () => {
  const slice = sliceOf(times(30, { name: 'www.example.com' }), 3);
  expect(keys(slice, 'name')).toEqual([['www.example.com', 30]]);
  expect(slice.totals.queries).toBe(30);
});

describe('epochs', () => {
  test('each query is in exactly one slice', () => {
    const { recorders, collector } = testRecorder();
    let seen = 0;
    for (let epoch = 0; epoch < 6; epoch++) {
      for (let i = 0; i < 10 + epoch; i++) recorders[0]!.observe(observed({ name: 'www.example.com' }));
      const slice = collector.takeTops(0, 10);
      expect(slice.tops.name[0]?.count).toBe(10 + epoch);
      seen += slice.tops.name[0]!.count;
    }
    expect(seen).toBe(75);
    expect(collector.takeTops(0, 10).tops.name).toEqual([]);
  });

  test('a worker that died in the middle of a query holds nobody up', () => {
    const { recorders, memories, collector } = testRecorder();
    recorders[0]!.observe(observed({ name: 'www.example.com' }));
    Atomics.store(new Int32Array(memories[0]!.control), 1, 1);
    expect(collector.takeTops(0, 10).tops.name).toHaveLength(1);
  });
});

test('names that would harm a terminal or a page are shown escaped', () => {
  const { recorders, collector } = testRecorder();
  const query = observed({ name: 'aaaaaaaaaaaaaa.example' });
  query.question.name.set(Buffer.from('<b>\x1b[2J"&\'\n'), 1);
  recorders[0]!.observe(query);
  const [entry] = collector.takeTops(0, 10).tops.name;
  expect(entry?.key).toBe('\\060b\\062\\027[2J\\034\\038\\039\\010aaa.example');
});

test('at high rates one query in several is looked at and stands for the others; totals count each', () => {
  const { recorders, collector } = testRecorder();
  // 100 000 a second.
  for (let i = 0; i < 200_000; i++) {
    const query = i % 10 === 0 ? HEAVY : LIGHT;
    query.nowMs = query.receivedMs = i / 100;
    recorders[0]!.observe(query);
  }
  const slice = { ...collector.takeTops(0, 10), totals: collector.takeTotals() };
  expect(slice.totals.queries).toBe(200_000);
  const heavy = slice.tops.name.find(({ key }) => key === 'heavy.example.com')!;
  expect(attribute(heavy, 'samples')).toBeLessThan(6_000);
  expect(heavy.count).toBeGreaterThan(18_000);
  expect(heavy.count).toBeLessThan(22_000);
});
const HEAVY = observed({ name: 'heavy.example.com' });
const LIGHT = observed({ name: 'light.example.com' });
