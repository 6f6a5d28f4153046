import { closeSync, mkdtempSync, openSync, readdirSync, readFileSync, writeFileSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { Archive, LEAST_QUERIES, SPAN_MS } from './archive.ts';
import { ATTRIBUTE_COUNT, type Kind } from './layout.ts';
import { MIN_LINES } from './rounding.ts';
import { byKind, type Entry, emptySlice, type Slice } from './slice.ts';
import { NO_TOTALS } from './totals.ts';

const HOUR = SPAN_MS.hour;
const DAY = 24 * HOUR;
/** Midnight somewhere. */
const NOW = 20_000 * DAY;
const RETENTION = { minutes: DAY, hours: 35 * DAY, sources: DAY };

const opened: Archive[] = [];
afterEach(() => {
  for (const archive of opened.splice(0)) archive.close();
});
function open(file = join(mkdtempSync(join(tmpdir(), 'archive-')), 'history.db')) {
  const archive = new Archive(file, NOW);
  opened.push(archive);
  return { archive, file };
}
const entry = (key: string, count: number): Entry => ({
  key,
  count,
  attributes: Array<number>(ATTRIBUTE_COUNT).fill(1),
  distinct: 3,
});
function minute(startMs: number, queries: number, tops: Partial<Record<Kind, Entry[]>> = {}): Slice {
  return {
    ...emptySlice(startMs),
    seconds: 60,
    totals: { ...NO_TOTALS, queries, types: { A: queries } },
    tops: byKind((kind) => tops[kind] ?? []),
  };
}

test('minutes come back as they were put, and add up to their hour', () => {
  const { archive } = open();
  for (let i = 0; i < 3; i++)
    archive.putMinute(minute(NOW + i * 60_000, 100, { name: [entry('www.example.com', 40)] }), i === 1);
  const minutes = archive.range('minute', NOW, NOW + HOUR);
  expect(minutes).toHaveLength(3);
  expect(minutes[0]).toMatchObject({ seconds: 60, incident: false, totals: { queries: 100, types: { A: 100 } } });
  expect(minutes[0]?.tops.name).toEqual([entry('www.example.com', 40)]);
  const [hour] = archive.range('hour', NOW, NOW + HOUR);
  expect(hour).toMatchObject({ seconds: 180, incident: true, totals: { queries: 300 } });
  expect(hour?.tops.name[0]).toMatchObject({ key: 'www.example.com', count: 120 });
});

test('a clock that was set back adds to the minute that is there: the row says how long it was observed', () => {
  const { archive } = open();
  archive.putMinute(minute(NOW, 100), false);
  archive.putMinute(minute(NOW + 20_000, 300), false);
  expect(archive.range('minute', NOW, NOW + 60_000)).toMatchObject([{ seconds: 120, totals: { queries: 400 } }]);
});

test('single addresses, and what was asked a few times only, are not on disk', () => {
  const { archive, file } = open();
  const rare = entry('rare-name.example', LEAST_QUERIES - 1);
  const tops = { name: [entry('often.example', LEAST_QUERIES), rare], address: [entry('192.0.2.77', 5000)] };
  archive.putMinute(minute(NOW, 6000, tops), false);
  const [kept] = archive.range('minute', NOW, NOW + 60_000, ['name', 'address']);
  expect(kept?.tops.name.map(({ key }) => key)).toEqual(['often.example']);
  expect(kept?.tops.address).toEqual([]);
  expect(kept?.floors.name).toBe(LEAST_QUERIES);
  expect(readFileSync(file).includes('192.0.2.77')).toBe(false);
});

test('each data set is deleted when its own time is over, and the deletion is on record', () => {
  const { archive } = open();
  const network = [
    { ...entry('192.0.2.0/24', 50), distinct: MIN_LINES },
    { ...entry('198.51.100.0/24', 50), distinct: MIN_LINES - 1 },
  ];
  const tops = { name: [entry('www.example.com', 50)], network };
  for (const ago of [36 * DAY, 10 * DAY, 2 * DAY, HOUR]) archive.putMinute(minute(NOW - ago, 100, tops), false);
  const deletions = archive.expire(NOW, RETENTION);
  expect(archive.range('minute', 0, NOW).map(({ startMs }) => startMs)).toEqual([NOW - HOUR]);
  const hours = archive.range('hour', 0, NOW);
  expect(hours.map(({ startMs }) => startMs)).toEqual([NOW - 10 * DAY, NOW - 2 * DAY, NOW - HOUR]);
  // Sources go after a day, from the hours too.
  expect(hours.map(({ tops }) => tops.network.length)).toEqual([0, 0, 1]);
  expect(hours.map(({ tops }) => tops.name.length)).toEqual([1, 1, 1]);
  expect(deletions).toContainEqual({ at: NOW, dataset: 'hour/network', before: NOW - DAY, rows: 3 });
  expect(deletions).toContainEqual({ at: NOW, dataset: 'minute/totals', before: NOW - DAY, rows: 3 });
  expect(archive.deletions(100)).toHaveLength(deletions.length);
  expect(archive.expire(NOW + 1, RETENTION)).toEqual([]);
});

test('a damaged file is moved aside and a new one begun', () => {
  const { archive, file } = open();
  for (let i = 0; i < 50; i++) archive.putMinute(minute(NOW + i * 60_000, 100), false);
  archive.close();
  opened.pop();
  const descriptor = openSync(file, 'r+');
  writeSync(descriptor, Buffer.alloc(4000, 0x5a), 0, 4000, 100);
  closeSync(descriptor);
  const again = open(file);
  expect(again.archive.movedAside).toMatch(/history\.db\.damaged-/);
  expect(readdirSync(join(file, '..')).some((name) => name.includes('damaged'))).toBe(true);
  again.archive.putMinute(minute(NOW, 1), false);
  expect(again.archive.range('minute', 0, NOW + DAY)).toHaveLength(1);
});

test('a file that is no database at all is moved aside too', () => {
  const file = join(mkdtempSync(join(tmpdir(), 'archive-')), 'history.db');
  writeFileSync(file, '<html>not a database</html>'.repeat(1000));
  expect(open(file).archive.movedAside).toMatch(/damaged/);
});

test('a full disk is an error of the one call, and what was there stays', () => {
  const { archive, file } = open();
  archive.putMinute(minute(NOW, 100), false);
  archive.close();
  opened.pop();
  const again = open(file);
  // SQLite's own limit stands for the disk's: the same error, SQLITE_FULL.
  again.archive.limitPages(8);
  const big = Array.from({ length: 300 }, (_, i) => entry(`name-${i}-${Math.sin(i)}.example.com`, 1000 + i));
  expect(() => {
    for (let i = 1; i < 50; i++) again.archive.putMinute(minute(NOW + i * 60_000, 100, { name: big }), false);
  }).toThrow(/full/);
  again.archive.limitPages(100_000);
  expect(again.archive.range('minute', NOW, NOW + 60_000)).toMatchObject([{ totals: { queries: 100 } }]);
  again.archive.putMinute(minute(NOW + 3 * HOUR, 7, { name: big }), false);
  expect(again.archive.range('minute', NOW + 3 * HOUR, NOW + 4 * HOUR)).toMatchObject([{ totals: { queries: 7 } }]);
});
