import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { AuditEntry } from '../../src/contract/plugin.ts';
import { ManualClock } from '../../src/testing/testing.ts';
import { rulesWithoutStore } from '../../test/support/desk-without-store.ts';
import { observed, testRecorder } from '../../test/support/history-queries.ts';
import { Archive, SPAN_MS } from './archive.ts';
import { type HistoryArchive, inlineArchive } from './archive-thread.ts';
import { HistoryDesk } from './desk.ts';
import { HistoryReading } from './reading.ts';

const DAY = 24 * SPAN_MS.hour;
const reader = { who: 'sato', role: 'operator' };

/** A clock whose wall time can be set. */
class SteppingClock extends ManualClock {
  offsetMs = 0;
  override wallMs(): number {
    return super.wallMs() + this.offsetMs;
  }
}

function begin(archive?: HistoryArchive | null) {
  const clock = new SteppingClock();
  const file = join(mkdtempSync(join(tmpdir(), 'desk-')), 'history.db');
  const own = new Archive(file, clock.wallMs());
  const lines: string[] = [];
  const audited: AuditEntry[] = [];
  let auditFails = false;
  const write = (_fields: object, text: string) => void lines.push(text);
  const audit = {
    record: (entry: AuditEntry) => {
      if (auditFails) throw new Error('no space');
      audited.push(entry);
    },
  };
  const surroundings = { cpuSeconds: 0, kernelDrops: 0, upstreams: {} as Record<string, number> };
  const desk = new HistoryDesk({
    clock,
    log: { info: write, warn: write, error: write },
    audit,
    archive: archive === null ? undefined : (archive ?? inlineArchive(own)),
    retention: { minutes: DAY, hours: 35 * DAY, sources: DAY },
    cores: 1,
    surroundings: () => ({ ...surroundings }),
  });
  const { recorders, collector, teacher } = testRecorder();
  const detach = desk.attach(collector, teacher);
  const reading = new HistoryReading(desk, audit, clock, rulesWithoutStore());
  /** `perSecond` queries in each of so many seconds. */
  const pass = async (
    seconds: number,
    perSecond = 0,
    what: Parameters<typeof observed>[0] = { name: 'www.example.com' },
  ) => {
    const query = observed(what);
    for (let i = 0; i < seconds; i++) {
      for (let j = 0; j < perSecond; j++) {
        query.nowMs = query.receivedMs = clock.nowMs();
        recorders[0]!.observe(query);
      }
      clock.advance(1000);
      desk.tick();
      await desk.settled();
      await new Promise((resolve) => setImmediate(resolve));
    }
  };
  const failAudit = () => {
    auditFails = true;
  };
  return { clock, desk, reading, archive: own, lines, audited, surroundings, detach, pass, failAudit };
}

test('seconds are in memory for 15 minutes, minutes on disk', async () => {
  const { desk, archive, pass, clock } = begin();
  await pass(1000, 3);
  expect(desk.seconds).toHaveLength(900);
  expect(desk.seconds.at(-1)?.totals.queries).toBe(3);
  const minutes = archive.range('minute', 0, clock.wallMs());
  expect(minutes.length).toBeGreaterThanOrEqual(15);
  expect(minutes.length).toBeLessThanOrEqual(17);
  const kept = minutes.reduce((sum, { totals }) => sum + totals.queries, 0);
  expect(3000 - kept).toBeLessThanOrEqual(3 * 70);
});

test('closing writes the minute that is under way', async () => {
  const { desk, archive, pass, clock } = begin();
  const rows: number[] = [];
  const range = archive.range.bind(archive);
  await pass(25, 4);
  archive.close = () => void rows.push(...range('minute', 0, clock.wallMs() + DAY).map(({ totals }) => totals.queries));
  await desk.close();
  expect(rows.reduce((sum, queries) => sum + queries, 0)).toBe(100);
});

test('what the workers of a retired configuration recorded last is kept', async () => {
  const { desk, pass, detach } = begin();
  await pass(4, 5);
  detach();
  expect(desk.recent(10)?.totals.queries).toBe(20);
  expect(desk.recent(10)?.tops.name[0]).toMatchObject({ key: 'www.example.com', count: 20 });
});

test('a clock that is set back by an hour loses nothing and writes nothing twice', async () => {
  const { archive, clock, pass } = begin();
  await pass(120, 2);
  clock.offsetMs = -SPAN_MS.hour;
  await pass(180, 2);
  const minutes = archive.range('minute', 0, clock.wallMs() + DAY);
  const covered = minutes.reduce((sum, { seconds }) => sum + seconds, 0);
  for (const { totals, seconds } of minutes) expect(totals.queries).toBeCloseTo(seconds * 2, -1);
  expect(covered).toBeGreaterThan(220);
  expect(covered).toBeLessThanOrEqual(300);
});

test('a disk that takes nothing is said once, loudly; the minutes follow when it takes them again', async () => {
  let full = true;
  const rows: number[] = [];
  const archive: HistoryArchive = {
    call: (async (name: string, slice: { totals: { queries: number } }) => {
      if (name !== 'putMinute') return [];
      if (full) throw new Error('database or disk is full');
      rows.push(slice.totals.queries);
      return undefined;
    }) as HistoryArchive['call'],
    close: async () => {},
  };
  const { lines, pass, desk } = begin(archive);
  await pass(250, 1);
  expect(lines.filter((line) => line.includes('CANNOT BE WRITTEN'))).toHaveLength(1);
  expect(desk.recent(60)?.totals.queries).toBeGreaterThan(50);
  full = false;
  await pass(61, 1);
  expect(rows.length).toBeGreaterThanOrEqual(4);
  expect(lines).toContain('history writes have recovered');
});

test('minutes that wait for the disk are bounded, and counted when they are lost', async () => {
  const archive: HistoryArchive = {
    call: (async (name: string) => {
      if (name === 'putMinute') throw new Error('no');
      return [];
    }) as HistoryArchive['call'],
    close: async () => {},
  };
  const { desk, pass } = begin(archive);
  await pass(65 * 60);
  expect(desk.lostMinutes).toBeGreaterThanOrEqual(3);
  expect(desk.lostMinutes).toBeLessThanOrEqual(6);
});

test('without an overload nobody reads; a reason opens it, for an hour; each reading is audited first', async () => {
  const { reading, pass, audited, clock } = begin();
  await pass(30, 20);
  const ask = (reason?: string) => reading.read(reader, { reason, windowSeconds: 20 }, 10);
  await expect(ask()).rejects.toThrow(expect.objectContaining({ code: 'SEKISHO_HISTORY_CLOSED' }));
  await expect(ask('x')).rejects.toThrow(/sentence/);
  expect(audited).toEqual([]);
  const report = await ask('resolver slow, ticket 4711');
  expect(report.tops.name).toMatchObject([{ key: 'www.example.com', queries: 400 }]);
  expect(audited.map(({ action, purpose, who }) => [action, purpose, who])).toEqual([
    ['overload.declare', 'resolver slow, ticket 4711', 'sato'],
    ['history.read', 'resolver slow, ticket 4711', 'sato'],
  ]);
  await ask();
  clock.advance(3_600_000);
  await pass(11, 20);
  await expect(ask()).rejects.toThrow(/closed/);
});

test('where the audit log cannot be written, the history stays closed', async () => {
  const { reading, pass, failAudit } = begin();
  await pass(20, 20);
  failAudit();
  await expect(reading.read(reader, { reason: 'a good reason', windowSeconds: 20 }, 10)).rejects.toThrow(/no space/);
});

test('what was asked a few times only is not shown', async () => {
  const { reading, pass } = begin();
  await pass(9, 1, { name: 'private.example', client: '192.0.2.200' });
  await pass(11, 50, { name: 'www.example.com', client: '198.51.100.1' });
  const report = await reading.read(reader, { reason: 'a good reason', windowSeconds: 60 }, 10);
  expect(report.tops.name.map(({ key }) => key)).toEqual(['www.example.com']);
  expect(report.tops.address.map(({ key }) => key)).toEqual(['198.51.100.1']);
});

test('a window without a query is a clear error', async () => {
  const { reading, pass } = begin();
  await pass(20);
  for (const windowSeconds of [60, 7200])
    await expect(reading.read(reader, { reason: 'a good reason', windowSeconds }, 10)).rejects.toThrow(
      expect.objectContaining({ code: 'SEKISHO_HISTORY_EMPTY' }),
    );
});

test('datagrams that the kernel drops open the history, with the rationale in the audit log', async () => {
  const { desk, pass, surroundings, audited } = begin();
  for (let i = 0; i < 4; i++) {
    surroundings.kernelDrops += 1000;
    await pass(10, 10);
  }
  expect(desk.overload.open).toMatchObject({ by: 'detected', reason: 'kernelDrops' });
  const opening = audited.find(({ action }) => action === 'overload.open');
  expect(JSON.stringify(opening?.detail)).toMatch(/lost before a worker saw them/);
});

test('what each upstream was asked is kept with the minute, out of counters that only grow', async () => {
  const { desk, reading, archive, pass, surroundings, clock } = begin();
  for (let i = 0; i < 12; i++) {
    surroundings.upstreams = { '192.0.2.53:53': 100 * (i + 1), '192.0.2.53:53 timed out': i };
    await pass(10, 20);
  }
  expect(desk.recent(60)?.totals.upstreams).toEqual({ '192.0.2.53:53': 600, '192.0.2.53:53 timed out': 6 });
  const minutes = archive.range('minute', 0, clock.wallMs());
  expect(minutes.at(-1)?.totals.upstreams['192.0.2.53:53']).toBeGreaterThan(0);
  const report = await reading.read(reader, { reason: 'a good reason', windowSeconds: 60 }, 10);
  expect(report.upstreams).toEqual({ '192.0.2.53:53': 600, '192.0.2.53:53 timed out': 6 });
});

test('a young server compares with the minutes before, as soon as there are some', async () => {
  const { desk, pass } = begin();
  await pass(20, 5);
  expect((await desk.baseline()).basis).toBe('none');
  await pass(300, 5);
  const normal = await desk.baseline();
  expect(normal.basis).toBe('minutes before');
  expect(normal.rate.median).toBeCloseTo(5, 0);
});

test('without a disk the quarter of an hour in memory is there all the same', async () => {
  const { reading, pass } = begin(null);
  await pass(90, 20);
  const report = await reading.diagnose(reader, { reason: 'a good reason', windowSeconds: 60 });
  expect(report.rate.now).toBeCloseTo(20, 0);
});
