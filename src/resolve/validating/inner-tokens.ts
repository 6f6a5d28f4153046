/**
 * Tokens by which a validating source waits at the source that it wraps, as suspended queries wait at a source: a fixed
 * pool, chained through `next` by whoever they wait at.
 */

/** Who waits behind a token. */
export interface Expecting<Job> {
  job: Job | undefined;
  /** Changes when the job it was for ended: what comes then is for nobody. */
  generation: number;
}

export class InnerTokens<Job extends { generation: number }> {
  /** For the wrapped source: which token waits behind this one. */
  readonly next: Int32Array;
  readonly #expecting: readonly Expecting<Job>[];
  readonly #free: Int32Array;
  #freeCount: number;

  constructor(capacity: number) {
    this.next = new Int32Array(capacity).fill(-1);
    this.#expecting = Array.from({ length: capacity }, () => ({ job: undefined, generation: 0 }));
    this.#free = Int32Array.from({ length: capacity }, (_, i) => capacity - 1 - i);
    this.#freeCount = capacity;
  }

  /** A token for `job`; -1 where all are in use. */
  take(job: Job): number {
    if (this.#freeCount === 0) return -1;
    const token = this.#free[--this.#freeCount]!;
    const expecting = this.#expecting[token]!;
    expecting.job = job;
    expecting.generation = job.generation;
    return token;
  }

  /** The token is given back. Returns the job that still waits for it. */
  give(token: number): Job | undefined {
    const expecting = this.#expecting[token]!;
    const { job, generation } = expecting;
    expecting.job = undefined;
    this.#free[this.#freeCount++] = token;
    return job?.generation === generation ? job : undefined;
  }
}
