/**
 * The audit log (R14): who read or changed what concerns communications, and why. Append-only, one SQLite file, each entry
 * on disk before `record` returns, each with the hash of the one before:
 *
 *     hash(n) = SHA-256( hash(n-1) · sequence · at · who · role · action · purpose · detail )
 *
 * So a changed, removed or inserted entry breaks the chain from there on. Who can write the file can also write a whole
 * new chain, or cut its end off; against that the server's log, which usually goes to another machine, carries sequence and
 * hash of every entry, and `verify` takes one of them to look for.
 */
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import type { Clock } from '../clock.ts';
import { errorText, SekishoError } from '../errors.ts';
import { closeDatabase, type Database, inTransaction, openDatabase } from '../store/database.ts';
import type { AuditEntry, Auditor } from './entry.ts';
import { noteAudited } from './scope.ts';

export const AUDIT_FILE = 'audit.db';

const SCHEMA = `CREATE TABLE IF NOT EXISTS audit (
  sequence INTEGER PRIMARY KEY,
  at TEXT NOT NULL, who TEXT NOT NULL, role TEXT NOT NULL, action TEXT NOT NULL, purpose TEXT NOT NULL, detail TEXT NOT NULL,
  hash TEXT NOT NULL
)`;
/** The hash before the first entry. */
const NOTHING = '0'.repeat(64);
const LONGEST_TEXT = 2000;
/** Entries that `verify` reads at a time. */
const PAGE = 1000;

interface Row {
  readonly sequence: number;
  readonly at: string;
  readonly who: string;
  readonly role: string;
  readonly action: string;
  readonly purpose: string;
  readonly detail: string;
  readonly hash: string;
}

export interface AuditVerdict {
  readonly ok: boolean;
  /** Entries that fit, from the first. */
  readonly entries: number;
  /** `SEQUENCE:HASH` of the last entry; null where there is none. */
  readonly head: string | null;
  /** What is wrong, for people. */
  readonly problem: string | null;
}

/** How often something was done, without who, why or to what. */
export interface ActionSummary {
  readonly action: string;
  readonly count: number;
  /** ISO 8601, UTC. */
  readonly first: string;
  readonly last: string;
}

interface AuditLogger {
  info(fields: object, text: string): void;
  error(fields: object, text: string): void;
}

export class AuditLog implements Auditor {
  readonly #file: string;
  readonly #clock: Clock;
  readonly #log: AuditLogger;
  #database: Database | undefined;

  /** A log that cannot be opened says so, and refuses every entry; the server serves all the same. */
  constructor(dataFolder: string, clock: Clock, log: AuditLogger) {
    this.#file = join(dataFolder, AUDIT_FILE);
    this.#clock = clock;
    this.#log = log;
    try {
      this.#open();
    } catch (error) {
      log.error({ reason: errorText(error) }, 'the audit log cannot be opened: what has to be audited is refused');
    }
  }

  record(entry: AuditEntry): void {
    this.recordAll([entry]);
  }

  /** One transaction for all of them. */
  recordAll(entries: readonly AuditEntry[]): void {
    let rows: Row[];
    try {
      rows = this.#append(entries);
    } catch (error) {
      const message = `the audit log cannot be written, so this is refused: ${errorText(error)}`;
      throw new SekishoError('SEKISHO_AUDIT_FAILED', message, { cause: error });
    }
    for (const row of rows) {
      this.#log.info({ audit: `${row.sequence}:${row.hash}`, who: row.who, action: row.action }, 'audited');
      noteAudited(row.action);
    }
  }

  /** Recompute the chain; with `anchor`, `SEQUENCE:HASH` as noted earlier, see that it leads through that entry. */
  verify(anchor?: string): AuditVerdict {
    const [, anchorSequence, anchorHash] = /^(\d+):([0-9a-f]{64})$/.exec(anchor ?? '') ?? [];
    if (anchor !== undefined && anchorHash === undefined)
      throw new SekishoError('SEKISHO_REQUEST_INVALID', `'${anchor}' is not of the form SEQUENCE:HASH`);
    const rows = this.#open().prepare('SELECT * FROM audit WHERE sequence > ? ORDER BY sequence LIMIT ?');
    let previous = NOTHING;
    let sequence = 0;
    let anchored = anchor === undefined;
    for (;;) {
      const page = rows.all(sequence, PAGE) as Row[];
      for (const row of page) {
        const fault = faultOf(row, sequence, previous);
        if (fault !== undefined)
          return { ok: false, entries: sequence, head: headOf(sequence, previous), problem: fault };
        sequence = row.sequence;
        previous = row.hash;
        if (String(sequence) === anchorSequence && row.hash === anchorHash) anchored = true;
      }
      if (page.length < PAGE) break;
    }
    const head = headOf(sequence, previous);
    if (anchored) return { ok: true, entries: sequence, head, problem: null };
    const problem = `the chain does not lead through ${anchor}: entries were taken away, or all were written anew`;
    return { ok: false, entries: sequence, head, problem };
  }

  /** Actions from `from` on and before `to` (ISO 8601, UTC), each with how often. */
  summary(from: string, to: string): ActionSummary[] {
    return this.#open()
      .prepare(
        `SELECT action, count(*) AS count, min(at) AS first, max(at) AS last FROM audit
         WHERE at >= ? AND at < ? GROUP BY action ORDER BY action`,
      )
      .all(from, to) as ActionSummary[];
  }

  /** When, and with which details, `action` was done from `from` on and before `to`, in that order. */
  details(action: string, from: string, to: string): { readonly at: string; readonly detail: unknown }[] {
    const rows = this.#open()
      .prepare('SELECT at, detail FROM audit WHERE action = ? AND at >= ? AND at < ? ORDER BY sequence')
      .all(action, from, to) as Pick<Row, 'at' | 'detail'>[];
    return rows.map(({ at, detail }) => ({ at, detail: JSON.parse(detail) as unknown }));
  }

  close(): void {
    if (this.#database) closeDatabase(this.#database);
    this.#database = undefined;
  }

  #append(entries: readonly AuditEntry[]): Row[] {
    const database = this.#open();
    // One transaction, and a lock from its beginning: two writers cannot both continue the same entry.
    return inTransaction(database, (): Row[] => {
      let last = database.prepare('SELECT sequence, hash FROM audit ORDER BY sequence DESC LIMIT 1').get() as
        | Pick<Row, 'sequence' | 'hash'>
        | undefined;
      const insert = database.prepare(
        'INSERT INTO audit (sequence, at, who, role, action, purpose, detail, hash) VALUES (?, ?, ?, ?, ?, ?, ?, ?)',
      );
      return entries.map((entry) => {
        const content = {
          sequence: (last?.sequence ?? 0) + 1,
          at: new Date(this.#clock.wallMs()).toISOString(),
          who: entry.who.slice(0, LONGEST_TEXT),
          role: entry.role.slice(0, LONGEST_TEXT),
          action: entry.action.slice(0, LONGEST_TEXT),
          purpose: entry.purpose.slice(0, LONGEST_TEXT),
          detail: JSON.stringify(entry.detail ?? {}),
        };
        const row: Row = { ...content, hash: hashOf(content, last?.hash ?? NOTHING) };
        insert.run(row.sequence, row.at, row.who, row.role, row.action, row.purpose, row.detail, row.hash);
        last = row;
        return row;
      });
    });
  }

  #open(): Database {
    if (this.#database) return this.#database;
    const { database, movedAside } = openDatabase(
      this.#file,
      { durability: 'full', schema: SCHEMA },
      this.#clock.wallMs(),
    );
    this.#database = database;
    if (movedAside !== undefined) {
      this.#log.error({ movedAside }, 'THE AUDIT LOG WAS DAMAGED. It was moved aside and a new chain begun');
      this.record({
        who: 'server',
        role: 'server',
        action: 'audit.begin-anew',
        purpose: 'the file was no sound database',
        detail: { movedAside },
      });
    }
    return database;
  }
}

function hashOf(row: Omit<Row, 'hash'>, previous: string): string {
  const { sequence, at, who, role, action, purpose, detail } = row;
  // JSON keeps the fields apart: no text can be moved from one into the next.
  const content = JSON.stringify([previous, sequence, at, who, role, action, purpose, detail]);
  return createHash('sha256').update(content).digest('hex');
}

function faultOf(row: Row, before: number, previous: string): string | undefined {
  if (row.sequence !== before + 1) return `entry ${before + 1} is missing`;
  if (hashOf(row, previous) !== row.hash) return `entry ${row.sequence} was changed, or does not follow the one before`;
  return undefined;
}

function headOf(sequence: number, hash: string): string | null {
  return sequence === 0 ? null : `${sequence}:${hash}`;
}
