/**
 * The server's time in shared memory, so that the packet threads judge terms by the same time as the main thread, which alone
 * moves it (latest-time.ts).
 *
 *     | offset: wall clock less monotonic clock, ms | 1 while the time is in doubt |
 */
import type { Clock } from './clock.ts';

const OFFSET = 0;
const DOUBT = 1;

export class SharedTime implements Clock {
  readonly memory: SharedArrayBuffer;
  readonly #cells: Float64Array;
  readonly #monotonic: Clock;

  constructor(monotonic: Clock, memory = new SharedArrayBuffer(16)) {
    this.memory = memory;
    this.#cells = new Float64Array(memory);
    this.#monotonic = monotonic;
  }

  nowMs(): number {
    return this.#monotonic.nowMs();
  }

  wallMs(): number {
    return Math.round(this.nowMs() + this.#cells[OFFSET]!);
  }

  termMs(): number {
    return this.#cells[DOUBT] === 0 ? this.wallMs() : Number.POSITIVE_INFINITY;
  }

  /** The main thread alone. */
  set(offsetMs: number, inDoubt: boolean): void {
    this.#cells[OFFSET] = offsetMs;
    this.#cells[DOUBT] = inDoubt ? 1 : 0;
  }
}
