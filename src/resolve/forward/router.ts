/**
 * The source that sends every question its own way: one forwarding source for each group of servers (zones/ways.ts). The
 * chain sees one source; waiters and tokens are the chain's, so nobody here keeps anything.
 */

import type { Source, SourceBudget } from '../../chain/source.ts';
import type { Question } from '../../wire/question.ts';

/** Says which group of servers a question is for. */
export interface Groups {
  groupOf(question: Question): number;
}

export class SourceRouter implements Source {
  readonly #groups: Groups;
  /** By the number of their group. */
  readonly #sources: readonly Source[];

  constructor(groups: Groups, sources: readonly Source[]) {
    this.#groups = groups;
    this.#sources = sources;
  }

  get outstanding(): number {
    let sum = 0;
    for (let i = 0; i < this.#sources.length; i++) sum += this.#sources[i]!.outstanding;
    return sum;
  }

  has(question: Question): boolean {
    return this.#sourceOf(question).has(question);
  }

  resolve(question: Question, token: number, nowMs: number, spending?: SourceBudget): number {
    return this.#sourceOf(question).resolve(question, token, nowMs, spending);
  }

  openBudget(question: Question, nowMs: number): SourceBudget | undefined {
    return this.#sourceOf(question).openBudget?.(question, nowMs);
  }

  refresh(question: Question, nowMs: number): void {
    this.#sourceOf(question).refresh(question, nowMs);
  }

  tick(nowMs: number): void {
    for (let i = 0; i < this.#sources.length; i++) this.#sources[i]!.tick(nowMs);
  }

  close(): void {
    for (const source of this.#sources) source.close();
  }

  #sourceOf(question: Question): Source {
    return this.#sources[this.#groups.groupOf(question)]!;
  }
}
