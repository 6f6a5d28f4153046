/** Timers that a test can turn by hand, as `Clock` is for time. */
import { ManualClock } from '../../time/clock.ts';

export interface Timers {
  /** Call `run` once, after `delayMs` ≥ 0. Returns the function that takes it back. */
  after(delayMs: number, run: () => void): () => void;
}

/** setTimeout takes no more than 2^31-1 ms (24 days); longer delays are cut to that. */
const MAX_DELAY_MS = 2 ** 31 - 1;

/** They do not keep the process alive. */
export const systemTimers: Timers = {
  after(delayMs, run) {
    const timer = setTimeout(run, Math.min(MAX_DELAY_MS, delayMs)).unref();
    return () => clearTimeout(timer);
  },
};

/** Resolves after `delayMs`, or as soon as `signal` aborts. */
export function pause(timers: Timers, delayMs: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const finish = (): void => {
      cancel();
      signal.removeEventListener('abort', finish);
      resolve();
    };
    const cancel = timers.after(delayMs, finish);
    signal.addEventListener('abort', finish);
  });
}

/** Timers and clock that stand still until `advance`. */
export class ManualTimers implements Timers {
  readonly clock = new ManualClock();
  readonly #waiting = new Set<{ atMs: number; run: () => void }>();

  after(delayMs: number, run: () => void): () => void {
    const timer = { atMs: this.clock.nowMs() + delayMs, run };
    this.#waiting.add(timer);
    return () => this.#waiting.delete(timer);
  }

  /** Delays until the timers that wait, in ascending order. */
  get delaysMs(): number[] {
    return [...this.#waiting].map((timer) => timer.atMs - this.clock.nowMs()).sort((a, b) => a - b);
  }

  /** Move time on by `ms`, running in order what falls due, timers made meanwhile included. */
  advance(ms: number): void {
    const endMs = this.clock.nowMs() + ms;
    for (;;) {
      const due = [...this.#waiting].filter((timer) => timer.atMs <= endMs).sort((a, b) => a.atMs - b.atMs)[0];
      if (!due) break;
      this.#waiting.delete(due);
      this.clock.advance(Math.max(0, due.atMs - this.clock.nowMs()));
      due.run();
    }
    this.clock.advance(endMs - this.clock.nowMs());
  }
}
