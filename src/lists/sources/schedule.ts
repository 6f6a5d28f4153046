/**
 * When a source is asked: at its interval, when it says that it changed, when somebody wants it now, and after a failure
 * with growing pauses. One fetch at a time; wishes that arrive meanwhile become one more fetch afterwards.
 */
import { type Clock, systemClock } from '../../time/clock.ts';
import {
  backOff,
  type FetchOptions,
  type FetchResult,
  jittered,
  type ListSource,
  plainReason,
  type Random,
  type ZoneTimers,
} from './source.ts';
import { systemTimers, type Timers } from './timers.ts';

export interface ScheduleOptions {
  readonly source: ListSource;
  /** Interval where the source does not know better (the SOA's refresh of a transferred zone wins). */
  readonly refreshMs: number;
  /** Pause after the first failure; doubles up to `refreshMs`. The SOA's retry wins. */
  readonly retryMs?: number;
  /** Smallest gap between two fetches that notifications cause: a flood of them must not become one of ours. */
  readonly notifyGapMs?: number;
  /**
   * Compile, judge and store what came. The next fetch waits for it. May throw: that is a failure like any other, and the
   * source is asked again. `unchanged` and `failed` are reported too.
   */
  readonly onResult: (result: FetchResult) => Promise<void> | void;
  readonly random: Random;
  readonly clock?: Clock;
  readonly timers?: Timers;
  /** From the store: SOA timers and when the source was last heard, wall-clock milliseconds. */
  readonly zoneTimers?: ZoneTimers | undefined;
  readonly confirmedAtMs?: number | undefined;
}

export interface ScheduleState {
  readonly running: boolean;
  /** Failures since the last success, and the last one's reason. */
  readonly failures: number;
  readonly lastFailure: string | undefined;
  /** Wall-clock milliseconds of the last success. */
  readonly confirmedAtMs: number | undefined;
  /** Milliseconds until the next fetch by itself; undefined while one runs or none is planned. */
  readonly nextInMs: number | undefined;
  /** The SOA's expire has passed since the source was last heard (RFC 1035 §3.3.13). The last good version still serves. */
  readonly expired: boolean;
}

interface Wish {
  readonly options: FetchOptions;
  readonly settle: ((result: FetchResult) => void)[];
}

/** Share by which intervals vary, so that many servers do not ask together. */
const JITTER = 0.1;

export class Schedule {
  readonly #options: ScheduleOptions;
  readonly #clock: Clock;
  readonly #timers: Timers;
  #stopping = false;
  /** Of the fetch that runs. */
  #fetching: AbortController | undefined;
  #cancel: () => void = () => {};
  #unwatch: () => void = () => {};
  #nextAtMs: number | undefined;
  #busy = false;
  /** Ends when the fetches that were wished for so far have. */
  #work: Promise<void> = Promise.resolve();
  #wish: Wish | undefined;
  #startedAtMs = Number.NEGATIVE_INFINITY;
  #failures = 0;
  #lastFailure: string | undefined;
  #zoneTimers: ZoneTimers | undefined;
  #confirmedAtMs: number | undefined;

  constructor(options: ScheduleOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#timers = options.timers ?? systemTimers;
    this.#zoneTimers = options.zoneTimers;
    this.#confirmedAtMs = options.confirmedAtMs;
  }

  /** Begin; the first fetch comes after `delayMs`. */
  start(delayMs = 0): void {
    this.#unwatch = this.#options.source.watch?.(() => this.notify()) ?? (() => {});
    this.#plan(delayMs);
  }

  /** Fetch as soon as the one that runs has ended. Resolves after `onResult` has seen the result. */
  fetchNow(options: FetchOptions = {}): Promise<FetchResult> {
    if (this.#stopping) return Promise.resolve({ kind: 'failed', reason: 'the server is stopping' });
    return new Promise((resolve) => {
      const again = options.again === true || this.#wish?.options.again === true;
      this.#wish = { options: { again }, settle: [...(this.#wish?.settle ?? []), resolve] };
      this.#run();
    });
  }

  /** The source changed, or says so (RFC 1996 NOTIFY): fetch soon. */
  notify(): void {
    if (this.#stopping) return;
    const gapMs = this.#options.notifyGapMs ?? 1000;
    const delayMs = Math.max(0, this.#startedAtMs + gapMs - this.#clock.nowMs());
    if (this.#busy) {
      // What is notified during a transfer may not be in it: ask once more.
      this.#wish ??= { options: {}, settle: [] };
      return;
    }
    if (this.#nextAtMs === undefined || this.#nextAtMs > this.#clock.nowMs() + delayMs) this.#plan(delayMs);
  }

  /** Ends the fetch that runs and waits for it; nothing is asked any more. */
  async stop(): Promise<void> {
    this.#stopping = true;
    this.#fetching?.abort();
    this.#cancel();
    this.#unwatch();
    await this.#work;
  }

  get state(): ScheduleState {
    const { expireMs } = this.#zoneTimers ?? { expireMs: Number.POSITIVE_INFINITY };
    const heardMs = this.#confirmedAtMs;
    return {
      running: this.#busy,
      failures: this.#failures,
      lastFailure: this.#lastFailure,
      confirmedAtMs: heardMs,
      nextInMs: this.#nextAtMs === undefined ? undefined : Math.max(0, this.#nextAtMs - this.#clock.nowMs()),
      expired: heardMs !== undefined && this.#clock.wallMs() - heardMs > expireMs,
    };
  }

  #plan(delayMs: number): void {
    this.#cancel();
    this.#nextAtMs = this.#clock.nowMs() + delayMs;
    this.#cancel = this.#timers.after(delayMs, () => {
      this.#wish ??= { options: {}, settle: [] };
      this.#run();
    });
  }

  #run(): void {
    if (this.#busy) return;
    this.#busy = true;
    this.#cancel();
    this.#nextAtMs = undefined;
    this.#work = this.#runWishes();
  }

  async #runWishes(): Promise<void> {
    let delayMs = 0;
    for (let wish = this.#wish; wish; wish = this.#wish) {
      this.#wish = undefined;
      const result: FetchResult = this.#stopping
        ? { kind: 'failed', reason: 'the server is stopping' }
        : await this.#fetch(wish.options);
      delayMs = this.#delayAfter(result);
      for (const settle of wish.settle) settle(result);
      const gapMs = this.#startedAtMs + (this.#options.notifyGapMs ?? 1000) - this.#clock.nowMs();
      const next = this.#wish as Wish | undefined;
      if (next && next.settle.length === 0 && gapMs > 0) {
        // Nobody waits for it, only a notification: keep the gap.
        this.#wish = undefined;
        delayMs = Math.min(delayMs, gapMs);
        break;
      }
    }
    // In the same breath as the last look at the wishes: one that came in between would be forgotten.
    this.#busy = false;
    if (!this.#stopping) this.#plan(delayMs);
  }

  async #fetch(options: FetchOptions): Promise<FetchResult> {
    this.#startedAtMs = this.#clock.nowMs();
    const { source, onResult } = this.#options;
    const fetching = new AbortController();
    this.#fetching = fetching;
    let result: FetchResult;
    try {
      result = await source.fetch(fetching.signal, options);
      await onResult(result);
    } catch (error) {
      result = { kind: 'failed', reason: `what came could not be used: ${plainReason(error)}` };
    }
    return result;
  }

  #delayAfter(result: FetchResult): number {
    const { refreshMs, retryMs = 10_000, random } = this.#options;
    if (result.kind !== 'failed') {
      this.#failures = 0;
      this.#lastFailure = undefined;
      this.#confirmedAtMs = this.#clock.wallMs();
      this.#zoneTimers = result.provenance?.timers ?? this.#zoneTimers;
      return jittered(this.#zoneTimers?.refreshMs ?? refreshMs, JITTER, random);
    }
    this.#lastFailure = result.reason;
    const mostMs = Math.max(retryMs, this.#zoneTimers?.refreshMs ?? refreshMs);
    // RFC 1035 §3.3.13: a zone's own retry interval is a steady one.
    const zoneRetryMs = this.#zoneTimers?.retryMs;
    const pauseMs =
      zoneRetryMs === undefined
        ? backOff(this.#failures, 2 * retryMs, mostMs, random)
        : jittered(zoneRetryMs, JITTER, random);
    this.#failures++;
    return Math.max(pauseMs, result.retryAfterMs ?? 0);
  }
}
