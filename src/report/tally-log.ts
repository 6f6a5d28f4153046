/**
 * What the server and its plugins counted, day by day, for the transparency report.
 *
 *   counters of all threads ──each minute──▶ what they rose by ──▶ (day, counter, labels) += rise
 *
 * Counters carry labels of the configuration and of fixed lists only, never a query's name, a client or a subscriber
 * (metrics/registry.ts), so nothing here can say who looked up what. A kill loses the last minute.
 */
import { errorText } from '../errors/errors.ts';
import type { CounterSample } from '../metrics/prometheus.ts';
import type { OpenedStore } from '../store/store.ts';
import type { Clock } from '../time/clock.ts';
import { labelsText, type Tally, type TallyStore } from './tally-store.ts';

/** Days that are kept: two years can be compared. */
export const KEPT_DAYS = 800;

const TICK_MS = 60_000;

interface TallyLogger {
  warn(fields: object, text: string): void;
  error(fields: object, text: string): void;
}

export class TallyLog {
  readonly #store: Promise<TallyStore | undefined>;
  readonly #clock: Clock;
  readonly #log: TallyLogger;
  readonly #counters: () => readonly CounterSample[];
  /** What each counter showed at the last tick; a process begins at 0, as its counters do. */
  readonly #before = new Map<string, number>();
  readonly #timer: NodeJS.Timeout;
  #ticking: Promise<void> = Promise.resolve();

  /** A store that cannot be opened says so; the report then lacks the days. */
  constructor(
    opening: Promise<OpenedStore<TallyStore>>,
    clock: Clock,
    log: TallyLogger,
    counters: () => readonly CounterSample[],
  ) {
    this.#clock = clock;
    this.#log = log;
    this.#counters = counters;
    this.#store = opening.then(
      ({ store, movedAside }) => {
        if (movedAside !== undefined)
          log.error({ movedAside }, 'the daily tallies were damaged: the file was moved aside and a new one started');
        return store;
      },
      (error: unknown) => {
        const reason = errorText(error);
        log.error({ reason }, 'daily tallies cannot be stored: transparency reports will lack these days');
        return undefined;
      },
    );
    this.#timer = setInterval(() => void this.tick(), TICK_MS);
    this.#timer.unref();
  }

  /**
   * Add what the counters rose by since the last time to the present day (UTC). What the store refuses is added the next time.
   * Never rejects.
   */
  tick(): Promise<void> {
    this.#ticking = this.#ticking.then(() => this.#tick());
    return this.#ticking;
  }

  /** Sums of the days `from` to `to`, both included, as YYYY-MM-DD; by name, the largest first. Rejects with SekishoError. */
  async between(from: string, to: string): Promise<Tally[]> {
    return (await (await this.#store)?.between(from, to)) ?? [];
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.tick();
    await (await this.#store)?.close();
  }

  async #tick(): Promise<void> {
    const store = await this.#store;
    if (store === undefined) return;
    const rises = this.#counters()
      .map((sample) => ({ sample, key: keyOf(sample), rise: sample.value - (this.#before.get(keyOf(sample)) ?? 0) }))
      .filter(({ rise }) => rise > 0);
    if (rises.length === 0) return;
    const wallMs = this.#clock.wallMs();
    try {
      await store.add(
        dayOf(wallMs),
        rises.map(({ sample: { name, labels, help }, rise }) => ({ name, labels, help, count: rise })),
      );
    } catch (error) {
      this.#log.warn({ reason: errorText(error) }, 'failed to write the daily tallies, retrying in a minute');
      return;
    }
    for (const { key, sample } of rises) this.#before.set(key, sample.value);
    await store.forgetBefore(dayOf(wallMs - KEPT_DAYS * 86_400_000)).catch((error: unknown) => {
      this.#log.warn({ reason: errorText(error) }, 'failed to delete old daily tallies, retrying in a minute');
    });
  }
}

/** The day in UTC, YYYY-MM-DD. */
export function dayOf(wallMs: number): string {
  return new Date(wallMs).toISOString().slice(0, 10);
}

function keyOf({ name, labels }: CounterSample): string {
  return `${name} ${labelsText(labels)}`;
}
