/** Opens the SQLite file of the consent ledger. */
import { existsSync } from 'node:fs';
import { appendOnly, type Database, isEmpty, type Opened, openDatabase, schemaFault } from '../../store/database.ts';

export type LedgerDatabase = Database;

const SCHEMA = `
  CREATE TABLE IF NOT EXISTS entry (
    seq INTEGER PRIMARY KEY, at_ms INTEGER NOT NULL, subscriber TEXT NOT NULL, purpose TEXT NOT NULL,
    action TEXT NOT NULL, who TEXT NOT NULL, channel TEXT NOT NULL, terms TEXT NOT NULL, reason TEXT NOT NULL,
    hash TEXT NOT NULL
  ) STRICT;
  CREATE INDEX IF NOT EXISTS entry_by_subscriber ON entry (subscriber, seq);
  ${appendOnly('entry', 'the consent ledger')}
  CREATE TABLE IF NOT EXISTS chain (one INTEGER PRIMARY KEY CHECK (one = 1), id TEXT NOT NULL) STRICT;
  INSERT OR IGNORE INTO chain VALUES (1, lower(hex(randomblob(16))));
  CREATE TABLE IF NOT EXISTS anchor (chain TEXT PRIMARY KEY, body TEXT NOT NULL) STRICT;
  CREATE TABLE IF NOT EXISTS import (id TEXT PRIMARY KEY, rows INTEGER NOT NULL) STRICT;
`;

export interface OpenedLedger extends Opened {
  /** What is wrong with the schema of the file that was found. */
  readonly fault: string | undefined;
  /** There was a ledger: not no file, and not one that a first start was broken off at. */
  readonly existed: boolean;
}

/**
 * What was committed is on the disk once it was flushed (store/log-flush.ts). A file that is no ledger is moved aside: whoever
 * opens it takes that for damage, since in the new one nobody has opted out. Throws what SQLite throws.
 */
export function openLedger(path: string, wallMs: number): OpenedLedger {
  let existed = existsSync(path);
  let fault: string | undefined;
  const opened = openDatabase(
    path,
    {
      durability: 'flushed',
      schema: SCHEMA,
      before: (database) => {
        existed &&= !isEmpty(database);
        if (existed) fault ??= schemaFault(database, SCHEMA, 'entry');
      },
      check: (database) => database.prepare('SELECT seq, subscriber, purpose, action, hash FROM entry LIMIT 1').all(),
    },
    wallMs,
  );
  return { ...opened, fault, existed };
}

/** The database alone, for whoever works on it without the chain. Throws what SQLite throws. */
export function openLedgerFile(path: string): LedgerDatabase {
  return openDatabase(path, { durability: 'full', schema: SCHEMA, whenDamaged: 'refuse' }, 0).database;
}
