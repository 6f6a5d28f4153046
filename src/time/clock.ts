import type { Timers } from './timers.ts';

/**
 * Time always comes from a clock that a test can turn.
 *
 * `nowMs` is monotonic and has the same origin in every thread of the process, so an instant written to shared memory
 * by one worker means the same to another. Wall time is for people and for files only.
 */
export interface Clock {
  /** Monotonic milliseconds since an arbitrary origin common to all threads; fractions are meaningful. */
  nowMs(): number;
  /** Wall-clock milliseconds since 1970; may step. The server's own never runs behind what its data folder has seen (time/). */
  wallMs(): number;
  /** The wall-clock time by which terms are judged; infinite while nobody knows how late it is, so that nothing with a term acts. */
  termMs(): number;
}

/** Close enough for the order of events in two threads that a packet lies between. */
const CLOSE_MS = 0.01;
const ATTEMPTS = 100;

/**
 * Milliseconds to add to `own` to get `common`. A thread that loses its processor between the two readings would be wrong by
 * that time for its whole life, and events of two threads in the wrong order: the readings that lie closest together count.
 */
export function originOf(own: () => number, common: () => number): number {
  let closestMs = Number.POSITIVE_INFINITY;
  let originMs = 0;
  for (let attempt = 0; attempt < ATTEMPTS && closestMs > CLOSE_MS; attempt++) {
    const beforeMs = own();
    const commonMs = common();
    const apartMs = own() - beforeMs;
    if (apartMs >= closestMs) continue;
    closestMs = apartMs;
    originMs = commonMs - beforeMs - apartMs / 2;
  }
  return originMs;
}

// performance.now() counts from the start of its own thread; hrtime does not. The difference is fixed for the thread's life.
const originMs = originOf(
  () => performance.now(),
  () => Number(process.hrtime.bigint() / 1000n) / 1000,
);

export const systemClock: Clock = {
  nowMs: () => originMs + performance.now(),
  wallMs: () => Date.now(),
  termMs: () => Date.now(),
};

/**
 * The time of a worker's current round: read once when packets have come, and the same for all of them. Reading the
 * system's clock costs as much as a table look-up, and a round lasts a fraction of a millisecond.
 */
export class RoundClock implements Clock {
  readonly #clock: Clock;
  #nowMs: number;
  constructor(clock: Clock) {
    this.#clock = clock;
    this.#nowMs = clock.nowMs();
  }
  nowMs(): number {
    return this.#nowMs;
  }
  wallMs(): number {
    return this.#clock.wallMs();
  }
  termMs(): number {
    return this.#clock.termMs();
  }
  /** A new round begins. Returns its time. */
  refresh(): number {
    this.#nowMs = this.#clock.nowMs();
    return this.#nowMs;
  }
}

/** A clock that stands still until it is told; work that comes back runs as it moves on. */
export class ManualClock implements Clock, Timers {
  #nowMs: number;
  readonly #work = new Set<{ dueMs: number; readonly everyMs: number; readonly run: () => void }>();
  constructor(startMs = 1_000_000) {
    this.#nowMs = startMs;
  }
  nowMs(): number {
    return this.#nowMs;
  }
  wallMs(): number {
    return 1_760_000_000_000 + this.#nowMs;
  }
  termMs(): number {
    return this.wallMs();
  }
  every(ms: number, work: () => void): () => void {
    if (!(ms > 0)) throw new RangeError(`work cannot come back every ${ms} ms`);
    const entry = { dueMs: this.#nowMs + ms, everyMs: ms, run: work };
    this.#work.add(entry);
    return () => this.#work.delete(entry);
  }
  /** Move time on by `ms` ≥ 0. What falls due meanwhile runs at its own time, in order. */
  advance(ms: number): void {
    const endMs = this.#nowMs + ms;
    for (;;) {
      const next = [...this.#work].sort((one, other) => one.dueMs - other.dueMs)[0];
      if (next === undefined || next.dueMs > endMs) break;
      this.#nowMs = Math.max(this.#nowMs, next.dueMs);
      next.dueMs += next.everyMs;
      next.run();
    }
    this.#nowMs = endMs;
  }
}
