import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ManualClock } from '../time/clock.ts';
import { reportPage } from './page.ts';
import { type ReportSources, transparencyReport } from './report.ts';
import { openSqliteTallyStore } from './sqlite-tally-store.ts';
import { dayOf, KEPT_DAYS, TallyLog } from './tally-log.ts';

const DAY_MS = 86_400_000;
const stored = (folder: string) => openSqliteTallyStore(join(folder, 'tally.db'), 0);
const silent = { warn: () => {}, error: () => {} };
let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sekisho-report-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

describe('the daily tallies', () => {
  const blocked = (value: number) => [
    { name: 'sekisho_c2_block_blocked_total', help: 'Blocked.', labels: { list: 'c2-feed', action: 'nodata' }, value },
  ];

  it('add what a counter rose by to the day on which it rose, over restarts too', async () => {
    const clock = new ManualClock();
    const first = dayOf(clock.wallMs());
    let value = 5;
    let log = new TallyLog(stored(folder), clock, silent, () => blocked(value));
    await log.tick();
    value = 7;
    await log.tick();
    clock.advance(DAY_MS);
    value = 10;
    await log.close();
    // A new process counts from 0.
    value = 4;
    log = new TallyLog(stored(folder), clock, silent, () => blocked(value));
    await log.tick();
    const second = dayOf(clock.wallMs());
    const one = {
      name: 'sekisho_c2_block_blocked_total',
      help: 'Blocked.',
      labels: { action: 'nodata', list: 'c2-feed' },
    };
    expect(await log.between(first, second)).toEqual([{ ...one, count: 14, days: 2 }]);
    expect(await log.between(second, second)).toEqual([{ ...one, count: 7, days: 1 }]);
    expect(await log.between('2001-01-01', '2001-12-31')).toEqual([]);
    await log.close();
  });

  it('forget days that are older than what is kept', async () => {
    const clock = new ManualClock();
    const first = dayOf(clock.wallMs());
    let value = 1;
    const log = new TallyLog(stored(folder), clock, silent, () => blocked(value));
    await log.tick();
    clock.advance((KEPT_DAYS + 1) * DAY_MS);
    value = 2;
    await log.tick();
    expect(await log.between(first, first)).toEqual([]);
    await log.close();
  });

  it('cannot be kept where the folder is not there, and say so', async () => {
    const said: string[] = [];
    const log = new TallyLog(
      stored(join(folder, 'none')),
      new ManualClock(),
      { ...silent, error: (_, text) => said.push(text) },
      () => blocked(1),
    );
    await log.tick();
    expect([await log.between('2026-01-01', '2026-12-31'), said]).toEqual([
      [],
      ['daily tallies cannot be stored: transparency reports will lack these days'],
    ]);
    await log.close();
  });
});

const sources: ReportSources = {
  version: '0.1.0',
  nowMs: 0,
  chain: [
    { name: 'c2', stage: 'policy', summary: 'a plugin whose name begins another' },
    { name: 'c2-block', stage: 'policy', summary: 'blocks <C&C>' },
    { name: 'whoami', stage: 'policy', summary: 'counts nothing' },
  ],
  lists: [{ name: 'c2-feed', category: 'c2', tier: 'confirmed', ground: 'consent' }],
  tallies: [
    { name: 'sekisho_c2_block_hits_total', help: 'Raw help.', labels: { list: '<script>' }, count: 1234, days: 3 },
    { name: 'sekisho_c2_block_hits_total', help: 'Raw help.', labels: { list: 'few' }, count: 9, days: 2 },
    { name: 'sekisho_c2_block_own_total', help: 'Raw help.', labels: {}, count: 99, days: 2 },
    { name: 'sekisho_notice_refused_total', help: 'Raw help.', labels: { reason: 'cross-site' }, count: 44, days: 2 },
    { name: 'sekisho_queries_total', help: 'Queries.', labels: { transport: 'udp' }, count: 10, days: 3 },
    { name: 'sekisho_queries_total', help: 'Queries.', labels: { transport: 'tcp' }, count: 5, days: 3 },
  ],
  actions: [
    { action: 'overload.declare', count: 2, first: '2026-10-02T00:00:00Z', last: '2026-10-03T00:00:00Z' },
    { action: 'history.read', count: 20, first: '2026-10-02T00:00:00Z', last: '2026-10-03T00:00:00Z' },
    { action: 'list.rollback.refused', count: 11, first: '2026-10-02T00:00:00Z', last: '2026-10-03T00:00:00Z' },
  ],
  deletions: [
    { at: '2026-10-01T00:00:00Z', detail: { deletions: [{ dataset: 'minutes', before: 1, rows: 60 }] } },
    { at: '2026-10-02T00:00:00Z', detail: { deletions: [{ dataset: 'minutes', before: 2, rows: 40 }] } },
  ],
  consent: [
    { action: 'opt-out', channel: 'portal', count: 40, subscribers: 30 },
    { action: 'opt-out', channel: 'call-centre', count: 40, subscribers: 9 },
  ],
  audit: { ok: true, entries: 3, head: '3:abc', problem: null },
};
const span = { from: '2026-10-01', to: '2026-10-31' };

describe('the report', () => {
  it('gives each plugin its own counters, sums queries and deletions, and hides small counts of people', () => {
    const report = transparencyReport(span, sources);
    expect(report.queries).toBe(15);
    expect(report.measures.map(({ plugin, counts, undescribed }) => [plugin, counts.length, undescribed])).toEqual([
      ['c2-block', 2, 1],
    ]);
    expect(report.measures[0]?.counts.map(({ count, days }) => [count, days])).toEqual([
      [1234, 3],
      [null, null],
    ]);
    expect(report.deletions).toMatchObject([{ dataset: 'minutes', times: 2, rows: 100, last: '2026-10-02' }]);
    expect(report.actions.map(({ action, count, last }) => [action, count, last])).toEqual([
      ['overload.declare', null, null],
      ['history.read', 20, '2026-10-03'],
    ]);
    expect(report.refusals.actions.map(({ what }) => what.ja)).toEqual(['リスト: 以前の版に戻す（拒否）']);
    expect(report.refusals.counts.map(({ count }) => count)).toEqual([44]);
    expect(report.consent.map(({ count }) => count)).toEqual([40, null]);
  });

  it('becomes a page in both languages that holds no markup of others, no script and nothing from elsewhere', () => {
    const page = reportPage(transparencyReport(span, sources));
    expect(page).toContain('透明性レポート');
    expect(page).toContain('&lt;script&gt;');
    expect(page).toContain('リストに該当した問合せ');
    expect(page).toContain('Queries for a listed name');
    expect(page).not.toContain('Raw help');
    expect(page).not.toContain('sekisho_');
    expect(page).toContain('1,234');
    expect(page).toContain('&lt; 10');
    expect(page).not.toMatch(/<script|<img|<link|src=|href=|https?:/);
  });
});
