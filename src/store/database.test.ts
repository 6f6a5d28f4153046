import { mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { closeDatabase, inTransaction, leaveNoTrace, openDatabase, schemaFault } from './database.ts';

const SCHEMA = 'CREATE TABLE IF NOT EXISTS t (n INTEGER) STRICT';
const fresh = () => join(mkdtempSync(join(tmpdir(), 'sekisho-store-')), 'x.db');
const open = (file: string, more: object = {}) =>
  openDatabase(file, { durability: 'full', schema: SCHEMA, ...more }, 0);

test('what is touched after the end throws, where libsql alone would abort the process', () => {
  const { database } = open(fresh());
  const insert = database.prepare('INSERT INTO t VALUES (?)');
  const select = database.prepare('SELECT n FROM t');
  insert.run(1);
  insert.run(2);
  const rows = select.iterate();
  expect(rows.next().value).toEqual({ n: 1 });
  database.close();
  database.close();
  for (const touch of [
    () => rows.next(),
    () => insert.run(3),
    () => select.get(),
    () => select.all(),
    () => select.raw(),
    () => [...select.iterate()],
    () => database.prepare('SELECT 1'),
    () => database.exec('SELECT 1'),
    () => database.pragma('user_version'),
    () => inTransaction(database, () => 1),
  ])
    expect(touch).toThrow(/the database is closed/);
  expect([database.open, database.inTransaction]).toEqual([false, false]);
});

test('consent and audit are synced with every transaction', () => {
  const { database } = open(fresh());
  expect(database.prepare('PRAGMA synchronous').raw().all()).toEqual([[2]]);
  expect(database.prepare('PRAGMA journal_mode').raw().all()).toEqual([['wal']]);
  database.close();
});

test('a file that its owner cannot read is moved aside, or refused where an empty one would mean something else', () => {
  const check = () => {
    throw new Error('a rule without a ground');
  };
  for (const [content, more] of [
    ['no database at all, '.repeat(500), {}],
    [undefined, { check }],
  ] as const) {
    const file = fresh();
    if (content !== undefined) writeFileSync(file, content);
    else open(file).database.close();
    const before = readFileSync(file);
    expect(() => open(file, { ...more, whenDamaged: 'refuse' })).toThrow();
    expect(readFileSync(file)).toEqual(before);
    let looks = 0;
    const once = 'check' in more ? { check: () => (looks++ === 0 ? check() : undefined) } : {};
    const { database, movedAside } = open(file, once);
    expect(readFileSync(movedAside ?? '')).toEqual(before);
    expect(readdirSync(join(file, '..')).filter((name) => name.includes('.damaged-')).length).toBeGreaterThan(0);
    database.close();
  }
});

test('what is deleted leaves no byte in file, log or index, however rows were moved between pages', () => {
  const file = fresh();
  const schema = 'CREATE TABLE IF NOT EXISTS t (k TEXT PRIMARY KEY, at INTEGER NOT NULL) STRICT, WITHOUT ROWID';
  const { database } = openDatabase(file, { durability: 'full', schema }, 0);
  const insert = database.prepare('INSERT INTO t VALUES (?, ?)');
  // A generator of its own: the same rows each time.
  let state = 7;
  const random = (below: number) => {
    state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff;
    return state % below;
  };
  const living = new Map<string, number>();
  let stale = 0;
  for (let round = 0; round < 40; round++) {
    inTransaction(database, () => {
      for (let i = 0; i < 300; i++) {
        const name = `secret${random(1e6)}-${round}-${i}${'q'.repeat(random(60))};`;
        insert.run(name, round);
        living.set(name, round);
      }
    });
    const before = round - 3 + random(3);
    inTransaction(database, () => database.prepare('DELETE FROM t WHERE at < ?').run(before));
    for (const [name, at] of living) if (at < before) living.delete(name);
    const names = () => {
      const bytes = readdirSync(join(file, '..')).map((part) => readFileSync(join(file, '..', part), 'latin1'));
      return new Set(bytes.join('').match(/secret\d+-\d+-\d+q*;/g));
    };
    stale += [...names()].filter((name) => !living.has(name)).length;
    expect(leaveNoTrace(database)).toBe(true);
    expect([...names()].filter((name) => !living.has(name))).toEqual([]);
  }
  // It is not for nothing: without it there is something.
  expect(stale).toBeGreaterThan(0);
  database.close();
});

test('a schema that was altered is told apart from one of its own making', () => {
  const schema = `CREATE TABLE IF NOT EXISTS t (n INTEGER) STRICT;
    CREATE TRIGGER IF NOT EXISTS kept BEFORE DELETE ON t BEGIN SELECT RAISE(ABORT, 'no'); END;`;
  const { database } = open(fresh(), { schema });
  const fault = () => schemaFault(database, schema, 't');
  expect(fault()).toBeUndefined();
  database.exec('CREATE TRIGGER more AFTER INSERT ON t BEGIN DELETE FROM t; END');
  expect(fault()).toMatch(/the trigger more is not the server's/);
  database.exec('DROP TRIGGER more; DROP TRIGGER kept');
  expect(fault()).toMatch(/kept is missing/);
  database.exec('CREATE TRIGGER kept BEFORE DELETE ON t BEGIN SELECT 1; END');
  expect(fault()).toMatch(/kept is not as the server made it/);
  database.exec('DROP TRIGGER kept; ALTER TABLE t ADD COLUMN m INTEGER');
  expect(fault()).toMatch(/t is not as the server made it/);
  database.close();
});

test('a write that fails because another process holds the file leaves nothing behind: later transactions commit', () => {
  const file = join(mkdtempSync(join(tmpdir(), 'held-')), 'held.db');
  const open = () =>
    openDatabase(file, { durability: 'full', schema: 'CREATE TABLE IF NOT EXISTS t (a INTEGER)' }, 0).database;
  const [database, other] = [open(), open()];
  other.exec('BEGIN IMMEDIATE');
  expect(() => database.prepare('INSERT INTO t VALUES (1)').run()).toThrow(/locked|busy/i);
  other.exec('ROLLBACK');
  closeDatabase(other);
  inTransaction(database, () => database.prepare('INSERT INTO t VALUES (2)').run());
  expect(database.prepare('SELECT a FROM t').all()).toEqual([{ a: 2 }]);
  closeDatabase(database);
});
