/**
 * Rules as former versions kept them, in two stores that did not know of each other: `<data>/measures/measures.db` and
 * `<data>/sinkhole/desk.db`. They are taken over once, in one transaction with a note of it, and then removed:
 *
 *   read both ─▶ [rules, changes, note] committed ─▶ files removed ─▶ note removed
 *
 * Wherever that is cut off, the next start goes on: without the note everything is read again, with it only removed. A rule
 * that both stores knew becomes one; what had ended stays ended.
 */
import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { closeDatabase, type Database, inTransaction, openDatabase } from '../store/database.ts';
import { type FormerChange, type FormerMeasure, type FormerRule, fromMeasure, fromRule } from './former-rules.ts';
import { idOf, type Rule } from './rule.ts';
import { insertChange, keepRule, lastNumber } from './rule-rows.ts';
import type { RuleAction, RuleChange } from './rule-store.ts';

const MEASURES = join('measures', 'measures.db');
const SINKHOLE = join('sinkhole', 'desk.db');

export interface TakenOver {
  readonly rules: number;
  readonly changes: number;
  readonly movedAside: readonly string[];
}

/** Undefined where there is nothing to take over. Throws where the disk does not take it; nothing is lost by that. */
export function takeOverFormerStores(dataFolder: string, db: Database, wallMs: number): TakenOver | undefined {
  const noted = new Set(
    (db.prepare('SELECT file FROM taken_over').all() as { file: string }[]).map(({ file }) => file),
  );
  const files = [MEASURES, SINKHOLE].filter((file) => existsSync(join(dataFolder, file)) && !noted.has(file));
  if (files.length === 0) return undefined;
  const movedAside: string[] = [];
  const read = <T>(file: string, tables: readonly string[], taken: (rows: Rows) => T): T | undefined => {
    if (!files.includes(file)) return undefined;
    const found = readAll(join(dataFolder, file), tables, wallMs);
    if (found.movedAside !== undefined) movedAside.push(found.movedAside);
    return taken(found.rows);
  };
  // Numbers of measures stay, unless this store has given them to others.
  const last = lastNumber(db);
  const measures = read(MEASURES, ['measure', 'change', 'kept'], (rows) => readMeasures(rows, last));
  const carried = (rows: Rows) =>
    readSinkhole(rows, Math.max(last, measures?.last ?? 0), measures?.rules ?? [], wallMs);
  // Without its store no rule of the sinkhole acts any more.
  const sinkhole = read(SINKHOLE, ['rule', 'change'], carried) ?? carried({});
  const rules = [...sinkhole.rules, ...sinkhole.measures];
  const changes = [...(measures?.changes ?? []), ...sinkhole.changes].sort((one, other) => one.atMs - other.atMs);
  inTransaction(db, () => {
    for (const rule of rules) keepRule(db, rule);
    for (const change of changes) insertChange(db, change);
    if (measures && measures.last > last)
      db.prepare(
        'INSERT INTO kept (id, before, number) VALUES (1, ?, ?) ON CONFLICT (id) DO UPDATE SET number = excluded.number',
      ).run(measures.keptBefore, measures.last);
    for (const file of files)
      db.prepare('INSERT INTO taken_over (file, at) VALUES (?, ?)').run(file, Math.floor(wallMs));
  });
  return { rules: rules.length, changes: changes.length, movedAside };
}

/** What was taken over and is on the disk is removed where it was. */
export function removeFormerStores(dataFolder: string, db: Database): void {
  for (const { file } of db.prepare('SELECT file FROM taken_over').all() as { file: string }[]) {
    for (const part of ['', '-wal', '-shm']) rmSync(join(dataFolder, file + part), { force: true });
    db.prepare('DELETE FROM taken_over WHERE file = ?').run(file);
  }
}

type Rows = Readonly<Record<string, readonly unknown[]>>;

function readAll(
  file: string,
  tables: readonly string[],
  wallMs: number,
): { rows: Rows; movedAside: string | undefined } {
  let rows: Rows = {};
  const { database, movedAside } = openDatabase(
    file,
    {
      durability: 'full',
      schema: '',
      check: (found) => {
        const there = found.prepare("SELECT name FROM sqlite_master WHERE type = 'table'").all() as { name: string }[];
        const names = there.map(({ name }) => name);
        rows = Object.fromEntries(
          tables.map((table) => [table, names.includes(table) ? found.prepare(`SELECT * FROM ${table}`).all() : []]),
        );
      },
    },
    wallMs,
  );
  closeDatabase(database);
  return { rows, movedAside };
}

function readMeasures({ measure = [], change = [], kept = [] }: Rows, offset: number) {
  const rules = (measure as { measure: string }[]).map((row) =>
    fromMeasure(JSON.parse(row.measure) as FormerMeasure, offset),
  );
  const changes = (change as FormerChange[]).map((row): RuleChange => {
    const rule = fromMeasure(JSON.parse(row.measure ?? '{}') as FormerMeasure, offset);
    const action = row.action === 'apply' ? 'add' : (row.action as RuleAction);
    return { action, rule, who: row.who, reason: row.reason, atMs: row.at ?? 0 };
  });
  const [row] = kept as { before: number; number: number }[];
  const numbers = [...rules, ...changes.map(({ rule }) => rule)].map(({ id }) => Number(id.slice(1)));
  // Not spread into one call: there may be very many.
  const last = numbers.reduce((highest, each) => Math.max(highest, each), offset + (row?.number ?? 0));
  return { rules, changes, last, keptBefore: row?.before ?? 0 };
}

/** `measures`: as taken over; those that the sinkhole carried are one with its rule, or have none any more. */
function readSinkhole({ rule: kept = [], change = [] }: Rows, last: number, measures: readonly Rule[], wallMs: number) {
  const numbers = new Map<string, number>();
  const idFor = (name: string): string => {
    const number = numbers.get(name) ?? last + numbers.size + 1;
    numbers.set(name, number);
    return idOf(number);
  };
  const log = change as FormerChange[];
  const ended = new Map(log.map(({ name = '', action, at_ms = 0 }) => [name, action === 'expire' ? at_ms : undefined]));
  const changes = log.map((row): RuleChange => {
    const action = row.action === 'remove' ? 'lift' : (row.action as RuleAction);
    const former = JSON.parse(row.rule ?? '{}') as FormerRule;
    const atMs = row.at_ms ?? 0;
    const endedAtMs = action === 'lift' || action === 'expire' ? atMs : undefined;
    const state = action === 'lift' ? 'lifted' : endedAtMs === undefined ? undefined : 'expired';
    return {
      action,
      rule: fromRule(former, idFor(former.name), state, endedAtMs, row.reason),
      who: row.who,
      reason: row.reason,
      atMs,
    };
  });
  const there = (kept as { rule: string }[]).map(({ rule }) => JSON.parse(rule) as FormerRule);
  const running = new Set(there.filter(({ name }) => ended.get(name) === undefined).map(({ name }) => name));
  const carried = (rule: Rule) => rule.plugin === 'sinkhole' && (rule.state === 'in-force' || rule.state === 'dry-run');
  const oneWith = new Set(
    measures.filter(carried).flatMap(({ match }) => (running.has(match.name ?? '') ? [match.name] : [])),
  );
  const why = 'its rule was removed from the plugin that carried it';
  for (const rule of measures)
    if (carried(rule) && !oneWith.has(rule.match.name))
      changes.push({ action: 'lift', rule: lifted(rule, wallMs, why), who: 'server', reason: why, atMs: wallMs });
  return {
    changes,
    rules: there
      .filter(({ name }) => !oneWith.has(name))
      .map((rule) => {
        const endedAtMs = ended.get(rule.name);
        return fromRule(rule, idFor(rule.name), endedAtMs === undefined ? undefined : 'expired', endedAtMs, '');
      }),
    measures: measures.map((rule) =>
      carried(rule) && !oneWith.has(rule.match.name) ? lifted(rule, wallMs, why) : rule,
    ),
  };
}

function lifted(rule: Rule, wallMs: number, why: string): Rule {
  return { ...rule, state: 'lifted', endedAtMs: wallMs, endedWhy: why };
}
