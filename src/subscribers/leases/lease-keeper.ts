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
 * for a configured time after the last thing that was heard, and then nobody holds it until a message confirms it. Its time
 * of last event is kept as it was, so that late messages are judged as before.
 */
import type { Logger } from 'pino';
import { errorText } from '../../errors/errors.ts';
import type { Clock } from '../../time/clock.ts';
import type { Register } from '../consent/register.ts';
import type { PortPrefix } from '../table/address-table.ts';
import { NOBODY } from '../table/prefix-table.ts';
import { type ArchivedLease, type LeaseArchive, type LeaseBatch, prefixBytes } from './lease-archive.ts';
import type { LeaseWriter } from './lease-writer.ts';
import type { Leases } from './leases.ts';

/** What comes within it is written together. */
const GATHER_MS = 10;
/** That we still hear is written this often, where nothing else is. */
const HEARTBEAT_MS = 5_000;
/** Changes that may wait for a disk that hangs. */
const MAX_WAITING = 1 << 18;
/** Leases looked at in one turn of the event loop when their time to be believed is over. */
const LEASES_A_TURN = 2_000;

export class LeaseKeeper {
  /** Changes so far: whoever sees the same number before and after has changed nothing that must be written. */
  noted = 0;
  /** Leases from before are believed still: every message about one counts, and so is written. */
  believing = false;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #writer: LeaseWriter;
  readonly #numberOf: (holder: number) => string | undefined;
  #batches: Gathered[] = [new Gathered()];
  #waiting = 0;
  #gathering: NodeJS.Timeout | undefined;
  #writing = false;
  /** Those who wait for what is gathered now, and for what is being written. */
  #recorded: (() => void)[] = [];
  #lastWriteMs: number;
  readonly #heartbeat: NodeJS.Timeout;
  #cutOff: NodeJS.Timeout | undefined;
  /** As the process before this one left it; open while its leases are believed. */
  #before: LeaseArchive | undefined;
  #closed = false;

  constructor(writer: LeaseWriter, register: Register, clock: Clock, log: Logger) {
    this.#writer = writer;
    this.#clock = clock;
    this.#log = log;
    this.#numberOf = (holder) => register.directory.numberOf(holder);
    this.#lastWriteMs = clock.nowMs();
    this.#heartbeat = setInterval(() => {
      if (this.#clock.nowMs() - this.#lastWriteMs >= HEARTBEAT_MS / 2) void this.#write();
    }, HEARTBEAT_MS).unref();
  }

  changed(prefix: PortPrefix, holder: number, expiresSeconds: number, session: number): void {
    this.noted++;
    if (++this.#waiting > MAX_WAITING) {
      void this.#giveUp('the disk does not keep up');
      return;
    }
    const subscriber = holder === NOBODY ? '' : (this.#numberOf(holder) ?? '');
    this.#batches.at(-1)!.leases.push({ prefix, subscriber, session, expiresMs: this.#wallMs(expiresSeconds) });
    this.#soon();
  }

  reporterEnded(reporter: number, expiresSeconds: number): void {
    this.noted++;
    // Of what came before it nothing stays; what comes behind it does.
    const batch = new Gathered();
    batch.ended.push({ reporter, expiresMs: this.#wallMs(expiresSeconds) });
    this.#batches.push(batch);
    this.#soon();
  }

  reporterNamed(number: number, client: string): void {
    this.#batches.at(-1)!.reporters.push({ number, client });
    this.#soon();
  }

  /** Resolves when all that was noted so far is on the disk, or given up with all that was there. */
  recorded(): Promise<void> {
    if (!this.#writing && this.#gathering === undefined) return Promise.resolve();
    return new Promise((resolve) => this.#recorded.push(resolve));
  }

  /** Take up what `archive` holds, which is closed when it is not needed any more, until `believedMs` after the last that was heard. Returns how many leases. */
  restore(archive: LeaseArchive, leases: Leases, register: Register, believedMs: number): number {
    // While the time is in doubt nobody knows how old they are: none is believed.
    const wallMs = this.#clock.termMs();
    const untilMs = archive.heardMs + believedMs;
    // A clock that went back tells nothing of how long ago it was.
    if (archive.heardMs === 0 || wallMs >= untilMs || wallMs < archive.heardMs) {
      archive.close();
      return 0;
    }
    let restored = 0;
    for (const lease of everyUnconfirmed(archive)) {
      if (lease.expiresMs <= wallMs) continue;
      const holder = lease.subscriber === '' ? NOBODY : register.holderFor(lease.subscriber);
      const prefix = { ...lease.prefix, port: 0, portBits: 0 };
      leases.table.set(prefix, holder < 0 ? NOBODY : holder, this.#seconds(lease.expiresMs), lease.session);
      if (holder >= 0) restored++;
    }
    this.believing = true;
    this.#before = archive;
    this.#cutOff = setTimeout(() => void this.endUnconfirmed(leases), untilMs - wallMs).unref();
    return restored;
  }

  /** Whatever waits is written first. */
  async close(): Promise<void> {
    clearInterval(this.#heartbeat);
    clearTimeout(this.#cutOff);
    clearTimeout(this.#gathering);
    this.#gathering = undefined;
    this.#before?.close();
    this.#before = undefined;
    this.#closed = true;
    while (this.#writing) await new Promise<void>((resolve) => this.#recorded.push(resolve));
    await this.#write();
    await this.#writer.close();
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
      await this.#writer.write(batches, this.#clock.wallMs());
    } catch (error) {
      await this.#giveUp(errorText(error));
    }
    this.#writing = false;
    for (const resolve of waiters) resolve();
    const more = this.#batches.length > 1 || !this.#batches[0]!.isEmpty || this.#recorded.length > 0;
    if (more && this.#closed) await this.#write();
    else if (more) this.#soon();
  }

  /** What is missing there must not be made up for by what was there before: everything is forgotten, and begun anew. */
  async #giveUp(reason: string): Promise<void> {
    this.#log.error({ reason }, 'leases cannot be kept on the disk: those there are given up, those in memory go on');
    this.#batches = [new Gathered()];
    this.#waiting = 0;
    await this.#writer.beginAnew(this.#clock.wallMs()).catch((error: unknown) => {
      this.#log.error({ reason: errorText(error) }, 'the file of leases cannot be begun anew');
    });
  }

  /** Nobody holds an address any more of which nothing was heard since the restart. */
  async endUnconfirmed(leases: Leases): Promise<void> {
    let after: Buffer | undefined;
    for (;;) {
      // On the same file as the writer: what was confirmed meanwhile is not among them once it is written.
      await this.recorded();
      if (this.#before === undefined) return;
      const page = this.#before.unconfirmed(after, LEASES_A_TURN);
      for (const { prefix, session, expiresMs } of page)
        leases.endUnconfirmed({ ...prefix, port: 0, portBits: 0 }, session, this.#seconds(expiresMs));
      const last = page.at(-1);
      if (page.length < LEASES_A_TURN || last === undefined) break;
      after = keyOf(last);
    }
    this.believing = false;
    this.#before.close();
    this.#before = undefined;
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
  readonly ended: { reporter: number; expiresMs: number }[] = [];
  readonly reporters: { number: number; client: string }[] = [];
  readonly leases: { prefix: PortPrefix; subscriber: string; session: number; expiresMs: number }[] = [];

  get isEmpty(): boolean {
    return this.ended.length + this.reporters.length + this.leases.length === 0;
  }

  packed(): LeaseBatch {
    const words = new Int32Array(this.leases.length * 4);
    this.leases.forEach(({ prefix }, i) => {
      words.set(prefix.words, i * 4);
    });
    return {
      ended: this.ended,
      reporters: this.reporters,
      words,
      bits: Uint8Array.from(this.leases, ({ prefix }) => prefix.bits),
      sessions: Int32Array.from(this.leases, ({ session }) => session),
      expiresMs: Float64Array.from(this.leases, ({ expiresMs }) => expiresMs),
      subscribers: this.leases.map(({ subscriber }) => subscriber),
    };
  }
}

function* everyUnconfirmed(archive: LeaseArchive): IterableIterator<ArchivedLease> {
  let after: Buffer | undefined;
  for (;;) {
    const page = archive.unconfirmed(after, LEASES_A_TURN);
    yield* page;
    const last = page.at(-1);
    if (last === undefined || page.length < LEASES_A_TURN) return;
    after = keyOf(last);
  }
}

function keyOf({ prefix }: ArchivedLease): Buffer {
  return prefixBytes(prefix.words, prefix.bits);
}
