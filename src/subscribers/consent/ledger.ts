/**
 * The consent ledger: who consented to what or withdrew it, when, over which channel, under which version of the terms.
 * It is only ever added to, and each entry's hash covers the one before.
 *
 *   append ─┐
 *   append ─┼─▶ one transaction a turn of the event loop ─▶ on the disk ─▶ every append of it resolves
 *   append ─┘
 *
 * So a thousand changes a second cost some hundred syncs and not a thousand, and nobody is told that something was recorded
 * before it was.
 */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { errorText, generalError, type SekishoError } from '../../errors/errors.ts';
import type { AnchorPlace } from '../../store/anchor.ts';
import type { ChainGuard, OpenedChain } from '../../store/chain-guard.ts';
import { closeDatabase, copyRows, inTransaction } from '../../store/database.ts';
import { tableAnchor } from '../../store/table-anchor.ts';
import { subscribersError } from '../errors.ts';
import { type LedgerDatabase, openLedger } from './ledger-file.ts';

/**
 * `shown` and `exported`: somebody looked (no read without a trace). `damage-accepted`: a person went on with a ledger that
 * was found damaged; of no subscriber.
 */
export const ACTIONS = ['opt-out', 'opt-in', 'shown', 'exported', 'damage-accepted'] as const;
export type LedgerAction = (typeof ACTIONS)[number];

/** What is recorded. */
export interface LedgerRecord {
  readonly subscriber: string;
  /** Empty where the entry is about all of them. */
  readonly purpose: string;
  readonly action: LedgerAction;
  /** Who did it: the name of the token, or the subscriber. */
  readonly who: string;
  readonly channel: string;
  /** Version of the terms in force. */
  readonly terms: string;
  readonly reason: string;
}

export interface LedgerEntry extends LedgerRecord {
  /** From 1, without gaps. */
  readonly seq: number;
  readonly atMs: number;
  /** SHA-256, hexadecimal, over the entry before and this one. */
  readonly hash: string;
}

/** How often something was done over one channel, and for how many. */
export interface LedgerTally {
  readonly action: LedgerAction;
  readonly channel: string;
  readonly count: number;
  readonly subscribers: number;
}

/** How far an import of a file has come, kept with its entries. */
export interface ImportProgress {
  readonly id: string;
  readonly rows: number;
}

/** An append that is not on the disk yet. */
export interface Waiting {
  readonly records: readonly LedgerRecord[];
  readonly progress: ImportProgress | undefined;
  readonly resolve: (entries: LedgerEntry[]) => void;
  readonly reject: (error: unknown) => void;
}

/** Entries of one transaction; more wait for the next. */
const MAX_BATCH = 2000;
/** Appends that may wait at all. */
const MAX_WAITING = 20_000;
const FIRST_HASH = '0'.repeat(64);
/** SQLite's name for a database without a file. */
export const IN_MEMORY = ':memory:';

export class Ledger {
  readonly db: LedgerDatabase;
  /** Looked at and told with every change, once there is one. */
  guard: ChainGuard | undefined;
  /** Called where entries are on the disk and their anchor is not. */
  onUnanchored: ((reason: string) => void) | undefined;
  /** What was found wrong with the file when it was opened. */
  readonly fault: string | undefined;
  readonly #path: string;
  readonly #existed: boolean;
  readonly #wallMs: () => number;
  readonly #insert;
  readonly #remember;
  #waiting: Waiting[] = [];
  #scheduled: NodeJS.Immediate | undefined;
  #seq = 0;
  #hash = FIRST_HASH;
  #closed = false;

  /** Throws SekishoError where the file cannot be opened; one that is no ledger is moved aside, and `fault` says so. */
  constructor(path: string, wallMs: () => number) {
    this.#wallMs = wallMs;
    this.#path = path;
    this.#existed = existsSync(path);
    try {
      const { database, movedAside, fault } = openLedger(path, this.#existed, wallMs());
      this.db = database;
      this.fault = movedAside === undefined ? fault : `it cannot be read, and was moved aside to ${movedAside}`;
    } catch (error) {
      throw subscribersError('SEKISHO_LEDGER_UNUSABLE', `the consent ledger ${path}: ${errorText(error)}`, {
        cause: error,
      });
    }
    const last = this.db.prepare('SELECT seq, hash FROM entry ORDER BY seq DESC LIMIT 1').get() as
      | { seq: number; hash: string }
      | undefined;
    if (last) [this.#seq, this.#hash] = [last.seq, last.hash];
    this.#insert = this.db.prepare('INSERT INTO entry VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)');
    this.#remember = this.db.prepare(
      'INSERT INTO import VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET rows = excluded.rows',
    );
  }

  get entries(): number {
    return this.#seq;
  }

  /** Kept in memory alone: nothing that is appended outlives the process. */
  get isVolatile(): boolean {
    return this.#path === IN_MEMORY;
  }

  /** The chain as it was opened, with what `verify` says of it. */
  opened(): OpenedChain {
    const { id } = this.db.prepare('SELECT id FROM chain').get() as { id: string };
    return {
      file: this.#path,
      database: this.db,
      existed: this.#existed,
      chain: id,
      count: this.#seq,
      head: this.#hash,
      fault: this.fault ?? this.verify(),
      leadsThrough: (count, head) => this.#hashAt(count) === head,
    };
  }

  /** Where the anchor of another chain is kept in this file. */
  anchorPlace(chain: string): AnchorPlace {
    return tableAnchor(this.db, chain, `in ${this.#path}`);
  }

  /** Resolves with the entries once they are on the disk. Rejects with SekishoError; then none of them is. */
  append(records: readonly LedgerRecord[], progress?: ImportProgress): Promise<LedgerEntry[]> {
    if (this.#closed) return Promise.reject(stopping());
    if (this.#waiting.length >= MAX_WAITING)
      return Promise.reject(generalError('SEKISHO_NOT_READY', 'too many changes wait for the consent ledger'));
    return new Promise((resolve, reject) => {
      this.#waiting.push({ records, progress, resolve, reject });
      this.#scheduled ??= setImmediate(() => this.#flush());
    });
  }

  /**
   * Take over what `other` holds, into a ledger that is empty: the same chain in another file, and how far imports have come.
   * Throws what SQLite throws.
   */
  copyFrom(other: Ledger): void {
    inTransaction(this.db, () => {
      for (const table of ['chain', 'import']) copyRows(other.db, this.db, table);
      for (const entry of other.read()) {
        const { seq, atMs, subscriber, purpose, action, who, channel, terms, reason, hash } = entry;
        this.#insert.run(seq, atMs, subscriber, purpose, action, who, channel, terms, reason, hash);
        [this.#seq, this.#hash] = [seq, hash];
      }
    });
  }

  /** Rows of the import `id` that are recorded. */
  importedRows(id: string): number {
    return (this.db.prepare('SELECT rows FROM import WHERE id = ?').get(id) as { rows: number } | undefined)?.rows ?? 0;
  }

  /** Every entry in its order, or those of one subscriber. */
  *read(subscriber?: string): IterableIterator<LedgerEntry> {
    if (this.#closed) throw stopping();
    const where = subscriber === undefined ? '' : 'WHERE subscriber = ?';
    const rows = this.db.prepare(`SELECT * FROM entry ${where} ORDER BY seq`);
    for (const row of rows.iterate(...(subscriber === undefined ? [] : [subscriber]))) yield entryOf(row as Row);
  }

  /** Entries made from `fromMs` on and before `toMs`, by action and channel. */
  tally(fromMs: number, toMs: number): LedgerTally[] {
    return this.db
      .prepare(
        `SELECT action, channel, count(*) AS count, count(DISTINCT subscriber) AS subscribers FROM entry
         WHERE at_ms >= ? AND at_ms < ? GROUP BY action, channel ORDER BY action, channel`,
      )
      .all(fromMs, toMs) as LedgerTally[];
  }

  /** Why the chain does not hold, as a sentence; undefined where it does. */
  verify(): string | undefined {
    let hash = FIRST_HASH;
    let seq = 0;
    try {
      for (const entry of this.read()) {
        if (entry.seq !== ++seq) return `entry ${seq} is missing`;
        hash = hashOf(hash, entry);
        if (hash !== entry.hash) return `entry ${seq} was altered`;
      }
    } catch (error) {
      return `what comes behind entry ${seq} cannot be read: ${errorText(error)}`;
    }
    return seq === this.#seq && hash === this.#hash ? undefined : 'the last entries are missing';
  }

  /** Close without recording what waits; returns it, for `take`. */
  abandon(): Waiting[] {
    this.#closed = true;
    if (this.#scheduled) clearImmediate(this.#scheduled);
    closeDatabase(this.db);
    return this.#waiting.splice(0);
  }

  /** Record what waited for another file. */
  take(waiting: Waiting[]): void {
    this.#waiting.push(...waiting);
    if (this.#waiting.length > 0) this.#scheduled ??= setImmediate(() => this.#flush());
  }

  /** Whatever waits is recorded first. */
  close(): void {
    this.#closed = true;
    while (this.#waiting.length > 0) {
      // What is scheduled must not find the file closed.
      if (this.#scheduled) clearImmediate(this.#scheduled);
      this.#flush();
    }
    closeDatabase(this.db);
  }

  #flush(): void {
    this.#scheduled = undefined;
    const batch: Waiting[] = [];
    for (let size = 0; this.#waiting.length > 0 && size < MAX_BATCH; ) {
      const next = this.#waiting.shift()!;
      batch.push(next);
      size += next.records.length;
    }
    if (this.#waiting.length > 0) this.#scheduled = setImmediate(() => this.#flush());
    const before = [this.#seq, this.#hash] as const;
    try {
      // What is written into a file that is no longer at its place is lost.
      const fault = this.guard?.look();
      if (fault !== undefined) throw new Error(fault);
      const written = inTransaction(this.db, () =>
        batch.map(({ records, progress }) => {
          if (progress) this.#remember.run(progress.id, progress.rows);
          return records.map((record) => this.#write(record));
        }),
      );
      const unanchored = this.#anchor();
      batch.forEach(({ resolve, reject }, i) => {
        if (unanchored) reject(unanchored);
        else resolve(written[i]!);
      });
    } catch (error) {
      [this.#seq, this.#hash] = before;
      const failure = subscribersError('SEKISHO_LEDGER_FAILED', `not recorded: ${errorText(error)}`, { cause: error });
      for (const { reject } of batch) reject(failure);
    }
  }

  /** Note the new end elsewhere. What it returns, everybody is told whose change was recorded: it must not be relied upon yet. */
  #anchor(): SekishoError | undefined {
    try {
      this.guard?.grown(this.#seq, this.#hash);
      return undefined;
    } catch (error) {
      this.onUnanchored?.(errorText(error));
      return subscribersError(
        'SEKISHO_LEDGER_FAILED',
        `recorded, but its anchor cannot be written: ${errorText(error)}`,
        {
          cause: error,
        },
      );
    }
  }

  #hashAt(seq: number): string | undefined {
    if (seq === 0) return FIRST_HASH;
    return (this.db.prepare('SELECT hash FROM entry WHERE seq = ?').get(seq) as { hash: string } | undefined)?.hash;
  }

  #write(record: LedgerRecord): LedgerEntry {
    const bare = { ...record, seq: this.#seq + 1, atMs: this.#wallMs() };
    const entry = { ...bare, hash: hashOf(this.#hash, bare) };
    const { seq, atMs, subscriber, purpose, action, who, channel, terms, reason, hash } = entry;
    this.#insert.run(seq, atMs, subscriber, purpose, action, who, channel, terms, reason, hash);
    this.#seq = seq;
    this.#hash = hash;
    return entry;
  }
}

/** A request that is still under way at the end: libsql takes the whole process along where a closed file is used. */
function stopping(): SekishoError {
  return generalError('SEKISHO_NOT_READY', 'the consent ledger is closed: the server is stopping');
}

type Row = Omit<LedgerEntry, 'atMs'> & { at_ms: number };

function entryOf({ at_ms, seq, subscriber, purpose, action, who, channel, terms, reason, hash }: Row): LedgerEntry {
  return { seq, atMs: at_ms, subscriber, purpose, action, who, channel, terms, reason, hash };
}

/** Every field is quoted, so that no two entries read alike. */
function hashOf(before: string, entry: Omit<LedgerEntry, 'hash'>): string {
  const { seq, atMs, subscriber, purpose, action, who, channel, terms, reason } = entry;
  const text = JSON.stringify([before, seq, atMs, subscriber, purpose, action, who, channel, terms, reason]);
  return createHash('sha256').update(text).digest('hex');
}
