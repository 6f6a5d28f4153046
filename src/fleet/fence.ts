/**
 * The fence: until when this node may inspect, as one number in shared memory that every packet thread reads beside the byte of
 * consent. Only the main thread moves it, and only after it has read and applied everything that PostgreSQL had recorded when
 * the renewal began (heartbeat.ts). It runs out by itself, whatever the main thread, PostgreSQL or the network does.
 *
 *   main thread    renew(t0 + fence) ─▶ [deadline, ms of the monotonic clock that all threads share] ◀─ isUp()   packet threads
 *
 * Eight bytes at an even place: written and read by one instruction on every machine that Node.js runs on with 64 bits.
 */

/** Nobody is inspected. What a new fence says. */
const RUN_OUT = Number.NEGATIVE_INFINITY;

export class Fence {
  /** For the threads that read it. */
  readonly memory = new SharedArrayBuffer(8);
  readonly #deadline = new Float64Array(this.memory);

  constructor() {
    this.#deadline[0] = RUN_OUT;
  }

  /** Milliseconds of Clock.nowMs; -Infinity while it is closed. */
  get untilMs(): number {
    return this.#deadline[0]!;
  }

  /** Never earlier than it was. */
  renew(untilMs: number): void {
    if (untilMs > this.untilMs) this.#deadline[0] = untilMs;
  }

  /** At once: nobody is inspected. */
  close(): void {
    this.#deadline[0] = RUN_OUT;
  }
}

export class FenceReader {
  readonly #deadline: Float64Array;
  readonly #nowMs: () => number;

  /** `nowMs`: this very moment, not that of the round. A process that was stopped between two packets must not act on a time from before. */
  constructor(memory: SharedArrayBuffer, nowMs: () => number) {
    this.#deadline = new Float64Array(memory);
    this.#nowMs = nowMs;
  }

  isUp(): boolean {
    return this.#nowMs() < this.#deadline[0]!;
  }
}
