/** The fleet's consent ledger in PostgreSQL. */
import type { Session } from '../../fleet/engine/session.ts';
import type { LedgerEnd, LedgerEntry } from '../consent/ledger-store.ts';
import type { AppendOutcome, ConsentAppend, ConsentLog, ConsentPage } from './consent-log.ts';

export class PostgresConsentLog implements ConsentLog {
  readonly #engine: Session;
  readonly #node: string;
  readonly #session: string;

  /** `session`: of this process, as its row says. */
  constructor(engine: Session, node: string, session: string) {
    this.#engine = engine;
    this.#node = node;
    this.#session = session;
  }

  async read(after: number, most: number): Promise<ConsentPage> {
    // One statement, one snapshot. As one JSON text it is parsed three times as fast as row by row.
    const [row] = await this.#engine.query<LedgerEnd & { entries: LedgerEntry[] }>(
      `SELECT e.seq, e.hash, (SELECT coalesce(json_agg(p), '[]') FROM (
         SELECT seq, at_ms AS "atMs", subscriber, purpose, action, who, channel, terms, reason, hash
         FROM sekisho.consent WHERE seq > $1 ORDER BY seq LIMIT $2) p) AS entries
       FROM sekisho.consent_end e`,
      [after, most],
    );
    if (!row) return { end: { seq: -1, hash: '' }, entries: [] };
    return { end: { seq: row.seq, hash: row.hash }, entries: row.entries };
  }

  async append({ id, base, entries, progress }: ConsentAppend): Promise<AppendOutcome> {
    const [row] = await this.#engine.query<{ outcome: 'recorded' | 'moved' | 'stranger' } & LedgerEnd>(
      'SELECT * FROM sekisho.append_consent($1, $2, $3, $4, $5, $6, $7, $8)',
      [
        this.#node,
        this.#session,
        id,
        base.seq,
        base.hash,
        JSON.stringify(entries),
        progress?.id ?? null,
        progress?.rows ?? null,
      ],
    );
    if (!row || row.outcome === 'stranger') return { outcome: 'stranger' };
    return { outcome: row.outcome, end: { seq: row.seq, hash: row.hash } };
  }

  async importedRows(id: string): Promise<number> {
    const [row] = await this.#engine.query<{ rows: number }>('SELECT rows FROM sekisho.consent_import WHERE id = $1', [
      id,
    ]);
    return row?.rows ?? 0;
  }
}
