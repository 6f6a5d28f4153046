/** The lease history in SQLite, `<data>/terminals/lease-history.db`; everything here blocks (sqlite-history-store.ts). */
import { rmSync } from 'node:fs';
import { closeDatabase, type Database, inTransaction, leaveNoTrace, openDatabase } from '../../store/database.ts';
import type { AddressQuestion, FoundSpans, LeaseChange } from './history-store.ts';
import { type LeaseSpan, SPAN_ENDED, SPAN_LOST, SPAN_OPEN } from './lease-span.ts';

export const HISTORY_FILE = 'lease-history.db';

const SCHEMA = `
  CREATE TABLE IF NOT EXISTS lease (
    id INTEGER PRIMARY KEY,
    prefix TEXT NOT NULL, bits INTEGER NOT NULL, port INTEGER NOT NULL, port_bits INTEGER NOT NULL,
    session TEXT NOT NULL, subscriber TEXT NOT NULL, from_ms INTEGER NOT NULL, last_ms INTEGER NOT NULL, heard_ms INTEGER NOT NULL,
    end_ms INTEGER NOT NULL, state INTEGER NOT NULL, unsure INTEGER NOT NULL, clock_doubt INTEGER NOT NULL
  ) STRICT;
  CREATE INDEX IF NOT EXISTS lease_by_prefix ON lease (prefix, bits, port_bits, port);
  CREATE INDEX IF NOT EXISTS lease_by_heard ON lease (heard_ms);
  CREATE TABLE IF NOT EXISTS shape (bits INTEGER NOT NULL, port_bits INTEGER NOT NULL, PRIMARY KEY (bits, port_bits)) STRICT;
`;

interface OpenRow {
  readonly id: number;
  readonly subscriber: string;
  readonly from_ms: number;
  readonly heard_ms: number;
}

interface SpanRow {
  readonly subscriber: string;
  readonly from_ms: number;
  readonly last_ms: number;
  readonly heard_ms: number;
  readonly end_ms: number;
  readonly state: LeaseSpan['state'];
  readonly unsure: number;
  readonly clock_doubt: number;
  readonly bits: number;
  readonly port_bits: number;
}

export class LeaseFile {
  readonly movedAside: string | undefined;
  readonly #file: string;
  #database: Database;

  /** Throws what SQLite throws. A damaged file is moved aside: reports from before cannot be matched then. */
  constructor(file: string, wallMs: number) {
    this.#file = file;
    const { database, movedAside } = openDatabase(file, { durability: 'normal', schema: SCHEMA }, wallMs);
    this.#database = database;
    this.movedAside = movedAside;
    // Reports over the API have no session that goes on (session-name.ts: no source): what the next one means is a new beginning.
    database
      .prepare(
        `UPDATE lease SET state = ${SPAN_LOST} WHERE state = ${SPAN_OPEN} AND substr(session, 17, 8) = '00000000'`,
      )
      .run();
  }

  write(changes: readonly LeaseChange[], lifetimeMs: number): void {
    const database = this.#database;
    const open = database.prepare(
      `SELECT id, subscriber, from_ms, heard_ms FROM lease
       WHERE prefix = ? AND bits = ? AND port_bits = ? AND port = ? AND session = ? AND state = ${SPAN_OPEN}`,
    );
    const end = database.prepare(
      `UPDATE lease SET state = ${SPAN_ENDED}, end_ms = ?, clock_doubt = max(clock_doubt, ?) WHERE id = ?`,
    );
    const lose = database.prepare(`UPDATE lease SET state = ${SPAN_LOST} WHERE id = ?`);
    const hear = database.prepare(
      'UPDATE lease SET heard_ms = max(heard_ms, ?), last_ms = max(last_ms, ?), unsure = ?, subscriber = ?, clock_doubt = max(clock_doubt, ?) WHERE id = ?',
    );
    const insert = database.prepare(
      `INSERT INTO lease (prefix, bits, port, port_bits, session, subscriber, from_ms, last_ms, heard_ms, end_ms, state, unsure, clock_doubt)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 0, ${SPAN_OPEN}, ?, ?)`,
    );
    const shape = database.prepare('INSERT OR IGNORE INTO shape VALUES (?, ?)');
    inTransaction(database, () => {
      for (const change of changes) {
        const { prefix, bits, port, portBits, session, subscriber, atMs, heardMs, ended, unsure, clockDoubt } = change;
        let row = open.get(prefix, bits, portBits, port, session) as OpenRow | undefined;
        if (ended) {
          if (row) end.run(Math.max(row.from_ms, atMs), Number(clockDoubt), row.id);
          continue;
        }
        // A name that is used again after a silence: what was in between nobody knows. So is one that is somebody else's now.
        if (
          row &&
          (heardMs - row.heard_ms > lifetimeMs ||
            (subscriber !== '' && row.subscriber !== subscriber && row.subscriber !== ''))
        ) {
          lose.run(row.id);
          row = undefined;
        }
        // In doubt whose it is: so it was all the time.
        if (row)
          hear.run(heardMs, atMs, Number(unsure), row.subscriber === '' ? '' : subscriber, Number(clockDoubt), row.id);
        else {
          shape.run(bits, portBits);
          insert.run(
            prefix,
            bits,
            port,
            portBits,
            session,
            subscriber,
            atMs,
            atMs,
            heardMs,
            Number(unsure),
            Number(clockDoubt),
          );
        }
      }
    });
  }

  find(questions: readonly AddressQuestion[]): FoundSpans[] {
    const shapes = this.#database.prepare('SELECT bits, port_bits FROM shape').all() as {
      bits: number;
      port_bits: number;
    }[];
    const ofBlock = this.#database.prepare(
      'SELECT * FROM lease WHERE prefix = ? AND bits = ? AND port_bits = ? AND port = ?',
    );
    const ofAddress = this.#database.prepare('SELECT * FROM lease WHERE prefix = ? AND bits = ? AND port_bits = ?');
    return questions.map(({ address, port }) => {
      const rows = shapes.flatMap(({ bits, port_bits: portBits }) => {
        const prefix = prefixOf(address, bits);
        if (portBits === 0 || port < 0) return ofAddress.all(prefix, bits, portBits) as SpanRow[];
        return ofBlock.all(prefix, bits, portBits, port & (0xffff << (16 - portBits))) as SpanRow[];
      });
      return { spans: rows.map(spanOf), everLeased: rows.length > 0 };
    });
  }

  deleteBefore(ms: number): number {
    const { changes } = this.#database
      .prepare(`DELETE FROM lease WHERE heard_ms < ?1 AND (state <> ${SPAN_ENDED} OR end_ms < ?1)`)
      .run(ms);
    if (changes > 0) leaveNoTrace(this.#database);
    return changes;
  }

  count(): number {
    return (this.#database.prepare('SELECT count(*) AS count FROM lease').get() as { count: number }).count;
  }

  beginAnew(wallMs: number): void {
    this.#database.close();
    for (const part of ['', '-wal', '-shm']) rmSync(this.#file + part, { force: true });
    this.#database = openDatabase(this.#file, { durability: 'normal', schema: SCHEMA }, wallMs).database;
  }

  close(): void {
    closeDatabase(this.#database);
  }
}

/** The first `bits` of an address in hexadecimal, the rest cleared. */
export function prefixOf(address: string, bits: number): string {
  const whole = bits >> 2;
  if (bits % 4 === 0) return address.slice(0, whole).padEnd(32, '0');
  const mask = 0xf & (0xf << (4 - (bits % 4)));
  const digit = (Number.parseInt(address[whole] ?? '0', 16) & mask).toString(16);
  return `${address.slice(0, whole)}${digit}`.padEnd(32, '0');
}

function spanOf(row: SpanRow): LeaseSpan {
  return {
    subscriber: row.subscriber,
    fromMs: row.from_ms,
    lastMs: row.last_ms,
    heardMs: row.heard_ms,
    endMs: row.end_ms,
    state: row.state,
    unsure: row.unsure !== 0,
    clockDoubt: row.clock_doubt !== 0,
    bits: row.bits + row.port_bits,
  };
}
