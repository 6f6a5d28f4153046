/**
 * SQLite files of the control plane. Everything here blocks: what is written often belongs into a thread of its own.
 */
import { existsSync, renameSync } from 'node:fs';
import Libsql from 'libsql';
import { errorText } from '../errors.ts';

export type Database = Libsql.Database;

export interface OpenOptions {
  /**
   * `full`: a committed transaction survives a power cut (consent, audit). `normal`: the last transactions may be lost,
   * the file stays sound (history).
   */
  readonly durability: 'full' | 'normal';
  /** Statements that make the tables, run at every start: CREATE TABLE IF NOT EXISTS … */
  readonly schema: string;
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
    if (!isDamage(error) || !existsSync(file)) throw error;
    const aside = `${file}.damaged-${new Date(wallMs).toISOString().replaceAll(':', '-')}`;
    for (const part of ['', '-wal', '-shm']) if (existsSync(file + part)) renameSync(file + part, aside + part);
    return { database: openSound(file, options), movedAside: aside };
  }
}

function openSound(file: string, { durability, schema }: OpenOptions): Database {
  const database = new Libsql(file);
  try {
    // A reload opens the file for the new configuration while the old one may still write its last minute.
    database.pragma('busy_timeout = 5000');
    database.pragma('journal_mode = WAL');
    database.pragma(`synchronous = ${durability === 'full' ? 'FULL' : 'NORMAL'}`);
    // What retention deletes is overwritten, not just forgotten.
    database.pragma('secure_delete = ON');
    database.exec(schema);
    const [verdict] = database.prepare('PRAGMA quick_check(1)').raw().all() as string[][];
    if (verdict?.[0] !== 'ok') throw new DamageError(verdict?.[0] ?? 'quick_check said nothing');
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}

class DamageError extends Error {}

/** The file is no database, or a broken one; not: no space, no permission. */
function isDamage(error: unknown): boolean {
  if (error instanceof DamageError) return true;
  const code = (error as { code?: string }).code ?? '';
  return /^SQLITE_(CORRUPT|NOTADB)/.test(code) || /malformed|not a database/.test(errorText(error));
}
