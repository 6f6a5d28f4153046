/**
 * Notices in SQLite, `<data>/subscribers/notices.db`: a file of their own, which is rewritten when some are deleted. The ledger, which
 * only grows, is too large for that.
 */
import {
  closeDatabase,
  copyRows,
  type Database,
  inTransaction,
  leaveNoTrace,
  openDatabase,
} from '../../store/database.ts';
import { storeError } from '../../store/errors.ts';
import { InOrder, type OpenedStore } from '../../store/store.ts';
import {
  type DeletedNotices,
  MAX_NAMES,
  type Notice,
  type NoticeAddition,
  type NoticeName,
  type NoticeStore,
} from './notice-store.ts';

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
export function openSqliteNotices(file: string, wallMs: number): OpenedStore<SqliteNotices> {
  const { database, movedAside } = openDatabase(file, { durability: 'full', schema: SCHEMA }, wallMs);
  return { store: new SqliteNotices(database), movedAside };
}

export class SqliteNotices implements NoticeStore {
  readonly #inOrder = new InOrder((reason, cause) =>
    storeError('SEKISHO_STORE_FAILED', `notices: ${reason}`, { cause }),
  );
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

  async add(additions: readonly NoticeAddition[]): Promise<void> {
    if (additions.length === 0) return;
    await this.#inOrder.do(() =>
      inTransaction(this.#db, () => {
        for (const { subscriber, category, list, lastMs, count, name } of additions) {
          this.#add.run(subscriber, category, list, lastMs, lastMs, count);
          if (name !== undefined) this.#addName.run(subscriber, list, name, lastMs, count);
        }
      }),
    );
  }

  list(subscriber?: string, limit = 1000): Promise<Notice[]> {
    return this.#inOrder.do(() => this.#list(subscriber, limit));
  }

  names(subscriber: string): Promise<NoticeName[]> {
    return this.#inOrder.do(() => this.#names(subscriber));
  }

  keepsNames(): Promise<boolean> {
    return this.#inOrder.do(() => this.#anyName.get() !== undefined);
  }

  deleteBefore(ms: number): Promise<DeletedNotices> {
    return this.#inOrder.do(() =>
      this.#delete(() => ({ notices: this.#expire.run(ms).changes, names: this.#expireNames.run(ms).changes })),
    );
  }

  deleteNamesBefore(ms: number): Promise<DeletedNotices> {
    return this.#inOrder.do(() => this.#delete(() => ({ notices: 0, names: this.#expireNames.run(ms).changes })));
  }

  close(): Promise<void> {
    return this.#inOrder.close(() => {
      if (this.#traces) leaveNoTrace(this.#db);
      closeDatabase(this.#db);
    });
  }

  #list(subscriber: string | undefined, limit: number): Notice[] {
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

  #names(subscriber: string): NoticeName[] {
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

  #delete(work: () => DeletedNotices): DeletedNotices {
    const deleted = inTransaction(this.#db, work);
    if (deleted.notices + deleted.names > 0) this.#traces = true;
    // Where somebody reads just now, with the next one.
    if (this.#traces) this.#traces = !leaveNoTrace(this.#db);
    return deleted;
  }
}
