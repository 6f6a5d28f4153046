/**
 * A *source* finds the answer to a question that the cache does not hold. Today there is one, which forwards
 * (upstream/forward.ts); an iterative, validating one would stand beside it, behind this same interface.
 */

import type { Answer } from '../wire/answer.ts';
import type { Question } from '../wire/question.ts';

/** Who waits: tokens are those of suspended.ts. */
export interface Waiters {
  /** The answer has come. Called once per token; the token is given back. `answer` is borrowed. */
  answered(token: number, answer: Answer): void;
  /** No answer is available; `ede` says why (RFC 8914). Called once per token; the token is given back. */
  failed(token: number, ede: number): void;
  /**
   * It is taking longer than a client should wait (RFC 8767 §5, client response timer). Returns true when the waiter was
   * served something stale and its token given back; false when it goes on waiting.
   */
  slow(token: number): boolean;
}

/** What `Source.resolve` said. */
export const RESOLVING = 0;
/** No room: too many questions outstanding, or too many waiters for this one. The token stays the caller's. */
export const NO_ROOM = 1;

/** What finding an answer took. */
export interface Effort {
  /** When the question was first sent. */
  readonly startedMs: number;
  /** How often it was sent over UDP, all servers together; 0 = never. */
  readonly tryCount: number;
  /** Nobody waited for it: a popular name was fetched again (`Source.refresh`). */
  readonly background: boolean;
}

/** What one query of a client may still cause; only the source that made it looks inside. */
export interface SourceBudget {
  readonly exhausted: string | undefined;
}

export interface Source {
  /** True while this very question is being asked: `resolve` would join it and send nothing. */
  has(question: Question): boolean;
  /**
   * Find the answer to `question` for the waiter `token`. Identical questions are joined. May call the waiter back
   * before it returns. Question is borrowed.
   */
  resolve(question: Question, token: number, nowMs: number, spending?: SourceBudget): number;
  /**
   * A budget for several questions that one query of a client makes necessary (an answer, and the DS and DNSKEY that it is
   * validated with), to be given to `resolve` with each. Undefined where the source has no use for one.
   */
  openBudget?(question: Question, nowMs: number): SourceBudget | undefined;
  /** Find the answer again although nobody waits, because it is popular and about to expire. */
  refresh(question: Question, nowMs: number): void;
  /** Called about every 10 ms: timeouts, retries, probes. */
  tick(nowMs: number): void;
  /** Questions outstanding. */
  readonly outstanding: number;
  close(): void;
}
