/**
 * Counters of the rules, in memory that all threads share: workers add, the desk reads. Rules come and go while packets
 * flow, so that they cannot be metrics, which are declared once.
 */
export class Slots {
  /** One 32-bit counter a slot, for `Atomics`; it wraps. Handed to every worker. */
  readonly buffer: SharedArrayBuffer;
  readonly #counters: Int32Array;
  /** Slots to be taken next; the last one first. */
  readonly #free: number[];

  constructor(count: number) {
    this.buffer = new SharedArrayBuffer(count * 4);
    this.#counters = new Int32Array(this.buffer);
    this.#free = Array.from({ length: count }, (_, i) => count - 1 - i);
  }

  /** A slot that nobody counts in. Its number goes on from where the one before left it: remember where that was. */
  take(): number {
    const slot = this.#free.pop();
    if (slot === undefined) throw new RangeError('there are no more slots for rules');
    return slot;
  }

  /** Only when no worker holds a rule with this slot any more. */
  release(slot: number): void {
    this.#free.push(slot);
  }

  read(slot: number): number {
    return Atomics.load(this.#counters, slot);
  }
}
