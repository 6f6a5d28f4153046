/**
 * How often questions may be sent again: as many times as half of what is answered, and a few besides. Upstream servers that
 * lose a packet now and then are asked again at once; where most of what is asked stays without an answer, sending it four
 * times would only make four times the load of it (Google SRE book, ch. 21, "retry budgets").
 */

/** What an answer adds. */
const PER_ANSWER = 0.5;
/** What a second adds, so that the first questions after silence are asked again. */
const PER_SECOND = 20;
const MOST = 200;

export class RetryBudget {
  // A fraction, so that the field holds a double from the start.
  #left = MOST - 0.5;
  #settledMs = Number.NEGATIVE_INFINITY;

  /** An upstream server answered a question. */
  answered(): void {
    this.#left = Math.min(MOST, this.#left + PER_ANSWER);
  }

  /** Take one, where there is one. */
  take(nowMs: number): boolean {
    const elapsedMs = nowMs - this.#settledMs;
    this.#settledMs = nowMs;
    if (elapsedMs > 0 && elapsedMs < Number.POSITIVE_INFINITY)
      this.#left = Math.min(MOST, this.#left + (elapsedMs * PER_SECOND) / 1000);
    if (this.#left < 1) return false;
    this.#left -= 1;
    return true;
  }
}
