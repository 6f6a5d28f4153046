/**
 * The audit log: who read or changed what concerns communications, and why. Append-only, one SQLite file, each entry
 * on disk before `record` returns (or `begin` says so), each with the hash of the one before:
 *
 *     hash(n) = SHA-256( hash(n-1) · sequence · at · who · role · action · purpose · detail )
 *
 * So a changed, removed or inserted entry breaks the chain from there on. Who can write the file can also write a whole
 * new chain, or cut its end off; against that its end is noted elsewhere (store/chain-guard.ts), and the server's log, which
 * usually goes to another machine, carries sequence and hash of every entry, of which `verify` takes one to look for.
 *
 * What is found wrong, at the start, with `verify` or while the server runs, stands until a person acknowledges it. Until then
 * nobody reads personal data. Changes go on and are recorded: an attack does not wait.
 */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { errorText, generalError, SekishoError } from '../errors/errors.ts';
import { AnchorFile, type AnchorPlace } from '../store/anchor.ts';
import { ChainGuard } from '../store/chain-guard.ts';
import {
  appendOnly,
  closeDatabase,
  type Database,
  inTransaction,
  isEmpty,
  moveAside,
  openDatabase,
  schemaFault,
} from '../store/database.ts';
import { storeError } from '../store/errors.ts';
import { flushedLog, type LogFlush } from '../store/log-flush.ts';
import { tableAnchor } from '../store/table-anchor.ts';
import { makeDataFolder } from '../system/data-folder.ts';
import type { Clock } from '../time/clock.ts';
import type { Acknowledgement, ActionSummary, AuditedAction, AuditStore, AuditVerdict } from './audit-store.ts';
import type { AuditEntry, Recording } from './entry.ts';
import { auditError } from './errors.ts';
import { noteAudited } from './scope.ts';

export const AUDIT_FILE = 'audit.db';
/** Folder of the anchors below the data folder. */
export const ANCHORS_FOLDER = 'anchors';

const SCHEMA = `CREATE TABLE IF NOT EXISTS audit (
  sequence INTEGER PRIMARY KEY,
  at TEXT NOT NULL, who TEXT NOT NULL, role TEXT NOT NULL, action TEXT NOT NULL, purpose TEXT NOT NULL, detail TEXT NOT NULL,
  hash TEXT NOT NULL
);
${appendOnly('audit', 'the audit log')}
CREATE TABLE IF NOT EXISTS chain (one INTEGER PRIMARY KEY CHECK (one = 1), id TEXT NOT NULL) STRICT;
INSERT OR IGNORE INTO chain VALUES (1, lower(hex(randomblob(16))));
CREATE TABLE IF NOT EXISTS anchor (chain TEXT PRIMARY KEY, body TEXT NOT NULL) STRICT;`;
/** The files are looked at so often, besides with every entry. */
const LOOK_MS = 1000;
/** The hash before the first entry. */
const NOTHING = '0'.repeat(64);
const LONGEST_TEXT = 2000;
/** Entries that `verify` reads at a time: some two milliseconds. */
const PAGE = 250;

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

interface AuditLogger {
  info(fields: object, text: string): void;
  error(fields: object, text: string): void;
}

/** The audit log of a process in SQLite, `<data>/audit.db`. */
export class AuditLog implements AuditStore {
  readonly #file: string;
  readonly #clock: Clock;
  readonly #log: AuditLogger;
  readonly #guard: ChainGuard;
  readonly #looking: NodeJS.Timeout;
  #database: Database | undefined;
  #flush: LogFlush | undefined;
  /** The last entry, as this process knows it. */
  #sequence = 0;
  #hash = NOTHING;
  /** The last one that is on the disk with its anchor. */
  #recorded = 0;
  #verifying: Promise<AuditVerdict> | undefined;
  #closed = false;

  /**
   * A log that cannot be opened says so, and refuses every entry; the server serves anyway. `outside`: a folder for a
   * further anchor, outside the data folder.
   */
  constructor(dataFolder: string, clock: Clock, log: AuditLogger, outside?: string) {
    this.#file = join(dataFolder, AUDIT_FILE);
    this.#clock = clock;
    this.#log = log;
    const anchor = new AnchorFile(join(dataFolder, ANCHORS_FOLDER, 'audit'));
    const others = outside === undefined ? [] : [new AnchorFile(join(outside, 'audit'))];
    this.#guard = new ChainGuard(anchor, others, log, (damage) => this.#damaged(damage));
    try {
      makeDataFolder(join(dataFolder, ANCHORS_FOLDER));
      this.#open();
    } catch (error) {
      log.error({ reason: errorText(error) }, 'failed to open the audit log: whatever has to be audited is refused');
    }
    this.#looking = setInterval(() => this.look(), LOOK_MS).unref();
  }

  /** What was found wrong and nobody has acknowledged yet, for people. */
  get damage(): string | undefined {
    return this.#guard.damage ?? (this.#database || this.#closed ? undefined : 'it cannot be opened; the log says why');
  }

  /** See whether somebody works on the files, and bring the anchors up to date; done every second too. */
  look(): void {
    if (this.#closed) return;
    this.#guard.look();
    this.#guard.spread();
  }

  /** Another place for the anchor, compared at once. */
  addAnchor(place: AnchorPlace): void {
    if (this.#database) this.#guard.addPlace(place, (count, hash) => this.#hashAt(count) === hash);
  }

  /** Somebody has found out what is wrong with it; stands until a person accepts it. */
  declare(damage: string): void {
    this.#guard.declare(damage);
  }

  /** Where the anchor of another chain is kept in this log's file. */
  anchorPlace(chain: string): AnchorPlace {
    const place = () => tableAnchor(this.#open(), chain, `in ${this.#file}`);
    return { name: `in ${this.#file}`, read: () => place().read(), write: (anchor) => place().write(anchor) };
  }

  record(entry: AuditEntry): void {
    this.recordAll([entry]);
  }

  /** One transaction for all of them. */
  recordAll(entries: readonly AuditEntry[]): void {
    let rows: Row[];
    try {
      rows = this.#write(entries);
      this.#flushNow();
    } catch (error) {
      throw refusal(error);
    }
    this.#tell(rows);
    for (const { action } of entries) noteAudited(action);
  }

  async append(entries: readonly AuditEntry[]): Promise<void> {
    await this.begin(entries).recorded;
  }

  begin(entries: readonly AuditEntry[]): Recording {
    let rows: Row[];
    try {
      rows = this.#write(entries);
    } catch (error) {
      throw refusal(error);
    }
    const flush = this.#flush!;
    const flushed = flush.flush().catch((error: unknown) => {
      // At the end of the server the last of them went to the disk in another way.
      if (this.#closed && (rows.at(-1)?.sequence ?? 0) <= this.#recorded) return;
      this.#notFlushed(flush, error);
      throw refusal(error);
    });
    const recorded = flushed.then(async () => {
      await this.#anchorSoon(flush, rows);
      this.#tell(rows);
    });
    // Seen to by whoever takes them, or by nobody: the log has said it.
    flushed.catch(() => {});
    recorded.catch(() => {});
    return { flushed, recorded };
  }

  async verify(anchor?: string): Promise<AuditVerdict> {
    const [, anchorSequence, anchorHash] = /^(\d+):([0-9a-f]{64})$/.exec(anchor ?? '') ?? [];
    if (anchor !== undefined && anchorHash === undefined)
      throw generalError('SEKISHO_REQUEST_INVALID', `'${anchor}' is not of the form SEQUENCE:HASH`);
    this.#verifying ??= this.#verify().finally(() => {
      this.#verifying = undefined;
    });
    const verdict = await this.#verifying;
    if (!verdict.ok || anchor === undefined || this.#hashAt(Number(anchorSequence)) === anchorHash) return verdict;
    const elsewhere = `the chain does not lead through ${anchor}: entries were taken away, or all were rewritten`;
    return { ...verdict, ok: false, problem: elsewhere };
  }

  async #verify(): Promise<AuditVerdict> {
    const database = this.#open();
    const meddled = this.#guard.look();
    const steps = chainSteps(database);
    let step = steps.next();
    for (; !step.done; step = steps.next()) {
      await nextTurn();
      // What was begun with a file that is not open any more says nothing.
      if (database !== this.#database) return this.#verify();
    }
    // In the turn in which the last entry was read: later ones are not missing.
    const { sequence, hash, fault } = step.value;
    const head = headOf(sequence, hash);
    const cut =
      fault === undefined && (sequence !== this.#sequence || hash !== this.#hash)
        ? `it ends at entry ${sequence}, but ${this.#sequence} were recorded: it was cut or replaced`
        : undefined;
    const problem = fault ?? cut ?? meddled ?? this.damage;
    if (problem === undefined) return { ok: true, entries: sequence, head, problem: null };
    this.#guard.declare(problem);
    return { ok: false, entries: sequence, head, problem };
  }

  async acknowledge({ who, role, reason }: Acknowledgement): Promise<AuditVerdict> {
    if (this.#guard.damage === undefined) throw storeError('SEKISHO_LEDGER_SOUND', 'the audit log is not damaged');
    if (reason.trim() === '') throw generalError('SEKISHO_REQUEST_INVALID', 'acknowledging damage needs a reason');
    // With what lies at the place now: entries that hold stay.
    if (this.#guard.look() !== undefined) this.#reopen();
    const database = this.#open();
    const steps = chainSteps(database);
    let step = steps.next();
    for (; !step.done; step = steps.next()) await nextTurn();
    const { damage } = this.#guard;
    if (damage === undefined || database !== this.#database)
      throw storeError('SEKISHO_LEDGER_SOUND', 'the audit log was acknowledged or reopened meanwhile');
    let movedAside: string | undefined;
    if (step.value.fault !== undefined) {
      this.#close();
      movedAside = moveAside(this.#file, this.#clock.wallMs());
    }
    this.#open();
    const detail = { damage, ...(movedAside !== undefined && { movedAside }) };
    this.record({ who, role, action: 'audit.acknowledge', purpose: reason, detail });
    this.#guard.follow(this.#opened(true, undefined), null);
    this.#log.error(
      { ...detail, by: who, reason },
      'damage of the audit log was acknowledged; personal data can be read again',
    );
    return this.verify();
  }

  async summary(from: string, to: string): Promise<ActionSummary[]> {
    return this.#open()
      .prepare(
        `SELECT action, count(*) AS count, min(at) AS first, max(at) AS last FROM audit
         WHERE at >= ? AND at < ? GROUP BY action ORDER BY action`,
      )
      .all(from, to) as ActionSummary[];
  }

  async details(action: string, from: string, to: string): Promise<AuditedAction[]> {
    const rows = this.#open()
      .prepare('SELECT at, detail FROM audit WHERE action = ? AND at >= ? AND at < ? ORDER BY sequence')
      .all(action, from, to) as Pick<Row, 'at' | 'detail'>[];
    return rows.map(({ at, detail }) => ({ at, detail: JSON.parse(detail) as unknown }));
  }

  /** At once, whoever waits for it or not. */
  async close(): Promise<void> {
    if (this.#closed) return;
    try {
      // What `begin` has written and nobody waited for.
      if (this.#recorded !== this.#sequence) this.#flushNow();
    } catch (error) {
      this.#log.error({ reason: errorText(error) }, 'failed to flush the last entries of the audit log');
    }
    this.#closed = true;
    clearInterval(this.#looking);
    this.#guard.close();
    this.#close();
  }

  #close(): void {
    this.#flush?.close();
    this.#flush = undefined;
    if (this.#database) closeDatabase(this.#database);
    this.#database = undefined;
  }

  /** Write them, unflushed. Throws whatever stands in the way. */
  #write(entries: readonly AuditEntry[]): Row[] {
    // What is written into a file that is no longer at its place is lost: then a new one is begun, and the damage stands.
    if (this.#guard.look() !== undefined && this.#guard.isElsewhere) this.#reopen();
    this.#open();
    if (this.damage !== undefined && entries.some(({ personal }) => personal === true))
      throw auditError(
        'SEKISHO_AUDIT_DAMAGED',
        `personal data is not shown while the audit log is damaged (${this.damage}); a person of the role privacy has to run sekisho audit acknowledge --reason …`,
      );
    return this.#append(entries);
  }

  /** Before the audited thing happens its entry is on the disk, and noted elsewhere too; where that fails it does not happen. */
  #flushNow(): void {
    const flush = this.#flush!;
    try {
      flush.flushNow();
    } catch (error) {
      this.#notFlushed(flush, error);
      throw error;
    }
    this.#guard.grown(this.#sequence, this.#hash);
    this.#recorded = this.#sequence;
  }

  /** The same for what `begin` wrote through `flush`, off the main thread. Rejects with SekishoError. */
  async #anchorSoon(flush: LogFlush, rows: readonly Row[]): Promise<void> {
    const last = rows.at(-1);
    if (last === undefined) return;
    if (flush === this.#flush) {
      // An entry that was recorded at once took those before it along.
      if (last.sequence <= this.#recorded) return;
      try {
        await this.#guard.grownSoon(last.sequence, last.hash);
      } catch (error) {
        throw refusal(error);
      }
      if (flush === this.#flush) this.#recorded = Math.max(this.#recorded, last.sequence);
      return;
    }
    // Meanwhile the file was closed: soundly at the end of the server, or because somebody worked on it.
    if (this.#closed && last.sequence <= this.#recorded) return;
    throw refusal(new Error('the log was reopened meanwhile'));
  }

  /** Whatever the disk says later, it may have lost some of it. */
  #notFlushed(flush: LogFlush, error: unknown): void {
    if (flush === this.#flush) this.#guard.declare(`entries could not be brought to the disk: ${errorText(error)}`);
  }

  #tell(rows: readonly Row[]): void {
    for (const { sequence, hash, who, action } of rows)
      this.#log.info({ audit: `${sequence}:${hash}`, who, action }, 'audited');
  }

  #append(entries: readonly AuditEntry[]): Row[] {
    const database = this.#open();
    // One transaction, and a lock from its beginning: two writers cannot both continue the same entry.
    const written = inTransaction(database, (): Row[] => {
      const last = database.prepare('SELECT sequence, hash FROM audit ORDER BY sequence DESC LIMIT 1').get() as
        | Row
        | undefined;
      if ((last?.sequence ?? 0) !== this.#sequence || (last?.hash ?? NOTHING) !== this.#hash) {
        this.#guard.declare(
          `its last entry is not entry ${this.#sequence}, which was recorded last: it was cut or rewritten`,
        );
        [this.#sequence, this.#hash] = [last?.sequence ?? 0, last?.hash ?? NOTHING];
      }
      const insert = database.prepare(
        'INSERT INTO audit (sequence, at, who, role, action, purpose, detail, hash) VALUES (?, ?, ?, ?, ?, ?, ?, ?)',
      );
      let [sequence, hash] = [this.#sequence, this.#hash];
      return entries.map((entry) => {
        const content = {
          sequence: sequence + 1,
          at: new Date(this.#clock.wallMs()).toISOString(),
          who: entry.who.slice(0, LONGEST_TEXT),
          role: entry.role.slice(0, LONGEST_TEXT),
          action: entry.action.slice(0, LONGEST_TEXT),
          purpose: entry.purpose.slice(0, LONGEST_TEXT),
          detail: JSON.stringify(entry.detail ?? {}),
        };
        const row: Row = { ...content, hash: hashOf(content, hash) };
        insert.run(row.sequence, row.at, row.who, row.role, row.action, row.purpose, row.detail, row.hash);
        [sequence, hash] = [row.sequence, row.hash];
        return row;
      });
    });
    for (const { sequence, hash } of written.slice(-1)) [this.#sequence, this.#hash] = [sequence, hash];
    return written;
  }

  #open(): Database {
    if (this.#database) return this.#database;
    if (this.#closed) throw generalError('SEKISHO_NOT_READY', 'the audit log is closed: the server is stopping');
    let existed = existsSync(this.#file);
    let altered: string | undefined;
    const { database, movedAside } = openDatabase(
      this.#file,
      {
        durability: 'flushed',
        schema: SCHEMA,
        before: (found) => {
          existed &&= !isEmpty(found);
          if (existed) altered ??= schemaFault(found, SCHEMA, 'audit');
        },
        check: (found) => found.prepare('SELECT * FROM audit LIMIT 1').all(),
      },
      this.#clock.wallMs(),
    );
    this.#flush = flushedLog(this.#file, database);
    this.#database = database;
    const { sequence, hash, fault } = chainOf(database);
    const last = fault === undefined ? { sequence, hash } : lastOf(database);
    [this.#sequence, this.#hash] = [last.sequence, last.hash];
    this.#recorded = last.sequence;
    const unreadable = movedAside && `it was no sound database, and was moved aside to ${movedAside}`;
    const found = unreadable ?? altered ?? fault;
    const damage = this.#guard.start(this.#opened(existed && unreadable === undefined, found));
    if (damage === undefined) return database;
    this.#damaged(damage);
    if (!this.#guard.stood) {
      const detail = { damage, ...(movedAside !== undefined && { movedAside }) };
      const action = movedAside === undefined ? 'audit.damage' : 'audit.begin-anew';
      this.record({ who: 'server', role: 'server', action, purpose: 'the log was found damaged', detail });
    }
    return database;
  }

  /** After somebody worked on the files: go on with what lies at the place, or with a new file; the damage stands. */
  #reopen(): void {
    this.#close();
    this.#open();
  }

  #damaged(damage: string): void {
    const text =
      'THE AUDIT LOG IS DAMAGED: reads of personal data are refused. Investigate what happened; then someone with the role privacy runs: sekisho audit acknowledge --reason …';
    this.#log.error({ damage }, text);
  }

  #opened(existed: boolean, fault: string | undefined) {
    const database = this.#open();
    const { id } = database.prepare('SELECT id FROM chain').get() as { id: string };
    return {
      file: this.#file,
      database,
      existed,
      chain: id,
      count: this.#sequence,
      head: this.#hash,
      fault,
      leadsThrough: (count: number, head: string) => this.#hashAt(count) === head,
    };
  }

  #hashAt(sequence: number): string | undefined {
    if (sequence === 0) return NOTHING;
    const row = this.#open().prepare('SELECT hash FROM audit WHERE sequence = ?').get(sequence);
    return (row as Pick<Row, 'hash'> | undefined)?.hash;
  }
}

interface ChainEnd {
  readonly sequence: number;
  readonly hash: string;
  readonly fault: string | undefined;
}

/** Recompute the chain up to the first entry that does not fit, some entries a step. */
function* chainSteps(database: Database): Generator<void, ChainEnd> {
  let hash = NOTHING;
  let sequence = 0;
  try {
    const rows = database.prepare('SELECT * FROM audit WHERE sequence > ? ORDER BY sequence LIMIT ?');
    for (;;) {
      const page = rows.all(sequence, PAGE) as Row[];
      for (const row of page) {
        const fault = faultOf(row, sequence, hash);
        if (fault !== undefined) return { sequence, hash, fault };
        sequence = row.sequence;
        hash = row.hash;
      }
      if (page.length < PAGE) return { sequence, hash, fault: undefined };
      yield;
    }
  } catch (error) {
    return { sequence, hash, fault: `what comes behind entry ${sequence} cannot be read: ${errorText(error)}` };
  }
}

/** All of it at once: at the start, when nobody waits yet. */
function chainOf(database: Database): ChainEnd {
  const steps = chainSteps(database);
  for (;;) {
    const step = steps.next();
    if (step.done) return step.value;
  }
}

/** What is thrown instead of `error`: what was to be audited must not happen. */
function refusal(error: unknown): SekishoError {
  if (error instanceof SekishoError && /^SEKISHO_AUDIT_/.test(error.code)) return error;
  const message = `the audit log cannot be written, so this is refused: ${errorText(error)}`;
  return auditError('SEKISHO_AUDIT_FAILED', message, { cause: error });
}

function lastOf(database: Database): Pick<Row, 'sequence' | 'hash'> {
  const last = database.prepare('SELECT sequence, hash FROM audit ORDER BY sequence DESC LIMIT 1').get();
  return (last as Row | undefined) ?? { sequence: 0, hash: NOTHING };
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
