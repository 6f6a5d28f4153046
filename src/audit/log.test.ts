import { mkdtempSync, readdirSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { openDatabase } from '../store/database.ts';
import { ManualClock } from '../time/clock.ts';
import { AUDIT_FILE, AuditLog } from './log.ts';

const opened: AuditLog[] = [];
afterEach(() => {
  for (const log of opened.splice(0)) log.close();
});

function open(folder = mkdtempSync(join(tmpdir(), 'audit-'))) {
  const lines: { level: string; fields: Record<string, unknown>; text: string }[] = [];
  const logger = {
    info: (fields: object, text: string) => void lines.push({ level: 'info', fields: { ...fields }, text }),
    error: (fields: object, text: string) => void lines.push({ level: 'error', fields: { ...fields }, text }),
  };
  const log = new AuditLog(folder, new ManualClock(), logger);
  opened.push(log);
  return { log, folder, lines };
}
const entry = (n: number) => ({ who: 'admin', role: 'operator', action: 'history.read', purpose: `ticket ${n}` });

/** Somebody works on the file with SQL. */
function tamper(folder: string, sql: string): void {
  const { database } = openDatabase(join(folder, AUDIT_FILE), { durability: 'full', schema: '' }, 0);
  database.exec(sql);
  database.close();
}

test('entries are chained, across restarts, and the server log carries their hashes', () => {
  const { log, folder, lines } = open();
  log.record(entry(1));
  log.record({ ...entry(2), detail: { window: '5m' } });
  log.close();
  const again = open(folder);
  again.log.record(entry(3));
  const verdict = again.log.verify();
  expect(verdict).toMatchObject({ ok: true, entries: 3, problem: null });
  expect(again.lines.at(-1)?.fields['audit']).toBe(verdict.head);
  expect(again.log.verify(String(lines[0]?.fields['audit']))).toMatchObject({ ok: true });
});

test.each([
  ['changed', "UPDATE audit SET purpose = 'curiosity' WHERE sequence = 2", /entry 2 was changed/],
  ['taken out', 'DELETE FROM audit WHERE sequence = 2', /entry 2 is missing/],
  ['put in', "INSERT INTO audit VALUES (5, '', 'x', 'x', 'x', 'x', '{}', 'x')", /entry 5 was changed/],
])('an entry that was %s breaks the chain', (_, sql, problem) => {
  const { log, folder } = open();
  for (let n = 1; n <= 4; n++) log.record(entry(n));
  tamper(folder, sql);
  expect(log.verify()).toMatchObject({ ok: false, problem: expect.stringMatching(problem) });
});

test('an end that was cut off shows against a head that was noted elsewhere', () => {
  const { log, folder } = open();
  for (let n = 1; n <= 3; n++) log.record(entry(n));
  const { head } = log.verify();
  tamper(folder, 'DELETE FROM audit WHERE sequence = 3');
  expect(log.verify()).toMatchObject({ ok: true, entries: 2 });
  expect(log.verify(head!)).toMatchObject({ ok: false, problem: expect.stringMatching(/does not lead through/) });
  expect(() => log.verify('yesterday')).toThrow(/SEQUENCE:HASH/);
});

test('where an entry cannot be written, what was to be audited is refused', () => {
  const { log, folder } = open();
  log.record(entry(1));
  tamper(folder, 'ALTER TABLE audit RENAME TO elsewhere');
  expect(() => log.record(entry(2))).toThrow(expect.objectContaining({ code: 'SEKISHO_AUDIT_FAILED' }));
});

test('a damaged file is moved aside, loudly, and the new chain says so', () => {
  const folder = mkdtempSync(join(tmpdir(), 'audit-'));
  writeFileSync(join(folder, AUDIT_FILE), 'this is no database, whatever its name says '.repeat(100));
  const { log, lines } = open(folder);
  expect(lines[0]).toMatchObject({ level: 'error', text: expect.stringMatching(/DAMAGED/) });
  expect(readdirSync(folder).some((name) => name.startsWith(`${AUDIT_FILE}.damaged-`))).toBe(true);
  expect(log.verify()).toMatchObject({ ok: true, entries: 1 });
});

test('a folder that cannot be written to refuses entries and stops nothing', () => {
  const { log, lines } = open('/proc/nowhere');
  expect(lines[0]?.level).toBe('error');
  expect(() => log.record(entry(1))).toThrow(/refused/);
});
