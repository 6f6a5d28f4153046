/**
 * Where measures are kept: SQLite below `<data>/measures/`, on disk before anybody hears of a change (`synchronous = FULL`).
 * `change` is append-only: who did what to which measure, when and why.
 */
import { join } from 'node:path';
import { errorText } from '../errors/errors.ts';
import { appendOnly, closeDatabase, type Database, inTransaction, openDatabase } from '../store/database.ts';
import { discreet, discreetText } from './discreet.ts';
import { rulesError } from './errors.ts';
import { isRunning, type Measure } from './measure.ts';

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
  CREATE TABLE IF NOT EXISTS kept (
    id INTEGER PRIMARY KEY CHECK (id = 1), before INTEGER NOT NULL, number INTEGER NOT NULL
  ) STRICT;
  CREATE TABLE IF NOT EXISTS deletion (at INTEGER NOT NULL, before INTEGER NOT NULL, rows INTEGER NOT NULL) STRICT;
  ${appendOnly('deletion', 'the record of deletions')}
  ${appendOnly('change', 'the history of changes')}
  DROP TRIGGER change_is_not_deleted;
  CREATE TRIGGER change_is_not_deleted BEFORE DELETE ON change
    WHEN OLD.at >= coalesce((SELECT before FROM kept), 0)
    BEGIN SELECT RAISE(ABORT, 'the history of changes is append-only until its retention is over'); END;
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
    const [row] = this.#attempt(() =>
      this.#db
        .prepare(
          'SELECT max(coalesce((SELECT max(number) FROM change), 0), coalesce((SELECT number FROM kept), 0)) AS last',
        )
        .all(),
    ) as { last: number }[];
    return (row?.last ?? 0) + 1;
  }

  /** Keep `measure`, and that it was done. Throws SekishoError. */
  record(action: MeasureAction, measure: Measure, who: string, reason: string, at: number): void {
    // A measure that runs needs what it is on; everything else is kept without a single address.
    const text = JSON.stringify(isRunning(measure) ? measure : discreet(measure));
    const shown = JSON.stringify(discreet(measure));
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
          .run(Math.floor(at), who, action, number, discreetText(reason, measure.match), shown);
      }),
    );
  }

  /** It ended long ago and need not be shown any longer; its changes stay. */
  forget({ id }: Measure): void {
    this.#attempt(() => this.#db.prepare('DELETE FROM measure WHERE number = ?').run(Number(id.slice(1))));
  }

  /** Delete changes from before `before`, and keep a record of it. Returns how many. Throws SekishoError. */
  deleteChanges(before: number, at: number): number {
    return this.#attempt(() => {
      const rows = inTransaction(this.#db, () => {
        const [newest] = this.#db.prepare('SELECT max(number) AS number FROM change').all() as {
          number: number | null;
        }[];
        this.#db
          .prepare(
            'INSERT INTO kept (id, before, number) VALUES (1, ?, ?) ON CONFLICT (id) DO UPDATE SET before = max(before, excluded.before), number = max(number, excluded.number)',
          )
          .run(Math.floor(before), newest?.number ?? 0);
        const { changes } = this.#db.prepare('DELETE FROM change WHERE at < ?').run(Math.floor(before));
        if (changes > 0)
          this.#db
            .prepare('INSERT INTO deletion (at, before, rows) VALUES (?, ?, ?)')
            .run(Math.floor(at), Math.floor(before), changes);
        return changes;
      });
      // Deleted pages are overwritten in the file; without this they would live on in the write-ahead log.
      if (rows > 0) this.#db.pragma('wal_checkpoint(TRUNCATE)');
      return rows;
    });
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
      throw rulesError('SEKISHO_MEASURE_STORE', message, { cause: error });
    }
  }
}

function fromText(text: string): Measure {
  const measure = JSON.parse(text) as Measure;
  return { ...measure, endedAtMs: measure.endedAtMs };
}
