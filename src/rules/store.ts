/**
 * Where measures are kept: SQLite below `<data>/measures/`, on disk before anybody hears of a change (`synchronous = FULL`).
 * `change` is append-only: who did what to which measure, when and why.
 */
import { join } from 'node:path';
import { errorText, SekishoError } from '../errors/errors.ts';
import { appendOnly, closeDatabase, type Database, inTransaction, openDatabase } from '../store/database.ts';
import type { Measure } from './measure.ts';

export type MeasureAction = 'apply' | 'lift' | 'expire';
export const MEASURE_ACTIONS: readonly MeasureAction[] = ['apply', 'lift', 'expire'];

export interface MeasureChange {
  readonly at: number;
  readonly who: string;
  readonly action: MeasureAction;
  readonly reason: string;
  /** As it was after the change. */
  readonly measure: Measure;
}

export const MEASURES_FILE = 'measures.db';

const SCHEMA = `
  CREATE TABLE IF NOT EXISTS measure (number INTEGER PRIMARY KEY, measure TEXT NOT NULL) STRICT;
  CREATE TABLE IF NOT EXISTS change (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at INTEGER NOT NULL, who TEXT NOT NULL, action TEXT NOT NULL, number INTEGER NOT NULL, reason TEXT NOT NULL,
    measure TEXT NOT NULL
  ) STRICT;
  ${appendOnly('change', 'the history of changes')}
`;

export class MeasureStore {
  /** Where a store that could not be read was put; undefined where there was none. */
  readonly movedAside: string | undefined;
  /** As read at the start. */
  readonly measures: readonly Measure[];
  readonly #db: Database;

  /** Throws where the folder cannot be written to. */
  constructor(folder: string, wallMs: number) {
    const { database, movedAside } = openDatabase(
      join(folder, MEASURES_FILE),
      { durability: 'full', schema: SCHEMA },
      wallMs,
    );
    this.#db = database;
    this.movedAside = movedAside;
    const rows = database.prepare('SELECT measure FROM measure ORDER BY number').all() as { measure: string }[];
    this.measures = rows.map(({ measure }) => fromText(measure));
  }

  /** The number of the next measure: those of forgotten ones are not used again. */
  nextNumber(): number {
    const [row] = this.#attempt(() => this.#db.prepare('SELECT max(number) AS last FROM change').all()) as {
      last: number | null;
    }[];
    return (row?.last ?? 0) + 1;
  }

  /** Keep `measure`, and that it was done. Throws SekishoError. */
  record(action: MeasureAction, measure: Measure, who: string, reason: string, at: number): void {
    const text = JSON.stringify(measure);
    const number = Number(measure.id.slice(1));
    this.#attempt(() =>
      inTransaction(this.#db, () => {
        this.#db
          .prepare(
            'INSERT INTO measure (number, measure) VALUES (?, ?) ON CONFLICT (number) DO UPDATE SET measure = excluded.measure',
          )
          .run(number, text);
        this.#db
          .prepare('INSERT INTO change (at, who, action, number, reason, measure) VALUES (?, ?, ?, ?, ?, ?)')
          .run(Math.floor(at), who, action, number, reason, text);
      }),
    );
  }

  /** It ended long ago and need not be shown any longer; its changes stay. */
  forget({ id }: Measure): void {
    this.#attempt(() => this.#db.prepare('DELETE FROM measure WHERE number = ?').run(Number(id.slice(1))));
  }

  /** The latest changes first. Throws SekishoError. */
  changes(limit: number): MeasureChange[] {
    const rows = this.#attempt(() => this.#db.prepare('SELECT * FROM change ORDER BY id DESC LIMIT ?').all(limit));
    return (rows as (Omit<MeasureChange, 'measure'> & { measure: string })[]).map(
      ({ at, who, action, reason, measure }) => ({ at, who, action, reason, measure: fromText(measure) }),
    );
  }

  close(): void {
    closeDatabase(this.#db);
  }

  #attempt<T>(work: () => T): T {
    try {
      return work();
    } catch (error) {
      const message = `the measure could not be kept: ${errorText(error)}`;
      throw new SekishoError('SEKISHO_MEASURE_STORE', message, { cause: error });
    }
  }
}

function fromText(text: string): Measure {
  const measure = JSON.parse(text) as Measure;
  return { ...measure, endedAtMs: measure.endedAtMs };
}
