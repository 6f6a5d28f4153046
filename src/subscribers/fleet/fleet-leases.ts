/**
 * Leases of all nodes on all nodes: what a reporter says to one node is heard by all, as if it had been said to each.
 *
 *   reporter ─▶ this node's leases ─▶ the last word of each session, in PostgreSQL ─▶ the leases of every node
 *                                                                                     by the same rules: two subscribers = nobody
 *
 * It is answered when it is on this node's disk and in PostgreSQL: a reporter without an answer turns to another node, or says it
 * again. A node whose fence is up has heard all that was shared before: an address that has changed hands is nowhere believed for longer.
 */
import { z } from 'zod';
import { errorText, type SekishoError } from '../../errors/errors.ts';
import { fleetError } from '../../fleet/errors.ts';
import type { Clock } from '../../time/clock.ts';
import type { Timers } from '../../time/timers.ts';
import type { Register } from '../consent/register.ts';
import type { Leases, Reported } from '../leases/leases.ts';
import { NAME_WORDS, REPORTER_WORDS } from '../leases/session-name.ts';
import { isGroup, isSubscriberNumber } from '../table/directory.ts';
import { NOBODY } from '../table/prefix-table.ts';
import type { HeardWord, LeaseLog, SharedWord } from './lease-log.ts';

export interface FleetLeasesParts {
  readonly log: LeaseLog;
  readonly leases: Leases;
  readonly register: Register;
  /** Of this process. */
  readonly session: string;
  readonly clock: Pick<Clock, 'nowMs'>;
  readonly timers: Timers;
  readonly lifetimeSeconds: () => number;
  readonly logger: { error(fields: object, text: string): void };
}

const word = z
  .int()
  .min(-(2 ** 31))
  .max(2 ** 31 - 1);
/** Address words, bits, port, port bits. */
const prefix = z.tuple([
  word,
  word,
  word,
  word,
  z.int().min(0).max(128),
  z.int().min(0).max(65_535),
  z.int().min(0).max(16),
]);
const ago = z.number().min(0);
const eventSchema = z.discriminatedUnion('kind', [
  z.object({
    kind: z.enum(['start', 'interim', 'stop']),
    session: z.array(word).length(NAME_WORDS),
    prefixes: z.array(prefix).max(100),
    subscriber: z.string().refine(isSubscriberNumber).nullable(),
    agoSeconds: ago,
    stamp: z.number(),
    inOrder: z.boolean(),
  }),
  z.object({
    kind: z.literal('reporter'),
    reporter: z.array(word).length(REPORTER_WORDS),
    agoSeconds: ago,
    stamp: z.number(),
  }),
  z.object({
    kind: z.literal('unnumbered'),
    reporter: z.array(word).length(REPORTER_WORDS),
    prefixes: z.array(prefix).max(100),
    agoSeconds: ago,
  }),
]);
type Event = z.infer<typeof eventSchema>;

/** Words that are read at a time. */
const PAGE = 5000;
const MOST_TOGETHER = 1000;
const AGAIN_MS = 500;
const FORGET_MS = 60_000;

export class FleetLeases {
  readonly #parts: FleetLeasesParts;
  /** By key: of one session the last word counts, so that there are never more than sessions. */
  readonly #waiting = new Map<string, SharedWord>();
  #sending: Promise<void> | undefined;
  #soon: NodeJS.Immediate | undefined;
  #failed = false;
  #change = 0;
  #reading: Promise<void> | undefined;
  #next: Promise<void> | undefined;
  #refused = 0;
  readonly #stops: (() => void)[];
  #closed = false;

  constructor(parts: FleetLeasesParts) {
    this.#parts = parts;
    parts.leases.onReported = (reported) => this.#share(reported);
    this.#stops = [
      parts.timers.every(AGAIN_MS, () => this.#send()),
      parts.timers.every(FORGET_MS, () => void this.#forget()),
    ];
  }

  /** Words of other nodes that no version of Sekisho writes, and that were left out. */
  get refused(): number {
    return this.#refused;
  }

  /** Resolves when all that was reported to this node is shared; rejects where it cannot be for now. */
  async recorded(): Promise<void> {
    while (this.#waiting.size > 0 || this.#sending) {
      if (this.#failed || this.#closed) throw notShared();
      this.#send();
      await this.#sending;
    }
    if (this.#failed) throw notShared();
  }

  /** Resolves when everything acts here that was shared before the call. Rejects as the engine does. */
  catchUp(): Promise<void> {
    if (!this.#reading) return this.#read();
    this.#next ??= this.#reading.then(
      () => this.#readNext(),
      () => this.#readNext(),
    );
    return this.#next;
  }

  close(): void {
    this.#closed = true;
    this.#parts.leases.onReported = undefined;
    for (const stop of this.#stops) stop();
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
    let due: number | undefined;
    do {
      const { end, words } = await this.#parts.log.read(this.#change, PAGE);
      // A database that was restored: all of it is heard again.
      if (end < this.#change) {
        this.#change = 0;
        due = undefined;
        continue;
      }
      due ??= end;
      for (const each of words) this.#hear(each);
      this.#change = words.length < PAGE ? end : words.at(-1)!.change;
    } while (due === undefined || this.#change < due);
  }

  #hear({ session, agoMs, event: given }: HeardWord): void {
    if (session === this.#parts.session) return;
    const { data } = eventSchema.safeParse(given);
    if (!data) {
      if (this.#refused++ === 0)
        this.#parts.logger.error({}, 'a word about a lease that no version of Sekisho writes was left out');
      return;
    }
    const { clock, leases, lifetimeSeconds } = this.#parts;
    const agoSeconds = Math.max(0, agoMs / 1000) + data.agoSeconds;
    if (agoSeconds > lifetimeSeconds()) return;
    const atSeconds = Math.floor(clock.nowMs() / 1000 - agoSeconds);
    leases.hear(this.#reportedBy(data, atSeconds));
  }

  #reportedBy(said: Event, atSeconds: number): Reported {
    if (said.kind === 'reporter')
      return { kind: 'reporter', reporter: Int32Array.from(said.reporter), atSeconds, stampSeconds: said.stamp };
    const prefixes = said.prefixes.map(([w0, w1, w2, w3, bits, port, portBits]) => ({
      words: Int32Array.of(w0, w1, w2, w3),
      bits,
      port,
      portBits,
    }));
    if (said.kind === 'unnumbered')
      return { kind: 'unnumbered', reporter: Int32Array.from(said.reporter), prefixes, atSeconds };
    const { kind, session, subscriber, stamp, inOrder } = said;
    const holder = subscriber === null || isGroup(subscriber) ? NOBODY : this.#parts.register.holderFor(subscriber);
    return {
      kind,
      session: Int32Array.from(session),
      prefixes,
      holder: holder < 0 ? NOBODY : holder,
      atSeconds,
      stampSeconds: stamp,
      inOrder,
    };
  }

  #share(reported: Reported): void {
    const word = this.#wordOf(reported);
    this.#waiting.delete(word.key);
    this.#waiting.set(word.key, word);
    // What is reported in the same turn goes along.
    this.#soon ??= setImmediate(() => this.#send());
  }

  #wordOf(reported: Reported): SharedWord {
    const agoSeconds = Math.max(0, this.#parts.clock.nowMs() / 1000 - reported.atSeconds);
    const stamp = Math.floor(('stampSeconds' in reported && reported.stampSeconds) || 0);
    const prefixes = ('prefixes' in reported ? reported.prefixes : []).map(
      ({ words, bits, port, portBits }) => [words[0]!, words[1]!, words[2]!, words[3]!, bits, port, portBits] as const,
    );
    if (reported.kind === 'reporter' || reported.kind === 'unnumbered') {
      const { kind } = reported;
      const reporter = [...reported.reporter];
      const key = `${kind} ${reporter.join()} ${prefixes.map((each) => each.join()).join(' ')}`;
      return {
        key,
        stamp,
        event: kind === 'reporter' ? { kind, reporter, agoSeconds, stamp } : { kind, reporter, prefixes, agoSeconds },
      };
    }
    const { kind, session, holder, inOrder = false } = reported;
    const subscriber = this.#parts.register.directory.numberOf(holder) ?? null;
    const event: Event = {
      kind,
      session: [...session],
      prefixes: prefixes as never,
      subscriber,
      agoSeconds,
      stamp,
      inOrder,
    };
    return { key: session.join(), stamp, event };
  }

  #send(): void {
    this.#soon = undefined;
    if (this.#sending || this.#waiting.size === 0 || this.#closed) return;
    const words = [...firstOf(this.#waiting.values(), MOST_TOGETHER)];
    this.#sending = this.#parts.log
      .append(words)
      .then(
        () => {
          for (const word of words) if (this.#waiting.get(word.key) === word) this.#waiting.delete(word.key);
          this.#failed = false;
        },
        () => {
          this.#failed = true;
        },
      )
      .finally(() => {
        this.#sending = undefined;
        if (!this.#failed) this.#send();
      });
  }

  async #forget(): Promise<void> {
    await this.#parts.log.forget(2000 * this.#parts.lifetimeSeconds()).catch((error: unknown) => errorText(error));
  }
}

function* firstOf<T>(values: Iterable<T>, most: number): IterableIterator<T> {
  for (const value of values) {
    if (most-- <= 0) return;
    yield value;
  }
}

function notShared(): SekishoError {
  return fleetError(
    'SEKISHO_FLEET_UNCONFIRMED',
    'the lease is not shared with the other nodes yet: PostgreSQL is out of reach',
  );
}
