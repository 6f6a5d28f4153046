/**
 * Counters of the rules, in memory that all threads share: workers add, the desk reads. Rules come and go while packets
 * flow, so that they cannot be metrics, which are declared once.
 */

/** Queries that a rule matched; and of these those over its limit (of a dry run, those that would have been). */
export const MATCHED = 0;
export const LIMITED = 1;

export class Slots {
  /** Two 32-bit counters a slot, for `Atomics`; they wrap. Handed to every worker. */
  readonly buffer: SharedArrayBuffer;
  readonly #counters: Int32Array;
  /** Slots to be taken next; the last one first. */
  readonly #free: number[];

  constructor(count: number) {
    this.buffer = new SharedArrayBuffer(count * 8);
    this.#counters = new Int32Array(this.buffer);
    this.#free = Array.from({ length: count }, (_, i) => count - 1 - i);
  }

  /** A slot that nobody counts in. Its numbers go on from where the one before left them: remember where that was. */
  take(): number {
    const slot = this.#free.pop();
    if (slot === undefined) throw new RangeError('there are no more slots for rules');
    return slot;
  }

  /** Only when no worker holds a rule with this slot any more. */
  release(slot: number): void {
    this.#free.push(slot);
  }

  read(slot: number): { readonly matched: number; readonly limited: number } {
    return {
      matched: Atomics.load(this.#counters, 2 * slot + MATCHED),
      limited: Atomics.load(this.#counters, 2 * slot + LIMITED),
    };
  }
}
