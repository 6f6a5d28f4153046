/**
 * Rules in SQLite, below `<data>/rules/`: on the disk before anybody hears of a change (write-ahead log, `synchronous = FULL`).
 *
 *   rule    those that run, and those that ended within a day, one row a number
 *   change  append-only: who, when, what, why, and the rule as it was after it
 */
import { join } from 'node:path';
import { errorText } from '../errors/errors.ts';
import { appendOnly, closeDatabase, type Database, inTransaction, openDatabase } from '../store/database.ts';
import { rulesError } from './errors.ts';
import { removeFormerStores, takeOverFormerStores } from './former-stores.ts';
import type { Rule } from './rule.ts';
import { type ChangeRow, changeOf, insertChange, keepRule, lastNumber, numberOf, readRules } from './rule-rows.ts';
import {
  type ChangeFilter,
  type KeptChange,
  type OpenedRuleStore,
  RULE_ACTIONS,
  type RuleChange,
  type RuleStore,
} from './rule-store.ts';

export const RULES_FOLDER = 'rules';
export const RULES_FILE = 'rules.db';

const SCHEMA = `
  CREATE TABLE IF NOT EXISTS rule (number INTEGER PRIMARY KEY, rule TEXT NOT NULL) STRICT;
  CREATE TABLE IF NOT EXISTS change (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at INTEGER NOT NULL, who TEXT NOT NULL, action TEXT NOT NULL, number INTEGER NOT NULL,
    origin TEXT NOT NULL, plugin TEXT NOT NULL, key TEXT NOT NULL, reason TEXT NOT NULL, rule TEXT NOT NULL
  ) STRICT;
  CREATE INDEX IF NOT EXISTS change_by_key ON change (key);
  CREATE TABLE IF NOT EXISTS kept (
    id INTEGER PRIMARY KEY CHECK (id = 1), before INTEGER NOT NULL, number INTEGER NOT NULL
  ) STRICT;
  CREATE TABLE IF NOT EXISTS deletion (at INTEGER NOT NULL, before INTEGER NOT NULL, rows INTEGER NOT NULL) STRICT;
  CREATE TABLE IF NOT EXISTS taken_over (file TEXT PRIMARY KEY, at INTEGER NOT NULL) STRICT;
  ${appendOnly('deletion', 'the record of deletions')}
  ${appendOnly('change', 'the history of changes')}
  DROP TRIGGER change_is_not_deleted;
  CREATE TRIGGER change_is_not_deleted BEFORE DELETE ON change
    WHEN OLD.origin <> 'diagnosis' OR OLD.at >= coalesce((SELECT before FROM kept), 0)
    BEGIN SELECT RAISE(ABORT, 'the history of changes is append-only until its retention is over'); END;
`;

/** Open the store below `dataFolder/rules`, and take over what former versions kept elsewhere. Throws where the folder cannot be used. */
export function openSqliteRuleStore(dataFolder: string, wallMs: number): OpenedRuleStore {
  const { database, movedAside } = openDatabase(
    join(dataFolder, RULES_FOLDER, RULES_FILE),
    {
      durability: 'full',
      schema: SCHEMA,
      check: readRules,
    },
    wallMs,
  );
  const aside = movedAside === undefined ? [] : [movedAside];
  try {
    const taken = takeOverFormerStores(dataFolder, database, wallMs);
    removeFormerStores(dataFolder, database);
    return {
      store: new SqliteRuleStore(database),
      movedAside: [...aside, ...(taken?.movedAside ?? [])],
      takenOver: taken && { rules: taken.rules, changes: taken.changes },
    };
  } catch (error) {
    database.close();
    throw error;
  }
}

class SqliteRuleStore implements RuleStore {
  readonly #db: Database;

  constructor(db: Database) {
    this.#db = db;
  }

  async rules(): Promise<readonly Rule[]> {
    return this.#attempt('the rules could not be read', () => readRules(this.#db));
  }

  async nextNumber(): Promise<number> {
    return this.#attempt('the rule could not be kept', () => lastNumber(this.#db) + 1);
  }

  async commit(changes: readonly RuleChange[]): Promise<void> {
    this.#attempt('the change could not be kept', () =>
      inTransaction(this.#db, () => {
        for (const change of changes) {
          keepRule(this.#db, change.rule);
          insertChange(this.#db, change);
        }
      }),
    );
  }

  async forget(ids: readonly string[]): Promise<void> {
    this.#attempt('the rule could not be forgotten', () =>
      inTransaction(this.#db, () => {
        const remove = this.#db.prepare('DELETE FROM rule WHERE number = ?');
        for (const id of ids) remove.run(numberOf(id));
      }),
    );
  }

  async changes(
    limit: number,
    { actions = RULE_ACTIONS, ...equal }: ChangeFilter = {},
  ): Promise<readonly KeptChange[]> {
    const wanted = Object.entries(equal).filter(([, value]) => value !== undefined);
    const conditions = [
      ...wanted.map(([column]) => `${column} = ?`),
      ...(actions.length === RULE_ACTIONS.length ? [] : [`action IN (${actions.map(() => '?').join(', ')})`]),
    ];
    const where = conditions.length === 0 ? '' : `WHERE ${conditions.join(' AND ')}`;
    const values = [...wanted.map(([, value]) => value), ...(actions.length === RULE_ACTIONS.length ? [] : actions)];
    const rows = this.#attempt('the history could not be read', () =>
      this.#db.prepare(`SELECT * FROM change ${where} ORDER BY id DESC LIMIT ?`).all(...values, limit),
    );
    return (rows as ChangeRow[]).map(changeOf);
  }

  async deleteChanges(beforeMs: number, atMs: number): Promise<number> {
    return this.#attempt('changes could not be deleted', () => {
      const [before, at] = [Math.floor(beforeMs), Math.floor(atMs)];
      const rows = inTransaction(this.#db, () => {
        this.#db
          .prepare(
            'INSERT INTO kept (id, before, number) VALUES (1, ?, ?) ON CONFLICT (id) DO UPDATE SET before = max(before, excluded.before), number = max(number, excluded.number)',
          )
          .run(before, lastNumber(this.#db));
        const { changes } = this.#db.prepare("DELETE FROM change WHERE at < ? AND origin = 'diagnosis'").run(before);
        if (changes > 0)
          this.#db.prepare('INSERT INTO deletion (at, before, rows) VALUES (?, ?, ?)').run(at, before, changes);
        return changes;
      });
      // Deleted pages are overwritten in the file; without this they would live on in the write-ahead log.
      if (rows > 0) this.#db.pragma('wal_checkpoint(TRUNCATE)');
      return rows;
    });
  }

  async close(): Promise<void> {
    if (this.#db.open) closeDatabase(this.#db);
  }

  #attempt<T>(what: string, work: () => T): T {
    try {
      return work();
    } catch (error) {
      throw rulesError('SEKISHO_RULE_STORE', `${what}: ${errorText(error)}`, { cause: error });
    }
  }
}
