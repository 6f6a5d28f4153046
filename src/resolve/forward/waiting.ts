/**
 * Those who wait for a task: tokens of suspended queries, chained through `SuspendedQueries.next`, so that a task can have
 * many or none without memory of its own.
 *
 * Every call of a waiter may come back into `resolve`, and the token's place in the chain is used again then: what follows
 * a token is read before it is called, and the chain is off its task while it is walked.
 */

import type { Waiters } from '../../chain/source.ts';
import type { Answer } from '../../wire/answer.ts';

/** A question that is waited for: its tokens, chained. */
export interface Waited {
  firstWaiter: number;
  lastWaiter: number;
  waiters: number;
  /** The client response timer ran out (RFC 8767 §5) and those who waited were told. */
  slowTold: boolean;
}

export class WaitingList {
  readonly #waiters: Waiters;
  readonly #next: Int32Array;

  constructor(waiters: Waiters, next: Int32Array) {
    this.#waiters = waiters;
    this.#next = next;
  }

  append(task: Waited, token: number): void {
    this.#next[token] = -1;
    if (task.lastWaiter < 0) task.firstWaiter = token;
    else this.#next[task.lastWaiter] = token;
    task.lastWaiter = token;
    task.waiters++;
  }

  /** Take all who wait off the task. Returns the first one's token, or -1. */
  detach(task: Waited): number {
    const first = task.firstWaiter;
    task.firstWaiter = -1;
    task.lastWaiter = -1;
    task.waiters = 0;
    return first;
  }

  answered(first: number, answer: Answer): void {
    for (let token = first; token >= 0; ) {
      const next = this.#next[token]!;
      this.#waiters.answered(token, answer);
      token = next;
    }
  }

  failed(first: number, ede: number): void {
    for (let token = first; token >= 0; ) {
      const next = this.#next[token]!;
      this.#waiters.failed(token, ede);
      token = next;
    }
  }

  /** RFC 8767 §5: the client response timer ran out. Who is served something stale leaves, the others go on waiting. */
  tellSlow(task: Waited): void {
    task.slowTold = true;
    for (let token = this.detach(task); token >= 0; ) {
      const next = this.#next[token]!;
      if (!this.#waiters.slow(token)) this.append(task, token);
      token = next;
    }
  }

  /** The same for one who joins later. Returns true when the token was given back. */
  slow(token: number): boolean {
    return this.#waiters.slow(token);
  }
}
