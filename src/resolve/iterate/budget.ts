/**
 * One budget for a client's query, on which everything draws that the query causes: queries to authorities, time, questions on
 * the way (addresses of name servers, DS, DNSKEY), referrals, bytes received. Whoever joins a question that is
 * being asked already rides on its budget.
 *
 * The caps come from what the wild needs at the worst (a cold start, a chain of aliases over strangers' zones) and from what
 * attacks need at the least; docs/resolve.md says which attack each one bounds.
 */
import {
  BUDGET_BYTES,
  BUDGET_FAILED_LOOKUPS,
  BUDGET_LOOKUPS,
  BUDGET_QUERIES,
  BUDGET_REFERRALS,
  BUDGET_TIME,
} from '../../chain/failure-reasons.ts';
import type { SourceBudget } from '../../chain/source.ts';

export interface BudgetLimits {
  /** Queries sent, over UDP and TCP. */
  readonly queries: number;
  /** Milliseconds. */
  readonly timeMs: number;
  /** Questions on the way: addresses of name servers. */
  readonly questions: number;
  /** Questions on the way that found no address: a referral to names that do not exist (NXNS) ends here. */
  readonly failedQuestions: number;
  /** Referrals followed, all names together. */
  readonly referrals: number;
  /** Bytes of answers. */
  readonly bytes: number;
  /** Microseconds of cryptography; the validator keeps this account (validate/budget.ts). */
  readonly cryptoMicroseconds: number;
}

export const BUDGET_LIMITS: BudgetLimits = {
  queries: 60,
  timeMs: 5000,
  questions: 12,
  failedQuestions: 4,
  referrals: 40,
  bytes: 256 * 1024,
  cryptoMicroseconds: 100_000,
};

/** What ran out first, as in metrics. */
export const BUDGET_PARTS = ['queries', 'time', 'questions', 'failed-questions', 'referrals', 'bytes'] as const;
export type BudgetPart = (typeof BUDGET_PARTS)[number];

export class Budget implements SourceBudget {
  queries: number;
  questions: number;
  failedQuestions: number;
  referrals: number;
  bytes: number;
  readonly startedMs: number;
  readonly endsMs: number;
  /** The first thing that ran out. */
  exhausted: BudgetPart | undefined = undefined;

  constructor(limits: BudgetLimits, nowMs: number) {
    this.queries = limits.queries;
    this.questions = limits.questions;
    this.failedQuestions = limits.failedQuestions;
    this.referrals = limits.referrals;
    this.bytes = limits.bytes;
    this.startedMs = nowMs;
    this.endsMs = nowMs + limits.timeMs;
  }

  /** One query more to an authority. False where there is none left. */
  takeQuery(nowMs: number): boolean {
    if (nowMs >= this.endsMs) return this.#spent('time');
    return this.queries-- > 0 || this.#spent('queries');
  }

  takeQuestion(): boolean {
    if (this.failedQuestions <= 0) return this.#spent('failed-questions');
    return this.questions-- > 0 || this.#spent('questions');
  }

  questionFailed(): void {
    this.failedQuestions--;
  }

  takeReferral(): boolean {
    return this.referrals-- > 0 || this.#spent('referrals');
  }

  takeBytes(bytes: number): boolean {
    this.bytes -= bytes;
    return this.bytes >= 0 || this.#spent('bytes');
  }

  /** The extended error that says what ran out; undefined while nothing has. */
  get ede(): number | undefined {
    return this.exhausted === undefined ? undefined : REASONS[this.exhausted];
  }

  #spent(part: BudgetPart): false {
    this.exhausted ??= part;
    return false;
  }
}

const REASONS: Readonly<Record<BudgetPart, number>> = {
  queries: BUDGET_QUERIES,
  time: BUDGET_TIME,
  questions: BUDGET_LOOKUPS,
  'failed-questions': BUDGET_FAILED_LOOKUPS,
  referrals: BUDGET_REFERRALS,
  bytes: BUDGET_BYTES,
};
