/**
 * Tells a worker that hangs from one that gets no processor. By the clock both look the same: no heartbeat. But what hangs
 * either burns processor time of its own without ever coming round, or sleeps on something that does not come; what is starved
 * has work, and waits for a processor. Ending it would help nobody: its replacement begins cold, needs far more, and gets no more.
 *
 *     no heartbeat ─┬─ ran for `hangTimeoutMs` since the last one ─────────────────▶ it spins: end it
 *                   ├─ asleep at so many looks that they make `hangTimeoutMs` ─────▶ it is stuck: end it
 *                   └─ neither ────────────────────────────────────────────────────▶ starved: say so once, and wait
 *
 * Looks are counted, not time: where the whole machine stood still, nobody is to blame.
 */
import type { ThreadTime } from '../system/thread-time.ts';

export interface WatchedThread {
  /** Undefined where the system does not tell. */
  time(): ThreadTime | undefined;
  /** Run delay of the whole process, in milliseconds. */
  processDelayedMs(): number;
}

export interface WatchOptions {
  /** Between two looks. */
  readonly lookMs: number;
  readonly hangTimeoutMs: number;
  /** How many times the usual is allowed before it has come round often. */
  readonly coldAllowance: number;
}

export type Finding =
  | { readonly kind: 'alive' | 'late' | 'starved' }
  | { readonly kind: 'hung'; readonly why: string; readonly ranMs?: number; readonly asleepMs?: number };

const ALIVE: Finding = { kind: 'alive' };
const LATE: Finding = { kind: 'late' };
const STARVED: Finding = { kind: 'starved' };

/** A worker that has given so few signs of life runs code that nothing has made fast yet. */
const COLD_BEATS = 10;
/**
 * Threads of the runtime that collect garbage and compile are waited for asleep. Where the process waits for processors for more
 * than this share of the time, they are what is starved, and so many times the usual is allowed.
 */
const STARVED_SHARE = 0.1;
const STARVED_ALLOWANCE = 20;
/** A look without a heartbeat in between is nothing yet: an idle worker gives one in 50 ms. */
const FIRST_MISSED = 2;

export class WorkerWatch {
  readonly #options: WatchOptions;
  readonly #thread: WatchedThread;
  #beat = 0;
  #beats = 0;
  /** Looks in a row without a heartbeat. */
  #missed = 0;
  #asleepLooks = 0;
  #since: ThreadTime | undefined;
  #last: ThreadTime | undefined;
  #processDelayedMs = 0;
  #said = false;

  constructor(options: WatchOptions, thread: WatchedThread) {
    this.#options = options;
    this.#thread = thread;
  }

  /** Milliseconds without a heartbeat, as the looks go. */
  get silentMs(): number {
    return this.#missed * this.#options.lookMs;
  }

  /** Processor time in milliseconds that the thread had since its last heartbeat. */
  get ranMs(): number {
    return (this.#last?.ranMs ?? 0) - (this.#since?.ranMs ?? 0);
  }

  /**
   * `beat`: the worker's counter, which changes while it lives. `patience`: how many times the usual is allowed. Starved is said
   * once for each time.
   */
  look(beat: number, patience: number): Finding {
    if (beat !== this.#beat) {
      this.#beat = beat;
      this.#beats++;
      this.#missed = 0;
      this.#asleepLooks = 0;
      this.#said = false;
      this.#since = undefined;
      this.#last = undefined;
      return ALIVE;
    }
    this.#missed++;
    if (this.#missed < FIRST_MISSED) return LATE;
    const { hangTimeoutMs, lookMs, coldAllowance } = this.#options;
    const cold = this.#beats < COLD_BEATS ? coldAllowance : 1;
    const allowedMs = hangTimeoutMs * patience * cold;
    const now = this.#thread.time();
    if (now === undefined)
      return this.silentMs < allowedMs ? LATE : { kind: 'hung', why: 'no sign of life, and the system tells no more' };
    if (this.#since === undefined) {
      this.#since = now;
      this.#last = now;
      this.#processDelayedMs = this.#thread.processDelayedMs();
      return LATE;
    }
    const moved = now.ranMs > this.#last!.ranMs || now.delayedMs > this.#last!.delayedMs;
    if (now.asleep && !moved) this.#asleepLooks++;
    this.#last = now;
    if (this.ranMs >= allowedMs)
      return { kind: 'hung', why: 'it runs and does not come round', ranMs: Math.round(this.ranMs) };
    const asleepMs = this.#asleepLooks * lookMs;
    const crowded = asleepMs >= allowedMs && this.#crowded;
    if (asleepMs >= allowedMs && (!crowded || asleepMs >= hangTimeoutMs * patience * STARVED_ALLOWANCE))
      return { kind: 'hung', why: 'it waits for something that does not come', asleepMs };
    const starvedMs = this.silentMs - this.ranMs - asleepMs;
    if (this.#said || (starvedMs < hangTimeoutMs && !crowded)) return LATE;
    this.#said = true;
    return STARVED;
  }

  /** The process's threads wait for processors so much that a sleeping one may wait for a starved one. */
  get #crowded(): boolean {
    const delayed = this.#thread.processDelayedMs() - this.#processDelayedMs;
    return delayed > this.silentMs * STARVED_SHARE;
  }
}
