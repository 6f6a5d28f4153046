/**
 * The history on disk: size of 35 days at 100 000 queries a second, and how long a diagnosis takes with them.
 *
 * Minutes and hours are filled with lists as long as they get, of names as varied as they are: what is measured does not
 * depend on the rate, because a list has its 300 entries at any.
 */
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Archive, SPAN_MS } from '../../plugins/query-history/archive.ts';
import { inlineArchive } from '../../plugins/query-history/archive-thread.ts';
import { HistoryDesk } from '../../plugins/query-history/desk.ts';
import { ATTRIBUTE_COUNT, type Kind } from '../../plugins/query-history/layout.ts';
import { HistoryReading } from '../../plugins/query-history/reading.ts';
import { byKind, type Entry, type Slice } from '../../plugins/query-history/slice.ts';
import { NO_TOTALS } from '../../plugins/query-history/totals.ts';
import { systemClock } from '../../src/time/clock.ts';
import { rulesWithoutStore } from '../../test/support/desk-without-store.ts';

const RATE = 100_000;
const DAYS = 35;
const nowMs = systemClock.wallMs();
let state = 4711;
const random = () => {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
  return state / 2 ** 32;
};
const text = (length: number) =>
  Array.from({ length }, () => 'abcdefghijklmnopqrstuvwxyz0123456789'[Math.floor(random() * 36)]).join('');
const POOL = Array.from(
  { length: 900 },
  () => `${text(6)}.${text(11)}.${['com', 'co.jp', 'net'][Math.floor(random() * 3)]}`,
);
const networks = Array.from({ length: 900 }, (_, i) => `10.${i >> 8}.${i & 255}.0/24`);

function entry(kind: Kind, rank: number, seconds: number): Entry {
  const count = Math.round((RATE * seconds * (0.8 + 0.4 * random())) / ((rank + 1) * 12));
  const key = (kind === 'network' ? networks : POOL)[(rank + Math.floor(random() * 60)) % 900] ?? '';
  const attributes = Array.from({ length: ATTRIBUTE_COUNT }, (_, i) =>
    i % 3 === 2 ? 0 : Math.round(count * random()),
  );
  return { key, count, attributes, distinct: kind === 'name' ? 0 : Math.floor(random() * 3000) };
}

function slice(startMs: number, seconds: number): Slice {
  const queries = Math.round(RATE * seconds * (0.9 + 0.2 * random()));
  const spread = (keys: readonly string[]) =>
    Object.fromEntries(keys.map((key) => [key, Math.round((queries * random()) / keys.length)]));
  const numbers = (count: number) => Array.from({ length: count }, (_, i) => String(i * 7));
  return {
    startMs,
    seconds,
    totals: {
      ...NO_TOTALS,
      queries,
      types: spread(['A', 'AAAA', 'HTTPS', 'PTR', 'TXT', 'MX', 'SRV', 'NS', 'SOA', 'DS', 'DNSKEY', 'ANY', 'other']),
      rcodes: spread(['NOERROR', 'NXDOMAIN', 'SERVFAIL', 'REFUSED', 'FORMERR']),
      transports: spread(['udp', 'tcp']),
      cache: spread(['hit', 'miss', 'stale', 'none', 'failure']),
      sizes: spread(numbers(50)),
      latencies: spread(numbers(120)),
    },
    tops: byKind((kind) =>
      kind === 'address' ? [] : Array.from({ length: 512 }, (_, rank) => entry(kind, rank, seconds)),
    ),
    floors: byKind(() => 500),
  };
}

const folder = mkdtempSync(join(tmpdir(), 'history-bench-'));
const file = join(folder, 'history.db');
const archive = new Archive(file, nowMs);
const puts: number[] = [];
// One full minute in each hour of the older days fills their rows; the last day has all of its minutes.
for (let hour = DAYS * 24; hour > 24; hour--) archive.putMinute(slice(nowMs - hour * SPAN_MS.hour, 3600), false);
for (let minute = 24 * 60; minute > 0; minute--) {
  const begin = performance.now();
  archive.putMinute(slice(nowMs - minute * SPAN_MS.minute, 60), false);
  puts.push(performance.now() - begin);
}
archive.expire(nowMs, { minutes: 24 * SPAN_MS.hour, hours: DAYS * 24 * SPAN_MS.hour, sources: 24 * SPAN_MS.hour });
const bytes = statSync(file).size + (statSync(`${file}-wal`, { throwIfNoEntry: false })?.size ?? 0);

const times: number[] = [];
const cpu: number[] = [];
for (let i = 0; i < 7; i++) {
  const desk = new HistoryDesk({
    clock: systemClock,
    log: { info: () => {}, warn: () => {}, error: (fields, message) => console.error(message, fields) },
    audit: { record: () => {} },
    archive: inlineArchive(archive),
    retention: { minutes: 24 * SPAN_MS.hour, hours: DAYS * 24 * SPAN_MS.hour, sources: 24 * SPAN_MS.hour },
    cores: 1,
    surroundings: () => ({ cpuSeconds: 0, kernelDrops: 0, upstreams: {} }),
  });
  const reading = new HistoryReading(desk, { record: () => {} }, systemClock, rulesWithoutStore());
  const begin = performance.now();
  const cpuBefore = process.cpuUsage();
  // Longer than the memory reaches: the window comes from disk too, as do baseline and day.
  await reading.diagnose({ who: 'bench', role: 'operator' }, { reason: 'measured in the bench', windowSeconds: 1800 });
  times.push(performance.now() - begin);
  const { user, system } = process.cpuUsage(cpuBefore);
  cpu.push((user + system) / 1000);
}
const middle = (values: number[]) => [...values].sort((one, other) => one - other)[values.length >> 1] ?? 0;
console.log(`disk, ${DAYS} days of hours and a day of minutes: ${(bytes / 2 ** 20).toFixed(1)} MiB`);
console.log(
  `writing a minute, in the archive's thread: ${middle(puts).toFixed(1)} ms (median), ${Math.max(...puts).toFixed(0)} ms (longest)`,
);
console.log(
  `diagnosis, nothing remembered from before: ${middle(times).toFixed(0)} ms (median), ${Math.max(...times).toFixed(0)} ms (longest of ${times.length}); CPU ${middle(cpu).toFixed(0)} ms (median)`,
);
archive.close();
rmSync(folder, { recursive: true });
