/**
 * Notices to send (R2, R3; 2017 direction §3(1)): that a subscriber's terminals looked up listed names. Kept are subscriber,
 * category, list, first and last time and count; no name, unless the operator states a ground for it (c2-block, `record-names`). Lies in the ledger's file, but is no part of the chain: a notice
 * is deleted when its time has come.
 */
import { inTransaction } from '../../store/database.ts';
import type { LedgerDatabase } from './ledger-file.ts';

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
  readonly #db: LedgerDatabase;
  readonly #add;
  readonly #addName;
  readonly #expire;
  readonly #expireNames;

  constructor(db: LedgerDatabase) {
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

  /** Delete what was last added to before `ms`, with its names. */
  deleteBefore(ms: number): void {
    this.#expire.run(ms);
    this.#expireNames.run(ms);
  }

  deleteNamesBefore(ms: number): void {
    this.#expireNames.run(ms);
  }
}
