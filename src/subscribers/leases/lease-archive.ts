/**
 * Leases on the disk, so that they outlive the process. Holds what is in force and what ended so lately that a late message
 * could still undo it: a lease that ends gives its row's subscriber up at once, and the row goes when its time has come.
 * It is no log of sessions (R14), and nobody but the server reads it.
 *
 * `full` durability: a Start that was answered must not be missing after a loss of power, where the one before it would
 * come back in its place.
 */
import { rmSync, statSync } from 'node:fs';
import {
  closeDatabase,
  cutLog,
  type Database,
  inTransaction,
  leaveNoTrace,
  openDatabase,
} from '../../store/database.ts';

export const LEASES_FILE = 'leases.db';

const SCHEMA = `
  CREATE TABLE IF NOT EXISTS lease (
    prefix BLOB PRIMARY KEY, subscriber TEXT NOT NULL, session INTEGER NOT NULL, reporter INTEGER NOT NULL,
    expires_ms INTEGER NOT NULL, run INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS reporter (number INTEGER PRIMARY KEY, client TEXT NOT NULL) STRICT;
  CREATE TABLE IF NOT EXISTS heard (one INTEGER PRIMARY KEY CHECK (one = 1), ms INTEGER NOT NULL, run INTEGER NOT NULL) STRICT;
`;
/** Rows whose time has come are deleted this often. */
const PURGE_MS = 60_000;
const PREFIX_BYTES = 17;
/** What was overwritten in the file stays in the write-ahead log no longer than this, and a heartbeat of the writer. */
const CUT_MS = 5_000;
/**
 * SQLite leaves bytes of rows where it has moved them to another page. So the file is written anew, which takes some 20 ms a
 * MiB, in which nothing is recorded: not before so much time has passed for each MiB, and never more often than the least.
 */
const REWRITE_MS_A_MIB = 60_000;
const LEAST_REWRITE_MS = 600_000;
/** At an end of the process a file up to this size is written anew too. */
const REWRITTEN_AT_END_BYTES = 16 << 20;

/** What happened, in its order. Arrays beside each other: this goes from one thread to another, thousands at a time. */
export interface LeaseBatch {
  /** Reporters that began anew before the leases of this batch. */
  readonly ended: readonly { readonly reporter: number; readonly expiresMs: number }[];
  readonly reporters: readonly { readonly number: number; readonly client: string }[];
  /** Four words for each lease, then its bits. */
  readonly words: Int32Array;
  readonly bits: Uint8Array;
  readonly sessions: Int32Array;
  readonly expiresMs: Float64Array;
  /** Empty: nobody holds it. */
  readonly subscribers: readonly string[];
}

export interface ArchivedLease {
  readonly prefix: { readonly words: Int32Array; readonly bits: number };
  readonly subscriber: string;
  readonly session: number;
  readonly expiresMs: number;
}

export class LeaseArchive {
  readonly #file: string;
  #database: Database;
  /** Number of this process among those that used the file. */
  readonly run: number;
  /** Until when the process before this one heard of leases; 0 where there was none. */
  readonly heardMs: number;
  #purgedMs = 0;
  #cutMs = 0;
  #rewrittenMs: number;

  /** Throws what SQLite throws. A damaged file is moved aside: leases are then unknown until their next message. */
  constructor(file: string, wallMs: number, run?: number) {
    this.#file = file;
    this.#rewrittenMs = wallMs;
    this.#database = openDatabase(file, { durability: 'full', schema: SCHEMA }, wallMs).database;
    const last = this.#database.prepare('SELECT ms, run FROM heard').get() as { ms: number; run: number } | undefined;
    this.heardMs = last?.ms ?? 0;
    this.run = run ?? (last?.run ?? 0) + 1;
  }

  reporters(): { number: number; client: string }[] {
    const rows = this.#database.prepare('SELECT number, client FROM reporter ORDER BY number').all();
    return (rows as { number: number; client: string }[]).map(({ number, client }) => ({
      number,
      client: Buffer.from(client, 'hex').toString('latin1'),
    }));
  }

  /** Leases that no message has confirmed in this run, in the order of their prefixes, from behind `after` on. */
  unconfirmed(after: Buffer | undefined, limit: number): ArchivedLease[] {
    const rows = this.#database
      .prepare(
        'SELECT prefix, subscriber, session, expires_ms FROM lease WHERE run <> ? AND prefix > ? ORDER BY prefix LIMIT ?',
      )
      .all(this.run, after ?? Buffer.alloc(0), limit) as {
      prefix: Uint8Array | ArrayBuffer;
      subscriber: string;
      session: number;
      expires_ms: number;
    }[];
    return rows.map(({ prefix, subscriber, session, expires_ms }) => ({
      prefix: prefixOf(prefix),
      subscriber,
      session,
      expiresMs: expires_ms,
    }));
  }

  /** All of it in one transaction, on the disk when this returns. `heardMs`: until when everything is known. */
  write(batches: readonly LeaseBatch[], heardMs: number): void {
    const database = this.#database;
    const end = database.prepare(
      "UPDATE lease SET subscriber = '', expires_ms = ?, run = ? WHERE reporter = ? AND subscriber <> ''",
    );
    const name = database.prepare('INSERT OR REPLACE INTO reporter VALUES (?, ?)');
    const put = database.prepare('INSERT OR REPLACE INTO lease VALUES (?, ?, ?, ?, ?, ?)');
    inTransaction(database, () => {
      for (const { ended, reporters, words, bits, sessions, expiresMs, subscribers } of batches) {
        for (const { reporter, expiresMs: until } of ended) end.run(until, this.run, reporter);
        // Hexadecimal: what a client calls itself may be an address in bytes, and libsql ends a text at a zero.
        for (const { number, client } of reporters) name.run(number, Buffer.from(client, 'latin1').toString('hex'));
        subscribers.forEach((subscriber, i) => {
          const prefix = prefixBytes(words.subarray(i * 4, i * 4 + 4), bits[i]!);
          put.run(prefix, subscriber, sessions[i]!, sessions[i]! >>> 24, expiresMs[i]!, this.run);
        });
      }
      database.prepare('INSERT OR REPLACE INTO heard VALUES (1, ?, ?)').run(heardMs, this.run);
      if (Math.abs(heardMs - this.#purgedMs) < PURGE_MS) return;
      this.#purgedMs = heardMs;
      database.prepare('DELETE FROM lease WHERE expires_ms <= ?').run(heardMs);
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

/** As it stands in the file: the address, big-endian, and the number of bits. */
export function prefixBytes(words: Int32Array, bits: number): Buffer {
  const bytes = Buffer.alloc(PREFIX_BYTES);
  for (let i = 0; i < 4; i++) bytes.writeInt32BE(words[i]!, i * 4);
  bytes[16] = bits;
  return bytes;
}

/** libsql gives a BLOB as one or the other. */
function prefixOf(stored: Uint8Array | ArrayBuffer): ArchivedLease['prefix'] {
  const bytes = Buffer.from(stored as Uint8Array);
  return { words: Int32Array.from({ length: 4 }, (_, i) => bytes.readInt32BE(i * 4)), bits: bytes[16]! };
}
