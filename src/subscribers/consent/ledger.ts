/**
 * The consent ledger: who consented to what or withdrew it, when, over which channel, under which version of the terms.
 * It is only ever added to, and each entry's hash covers the one before (R14).
 *
 *   append ─┐
 *   append ─┼─▶ one transaction a turn of the event loop ─▶ on the disk ─▶ every append of it resolves
 *   append ─┘
 *
 * So a thousand changes a second cost some hundred syncs and not a thousand, and nobody is told that something was recorded
 * before it was.
 */
import { createHash } from 'node:crypto';
import { errorText, SekishoError } from '../../errors/errors.ts';
import { closeDatabase, inTransaction } from '../../store/database.ts';
import { type LedgerDatabase, openLedgerFile } from './ledger-file.ts';

/** `shown` and `exported`: somebody looked (R14: no read without a trace). */
export const ACTIONS = ['opt-out', 'opt-in', 'shown', 'exported'] as const;
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

interface Waiting {
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

export class Ledger {
  readonly db: LedgerDatabase;
  readonly #wallMs: () => number;
  readonly #insert;
  readonly #remember;
  #waiting: Waiting[] = [];
  #scheduled: NodeJS.Immediate | undefined;
  #seq = 0;
  #hash = FIRST_HASH;
  #closed = false;

  /** Throws SekishoError where the file cannot be opened. */
  constructor(path: string, wallMs: () => number) {
    this.#wallMs = wallMs;
    try {
      this.db = openLedgerFile(path);
    } catch (error) {
      throw new SekishoError('SEKISHO_LEDGER_UNUSABLE', `the consent ledger ${path}: ${errorText(error)}`, {
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

  /** Resolves with the entries once they are on the disk. Rejects with SekishoError; then none of them is. */
  append(records: readonly LedgerRecord[], progress?: ImportProgress): Promise<LedgerEntry[]> {
    if (this.#closed) return Promise.reject(stopping());
    if (this.#waiting.length >= MAX_WAITING)
      return Promise.reject(new SekishoError('SEKISHO_NOT_READY', 'too many changes wait for the consent ledger'));
    return new Promise((resolve, reject) => {
      this.#waiting.push({ records, progress, resolve, reject });
      this.#scheduled ??= setImmediate(() => this.#flush());
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
    for (const entry of this.read()) {
      if (entry.seq !== ++seq) return `entry ${seq} is missing`;
      hash = hashOf(hash, entry);
      if (hash !== entry.hash) return `entry ${seq} was altered`;
    }
    return seq === this.#seq && hash === this.#hash ? undefined : 'the last entries are missing';
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
      const written = inTransaction(this.db, () =>
        batch.map(({ records, progress }) => {
          if (progress) this.#remember.run(progress.id, progress.rows);
          return records.map((record) => this.#write(record));
        }),
      );
      batch.forEach(({ resolve }, i) => {
        resolve(written[i]!);
      });
    } catch (error) {
      [this.#seq, this.#hash] = before;
      const failure = new SekishoError('SEKISHO_LEDGER_FAILED', `not recorded: ${errorText(error)}`, { cause: error });
      for (const { reject } of batch) reject(failure);
    }
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
  return new SekishoError('SEKISHO_NOT_READY', 'the consent ledger is closed: the server is stopping');
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
