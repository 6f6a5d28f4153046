import { mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { inTransaction, openDatabase } from './database.ts';

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
