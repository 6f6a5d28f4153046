/**
 * Notices to send (R2, R3; 2017 direction §3(1)): that a subscriber's terminals looked up listed names. Kept are subscriber,
 * category, list, first and last time and count; no name. Lies in the ledger's file, but is no part of the chain: a notice
 * is deleted when its time has come.
 */
import { inTransaction } from '../store/database.ts';
import type { LedgerDatabase } from './ledger-file.ts';

export interface Notice {
  readonly subscriber: string;
  readonly category: string;
  readonly list: string;
  readonly firstMs: number;
  readonly lastMs: number;
  readonly count: number;
}

export class Notices {
  readonly #db: LedgerDatabase;
  readonly #add;
  readonly #expire;

  constructor(db: LedgerDatabase) {
    this.#db = db;
    this.#add = db.prepare(
      `INSERT INTO notice VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (subscriber, category, list)
       DO UPDATE SET last_ms = excluded.last_ms, count = count + excluded.count`,
    );
    this.#expire = db.prepare('DELETE FROM notice WHERE last_ms < ?');
  }

  /** In one transaction. */
  add(notices: readonly Omit<Notice, 'firstMs'>[]): void {
    if (notices.length === 0) return;
    inTransaction(this.#db, () => {
      for (const { subscriber, category, list, lastMs, count } of notices)
        this.#add.run(subscriber, category, list, lastMs, lastMs, count);
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

  /** Delete what was last added to before `ms`. */
  deleteBefore(ms: number): void {
    this.#expire.run(ms);
  }
}
