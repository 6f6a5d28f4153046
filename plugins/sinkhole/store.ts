/**
 * Where the desk keeps its rules, and every change that was ever made: SQLite in the plugin's data folder.
 *
 *   rule    the rules as they are, one row a name
 *   change  append-only: who, when, what, on which ground, why
 *
 * A change is on the disk before anybody hears that it was made: write-ahead log, `synchronous = FULL`, both tables in one
 * transaction. One process-wide writer: the desk outlives reloads (ControlContext.lasting).
 */

import { join } from 'node:path';
import { errorText, textToName } from '../../src/contract/plugin.ts';
import { appendOnly, closeDatabase, type Database, inTransaction, openDatabase } from '../../src/contract/store.ts';
import { sinkholeError } from './errors.ts';
import type { DeskRule } from './rule.ts';

export type Action = 'add' | 'renew' | 'remove' | 'expire';
export const ACTIONS: readonly Action[] = ['add', 'renew', 'remove', 'expire'];

/** One line of the history. */
export interface Change {
  readonly id: number;
  readonly atMs: number;
  readonly who: string;
  readonly action: Action;
  readonly name: string;
  /** Why, where somebody said so; for an expiry, that it ended by itself. */
  readonly reason: string;
  /** The rule as it was after the change, or before it was removed. */
  readonly rule: DeskRule;
}

export const STORE_FILE = 'desk.db';

const SCHEMA = `
  CREATE TABLE IF NOT EXISTS rule (name TEXT PRIMARY KEY, rule TEXT NOT NULL) STRICT;
  CREATE TABLE IF NOT EXISTS change (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at_ms INTEGER NOT NULL, who TEXT NOT NULL, action TEXT NOT NULL, name TEXT NOT NULL,
    reason TEXT NOT NULL, rule TEXT NOT NULL
  ) STRICT;
  CREATE INDEX IF NOT EXISTS change_by_name ON change (name);
  ${appendOnly('change', 'the history of changes')}
`;

export class Store {
  /** Where a store that could not be read was put; undefined where there was none. */
  readonly movedAside: string | undefined;
  readonly #db: Database;
  /** As read at the start. */
  readonly rules: readonly DeskRule[];

  /** Open the store in `folder`. What cannot be read is moved aside, never deleted. Throws where not even that helps. */
  constructor(folder: string, wallMs: number) {
    let rules: DeskRule[] = [];
    const { database, movedAside } = openDatabase(
      join(folder, STORE_FILE),
      {
        durability: 'full',
        schema: SCHEMA,
        check: (found) => {
          rules = readRules(found);
        },
      },
      wallMs,
    );
    this.movedAside = movedAside;
    this.#db = database;
    this.rules = rules;
  }

  /** Keep `rule` (the row of its name goes where `action` ends it), and that it was done. Throws SekishoError. */
  record(action: Action, rule: DeskRule, who: string, reason: string, atMs: number): void {
    const text = toText(rule);
    this.#write(() => {
      if (action === 'remove') this.#db.prepare('DELETE FROM rule WHERE name = ?').run(rule.name.text);
      else
        this.#db
          .prepare('INSERT INTO rule (name, rule) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET rule = excluded.rule')
          .run(rule.name.text, text);
      this.#db
        .prepare('INSERT INTO change (at_ms, who, action, name, reason, rule) VALUES (?, ?, ?, ?, ?, ?)')
        .run(Math.floor(atMs), who, action, rule.name.text, reason, text);
    });
  }

  /** An ended rule need not be shown any longer; its changes stay. */
  forget(name: string): void {
    this.#write(() => this.#db.prepare('DELETE FROM rule WHERE name = ?').run(name));
  }

  /** Whether the present term's end was recorded already. */
  endRecorded(rule: DeskRule): boolean {
    return this.changes(1, rule.name.text)[0]?.action === 'expire';
  }

  /** The latest changes first. Throws SekishoError. */
  changes(limit: number, name?: string): Change[] {
    const rows = this.#attempt('the history could not be read', () =>
      name === undefined
        ? this.#db.prepare('SELECT * FROM change ORDER BY id DESC LIMIT ?').all(limit)
        : this.#db.prepare('SELECT * FROM change WHERE name = ? ORDER BY id DESC LIMIT ?').all(name, limit),
    );
    return (rows as ChangeRow[]).map((row) => ({
      id: row.id,
      atMs: row.at_ms,
      who: row.who,
      action: row.action,
      name: row.name,
      reason: row.reason,
      rule: fromText(row.rule),
    }));
  }

  close(): void {
    closeDatabase(this.#db);
  }

  #write(work: () => void): void {
    this.#attempt('the change could not be kept', () => inTransaction(this.#db, work));
  }

  #attempt<T>(what: string, work: () => T): T {
    try {
      return work();
    } catch (error) {
      throw sinkholeError('SEKISHO_SINKHOLE_STORE', `${what}: ${errorText(error)}`, { cause: error });
    }
  }
}

interface ChangeRow {
  readonly id: number;
  readonly at_ms: number;
  readonly who: string;
  readonly action: Action;
  readonly name: string;
  readonly reason: string;
  readonly rule: string;
}

function readRules(db: Database): DeskRule[] {
  const rows = db.prepare('SELECT rule FROM rule ORDER BY name').all() as { rule: string }[];
  return rows.map(({ rule }) => fromText(rule));
}

function toText(rule: DeskRule): string {
  return JSON.stringify({ ...rule, name: rule.name.text });
}

function fromText(text: string): DeskRule {
  const { name, ...rest } = JSON.parse(text) as Omit<DeskRule, 'name'> & { name: string };
  return {
    ...rest,
    name: { text: name, wire: textToName(name) },
    endsAtMs: rest.endsAtMs,
    reviewAtMs: rest.reviewAtMs,
  };
}
