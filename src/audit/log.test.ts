import { copyFileSync, mkdtempSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { openDatabase } from '../store/database.ts';
import { ManualClock } from '../time/clock.ts';
import { ANCHORS_FOLDER, AUDIT_FILE, AuditLog } from './log.ts';

const opened: AuditLog[] = [];
afterEach(() => {
  for (const log of opened.splice(0)) void log.close();
});

function open(folder = mkdtempSync(join(tmpdir(), 'audit-')), outside?: string) {
  const lines: { level: string; fields: Record<string, unknown>; text: string }[] = [];
  const logger = {
    info: (fields: object, text: string) => void lines.push({ level: 'info', fields: { ...fields }, text }),
    error: (fields: object, text: string) => void lines.push({ level: 'error', fields: { ...fields }, text }),
  };
  const log = new AuditLog(folder, new ManualClock(), logger, outside);
  opened.push(log);
  return { log, folder, lines };
}
const entry = (n: number) => ({ who: 'admin', role: 'operator', action: 'history.read', purpose: `ticket ${n}` });

/** Somebody works on the file with SQL, and takes away what forbids it. */
function tamper(folder: string, sql: string): void {
  const { database } = openDatabase(join(folder, AUDIT_FILE), { durability: 'full', schema: '' }, 0);
  database.exec('DROP TRIGGER audit_is_not_altered; DROP TRIGGER audit_is_not_deleted');
  database.exec(sql);
  database.close();
}
const personal = { ...entry(9), action: 'consent.show', personal: true };
const refused = expect.objectContaining({ code: 'SEKISHO_AUDIT_DAMAGED' });
const privacy = { who: 'officer', role: 'privacy', reason: 'ticket 4711' };

test('entries are chained, across restarts, and the server log carries their hashes', async () => {
  const { log, folder, lines } = open();
  log.record(entry(1));
  log.record({ ...entry(2), detail: { window: '5m' } });
  void log.close();
  const again = open(folder);
  again.log.record(entry(3));
  const verdict = await again.log.verify();
  expect(verdict).toMatchObject({ ok: true, entries: 3, problem: null });
  expect(again.lines.at(-1)?.fields['audit']).toBe(verdict.head);
  expect(await again.log.verify(String(lines[0]?.fields['audit']))).toMatchObject({ ok: true });
});

test.each([
  ['changed', "UPDATE audit SET purpose = 'curiosity' WHERE sequence = 2", /entry 2 was changed/],
  ['taken out', 'DELETE FROM audit WHERE sequence = 2', /entry 2 is missing/],
  ['put in', "INSERT INTO audit VALUES (5, '', 'x', 'x', 'x', 'x', '{}', 'x')", /entry 5 was changed/],
])('an entry that was %s breaks the chain', async (_, sql, problem) => {
  const { log, folder } = open();
  for (let n = 1; n <= 4; n++) log.record(entry(n));
  tamper(folder, sql);
  expect(await log.verify()).toMatchObject({ ok: false, problem: expect.stringMatching(problem) });
});

test('an end that was cut off shows, also against a head that was noted elsewhere', async () => {
  const { log, folder } = open();
  for (let n = 1; n <= 3; n++) log.record(entry(n));
  const { head } = await log.verify();
  tamper(folder, 'DELETE FROM audit WHERE sequence = 3');
  const cut = { ok: false, entries: 2, problem: expect.stringMatching(/ends at entry 2, but 3 were recorded/) };
  expect(await log.verify()).toMatchObject(cut);
  await log.acknowledge(privacy);
  expect(await log.verify()).toMatchObject({ ok: true, entries: 3 });
  expect(await log.verify(head!)).toMatchObject({ ok: false, problem: expect.stringMatching(/does not lead through/) });
  await expect(log.verify('yesterday')).rejects.toThrow(/SEQUENCE:HASH/);
});

test('entries cannot be altered or taken out through SQL', () => {
  const { log, folder } = open();
  log.record(entry(1));
  const { database } = openDatabase(join(folder, AUDIT_FILE), { durability: 'full', schema: '' }, 0);
  expect(() => database.exec("UPDATE audit SET who = 'x'")).toThrow('append-only');
  expect(() => database.exec('DELETE FROM audit')).toThrow('append-only');
  database.close();
});

/** What somebody may do to the log; `copy` is the file as it was two entries before. */
const MEDDLING: [string, (file: string, copy: string) => void][] = [
  ['cut', (file) => tamper(join(file, '..'), 'DELETE FROM audit WHERE sequence > 2')],
  ['rewritten', (file) => tamper(join(file, '..'), "UPDATE audit SET purpose = 'x' WHERE sequence = 1")],
  ['robbed of its triggers', (file) => tamper(join(file, '..'), '')],
  ['emptied', (file) => tamper(join(file, '..'), 'DROP TABLE audit')],
  ['removed', (file) => rmSync(file)],
  [
    'removed with its write-ahead log',
    (file) => {
      for (const part of ['', '-wal', '-shm']) rmSync(file + part, { force: true });
    },
  ],
  ['overwritten with an older copy', (file, copy) => copyFileSync(copy, file)],
  [
    'replaced by an older copy',
    (file, copy) => {
      rmSync(file);
      copyFileSync(copy, file);
    },
  ],
  [
    'replaced by the log of another server',
    (file) => {
      const other = open();
      for (let n = 1; n <= 9; n++) other.log.record(entry(n));
      other.log.close();
      renameSync(join(other.folder, AUDIT_FILE), file);
    },
  ],
];

/** A log with four entries, and a copy of its file with two. */
function meddledWith() {
  const first = open();
  first.log.record(entry(1));
  first.log.record(entry(2));
  void first.log.close();
  const file = join(first.folder, AUDIT_FILE);
  copyFileSync(file, `${file}.copy`);
  const { log, lines } = open(first.folder);
  log.record(entry(3));
  log.record(entry(4));
  return { log, lines, file, folder: first.folder, copy: `${file}.copy` };
}

describe.each(MEDDLING)('a log that is %s', (_, meddle) => {
  test('while the server runs: error, no personal reads, verify says so, changes go on', async () => {
    const { log, lines, file, copy } = meddledWith();
    expect(log.damage).toBeUndefined();
    meddle(file, copy);
    log.look();
    expect(log.damage).toBeDefined();
    expect(lines.some(({ level, text }) => level === 'error' && text.includes('DAMAGED'))).toBe(true);
    expect(() => log.record(personal)).toThrow(refused);
    expect(await log.verify()).toMatchObject({ ok: false });
  });

  test('while the server is down: noticed at the start, over restarts, until it is acknowledged', async () => {
    const before = meddledWith();
    void before.log.close();
    meddle(before.file, before.copy);
    for (let restarts = 0; restarts < 2; restarts++) {
      const { log } = open(before.folder);
      expect(log.damage).toBeDefined();
      expect(await log.verify()).toMatchObject({ ok: false });
      expect(() => log.record(personal)).toThrow(refused);
      log.record(entry(5));
      void log.close();
    }
    const { log } = open(before.folder);
    await expect(log.acknowledge({ ...privacy, reason: ' ' })).rejects.toThrow(/needs a reason/);
    expect(await log.acknowledge(privacy)).toMatchObject({ ok: true });
    await expect(log.acknowledge(privacy)).rejects.toThrow(/not damaged/);
    log.record(personal);
    void log.close();
    const after = open(before.folder).log;
    expect([after.damage, (await after.verify()).ok]).toEqual([undefined, true]);
    const [acknowledged] = await after.details('audit.acknowledge', '2000', '2100');
    expect(acknowledged?.detail).toMatchObject({ damage: expect.any(String) });
  });
});

test('a chain that is ahead of its anchor, as after a kill between the two, is sound', () => {
  const { folder, log } = open();
  log.record(entry(1));
  const anchor = join(folder, ANCHORS_FOLDER, 'audit');
  copyFileSync(anchor, `${anchor}.before`);
  log.record(entry(2));
  void log.close();
  copyFileSync(`${anchor}.before`, anchor);
  expect(open(folder).log.damage).toBeUndefined();
});

test('entries that are begun go to the disk together, and one that is recorded at once takes them along', async () => {
  const { log, lines, folder } = open();
  const begun = [log.begin([entry(1)]), log.begin([entry(2), entry(3)])];
  // Not told before they are on the disk.
  expect(lines).toEqual([]);
  log.record(entry(4));
  await Promise.all(begun.map(({ recorded }) => recorded));
  expect(lines.map(({ fields }) => String(fields['audit']).split(':')[0])).toEqual(['4', '1', '2', '3']);
  const last = log.begin([entry(5)]);
  void log.close();
  await Promise.all([last.flushed, last.recorded]);
  expect(await open(folder).log.verify()).toMatchObject({ ok: true, entries: 5 });
});

test('is verified in steps, and what is recorded meanwhile is not missing', async () => {
  const { log } = open();
  log.recordAll(Array.from({ length: 1500 }, (_, n) => entry(n)));
  const done = { yet: false };
  const verifying = log.verify().finally(() => {
    done.yet = true;
  });
  log.record(entry(1500));
  let turns = 0;
  for (; !done.yet; turns++) {
    log.record(entry(1501 + turns));
    await new Promise(setImmediate);
  }
  expect((await verifying).ok).toBe(true);
  expect(turns).toBeGreaterThan(4);
});

test.each([
  ['missing', (anchor: string) => rmSync(anchor)],
  ['unreadable', (anchor: string) => writeFileSync(anchor, 'x'.repeat(9000))],
])('an anchor that is %s is damage: nothing shows that the end is the end', (_, spoil) => {
  const { folder, log } = open();
  log.record(entry(1));
  void log.close();
  spoil(join(folder, ANCHORS_FOLDER, 'audit'));
  expect(open(folder).log.damage).toMatch(/anchor/);
});

test('an anchor outside the folder shows a whole folder that came back older', () => {
  const outside = mkdtempSync(join(tmpdir(), 'anchors-'));
  const folder = mkdtempSync(join(tmpdir(), 'audit-'));
  const first = open(folder, outside).log;
  first.record(entry(1));
  void first.close();
  // As a backup in place does it: every file keeps its number.
  const files = [join(folder, AUDIT_FILE), join(folder, ANCHORS_FOLDER, 'audit')];
  for (const file of files) copyFileSync(file, `${file}.copy`);
  const second = open(folder, outside).log;
  second.record(entry(2));
  void second.close();
  for (const file of files) copyFileSync(`${file}.copy`, file);
  expect(open(folder, outside).log.damage).toMatch(/older than it was/);
});

test('where an entry cannot be written, what was to be audited is refused', () => {
  const { log, folder } = open();
  log.record(entry(1));
  tamper(folder, 'ALTER TABLE audit RENAME TO elsewhere');
  expect(() => log.record(entry(2))).toThrow(expect.objectContaining({ code: 'SEKISHO_AUDIT_FAILED' }));
});

test('a damaged file is moved aside, loudly, and the new chain says so', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'audit-'));
  writeFileSync(join(folder, AUDIT_FILE), 'this is no database, whatever its name says '.repeat(100));
  const { log, lines } = open(folder);
  expect(lines[0]).toMatchObject({ level: 'error', text: expect.stringMatching(/DAMAGED/) });
  expect(readdirSync(folder).some((name) => name.startsWith(`${AUDIT_FILE}.damaged-`))).toBe(true);
  expect(await log.verify()).toMatchObject({ ok: false, entries: 1 });
  expect(await log.acknowledge(privacy)).toMatchObject({ ok: true, entries: 2 });
});

test('a folder that cannot be written to refuses entries and stops nothing', () => {
  const { log, lines } = open('/proc/nowhere');
  expect(lines[0]?.level).toBe('error');
  expect(() => log.record(entry(1))).toThrow(/refused/);
});
