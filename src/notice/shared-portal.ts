/**
 * What the portals of a fleet share, so that any of them serves whoever comes: the key that signs what browsers bring back, sessions that go
 * on, links that were used. Judged by PostgreSQL's time; kept as digests, from which nobody makes a cookie or a link.
 *
 * Where PostgreSQL is out of reach, no link is taken (it may have been used elsewhere) and no session is known.
 */
import { createHash, randomBytes } from 'node:crypto';
import type { Engine } from '../fleet/engine/engine.ts';

export interface SharedPortal {
  /** 32 bytes, the same on every node. Never rejects: out of reach, one of this process, with which other nodes know nothing. */
  key(): Promise<Uint8Array>;
  /** Links from before are refused: what was used then is not known. Infinite while PostgreSQL is out of reach. */
  linksSinceSeconds(): Promise<number>;
  /** False where it was used before, on any node; undefined where that cannot be told. Kept `keepSeconds`. Never rejects. */
  useLink(id: string, keepSeconds: number): Promise<boolean | undefined>;
  /** Rejects as the engine does. */
  beginSession(id: string, seconds: number): Promise<void>;
  /** False where that cannot be told. Never rejects. */
  hasSession(id: string): Promise<boolean>;
  /** Rejects as the engine does. */
  endSession(id: string): Promise<void>;
}

const NOW = '(extract(epoch FROM clock_timestamp()) * 1000)::BIGINT';
const KEY_BYTES = 32;

export class PostgresPortal implements SharedPortal {
  readonly #engine: Engine;
  readonly #ownKey = randomBytes(KEY_BYTES);
  #shared: { readonly key: Uint8Array; readonly sinceSeconds: number } | undefined;

  constructor(engine: Engine) {
    this.#engine = engine;
  }

  async key(): Promise<Uint8Array> {
    return (await this.#read())?.key ?? this.#ownKey;
  }

  async linksSinceSeconds(): Promise<number> {
    return (await this.#read())?.sinceSeconds ?? Number.POSITIVE_INFINITY;
  }

  async useLink(id: string, keepSeconds: number): Promise<boolean | undefined> {
    try {
      await this.#engine.query(`DELETE FROM sekisho.portal_link WHERE ends < ${NOW}`);
      const fresh = await this.#engine.query(
        `INSERT INTO sekisho.portal_link (id, ends) VALUES ($1, ${NOW} + $2) ON CONFLICT DO NOTHING RETURNING 1`,
        [digest(id), Math.ceil(keepSeconds * 1000)],
      );
      return fresh.length > 0;
    } catch {
      return undefined;
    }
  }

  async beginSession(id: string, seconds: number): Promise<void> {
    await this.#engine.query(`DELETE FROM sekisho.portal_session WHERE ends < ${NOW}`);
    await this.#engine.query(`INSERT INTO sekisho.portal_session (id, ends) VALUES ($1, ${NOW} + $2)`, [
      digest(id),
      seconds * 1000,
    ]);
  }

  async hasSession(id: string): Promise<boolean> {
    try {
      const text = `SELECT 1 FROM sekisho.portal_session WHERE id = $1 AND ends >= ${NOW}`;
      return (await this.#engine.query(text, [digest(id)])).length > 0;
    } catch {
      return false;
    }
  }

  async endSession(id: string): Promise<void> {
    await this.#engine.query('DELETE FROM sekisho.portal_session WHERE id = $1', [digest(id)]);
  }

  async #read() {
    if (this.#shared) return this.#shared;
    try {
      // The first node of the fleet makes it. Links that were used since there is a fleet are known.
      await this.#engine.query(
        `INSERT INTO sekisho.portal (key, since)
           SELECT $1, (extract(epoch FROM made_at) * 1000)::BIGINT FROM sekisho.identity ON CONFLICT DO NOTHING`,
        [randomBytes(KEY_BYTES)],
      );
      const [row] = await this.#engine.query<{ key: Buffer; since: number }>('SELECT key, since FROM sekisho.portal');
      if (row) this.#shared = { key: new Uint8Array(row.key), sinceSeconds: Math.ceil(row.since / 1000) };
    } catch {
      // Out of reach, or without its schema yet: asked again the next time.
    }
    return this.#shared;
  }
}

function digest(id: string): Buffer {
  return createHash('sha256').update(id).digest();
}
