/**
 * The consent ledger of a node that belongs to a fleet.
 *
 *   append ─▶ the fleet's ledger (PostgreSQL), at its end ─▶ every node reads on ─▶ own SQLite ledger, register ─▶ acts
 *     ▲                                                                                                      │
 *     └──────── an opt-out resolves when it acts everywhere, or fences have run out (membership.ts) ◀────────┘
 *
 * The own ledger repeats the fleet's, entry by entry and hash by hash. What is read acts before it is on this node's disk: after a crash
 * the node inspects nobody until it has read on from where its disk ends.
 */
import { randomUUID } from 'node:crypto';
import { counted } from '../../errors/counted.ts';
import { errorText, type SekishoError } from '../../errors/errors.ts';
import { fleetError } from '../../fleet/errors.ts';
import type { FleetPart, Membership } from '../../fleet/membership.ts';
import type { Report } from '../../fleet/registry.ts';
import type { Clock } from '../../time/clock.ts';
import type { Timers } from '../../time/timers.ts';
import {
  type AppendOptions,
  FIRST_HASH,
  hashOfEntry,
  type LedgerEnd,
  type LedgerEntry,
  type LedgerRecord,
} from '../consent/ledger-store.ts';
import { subscribersError } from '../errors.ts';
import { checkPage } from './chain-link.ts';
import type { ConsentAppend, ConsentLog, ConsentPage } from './consent-log.ts';

/** The own ledger, which repeats the fleet's. */
export interface Replica {
  /** Behind `after`, some hundred at a time. */
  pages(range: { readonly after: number }): AsyncIterable<readonly LedgerEntry[]>;
  /** The hash of an entry; undefined where there is none of that number. */
  hashAt(seq: number): string | undefined;
  readonly endNow: LedgerEnd;
  /** They act when it returns. Throws where they cannot be kept. */
  replicate(entries: readonly LedgerEntry[]): void;
}

export interface FleetLedgerParts {
  readonly log: ConsentLog;
  /** Another one after damage. */
  readonly replica: () => Replica;
  readonly membership: Pick<Membership, 'everywhere' | 'mayAppend' | 'report' | 'problem'>;
  readonly clock: Pick<Clock, 'nowMs' | 'wallMs'>;
  readonly timers: Timers;
  /** Of this node, for what it writes by itself. */
  readonly node: string;
  /** Withdrawals that act here, as far as the own ledger tells. */
  readonly withdrawals: () => Iterable<{ readonly subscriber: string; readonly purpose: string }>;
  /** Put the own ledger aside and begin an empty one. */
  readonly beginAnew: () => Promise<void>;
}

interface Waiting extends AppendOptions {
  readonly records: readonly LedgerRecord[];
  readonly begunMs: number;
  resolve(entries: LedgerEntry[]): void;
  reject(error: unknown): void;
}

/** How far a node said that it had come. */
export interface NodeEnd extends Report {
  readonly name: string;
}

/** An append that is in the fleet's ledger. */
interface Recorded {
  /** What it continues; undefined where an earlier attempt had recorded it. */
  readonly base: LedgerEnd | undefined;
  readonly entries: readonly LedgerEntry[];
  readonly end: LedgerEnd;
  readonly recordedMs: number;
}

/** Entries that are read at a time. */
const PAGE = 5000;
/** Entries of one append; more wait for the next. */
const MOST_TOGETHER = 2000;
const MOST_WAITING = 20_000;
/** So long an append waits for the fleet before whoever asked is told. */
const PATIENCE_MS = 4000;
const LOOK_MS = 100;
/** Looks that are kept in memory while the fleet is out of reach; the audit log of this node has all of them. */
const MOST_LOOKS = 10_000;

export class FleetLedger implements FleetPart {
  readonly #parts: FleetLedgerParts;
  #waiting: Waiting[] = [];
  #appending = false;
  #looks: LedgerRecord[] = [];
  #reading: Promise<void> | undefined;
  #next: Promise<void> | undefined;
  #stopImpatience: (() => void) | undefined;
  #closed = false;

  constructor(parts: FleetLedgerParts) {
    this.#parts = parts;
  }

  end(): Report {
    const { seq, hash } = this.#parts.replica().endNow;
    return { applied: seq, head: hash };
  }

  /**
   * Resolves when the records are in the fleet's ledger and act here; where one of them is an opt-out, when it acts everywhere. Rejects
   * with SEKISHO_FLEET_UNCONFIRMED after four seconds: then it is not known to act everywhere, and may be recorded.
   */
  append(records: readonly LedgerRecord[], options: AppendOptions = {}): Promise<LedgerEntry[]> {
    if (records.length === 0 && !options.progress) return Promise.resolve([]);
    if (!this.#parts.membership.mayAppend && records.every(isLook)) return this.#lookLater(records);
    if (this.#closed || this.#waiting.length >= MOST_WAITING)
      return Promise.reject(
        unconfirmed(this.#closed ? 'the server is stopping' : 'too many changes wait for the fleet'),
      );
    return new Promise((resolve, reject) => {
      this.#waiting.push({ records, ...options, begunMs: this.#parts.clock.nowMs(), resolve, reject });
      this.#stopImpatience ??= this.#parts.timers.every(LOOK_MS, () => this.#giveUp());
      void this.#appendAll();
    });
  }

  importedRows(id: string): Promise<number> {
    return this.#parts.log.importedRows(id);
  }

  /** Reads on from where the own ledger ends; those who ask while it reads share the next reading. */
  catchUp(): Promise<void> {
    if (!this.#reading) return this.#read();
    this.#next ??= this.#reading.then(
      () => this.#readNext(),
      () => this.#readNext(),
    );
    return this.#next;
  }

  /**
   * The fleet's ledger ends where the own one leads through: the fleet is given what it lacks. They contradict each other: withdrawals of
   * the own one are recorded in the fleet's, which takes its place.
   */
  async reconcile(dryRun: boolean): Promise<string[]> {
    const { log, replica, node } = this.#parts;
    const own = replica().endNow;
    const { end, entries } = await log.read(own.seq, 1);
    const fits = end.seq <= own.seq ? (replica().hashAt(end.seq) ?? end.hash) === end.hash : continues(own, entries[0]);
    if (fits) {
      if (end.seq >= own.seq) return [];
      if (!dryRun) await this.#give(end);
      const count = counted(own.seq - end.seq, 'entry', 'entries');
      return [`give ${count} of the consent ledger of node ${node} to the database, which ends with entry ${end.seq}`];
    }
    const withdrawn = [...this.#parts.withdrawals()];
    if (!dryRun) {
      const common = { action: 'opt-out', who: 'server', channel: 'api', terms: '' } as const;
      const reason = `carried over from the ledger that node ${node} had of its own`;
      for (let from = 0; from < withdrawn.length; from += MOST_TOGETHER)
        await this.#appendRaw(
          withdrawn.slice(from, from + MOST_TOGETHER).map((each) => ({ ...each, ...common, reason })),
        );
      await this.#parts.beginAnew();
      await this.catchUp();
    }
    return [
      `record ${counted(withdrawn.length, 'withdrawal')} of the ledger of node ${node} (${counted(own.seq, 'entry', 'entries')}) in the fleet's`,
      'put the ledger file of this node aside, and take the ledger of the fleet in its place; opt-ins that it alone had are lost and have to be given again',
    ];
  }

  /**
   * Read the fleet's ledger from its beginning: why it does not hold, or is not what this node has, as a sentence; undefined where all
   * agrees. `nodes`: ends that nodes have reported, which must lie on the chain. Rejects as the engine does.
   */
  async verify(nodes: readonly NodeEnd[]): Promise<string | undefined> {
    const { log, replica } = this.#parts;
    // Both grow meanwhile.
    const ends = [{ name: 'this one', applied: replica().endNow.seq, head: replica().endNow.hash }, ...nodes];
    const faults: string[] = [];
    let own: LedgerEnd = { seq: 0, hash: FIRST_HASH };
    for (;;) {
      const page = await log.read(own.seq, PAGE);
      try {
        checkPage(own, page);
      } catch (error) {
        return errorText(error);
      }
      for (const { seq, hash } of page.entries) {
        const here = replica().hashAt(seq);
        if (here !== undefined && here !== hash)
          return `entry ${seq} in the database is not the one that this node has`;
        for (const { name, applied, head } of ends)
          if (applied === seq && head !== hash) faults.push(`node ${name} reported another entry ${seq}`);
      }
      own = page.entries.at(-1) ?? own;
      if (page.entries.length === 0 || own.seq >= page.end.seq) break;
    }
    const beyond = ends.find(({ applied }) => applied > own.seq);
    if (beyond) faults.push(`node ${beyond.name} has ${beyond.applied} entries, the database ${own.seq}`);
    return faults.length === 0 ? undefined : faults.join('; ');
  }

  close(): void {
    this.#closed = true;
    this.#stopImpatience?.();
    for (const { reject } of this.#waiting.splice(0)) reject(unconfirmed('the server is stopping'));
  }

  /** Entries of the own ledger, as they are, behind the end of the fleet's. */
  async #give(end: LedgerEnd): Promise<void> {
    let base = end;
    for await (const entries of this.#parts.replica().pages({ after: end.seq })) {
      const said = await this.#parts.log.append({ id: randomUUID(), base, entries });
      if (said.outcome !== 'recorded') throw unconfirmed('another node was quicker; run it again');
      base = said.end;
    }
  }

  /** Whatever speaks against appending: a person has asked for it. */
  async #appendRaw(records: readonly LedgerRecord[]): Promise<void> {
    const { log, clock } = this.#parts;
    const id = randomUUID();
    for (let { end: base } = await log.read(0, 0); ; ) {
      const said = await log.append({ id, base, entries: chained(records, base, clock.wallMs()) });
      if (said.outcome === 'recorded') return;
      if (said.outcome === 'stranger') throw unconfirmed('the fleet does not know this process');
      base = said.end;
    }
  }

  #readNext(): Promise<void> {
    this.#next = undefined;
    return this.#read();
  }

  #read(): Promise<void> {
    this.#reading = this.#readOn().finally(() => {
      this.#reading = undefined;
    });
    return this.#reading;
  }

  async #readOn(): Promise<void> {
    const { log, replica, membership } = this.#parts;
    const from = replica().endNow.seq;
    for (;;) {
      const own = replica();
      const asked = own.endNow.seq;
      const page = await log.read(asked, PAGE);
      // Another file took its place, or an append of this node was quicker: the page continues something else.
      if (own !== replica() || asked !== own.endNow.seq) {
        if (this.#closed) return;
        continue;
      }
      this.#take(own, page);
      if (own.endNow.seq >= page.end.seq) break;
    }
    if (replica().endNow.seq !== from) void membership.report();
    this.#sendLooks();
  }

  #take(replica: Replica, page: ConsentPage): void {
    checkPage(replica.endNow, page, (seq) => replica.hashAt(seq));
    if (page.entries.length === 0) return;
    try {
      replica.replicate(page.entries);
    } catch (error) {
      throw subscribersError(
        'SEKISHO_LEDGER_FAILED',
        `the replica of the fleet's consent ledger: ${errorText(error)}`,
        { cause: error },
      );
    }
  }

  /** One append of many changes after the other; all who wait meanwhile share the next. Never rejects. */
  async #appendAll(): Promise<void> {
    if (this.#appending) return;
    this.#appending = true;
    // What is asked for in the same turn goes along.
    await Promise.resolve();
    try {
      while (this.#waiting.length > 0 && !this.#closed) {
        const batch = this.#nextBatch();
        try {
          await this.#appendBatch(batch);
        } catch (error) {
          for (const { reject } of batch) reject(unconfirmed(errorText(error), error));
        }
      }
    } finally {
      this.#appending = false;
    }
  }

  #nextBatch(): Waiting[] {
    const batch: Waiting[] = [];
    for (let size = 0; this.#waiting.length > 0 && size < MOST_TOGETHER; ) {
      const next = this.#waiting.shift()!;
      batch.push(next);
      size += next.records.length;
      // How far an import has come is recorded one by one.
      if (next.progress || this.#waiting[0]?.progress) break;
    }
    return batch;
  }

  async #appendBatch(all: Waiting[]): Promise<void> {
    const batch: Waiting[] = [];
    for (const each of all) {
      // What lets somebody be inspected is in this node's audit log before.
      const failure = await each.beside?.recorded.then(() => undefined, asFailure);
      if (failure === undefined) batch.push(each);
      else each.reject(failure.error);
    }
    if (batch.length === 0) return;
    const { membership, log, clock, replica } = this.#parts;
    if (!membership.mayAppend) throw membership.problem ?? new Error('this node has not joined the fleet yet');
    const id = randomUUID();
    const records = batch.flatMap((each) => each.records);
    let base = replica().endNow;
    for (;;) {
      const entries = chained(records, base, clock.wallMs());
      const append: ConsentAppend = { id, base, entries, progress: batch[0]?.progress };
      const tired = batch.every(({ begunMs }) => clock.nowMs() - begunMs > PATIENCE_MS);
      const said = await log.append(append).catch(asFailure);
      if ('error' in said) {
        // It may have been recorded: sent again under its name, it is not recorded twice.
        if (tired || !membership.mayAppend) throw said.error;
        await this.#pause(LOOK_MS);
        continue;
      }
      if (said.outcome === 'recorded') {
        // By this attempt, and not by one before whose answer was lost: that had another time in it.
        const isHere = said.end.hash === (entries.at(-1) ?? base).hash;
        void this.#actEverywhere(batch, {
          base: isHere ? base : undefined,
          entries,
          end: said.end,
          recordedMs: clock.nowMs(),
        });
        return;
      }
      if (said.outcome === 'stranger') throw new Error('the fleet does not know this process');
      if (tired) throw new Error('other nodes came first, again and again');
      base = said.end;
    }
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const stop = this.#parts.timers.every(ms, () => {
        stop();
        resolve();
      });
    });
  }

  /** Recorded: bring it into force here, and tell those who wait when it acts everywhere. Never rejects. */
  async #actEverywhere(batch: readonly Waiting[], { base, entries, end, recordedMs }: Recorded): Promise<void> {
    const { replica, membership } = this.#parts;
    const unheard = new Set(batch);
    const impatient = this.#parts.timers.every(LOOK_MS, () => {
      for (const each of unheard) {
        if (this.#parts.clock.nowMs() - each.begunMs <= PATIENCE_MS) continue;
        unheard.delete(each);
        each.reject(unconfirmed('it is recorded, and not known to act on every node yet'));
      }
    });
    try {
      const own = replica();
      if (base && own.endNow.seq === base.seq && own.endNow.hash === base.hash) own.replicate(entries);
      else while (replica().endNow.seq < end.seq) await this.catchUp();
      void membership.report();
      // An opt-in may lag.
      if (entries.some(({ action }) => action === 'opt-out')) await membership.everywhere(end.seq, recordedMs);
      await Promise.allSettled(batch.map(({ beside }) => beside?.flushed));
      let from = 0;
      for (const each of batch) {
        const its = entries.slice(from, from + each.records.length);
        from += each.records.length;
        if (unheard.has(each)) each.resolve(its);
      }
    } catch (error) {
      for (const each of unheard) each.reject(unconfirmed(errorText(error), error));
    } finally {
      impatient();
    }
  }

  #giveUp(): void {
    const nowMs = this.#parts.clock.nowMs();
    this.#waiting = this.#waiting.filter(({ begunMs, reject }) => {
      if (nowMs - begunMs <= PATIENCE_MS) return true;
      reject(unconfirmed(this.#parts.membership.problem?.message ?? 'PostgreSQL does not answer'));
      return false;
    });
    if (this.#waiting.length > 0) return;
    this.#stopImpatience?.();
    this.#stopImpatience = undefined;
  }

  async #lookLater(records: readonly LedgerRecord[]): Promise<LedgerEntry[]> {
    if (this.#looks.length < MOST_LOOKS) this.#looks.push(...records);
    return [];
  }

  #sendLooks(): void {
    if (this.#looks.length === 0 || !this.#parts.membership.mayAppend) return;
    const looks = this.#looks.splice(0, MOST_TOGETHER);
    this.append(looks).catch(() => this.#looks.unshift(...looks));
  }
}

function continues({ hash }: LedgerEnd, entry: LedgerEntry | undefined): boolean {
  return entry === undefined || hashOfEntry(hash, entry) === entry.hash;
}

function isLook({ action }: LedgerRecord): boolean {
  return action === 'shown' || action === 'exported';
}

/** The records as entries behind `base`. */
export function chained(records: readonly LedgerRecord[], base: LedgerEnd, atMs: number): LedgerEntry[] {
  let { seq, hash } = base;
  return records.map(({ subscriber, purpose, action, who, channel, terms, reason }) => {
    seq++;
    const bare = { seq, atMs, subscriber, purpose, action, who, channel, terms, reason };
    hash = hashOfEntry(hash, bare);
    return { ...bare, hash };
  });
}

function asFailure(error: unknown): { readonly error: unknown } {
  return { error };
}

function unconfirmed(message: string, cause?: unknown): SekishoError {
  return fleetError(
    'SEKISHO_FLEET_UNCONFIRMED',
    `not confirmed by the fleet: ${message}`,
    cause === undefined ? {} : { cause },
  );
}
