/**
 * Keeps leases over restarts: what changes goes to the disk in batches, off the packet path and off the main thread, and is
 * read again at the start.
 *
 *   report ─▶ table in memory ─▶ batch ─▶ on the disk ─▶ the reporter is answered ("recorded", RFC 2866 §2)
 *
 * So nothing that was answered is missing after a kill. Prolongations need not wait and are written now and then only
 * (leases.ts): what is lost of them makes a lease end early, never late.
 *
 * While the process is down messages are missed: an address may have got another holder. So a lease from before is believed
 * for a configured time after the last thing that the run heard which had it from a message, and then nobody holds it until
 * another message confirms it. Believed or not, its claim stays, and stands in the way of others as before the restart.
 */
import type { Logger } from 'pino';
import { errorText } from '../../errors/errors.ts';
import type { Clock } from '../../time/clock.ts';
import type { Register } from '../consent/register.ts';
import { NOBODY } from '../table/prefix-table.ts';
import { type ClaimKeeper, type ClaimRecord, MAX_RUNS, prefixOfShape, shapeOf } from './claim-record.ts';
import { NONE } from './int-records.ts';
import {
  type ArchivedClaim,
  CLAIM_DOUBTED,
  CLAIM_ENDED,
  CLAIM_UNSURE,
  type LeaseBatch,
  type LeaseStore,
} from './lease-store.ts';
import type { Leases } from './leases.ts';
import { NAME_WORDS, type Reporter } from './session-name.ts';

/** What comes within it is written together. */
const GATHER_MS = 10;
/** That we still hear is written this often, where nothing else is. */
const HEARTBEAT_MS = 5_000;
/** Changes that may wait for a disk that hangs. */
const MAX_WAITING = 1 << 18;
/** Leases looked at in one turn of the event loop when their time to be believed is over. */
const LEASES_A_TURN = 2_000;

export class LeaseKeeper implements ClaimKeeper {
  /** Changes so far: whoever sees the same number before and after has changed nothing that must be written. */
  noted = 0;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #store: LeaseStore;
  readonly #numberOf: (holder: number) => string | undefined;
  readonly #lifetimeMs: () => number;
  #batches: Gathered[] = [new Gathered()];
  #waiting = 0;
  #gathering: NodeJS.Timeout | undefined;
  #writing = false;
  /** Those who wait for what is gathered now, and for what is being written. */
  #recorded: (() => void)[] = [];
  #lastWriteMs: number;
  readonly #heartbeat: NodeJS.Timeout;
  /** For each run before this one whose leases are believed still. */
  readonly #cutOffs: NodeJS.Timeout[] = [];
  #closed = false;

  constructor(store: LeaseStore, register: Register, lifetimeMs: () => number, clock: Clock, log: Logger) {
    this.#store = store;
    this.#clock = clock;
    this.#log = log;
    this.#lifetimeMs = lifetimeMs;
    this.#numberOf = (holder) => register.directory.numberOf(holder);
    this.#lastWriteMs = clock.nowMs();
    this.#heartbeat = setInterval(() => {
      if (this.#clock.nowMs() - this.#lastWriteMs >= HEARTBEAT_MS / 2) void this.#write();
    }, HEARTBEAT_MS).unref();
  }

  changed(record: ClaimRecord): void {
    this.noted++;
    if (++this.#waiting > MAX_WAITING) {
      void this.#giveUp('the disk does not keep up');
      return;
    }
    const subscriber = record.holder === NOBODY ? '' : (this.#numberOf(record.holder) ?? '');
    const heardMs = this.#wallMs(record.heardSeconds);
    this.#batches.at(-1)!.claims.push({
      record,
      subscriber,
      atMs: this.#wallMs(record.atSeconds),
      heardMs,
      untilMs: heardMs + this.#lifetimeMs(),
    });
    this.#soon();
  }

  /** All sessions of these reporters ended, and no record says so of each. */
  reportersEnded(reporters: readonly Reporter[], atSeconds: number, heardSeconds: number): void {
    this.noted++;
    // Of what came before it nothing stays; what comes behind it does.
    const batch = new Gathered();
    const heardMs = this.#wallMs(heardSeconds);
    batch.ended.push({
      reporters,
      atMs: this.#wallMs(atSeconds),
      heardMs,
      untilMs: heardMs + this.#lifetimeMs(),
    });
    this.#batches.push(batch);
    this.#soon();
  }

  /** Resolves when all that was noted so far is on the disk, or given up with all that was there. */
  recorded(): Promise<void> {
    if (!this.#writing && this.#gathering === undefined) return Promise.resolve();
    return new Promise((resolve) => this.#recorded.push(resolve));
  }

  /**
   * Take up what the store holds, before anything is reported. Leases of each run before this one are believed until `believedMs`
   * after the last that it heard. Resolves with how many are.
   */
  async restore(leases: Leases, register: Register, believedMs: number): Promise<number> {
    // While the time is in doubt nobody knows how old they are: none is believed.
    const wallMs = this.#clock.termMs();
    const nowSeconds = Math.floor(this.#clock.nowMs() / 1000);
    const runs = [...(await this.#store.runs())].sort(([one], [other]) => other - one);
    // A clock that went back tells nothing of how long ago it was.
    const wentBack = runs.some(([, heardMs]) => wallMs < heardMs);
    const believed = runs.filter(([, heardMs]) => !wentBack && heardMs + believedMs > wallMs).slice(0, MAX_RUNS);
    const numbers = new Map(believed.map(([run], i) => [run, i + 1]));
    const restoreOne = ({ prefix, session, subscriber, ...row }: ArchivedClaim) => {
      if (row.untilMs <= wallMs) return;
      const run = numbers.get(row.run) ?? 0;
      const holder = subscriber === '' ? NOBODY : register.holderFor(subscriber);
      const record: ClaimRecord = {
        prefix: prefixOfShape(prefix.subarray(0, 4), prefix[4]!),
        session,
        holder: holder < 0 ? NOBODY : holder,
        atSeconds: Math.min(nowSeconds, this.#seconds(row.atMs)),
        heardSeconds: Math.min(nowSeconds, this.#seconds(row.heardMs)),
        stampSeconds: row.stamp,
        ended: (row.flags & CLAIM_ENDED) !== 0,
        unsure: (row.flags & CLAIM_UNSURE) !== 0 || run === 0,
        doubted: (row.flags & CLAIM_DOUBTED) !== 0,
      };
      leases.restore(record, run);
    };
    for await (const page of this.#store.claims(LEASES_A_TURN)) for (const claim of page) restoreOne(claim);
    for (const [run, heardMs] of believed) {
      const number = numbers.get(run)!;
      const timer = setTimeout(() => void this.#endUnconfirmedOf(number, leases), heardMs + believedMs - wallMs);
      this.#cutOffs.push(timer.unref());
    }
    return leases.settleRestored();
  }

  /** Whatever waits is written first. */
  async close(): Promise<void> {
    clearInterval(this.#heartbeat);
    for (const timer of this.#cutOffs) clearTimeout(timer);
    clearTimeout(this.#gathering);
    this.#gathering = undefined;
    this.#closed = true;
    while (this.#writing) await new Promise<void>((resolve) => this.#recorded.push(resolve));
    await this.#write();
    await this.#store.close();
  }

  #soon(): void {
    if (!this.#writing && !this.#closed) this.#gathering ??= setTimeout(() => void this.#write(), GATHER_MS);
  }

  async #write(): Promise<void> {
    if (this.#writing) return;
    clearTimeout(this.#gathering);
    this.#gathering = undefined;
    this.#writing = true;
    const batches = this.#batches.map((batch) => batch.packed());
    const waiters = this.#recorded;
    this.#batches = [new Gathered()];
    this.#recorded = [];
    this.#waiting = 0;
    this.#lastWriteMs = this.#clock.nowMs();
    try {
      await this.#store.write(batches, this.#clock.wallMs());
    } catch (error) {
      await this.#giveUp(errorText(error));
    }
    this.#writing = false;
    for (const resolve of waiters) resolve();
    const more = this.#batches.length > 1 || !this.#batches[0]!.isEmpty || this.#recorded.length > 0;
    if (more && this.#closed) await this.#write();
    else if (more) this.#soon();
  }

  /** What is missing there must not be made up for by what was there before: everything is forgotten, and started over. */
  async #giveUp(reason: string): Promise<void> {
    this.#log.error(
      { reason },
      'leases cannot be stored on disk: the stored ones are discarded, those in memory stay valid',
    );
    this.#batches = [new Gathered()];
    this.#waiting = 0;
    await this.#store.beginAnew(this.#clock.wallMs()).catch((error: unknown) => {
      this.#log.error({ reason: errorText(error) }, 'failed to start a new lease file');
    });
  }

  /** Nobody holds an address any more of which nothing was heard since the restart. */
  async endUnconfirmed(leases: Leases): Promise<void> {
    for (let run = 1; run <= MAX_RUNS; run++) await this.#endUnconfirmedOf(run, leases);
  }

  async #endUnconfirmedOf(run: number, leases: Leases): Promise<void> {
    for (let from = 0; from !== NONE && !this.#closed; ) {
      from = leases.doubtRestored(run, from, LEASES_A_TURN);
      await this.recorded();
    }
  }

  #wallMs(seconds: number): number {
    return Math.round(this.#clock.wallMs() + seconds * 1000 - this.#clock.nowMs());
  }

  #seconds(wallMs: number): number {
    return Math.floor((wallMs - this.#clock.wallMs() + this.#clock.nowMs()) / 1000);
  }
}

/** A batch while it grows. */
class Gathered {
  readonly ended: LeaseBatch['ended'][number][] = [];
  readonly claims: { record: ClaimRecord; subscriber: string; atMs: number; heardMs: number; untilMs: number }[] = [];

  get isEmpty(): boolean {
    return this.ended.length + this.claims.length === 0;
  }

  packed(): LeaseBatch {
    const { ended, claims } = this;
    const prefixes = new Int32Array(claims.length * 5);
    const sessions = new Int32Array(claims.length * NAME_WORDS);
    claims.forEach(({ record: { prefix, session } }, i) => {
      prefixes.set(prefix.words, i * 5);
      prefixes[i * 5 + 4] = shapeOf(prefix);
      sessions.set(session, i * NAME_WORDS);
    });
    return {
      ended,
      prefixes,
      sessions,
      atMs: Float64Array.from(claims, ({ atMs }) => atMs),
      heardMs: Float64Array.from(claims, ({ heardMs }) => heardMs),
      untilMs: Float64Array.from(claims, ({ untilMs }) => untilMs),
      stamps: Float64Array.from(claims, ({ record }) => record.stampSeconds),
      flags: Uint8Array.from(claims, ({ record }) => flagsOf(record)),
      subscribers: claims.map(({ subscriber }) => subscriber),
    };
  }
}

function flagsOf({ ended, unsure, doubted }: ClaimRecord): number {
  return (ended ? CLAIM_ENDED : 0) | (unsure ? CLAIM_UNSURE : 0) | (doubted ? CLAIM_DOUBTED : 0);
}
