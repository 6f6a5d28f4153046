/**
 * Notices to send (2017 direction §3(1)): that a subscriber's terminals looked up listed names. Kept are subscriber,
 * category, list, first and last time and count; no name, unless the operator states a ground for it (c2-block, `record-names`).
 * In a file of their own, which is rewritten when some are deleted: the ledger, which only grows, is too large for that.
 */
import {
  closeDatabase,
  copyRows,
  type Database,
  inTransaction,
  leaveNoTrace,
  openDatabase,
} from '../../store/database.ts';

export const NOTICES_FILE = 'notices.db';

const SCHEMA = `
  CREATE TABLE IF NOT EXISTS notice (
    subscriber TEXT NOT NULL, category TEXT NOT NULL, list TEXT NOT NULL,
    first_ms INTEGER NOT NULL, last_ms INTEGER NOT NULL, count INTEGER NOT NULL,
    PRIMARY KEY (subscriber, category, list)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX IF NOT EXISTS notice_by_last ON notice (last_ms);
  CREATE TABLE IF NOT EXISTS notice_name (
    subscriber TEXT NOT NULL, list TEXT NOT NULL, name TEXT NOT NULL,
    first_ms INTEGER NOT NULL, last_ms INTEGER NOT NULL, count INTEGER NOT NULL,
    PRIMARY KEY (subscriber, list, name)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX IF NOT EXISTS notice_name_by_last ON notice_name (last_ms);
`;
const TABLES = ['notice', 'notice_name'];

/** A file that is no database is moved aside. Throws what SQLite throws. */
export function openNotices(file: string, wallMs: number): Database {
  return openDatabase(file, { durability: 'full', schema: SCHEMA }, wallMs).database;
}

/** How many rows a deletion took. */
export interface DeletedNotices {
  readonly notices: number;
  readonly names: number;
}

export interface Notice {
  readonly subscriber: string;
  readonly category: string;
  readonly list: string;
  readonly firstMs: number;
  readonly lastMs: number;
  readonly count: number;
}

/** A listed name that a subscriber's terminals looked up. */
export interface NoticeName {
  readonly list: string;
  readonly name: string;
  readonly firstMs: number;
  readonly lastMs: number;
  readonly count: number;
}

/** Names kept of one subscriber and list; more are counted in the notice and not kept. */
const MAX_NAMES = 100;

export class Notices {
  readonly #db: Database;
  readonly #add;
  readonly #addName;
  readonly #expire;
  readonly #expireNames;
  readonly #anyName;
  /** Something was deleted whose traces could not be removed yet. */
  #traces = false;

  constructor(db: Database) {
    this.#db = db;
    db.exec(SCHEMA);
    this.#add = db.prepare(
      `INSERT INTO notice VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (subscriber, category, list)
       DO UPDATE SET last_ms = excluded.last_ms, count = count + excluded.count`,
    );
    this.#addName = db.prepare(
      `INSERT INTO notice_name SELECT ?1, ?2, ?3, ?4, ?4, ?5 WHERE
         (SELECT count(*) FROM notice_name WHERE subscriber = ?1 AND list = ?2) < ${MAX_NAMES}
         OR EXISTS (SELECT 1 FROM notice_name WHERE subscriber = ?1 AND list = ?2 AND name = ?3)
       ON CONFLICT (subscriber, list, name) DO UPDATE SET last_ms = excluded.last_ms, count = count + excluded.count`,
    );
    this.#expire = db.prepare('DELETE FROM notice WHERE last_ms < ?');
    this.#expireNames = db.prepare('DELETE FROM notice_name WHERE last_ms < ?');
    this.#anyName = db.prepare('SELECT 1 FROM notice_name LIMIT 1');
  }

  /** Take over notices that an earlier version kept in the ledger's file, and remove them there. */
  takeOver(from: Database): void {
    const found = from.prepare("SELECT count(*) AS n FROM sqlite_master WHERE name = 'notice'").get() as { n: number };
    if (found.n === 0) return;
    inTransaction(this.#db, () => {
      for (const table of TABLES) copyRows(from, this.#db, table);
    });
    for (const table of TABLES) from.exec(`DROP TABLE ${table}`);
    leaveNoTrace(from);
  }

  /** In one transaction. */
  add(notices: readonly (Omit<Notice, 'firstMs'> & { readonly name?: string })[]): void {
    if (notices.length === 0) return;
    inTransaction(this.#db, () => {
      for (const { subscriber, category, list, lastMs, count, name } of notices) {
        this.#add.run(subscriber, category, list, lastMs, lastMs, count);
        if (name !== undefined) this.#addName.run(subscriber, list, name, lastMs, count);
      }
    });
  }

  /** Latest first; at most `limit`. */
  list(subscriber?: string, limit = 1000): Notice[] {
    const where = subscriber === undefined ? '' : 'WHERE subscriber = ?';
    const rows = this.#db
      .prepare(`SELECT * FROM notice ${where} ORDER BY last_ms DESC LIMIT ?`)
      .all(...(subscriber === undefined ? [limit] : [subscriber, limit]));
    return (rows as (Omit<Notice, 'firstMs' | 'lastMs'> & { first_ms: number; last_ms: number })[]).map(
      ({ subscriber: whose, category, list, first_ms, last_ms, count }) => ({
        subscriber: whose,
        category,
        list,
        firstMs: first_ms,
        lastMs: last_ms,
        count,
      }),
    );
  }

  /** Names of one subscriber, latest first. Whoever shows them has written into the audit log that somebody looked. */
  names(subscriber: string): NoticeName[] {
    const rows = this.#db
      .prepare('SELECT * FROM notice_name WHERE subscriber = ? ORDER BY last_ms DESC, name')
      .all(subscriber) as (Omit<NoticeName, 'firstMs' | 'lastMs'> & { first_ms: number; last_ms: number })[];
    return rows.map(({ list, name, first_ms, last_ms, count }) => ({
      list,
      name,
      firstMs: first_ms,
      lastMs: last_ms,
      count,
    }));
  }

  get keepsNames(): boolean {
    return this.#anyName.get() !== undefined;
  }

  /** Delete what was last added to before `ms`, with its names, and every trace of it. */
  deleteBefore(ms: number): DeletedNotices {
    return this.#delete(() => ({ notices: this.#expire.run(ms).changes, names: this.#expireNames.run(ms).changes }));
  }

  deleteNamesBefore(ms: number): DeletedNotices {
    return this.#delete(() => ({ notices: 0, names: this.#expireNames.run(ms).changes }));
  }

  close(): void {
    if (this.#traces) leaveNoTrace(this.#db);
    closeDatabase(this.#db);
  }

  #delete(work: () => DeletedNotices): DeletedNotices {
    const deleted = inTransaction(this.#db, work);
    if (deleted.notices + deleted.names > 0) this.#traces = true;
    // Where somebody reads just now, with the next one.
    if (this.#traces) this.#traces = !leaveNoTrace(this.#db);
    return deleted;
  }
}
