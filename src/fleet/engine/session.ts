/** What stores are given of the engine, and what they give it. */
import type { SekishoError } from '../../errors/errors.ts';

/** One connection inside a transaction, or any of the pool. */
export interface Session {
  /**
   * Rows as objects; BIGINT comes as a number, BYTEA as a Buffer, JSON parsed. `$1` … in `text` are `values`; an array or object for
   * a JSON column must be given as `JSON.stringify(…)`.
   */
  query<Row extends object = Record<string, unknown>>(text: string, values?: readonly unknown[]): Promise<Row[]>;
}

export interface TransactionOptions {
  /** `read committed` unless told otherwise. */
  readonly isolation?: 'read committed' | 'repeatable read' | 'serializable';
  /** How often it is begun before a conflict is reported; 5 unless told otherwise. */
  readonly attempts?: number;
}

export interface EngineLog {
  info(fields: object, text: string): void;
  warn(fields: object, text: string): void;
}

/** Told of each change; at once of the present state. */
export interface EngineWatch {
  /** Notifications arrive. */
  connected?(): void;
  /** They do not, since now or since the last failed attempt to connect. Not told of a `close`. */
  lost?(error: SekishoError): void;
}

export interface Heard {
  /** At most 8000 bytes, by PostgreSQL. Must not throw. */
  heard(payload: string): void;
  /** Notifications arrive from now on; those before may be lost. Must not throw. */
  connected?(): void;
}
