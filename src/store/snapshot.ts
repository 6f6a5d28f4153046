/** Consistent copies of SQLite files that somebody may be writing to. */
import Libsql from 'libsql';
import { errorText } from '../errors/errors.ts';

/** SQLite waits so long for whoever holds the file. */
const BUSY_MS = 10_000;

/**
 * Write what `from` holds at one moment, its write-ahead log included, to `to`: a file of its own, without a byte of what was
 * deleted. Whoever writes to `from` is not held up. Throws what SQLite throws.
 */
export function snapshot(from: string, to: string): void {
  const database = new Libsql(from, { readonly: true, timeout: BUSY_MS } as Libsql.Options);
  try {
    database.prepare('VACUUM INTO ?').run(to);
  } finally {
    database.close();
  }
}

/** Why it is no sound database; undefined where it is one. */
export function integrityFault(file: string): string | undefined {
  try {
    const database = new Libsql(file, { readonly: true } as Libsql.Options);
    try {
      const rows = database.prepare('PRAGMA integrity_check(1)').raw().all() as string[][];
      const verdict = rows[0]?.[0] ?? 'integrity_check said nothing';
      return verdict === 'ok' ? undefined : verdict;
    } finally {
      database.close();
    }
  } catch (error) {
    return errorText(error);
  }
}
