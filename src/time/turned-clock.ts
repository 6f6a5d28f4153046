/**
 * A clock that a test turns, the same in every thread of a real server: it goes so many times as fast as the system's, and can be
 * put on. A program hands its memory to `main` (cli/cli.ts); no file, option or variable of the `sekisho` command leads here.
 *
 *     | which of the two settings counts | begin, system's ms · begin, own ms · speed | begin · own · speed | wall less own, ms |
 *
 * Whoever turns it writes the setting that does not count and then says that it does, so that no thread sees half of one.
 */
import { getEnvironmentData, setEnvironmentData } from 'node:worker_threads';
import { type Clock, systemClock } from './clock.ts';
import { systemTimers, type Timers } from './timers.ts';

const CELLS = 3;
const WALL = 2 * CELLS;
const BYTES = 8 * (WALL + 2);
/** Real milliseconds between two looks at what is due. */
const LOOK_MS = 5;
const NAME = 'sekisho: turned clock';

/** Memory for a clock that begins at the system's time and goes with it. */
export function turnedClockMemory(): SharedArrayBuffer {
  const memory = new SharedArrayBuffer(BYTES);
  const cells = new Float64Array(memory);
  const nowMs = systemClock.nowMs();
  cells.set([nowMs, nowMs, 1]);
  cells[WALL] = systemClock.wallMs() - nowMs;
  return memory;
}

export class TurnedClock implements Clock, Timers {
  readonly memory: SharedArrayBuffer;
  readonly #cells: Float64Array;
  readonly #which: Int32Array;

  constructor(memory: SharedArrayBuffer) {
    this.memory = memory;
    this.#cells = new Float64Array(memory);
    this.#which = new Int32Array(memory, 8 * (WALL + 1), 1);
  }

  nowMs(): number {
    const at = Atomics.load(this.#which, 0) * CELLS;
    return this.#cells[at + 1]! + (systemClock.nowMs() - this.#cells[at]!) * this.#cells[at + 2]!;
  }

  wallMs(): number {
    return Math.round(this.nowMs() + this.#cells[WALL]!);
  }

  termMs(): number {
    return this.wallMs();
  }

  /** How many times as fast as the system's it goes. */
  get speed(): number {
    return this.#cells[Atomics.load(this.#which, 0) * CELLS + 2]!;
  }

  /** Put it on by `onMs` ≥ 0, and let it go at `speed` > 0 from now on; one thread at a time. Throws RangeError. */
  turn({ onMs = 0, speed = this.speed }: { readonly onMs?: number; readonly speed?: number }): void {
    if (!(onMs >= 0) || !(speed > 0)) throw new RangeError(`a clock cannot be put on by ${onMs} ms, at speed ${speed}`);
    const next = 1 - Atomics.load(this.#which, 0);
    this.#cells.set([systemClock.nowMs(), this.nowMs() + onMs, speed], next * CELLS);
    Atomics.store(this.#which, 0, next);
  }

  /** Set the wall clock alone, on or back, as a person or NTP does. */
  stepWall(ms: number): void {
    this.#cells[WALL]! += ms;
  }

  /** By this clock: what fell due several times between two looks runs once. */
  every(ms: number, work: () => void): () => void {
    if (!(ms > 0)) throw new RangeError(`work cannot come back every ${ms} ms`);
    let dueMs = this.nowMs() + ms;
    const timer = setInterval(() => {
      const nowMs = this.nowMs();
      if (nowMs < dueMs) return;
      dueMs += ms * Math.ceil((nowMs - dueMs + 1) / ms);
      work();
    }, LOOK_MS).unref();
    return () => clearInterval(timer);
  }
}

/** From here on the clock of this thread, and of every thread that it starts, is this one. */
export function goByTurnedClock(memory: SharedArrayBuffer): void {
  setEnvironmentData(NAME, memory);
}

/** The clock of this thread: the system's, unless the program brought one to be turned. */
export function threadClock(): Clock {
  const memory = getEnvironmentData(NAME);
  return memory instanceof SharedArrayBuffer ? new TurnedClock(memory) : systemClock;
}

/** Timers that go by the clock of this thread. */
export function threadTimers(): Timers {
  const clock = threadClock();
  return clock instanceof TurnedClock ? clock : systemTimers;
}
