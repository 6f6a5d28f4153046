/** Leases in SQLite, `<data>/subscribers/leases.db`; everything here blocks (sqlite-lease-store.ts). */
import { rmSync, statSync } from 'node:fs';
import {
  closeDatabase,
  cutLog,
  type Database,
  inTransaction,
  leaveNoTrace,
  openDatabase,
} from '../../store/database.ts';
import { type ArchivedClaim, CLAIM_ENDED, type LeaseBatch, PREFIX_WORDS } from './lease-store.ts';
import { ID_WORDS, NAME_WORDS, REPORTER_WORDS } from './session-name.ts';

export const LEASES_FILE = 'leases.db';

/** What the tables before these held cannot tell sessions apart: the next messages say it again. */
const SCHEMA = `
  DROP TABLE IF EXISTS lease;
  DROP TABLE IF EXISTS reporter;
  DROP TABLE IF EXISTS heard;
  CREATE TABLE IF NOT EXISTS claim (
    prefix BLOB NOT NULL, session BLOB NOT NULL, reporter BLOB NOT NULL, subscriber TEXT NOT NULL, at_ms INTEGER NOT NULL,
    heard_ms INTEGER NOT NULL, until_ms INTEGER NOT NULL, stamp INTEGER NOT NULL, flags INTEGER NOT NULL, run INTEGER NOT NULL,
    PRIMARY KEY (prefix, session, reporter)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS run (number INTEGER PRIMARY KEY, heard_ms INTEGER NOT NULL) STRICT;
`;
/** Rows whose time has come are deleted this often. */
const PURGE_MS = 60_000;
/** What was overwritten in the file stays in the write-ahead log no longer than this, and a heartbeat of the writer. */
const CUT_MS = 5_000;
/**
 * SQLite leaves bytes of rows where it has moved them to another page. So the file is rewritten, which takes some 20 ms a
 * MiB, in which nothing is recorded: not before so much time has passed for each MiB, and never more often than the least.
 */
const REWRITE_MS_A_MIB = 60_000;
const LEAST_REWRITE_MS = 600_000;
/** At an end of the process a file up to this size is rewritten too. */
const REWRITTEN_AT_END_BYTES = 16 << 20;

interface Row {
  readonly prefix: Uint8Array | ArrayBuffer;
  readonly session: Uint8Array | ArrayBuffer;
  readonly reporter: Uint8Array | ArrayBuffer;
  readonly subscriber: string;
  readonly at_ms: number;
  readonly heard_ms: number;
  readonly until_ms: number;
  readonly stamp: number;
  readonly flags: number;
  readonly run: number;
}

export class LeaseArchive {
  readonly #file: string;
  #database: Database;
  /** Number of this process among those that used the file. */
  readonly run: number;
  #purgedMs = 0;
  #cutMs = 0;
  #rewrittenMs: number;

  readonly movedAside: string | undefined;

  /** Throws what SQLite throws. A damaged file is moved aside: leases are then unknown until their next message. */
  constructor(file: string, wallMs: number) {
    this.#file = file;
    this.#rewrittenMs = wallMs;
    const { database, movedAside } = openDatabase(file, { durability: 'full', schema: SCHEMA }, wallMs);
    this.#database = database;
    this.movedAside = movedAside;
    this.run = Math.max(0, ...this.runs().keys()) + 1;
  }

  /** Until when each process heard of leases, of those before this one that left any. */
  runs(): Map<number, number> {
    const rows = this.#database.prepare('SELECT number, heard_ms FROM run ORDER BY number').all();
    return new Map((rows as { number: number; heard_ms: number }[]).map(({ number, heard_ms }) => [number, heard_ms]));
  }

  /** In the order of their prefixes, from behind `after` on; at most `rows`. */
  claimsAfter(after: ArchivedClaim | undefined, rows: number): ArchivedClaim[] {
    const page = this.#database.prepare(
      'SELECT * FROM claim WHERE (prefix, session, reporter) > (?, ?, ?) ORDER BY prefix, session, reporter LIMIT ?',
    );
    const key = after
      ? [after.prefix, after.session.subarray(0, ID_WORDS), after.session.subarray(ID_WORDS)].map(bytesOfWords)
      : [Buffer.alloc(0), Buffer.alloc(0), Buffer.alloc(0)];
    return (page.all(...key, rows) as Row[]).map(claimOf);
  }

  /** All of it in one transaction, on the disk when this returns. `heardMs`: until when everything is known. */
  write(batches: readonly LeaseBatch[], heardMs: number): void {
    const database = this.#database;
    const end = database.prepare(
      `UPDATE claim SET subscriber = '', flags = ${CLAIM_ENDED}, at_ms = ?, heard_ms = ?, until_ms = ?, run = ${this.run}
       WHERE hex(reporter) IN (SELECT value FROM json_each(?)) AND flags & ${CLAIM_ENDED} = 0`,
    );
    const put = database.prepare('INSERT OR REPLACE INTO claim VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)');
    inTransaction(database, () => {
      for (const batch of batches) {
        for (const { reporters, atMs, heardMs: heard, untilMs } of batch.ended) {
          const names = reporters.map((reporter) => bytesOfWords(reporter).toString('hex').toUpperCase());
          end.run(atMs, heard, untilMs, JSON.stringify(names));
        }
        batch.subscribers.forEach((subscriber, i) => {
          const session = bytesOfWords(batch.sessions.subarray(i * NAME_WORDS, (i + 1) * NAME_WORDS));
          put.run(
            bytesOfWords(batch.prefixes.subarray(i * PREFIX_WORDS, (i + 1) * PREFIX_WORDS)),
            session.subarray(0, ID_WORDS * 4),
            session.subarray(ID_WORDS * 4),
            subscriber,
            batch.atMs[i]!,
            batch.heardMs[i]!,
            batch.untilMs[i]!,
            batch.stamps[i]!,
            batch.flags[i]!,
            this.run,
          );
        });
      }
      database.prepare('INSERT OR REPLACE INTO run VALUES (?, ?)').run(this.run, heardMs);
      if (Math.abs(heardMs - this.#purgedMs) < PURGE_MS) return;
      this.#purgedMs = heardMs;
      database.prepare('DELETE FROM claim WHERE until_ms <= ?').run(heardMs);
      database.prepare('DELETE FROM run WHERE number <> ? AND number NOT IN (SELECT run FROM claim)').run(this.run);
    });
    this.#removeTraces(heardMs);
  }

  /** Of numbers that were given up, in the log and in the file. A clock that steps back makes it come early. */
  #removeTraces(nowMs: number): void {
    if (Math.abs(nowMs - this.#cutMs) < CUT_MS) return;
    const due = Math.max(LEAST_REWRITE_MS, (statSync(this.#file).size / 2 ** 20) * REWRITE_MS_A_MIB);
    const isDue = Math.abs(nowMs - this.#rewrittenMs) >= due;
    if (!(isDue ? leaveNoTrace(this.#database) : cutLog(this.#database))) return;
    this.#cutMs = nowMs;
    if (isDue) this.#rewrittenMs = nowMs;
  }

  /** Forget everything, on a disk that takes nothing more: what cannot be kept up to date must not be believed. */
  beginAnew(wallMs: number): void {
    this.#database.close();
    for (const part of ['', '-wal', '-shm']) rmSync(this.#file + part, { force: true });
    this.#database = openDatabase(this.#file, { durability: 'full', schema: SCHEMA }, wallMs).database;
  }

  close(): void {
    if (this.#database.open && statSync(this.#file).size <= REWRITTEN_AT_END_BYTES) leaveNoTrace(this.#database);
    closeDatabase(this.#database);
  }
}

/** As they stand in the file: big-endian. */
function bytesOfWords(words: Int32Array): Buffer {
  const bytes = Buffer.alloc(words.length * 4);
  for (let i = 0; i < words.length; i++) bytes.writeInt32BE(words[i]!, i * 4);
  return bytes;
}

function claimOf(row: Row): ArchivedClaim {
  const session = new Int32Array(NAME_WORDS);
  session.set(wordsOf(row.session, ID_WORDS));
  session.set(wordsOf(row.reporter, REPORTER_WORDS), ID_WORDS);
  return {
    prefix: wordsOf(row.prefix, PREFIX_WORDS),
    session,
    subscriber: row.subscriber,
    atMs: row.at_ms,
    heardMs: row.heard_ms,
    untilMs: row.until_ms,
    stamp: row.stamp,
    flags: row.flags,
    run: row.run,
  };
}

function wordsOf(stored: Uint8Array | ArrayBuffer, count: number): Int32Array {
  const bytes = bytesOf(stored);
  return Int32Array.from({ length: count }, (_, i) => bytes.readInt32BE(i * 4));
}

/** libsql gives a BLOB as one or the other. */
function bytesOf(stored: Uint8Array | ArrayBuffer): Buffer {
  return Buffer.from(stored as Uint8Array);
}
