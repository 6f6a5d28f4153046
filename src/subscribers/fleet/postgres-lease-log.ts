/** Leases of a fleet in PostgreSQL. */
import type { Session } from '../../fleet/engine/session.ts';
import type { HeardWord, LeaseLog, LeasePage, SharedWord } from './lease-log.ts';

export class PostgresLeaseLog implements LeaseLog {
  readonly #engine: Session;
  readonly #session: string;

  constructor(engine: Session, session: string) {
    this.#engine = engine;
    this.#session = session;
  }

  async read(after: number, most: number): Promise<LeasePage> {
    const [row] = await this.#engine.query<{ end: number; words: HeardWord[] }>(
      `SELECT e.change AS end, (SELECT coalesce(json_agg(p), '[]') FROM (
         SELECT change, session, extract(epoch FROM clock_timestamp() - at)::float8 * 1000 AS "agoMs", event
         FROM sekisho.lease WHERE change > $1 ORDER BY change LIMIT $2) p) AS words
       FROM sekisho.lease_end e`,
      [after, most],
    );
    return row ?? { end: 0, words: [] };
  }

  async append(words: readonly SharedWord[]): Promise<void> {
    await this.#engine.query('SELECT sekisho.append_leases($1, $2)', [this.#session, JSON.stringify(words)]);
  }

  async forget(olderThanMs: number): Promise<void> {
    await this.#engine.query(
      `DELETE FROM sekisho.lease WHERE key IN (
         SELECT key FROM sekisho.lease WHERE at < clock_timestamp() - make_interval(secs => $1) LIMIT 20000)`,
      [olderThanMs / 1000],
    );
  }
}
