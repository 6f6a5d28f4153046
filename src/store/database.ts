/**
 * SQLite files of the control plane. Everything here blocks: what is written often belongs into a thread of its own.
 */
import { existsSync, renameSync } from 'node:fs';
import { errorText } from '../errors/errors.ts';
import { Database } from './guarded.ts';

export type { Database } from './guarded.ts';

/** Pages of 4 KiB. */
const CHECKPOINT_PAGES = 8000;

/** Statements for a schema: rows of `table` can be added, and neither changed nor taken away. `what`: its name for people. */
export function appendOnly(table: string, what: string): string {
  const refusal = `BEGIN SELECT RAISE(ABORT, '${what} is append-only'); END`;
  return `CREATE TRIGGER IF NOT EXISTS ${table}_is_not_altered BEFORE UPDATE ON ${table} ${refusal};
  CREATE TRIGGER IF NOT EXISTS ${table}_is_not_deleted BEFORE DELETE ON ${table} ${refusal};`;
}

export interface OpenOptions {
  /**
   * `full`: a committed transaction survives a power cut. `flushed`: it does once its owner has flushed it (log-flush.ts), which
   * several owners do side by side (consent, audit). `normal`: the last transactions may be lost, the file stays sound (history).
   */
  readonly durability: 'full' | 'flushed' | 'normal';
  /** Statements that make the tables, run at every start: CREATE TABLE IF NOT EXISTS … */
  readonly schema: string;
  /** Looks at the file as it was found, before the schema is brought up to date. What it throws means damage. */
  readonly before?: (database: Database) => void;
  /** Reads what the owner cannot do without; where it throws, the file is damaged. */
  readonly check?: (database: Database) => void;
  /**
   * `move-aside` (unless told otherwise): start over. `refuse`: throw. Where an empty file would mean something else than a
   * missing one (nobody has opted out), the second is right.
   */
  readonly whenDamaged?: 'move-aside' | 'refuse';
}

export interface Opened {
  readonly database: Database;
  /** Where a file that was no sound database has been moved to. */
  readonly movedAside: string | undefined;
}

/**
 * Open `file`, or make it. A file that is damaged is moved aside, with what belongs to it, and a new one begun: serving never
 * depends on it, and nothing is deleted that somebody may still want to look into. `wallMs` names the file moved aside.
 */
export function openDatabase(file: string, options: OpenOptions, wallMs: number): Opened {
  try {
    return { database: openSound(file, options), movedAside: undefined };
  } catch (error) {
    if (options.whenDamaged === 'refuse' || !isDamage(error) || !existsSync(file)) throw error;
    const aside = moveAside(file, wallMs);
    return { database: openSound(file, options), movedAside: aside };
  }
}

/** Rename a database that is not open, with what belongs to it. Returns its new name, which no other file has. */
export function moveAside(file: string, wallMs: number): string {
  const dated = `${file}.damaged-${new Date(wallMs).toISOString().replaceAll(':', '-')}`;
  let aside = dated;
  for (let n = 2; existsSync(aside); n++) aside = `${dated}-${n}`;
  for (const part of ['', '-wal', '-shm']) if (existsSync(file + part)) renameSync(file + part, aside + part);
  return aside;
}

function openSound(file: string, { durability, schema, before, check }: OpenOptions): Database {
  const database = new Database(file);
  try {
    // A reload opens the file for the new configuration while the old one may still write its last minute.
    // What has to be durable is written by the main thread, which must not stand still because another process
    // holds the file; it has one writer. The others are written in threads of their own, during a reload by two.
    database.pragma(`busy_timeout = ${durability === 'normal' ? 5000 : 250}`);
    database.pragma('journal_mode = WAL');
    // Folding the log back holds up whoever commits at that moment: seldom, 32 MiB at a time.
    database.pragma(`wal_autocheckpoint = ${CHECKPOINT_PAGES}`);
    database.pragma(`synchronous = ${durability === 'full' ? 'FULL' : 'NORMAL'}`);
    // What retention deletes is overwritten, not just forgotten.
    database.pragma('secure_delete = ON');
    // What is sorted on the way does not go through a file of its own.
    database.pragma('temp_store = MEMORY');
    if (before) orDamage(() => before(database));
    // All of it or nothing: a first start that is broken off leaves no file that looks altered.
    whole(database, schema);
    const [verdict] = database.prepare('PRAGMA quick_check(1)').raw().all() as string[][];
    if (verdict?.[0] !== 'ok') throw new DamageError(verdict?.[0] ?? 'quick_check said nothing');
    if (check) orDamage(() => check(database));
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}

/** Takes no write lock where everything exists already. */
function whole(database: Database, schema: string): void {
  database.exec('BEGIN');
  try {
    database.exec(schema);
    database.exec('COMMIT');
  } catch (error) {
    if (database.inTransaction) database.exec('ROLLBACK');
    throw error;
  }
}

/** There is nothing in it: a start that was broken off before its first transaction was on the disk leaves such a file. */
export function isEmpty(database: Database): boolean {
  return database.prepare('SELECT 1 FROM sqlite_master LIMIT 1').get() === undefined;
}

/**
 * Run `work` in one transaction that holds the write lock from its beginning; take everything back where it throws. In place of
 * libsql's own wrapper, which, after an error on which SQLite has rolled back by itself (a full disk), fails at rolling back
 * again and throws that instead of the reason.
 */
export function inTransaction<T>(database: Database, work: () => T): T {
  database.exec('BEGIN IMMEDIATE');
  try {
    const result = work();
    database.exec('COMMIT');
    return result;
  } catch (error) {
    try {
      database.exec('ROLLBACK');
    } catch {
      // SQLite has done it already; the reason is what counts.
    }
    throw error;
  }
}

/** Take over all rows of a table that both have, within a transaction of the caller. */
export function copyRows(from: Database, to: Database, table: string): void {
  let insert: ReturnType<Database['prepare']> | undefined;
  for (const row of from.prepare(`SELECT * FROM ${table}`).raw().iterate() as IterableIterator<unknown[]>) {
    insert ??= to.prepare(`INSERT OR REPLACE INTO ${table} VALUES (${row.map(() => '?').join(', ')})`);
    insert.run(...row);
  }
}

/**
 * After something was deleted: leave no byte of it. secure_delete overwrites rows and free pages, but not what SQLite left in a page
 * when it moved rows to another; so the file is rewritten, and the write-ahead log folded back and cut. Takes time in
 * proportion to the file. False where somebody reads at this moment or the disk is full: to be done again.
 */
export function leaveNoTrace(database: Database): boolean {
  try {
    database.exec('VACUUM');
  } catch {
    cutLog(database);
    return false;
  }
  return cutLog(database);
}

/** Fold the write-ahead log back and cut it to nothing. False where somebody still reads from it, or there is no space. */
export function cutLog(database: Database): boolean {
  try {
    const [row] = database.pragma('wal_checkpoint(TRUNCATE)') as { busy: number }[];
    return row?.busy === 0;
  } catch {
    return false;
  }
}

/**
 * What differs between the triggers and `table` of a file that was found and those that `schema` makes, as a sentence; undefined
 * where nothing does. An append-only table whose triggers were dropped, or that got others, may have been thinned out.
 */
export function schemaFault(found: Database, schema: string, table: string): string | undefined {
  const made = new Database(':memory:');
  try {
    made.exec(schema);
    const guarded = (database: Database) =>
      new Map(
        (
          database
            .prepare("SELECT name, sql FROM sqlite_master WHERE type = 'trigger' OR (type = 'table' AND name = ?)")
            .all(table) as { name: string; sql: string }[]
        ).map(({ name, sql }) => [name, sql]),
      );
    const [expected, there] = [guarded(made), guarded(found)];
    for (const [name, sql] of expected) {
      if (!there.has(name)) return `its schema was altered: ${name} is missing`;
      if (there.get(name) !== sql) return `its schema was altered: ${name} is not as the server made it`;
    }
    const foreign = [...there.keys()].find((name) => !expected.has(name));
    return foreign === undefined ? undefined : `its schema was altered: the trigger ${foreign} is not the server's`;
  } finally {
    made.close();
  }
}

/** Close, with everything in the one file: nothing is left in the write-ahead log. */
export function closeDatabase(database: Database): void {
  // Where it cannot be cut (no space, or somebody else reads), what is in the log is read at the next start.
  cutLog(database);
  database.close();
}

class DamageError extends Error {}

function orDamage(look: () => void): void {
  try {
    look();
  } catch (error) {
    throw isCircumstance(error) ? error : new DamageError(errorText(error));
  }
}

/** The file is no database, or a broken one; not: no space, no permission. */
export function isDamage(error: unknown): boolean {
  if (error instanceof DamageError) return true;
  const code = (error as { code?: string }).code ?? '';
  return /^SQLITE_(CORRUPT|NOTADB)/.test(code) || /malformed|not a database/.test(errorText(error));
}

/** What the surroundings are to blame for: a good file must not be moved aside because the disk is full. */
function isCircumstance(error: unknown): boolean {
  const code = String((error as { code?: unknown }).code ?? '');
  return /^SQLITE_(BUSY|LOCKED|CANTOPEN|FULL|IOERR|READONLY|PERM|NOMEM|AUTH)/.test(code);
}
