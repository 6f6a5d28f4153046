/** Time that passes only from one event to the next, and promises that are settled by it: a run is the same whenever it is run. */

interface Event {
  readonly atMs: number;
  readonly order: number;
  readonly run: () => void;
}

export class VirtualTime {
  nowMs = 1_000_000;
  #events: Event[] = [];
  #order = 0;

  at(inMs: number, run: () => void): void {
    const event = { atMs: this.nowMs + Math.max(0, inMs), order: this.#order++, run };
    // The latest last: insertion by halves.
    let [low, high] = [0, this.#events.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      const other = this.#events[middle]!;
      if (other.atMs > event.atMs || (other.atMs === event.atMs && other.order > event.order)) low = middle + 1;
      else high = middle;
    }
    this.#events.splice(low, 0, event);
  }

  /** Run all that falls due until `endMs`; `after` each event, when the promises that hang on it are settled. */
  async runUntil(endMs: number, after: () => void): Promise<void> {
    for (let next = this.#events.at(-1); next !== undefined && next.atMs <= endMs; next = this.#events.at(-1)) {
      this.#events.pop();
      this.nowMs = next.atMs;
      after();
      next.run();
      await new Promise((resolve) => setImmediate(resolve));
      after();
    }
    this.nowMs = endMs;
    after();
  }
}

/** Numbers 0 ≤ r < 1 from a seed (mulberry32). */
export function randomFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
