/**
 * One flush for all who wait for it. Whoever asks while one is under way needs the next one, since what they wrote may have come
 * too late for this one; and all of those share it.
 *
 *   asked   a ──┐   b ┐ c ┐ d ┐
 *   flush       [── 1 ──][── 2 ──]          a resolves after 1; b, c and d after 2
 */
export class JoinedFlush {
  readonly #flush: () => Promise<void>;
  #now: Promise<void> | undefined;
  #next: Promise<void> | undefined;

  constructor(flush: () => Promise<void>) {
    this.#flush = flush;
  }

  get isUnderWay(): boolean {
    return this.#now !== undefined;
  }

  /** Resolves when a flush that began after this call has ended well; rejects where that one failed. */
  flush(): Promise<void> {
    if (!this.#now) return this.#begin();
    this.#next ??= this.#now.then(
      () => this.#begin(),
      () => this.#begin(),
    );
    return this.#next;
  }

  #begin(): Promise<void> {
    this.#next = undefined;
    const ended = () => {
      this.#now = undefined;
    };
    this.#now = this.#flush();
    // Before whoever waits hears of it: what they begin then is not under way with this one.
    this.#now.then(ended, ended);
    return this.#now;
  }
}
