/**
 * The consent ledger in SQLite, `<data>/subscribers/consent.db`.
 *
 *   append ─┐
 *   append ─┼─▶ one transaction a turn of the event loop ─▶ flush ─▶ anchor ─▶ it acts ─▶ every append of it resolves
 *   append ─┘                                                     off the main thread, in the order of the entries
 *
 * What comes while the disk is busy is flushed together. So a thousand changes a second cost some hundred flushes and not a
 * thousand, and nobody is told that something was recorded before it was. A change that is in the audit log too goes to the
 * disk beside it: two flushes one after the other in all, and not four.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { errorText, generalError, type SekishoError } from '../../errors/errors.ts';
import type { AnchorPlace } from '../../store/anchor.ts';
import type { ChainGuard, OpenedChain } from '../../store/chain-guard.ts';
import { closeDatabase, copyRows, inTransaction } from '../../store/database.ts';
import { flushedLog, type LogFlush } from '../../store/log-flush.ts';
import type { OpenedStore } from '../../store/store.ts';
import { tableAnchor } from '../../store/table-anchor.ts';
import { subscribersError } from '../errors.ts';
import { type LedgerDatabase, openLedger } from './ledger-file.ts';
import {
  type AppendOptions,
  FIRST_HASH,
  hashOfEntry,
  type LedgerEnd,
  type LedgerEntry,
  type LedgerRange,
  type LedgerRecord,
  type LedgerStore,
  type LedgerTally,
} from './ledger-store.ts';

/** An append that is not on the disk yet. */
export interface Waiting extends AppendOptions {
  readonly records: readonly LedgerRecord[];
  readonly resolve: (entries: LedgerEntry[]) => void;
  readonly reject: (error: unknown) => void;
}

/** Appends of one transaction, on their way to the disk. */
interface Batch {
  readonly waiting: readonly Waiting[];
  readonly written: readonly LedgerEntry[][];
  /** The end of the chain with it. */
  readonly seq: number;
  readonly hash: string;
  settled: Promise<void>;
}

/** What a file that was given up leaves undone. */
export interface Abandoned {
  readonly underWay: Batch[];
  readonly waiting: Waiting[];
}

/** Entries of one transaction; more wait for the next. */
const MAX_BATCH = 2000;
/** Entries that are read at a time: some two milliseconds. */
const PAGE = 250;
/** Appends that may wait at all. */
const MAX_WAITING = 20_000;
/** SQLite's name for a database without a file. */
export const IN_MEMORY = ':memory:';

/** Unguarded: GuardedLedger opens it otherwise. A file that is no ledger is moved aside. Throws SekishoError. */
export function openSqliteLedger(file: string, wallMs: () => number): OpenedStore<SqliteLedger> {
  const store = new SqliteLedger(file, wallMs);
  return { store, movedAside: store.movedAside };
}

export class SqliteLedger implements LedgerStore {
  readonly db: LedgerDatabase;
  /** Looked at and told with every change, once there is one. */
  guard: ChainGuard | undefined;
  /** Called where entries are in the file, and their anchor, or what belongs beside them, is not on the disk. */
  onUnanchored: ((reason: string) => void) | undefined;
  /** Called with entries in their order as soon as they may act, before whoever appended them hears of it. */
  onRecorded: ((entries: readonly LedgerEntry[]) => void) | undefined;
  /** Where a file that was no ledger was put when this one was opened. */
  readonly movedAside: string | undefined;
  /** What was found wrong with the file when it was opened. */
  readonly fault: string | undefined;
  readonly #path: string;
  readonly #existed: boolean;
  readonly #wallMs: () => number;
  readonly #insert;
  readonly #remember;
  readonly #flush: LogFlush | undefined;
  #waiting: Waiting[] = [];
  #scheduled: NodeJS.Immediate | undefined;
  #seq = 0;
  #hash = FIRST_HASH;
  /** The last entry that is on the disk with its anchor: what comes behind it does not act yet. */
  #recorded = 0;
  /** Batches that are written and not recorded, in their order. */
  #underWay: Batch[] = [];
  /** Resolves when the last of them, and what belongs beside it, is flushed; rejects where one of them could not be. */
  #flushed: Promise<unknown> = Promise.resolve();
  #replicaFlush: Promise<void> | undefined;
  #closed = false;

  /** Throws SekishoError where the file cannot be opened; one that is no ledger is moved aside, and `fault` says so. */
  constructor(path: string, wallMs: () => number) {
    this.#wallMs = wallMs;
    this.#path = path;
    try {
      const { database, movedAside, fault, existed } = openLedger(path, wallMs());
      this.#existed = existed;
      this.db = database;
      this.movedAside = movedAside;
      this.fault = movedAside === undefined ? fault : `it cannot be read, and was moved aside to ${movedAside}`;
      if (path !== IN_MEMORY) this.#flush = flushedLog(path, database);
    } catch (error) {
      throw subscribersError('SEKISHO_LEDGER_UNUSABLE', `the consent ledger ${path}: ${errorText(error)}`, {
        cause: error,
      });
    }
    const last = this.db.prepare('SELECT seq, hash FROM entry ORDER BY seq DESC LIMIT 1').get() as
      | { seq: number; hash: string }
      | undefined;
    if (last) [this.#seq, this.#hash] = [last.seq, last.hash];
    this.#recorded = this.#seq;
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
      fault: this.fault ?? this.verifyNow(),
      leadsThrough: (count, head) => this.#hashAt(count) === head,
    };
  }

  /** Where the anchor of another chain is kept in this file. */
  anchorPlace(chain: string): AnchorPlace {
    return tableAnchor(this.db, chain, `in ${this.#path}`);
  }

  append(records: readonly LedgerRecord[], options: AppendOptions = {}): Promise<LedgerEntry[]> {
    if (this.#closed) return Promise.reject(stopping());
    if (this.#waiting.length + this.#underWay.length >= MAX_WAITING)
      return Promise.reject(generalError('SEKISHO_NOT_READY', 'too many changes wait for the consent ledger'));
    return new Promise((resolve, reject) => {
      this.#waiting.push({ records, ...options, resolve, reject });
      this.#scheduled ??= setImmediate(() => this.#write());
    });
  }

  /**
   * Take over what `other` holds, into a ledger that is empty: the same chain in another file, and how far imports have come.
   * Throws what SQLite throws.
   */
  copyFrom(other: SqliteLedger): void {
    inTransaction(this.db, () => {
      for (const table of ['chain', 'import']) copyRows(other.db, this.db, table);
      for (const entry of other.#rows(Number.MAX_SAFE_INTEGER)) {
        const { seq, atMs, subscriber, purpose, action, who, channel, terms, reason, hash } = entry;
        this.#insert.run(seq, atMs, subscriber, purpose, action, who, channel, terms, reason, hash);
        [this.#seq, this.#hash] = [seq, hash];
      }
      this.#recorded = this.#seq;
    });
  }

  /**
   * Take entries of the fleet's ledger, which continue this one; their owner has checked it. They act when it returns, and are brought to
   * the disk later: a node that ends before reads them again. Throws what SQLite throws, and where the file is not at its place any more.
   */
  replicate(entries: readonly LedgerEntry[]): void {
    this.#refuseClosed();
    const fault = this.guard?.look();
    if (fault !== undefined) throw new Error(fault);
    inTransaction(this.db, () => {
      for (const { seq, atMs, subscriber, purpose, action, who, channel, terms, reason, hash } of entries)
        this.#insert.run(seq, atMs, subscriber, purpose, action, who, channel, terms, reason, hash);
    });
    const last = entries.at(-1)!;
    [this.#seq, this.#hash, this.#recorded] = [last.seq, last.hash, last.seq];
    this.onRecorded?.(entries);
    this.#replicaFlush ??= this.#flushReplica();
  }

  hashAt(seq: number): string | undefined {
    this.#refuseClosed();
    return this.#hashAt(seq);
  }

  /** What acts, without waiting. */
  get endNow(): LedgerEnd {
    return { seq: this.#seq, hash: this.#hash };
  }

  async #flushReplica(): Promise<void> {
    try {
      for (let flushed = -1; flushed < this.#seq && !this.#closed; ) {
        const [seq, hash] = [this.#seq, this.#hash];
        await this.#flush?.flush();
        await this.guard?.grownSoon(seq, hash);
        flushed = seq;
      }
    } catch (error) {
      this.onUnanchored?.(errorText(error));
    } finally {
      this.#replicaFlush = undefined;
    }
  }

  async importedRows(id: string): Promise<number> {
    this.#refuseClosed();
    return (this.db.prepare('SELECT rows FROM import WHERE id = ?').get(id) as { rows: number } | undefined)?.rows ?? 0;
  }

  async *pages({ subscriber, after = 0 }: LedgerRange = {}): AsyncIterableIterator<readonly LedgerEntry[]> {
    for (let from = after; ; ) {
      const page = this.#page(from, this.#recorded, subscriber);
      if (page.length > 0) yield page;
      if (page.length < PAGE) return;
      from = page.at(-1)!.seq;
      await nextTurn();
    }
  }

  async end(): Promise<LedgerEnd> {
    this.#refuseClosed();
    return { seq: this.#recorded, hash: this.#hashAt(this.#recorded) ?? FIRST_HASH };
  }

  async tally(fromMs: number, toMs: number): Promise<LedgerTally[]> {
    this.#refuseClosed();
    return this.db
      .prepare(
        `SELECT action, channel, count(*) AS count, count(DISTINCT subscriber) AS subscribers FROM entry
         WHERE at_ms >= ? AND at_ms < ? GROUP BY action, channel ORDER BY action, channel`,
      )
      .all(fromMs, toMs) as LedgerTally[];
  }

  async verify(): Promise<string | undefined> {
    const steps = this.#verification();
    for (let step = steps.next(); ; step = steps.next()) {
      // In the turn in which the last entry was read: later ones are not missing.
      if (step.done) return step.value;
      await nextTurn();
      if (this.#closed) throw stopping();
    }
  }

  /** The same at once: where nothing may come in between. */
  verifyNow(): string | undefined {
    const steps = this.#verification();
    for (let step = steps.next(); ; step = steps.next()) if (step.done) return step.value;
  }

  *#verification(): Generator<void, string | undefined> {
    let hash = FIRST_HASH;
    let seq = 0;
    try {
      const rows = this.db.prepare('SELECT * FROM entry WHERE seq > ? ORDER BY seq LIMIT ?');
      for (;;) {
        const page = rows.all(seq, PAGE) as Row[];
        for (const row of page) {
          const entry = entryOf(row);
          if (entry.seq !== seq + 1) return `entry ${seq + 1} is missing`;
          seq++;
          hash = hashOfEntry(hash, entry);
          if (hash !== entry.hash) return `entry ${seq} was altered`;
        }
        if (page.length < PAGE) break;
        yield;
      }
    } catch (error) {
      return `what comes behind entry ${seq} cannot be read: ${errorText(error)}`;
    }
    return seq === this.#seq && hash === this.#hash ? undefined : 'the last entries are missing';
  }

  /** The end of the chain is on the disk with its anchor, whatever was known of it before. Throws where that cannot be. */
  anchorEnd(): void {
    this.#flush?.flushNow();
    this.guard?.grown(this.#seq, this.#hash);
    this.#recorded = this.#seq;
    // Those under way are told what they were told before.
    this.#flushed = Promise.resolve();
  }

  /** Every entry as far as they can be read, at once; throws where one cannot. For a file that is given up. */
  readNow(): IterableIterator<LedgerEntry> {
    return this.#rows(Number.MAX_SAFE_INTEGER);
  }

  /** Entries behind the last one that is recorded. */
  unrecorded(): LedgerEntry[] {
    return [...this.#rows(this.#seq, this.guard?.count ?? this.#recorded)];
  }

  /** Close without recording what is under way or waits; returns it, for `take`. */
  abandon(): Abandoned {
    this.#closed = true;
    if (this.#scheduled) clearImmediate(this.#scheduled);
    const abandoned = { underWay: this.#underWay.splice(0), waiting: this.#waiting.splice(0) };
    this.#close();
    return abandoned;
  }

  /** Record what another file was to hold. `copied`: what was written there was taken over from it. */
  take({ underWay, waiting }: Abandoned, copied: boolean): void {
    for (const batch of underWay) {
      if (!copied) {
        this.#waiting.push(...batch.waiting);
        continue;
      }
      this.#underWay.push(batch);
      batch.settled = this.#settle(batch, this.#toDisk(batch.waiting));
    }
    this.#waiting.push(...waiting);
    if (this.#waiting.length > 0) this.#scheduled ??= setImmediate(() => this.#write());
  }

  /** Whatever waits is recorded first. */
  async close(): Promise<void> {
    this.#closed = true;
    while (this.#waiting.length > 0) {
      // What is scheduled must not find the file closed.
      if (this.#scheduled) clearImmediate(this.#scheduled);
      this.#write();
    }
    while (this.#underWay.length > 0) await this.#underWay.at(-1)!.settled;
    await this.#replicaFlush;
    this.#close();
  }

  #close(): void {
    this.#flush?.close();
    closeDatabase(this.db);
  }

  #write(): void {
    this.#scheduled = undefined;
    const waiting: Waiting[] = [];
    for (let size = 0; this.#waiting.length > 0 && size < MAX_BATCH; ) {
      const next = this.#waiting.shift()!;
      waiting.push(next);
      size += next.records.length;
    }
    if (this.#waiting.length > 0) this.#scheduled = setImmediate(() => this.#write());
    const before = [this.#seq, this.#hash] as const;
    try {
      // What is written into a file that is no longer at its place is lost.
      const fault = this.guard?.look();
      if (fault !== undefined) throw new Error(fault);
      const written = inTransaction(this.db, () =>
        waiting.map(({ records, progress }) => {
          if (progress) this.#remember.run(progress.id, progress.rows);
          return records.map((record) => this.#insertNext(record));
        }),
      );
      const batch: Batch = { waiting, written, seq: this.#seq, hash: this.#hash, settled: Promise.resolve() };
      this.#underWay.push(batch);
      const flushed = this.#toDisk(waiting);
      batch.settled = this.#settle(batch, flushed);
    } catch (error) {
      [this.#seq, this.#hash] = before;
      const failure = notRecorded(`not recorded: ${errorText(error)}`, error);
      for (const { reject } of waiting) reject(failure);
    }
  }

  /** Flushed, with what belongs beside it and all that came before: the anchor must not lead past what is not. */
  #toDisk(waiting: readonly Waiting[]): Promise<unknown> {
    const flush = this.#flush?.flush().catch((error: unknown) => {
      // Whatever the disk says later, it may have lost some of it.
      if (this.#underWay.length > 0)
        this.guard?.declare(`entries could not be brought to the disk: ${errorText(error)}`);
      throw error;
    });
    const beside = waiting.map((each) => each.beside?.flushed);
    const flushed = Promise.all([this.#flushed, flush, ...beside]);
    this.#flushed = flushed;
    // Whoever waits for the batch hears of it.
    flushed.catch(() => {});
    return flushed;
  }

  /** Batch by batch: a withdrawal must not act before the consent that it takes back. */
  async #settle(batch: Batch, flushed: Promise<unknown>): Promise<void> {
    const former = this.#underWay.at(-2)?.settled;
    const { waiting, written, seq, hash } = batch;
    let failure: SekishoError | undefined;
    try {
      await flushed;
      if (!this.#underWay.includes(batch)) return;
      await Promise.all([this.guard?.grownSoon(seq, hash), ...waiting.map(({ beside }) => beside?.recorded)]);
    } catch (error) {
      failure = notRecorded(`recorded, but its anchor cannot be written: ${errorText(error)}`, error);
    }
    await former;
    // Taken over by another file, which tells those who wait.
    if (!this.#underWay.includes(batch)) return;
    this.#underWay.shift();
    if (failure) {
      this.onUnanchored?.(errorText(failure.cause));
      for (const { reject } of waiting) reject(failure);
      return;
    }
    this.#recorded = Math.max(this.#recorded, seq);
    this.onRecorded?.(written.flat());
    waiting.forEach(({ resolve }, i) => {
      resolve(written[i]!);
    });
  }

  /** At once, whether recorded or not. */
  *#rows(upTo: number, after = 0): IterableIterator<LedgerEntry> {
    for (let from = after; ; ) {
      const page = this.#page(from, upTo);
      yield* page;
      if (page.length < PAGE) return;
      from = page.at(-1)!.seq;
    }
  }

  #page(after: number, upTo: number, subscriber?: string): LedgerEntry[] {
    this.#refuseClosed();
    const where = subscriber === undefined ? '' : 'AND subscriber = ?';
    const values = subscriber === undefined ? [after, upTo] : [after, upTo, subscriber];
    const rows = this.db
      .prepare(`SELECT * FROM entry WHERE seq > ? AND seq <= ? ${where} ORDER BY seq LIMIT ${PAGE}`)
      .all(...values);
    return (rows as Row[]).map(entryOf);
  }

  #refuseClosed(): void {
    if (this.#closed) throw stopping();
  }

  #hashAt(seq: number): string | undefined {
    if (seq === 0) return FIRST_HASH;
    return (this.db.prepare('SELECT hash FROM entry WHERE seq = ?').get(seq) as { hash: string } | undefined)?.hash;
  }

  #insertNext(record: LedgerRecord): LedgerEntry {
    const bare = { ...record, seq: this.#seq + 1, atMs: this.#wallMs() };
    const entry = { ...bare, hash: hashOfEntry(this.#hash, bare) };
    const { seq, atMs, subscriber, purpose, action, who, channel, terms, reason, hash } = entry;
    this.#insert.run(seq, atMs, subscriber, purpose, action, who, channel, terms, reason, hash);
    this.#seq = seq;
    this.#hash = hash;
    return entry;
  }
}

function notRecorded(message: string, cause: unknown): SekishoError {
  return subscribersError('SEKISHO_LEDGER_FAILED', message, { cause });
}

/** A request that is still under way at the end: libsql takes the whole process along where a closed file is used. */
function stopping(): SekishoError {
  return generalError('SEKISHO_NOT_READY', 'the consent ledger is closed: the server is stopping');
}

type Row = Omit<LedgerEntry, 'atMs'> & { at_ms: number };

function entryOf({ at_ms, seq, subscriber, purpose, action, who, channel, terms, reason, hash }: Row): LedgerEntry {
  return { seq, atMs: at_ms, subscriber, purpose, action, who, channel, terms, reason, hash };
}
