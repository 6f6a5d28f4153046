/** Opens the SQLite file of the consent ledger. */
import { appendOnly, type Database, openDatabase } from '../../store/database.ts';

export type LedgerDatabase = Database;

const SCHEMA = `
  CREATE TABLE IF NOT EXISTS entry (
    seq INTEGER PRIMARY KEY, at_ms INTEGER NOT NULL, subscriber TEXT NOT NULL, purpose TEXT NOT NULL,
    action TEXT NOT NULL, who TEXT NOT NULL, channel TEXT NOT NULL, terms TEXT NOT NULL, reason TEXT NOT NULL,
    hash TEXT NOT NULL
  ) STRICT;
  CREATE INDEX IF NOT EXISTS entry_by_subscriber ON entry (subscriber, seq);
  ${appendOnly('entry', 'the consent ledger')}
  CREATE TABLE IF NOT EXISTS import (id TEXT PRIMARY KEY, rows INTEGER NOT NULL) STRICT;
  CREATE TABLE IF NOT EXISTS notice (
    subscriber TEXT NOT NULL, category TEXT NOT NULL, list TEXT NOT NULL,
    first_ms INTEGER NOT NULL, last_ms INTEGER NOT NULL, count INTEGER NOT NULL,
    PRIMARY KEY (subscriber, category, list)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX IF NOT EXISTS notice_by_last ON notice (last_ms);
  CREATE TABLE IF NOT EXISTS notice_name (
    subscriber TEXT NOT NULL, list TEXT NOT NULL, name TEXT NOT NULL,
    first_ms INTEGER NOT NULL, last_ms INTEGER NOT NULL, count INTEGER NOT NULL,
    PRIMARY KEY (subscriber, list, name)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX IF NOT EXISTS notice_name_by_last ON notice_name (last_ms);
`;

/**
 * What COMMIT has returned from is on the disk, also after a loss of power. A damaged file is left where it is: in a new one
 * nobody would have opted out. Throws what SQLite throws.
 */
export function openLedgerFile(path: string): LedgerDatabase {
  return openDatabase(path, { durability: 'full', schema: SCHEMA, whenDamaged: 'refuse' }, 0).database;
}
