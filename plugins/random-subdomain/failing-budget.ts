/**
 * How much work that fails the upstream is given, all zones together: what is sent to zones that are new, or that fail, and
 * every repetition.
 *
 *     charged when sent, given back when answered
 *     spent  0 ──────── ½ ──────── ¾ ──────── limit          drains at `rate` and a tenth of what is answered
 *               │           │          │
 *               │           │          └ zones known to exist
 *               │           └ new zones, for clients none of whose questions failed lately
 *               └ zones that fail, and new ones for the others; repetitions have half of that
 *
 * So the attack that fills the budget fills the part that everybody may use, and those who have nothing to do with it find
 * room above it. The limit moves with what is answered: a server that has just started asks about nothing but new zones.
 */

/** Answers a second are smoothed over so long. */
const SMOOTHED_MS = 1000;
/** Share of the upstream's answers that may fail beside the budget: what is ordinary. */
const ORDINARY_SHARE = 0.1;
/** Of what is answered in so many seconds as much may be under way in vain. */
const AHEAD_SECONDS = 1;
const MOST_AHEAD = 4096;
/** What failed although nobody expected it weighs no more than that, in limits. */
const MOST_SPENT = 1.5;

export const REPEATED_SHARE = 0.25;
export const SUSPECT_SHARE = 0.5;
export const NEW_SHARE = 0.75;
export const KNOWN_SHARE = 1;

export class FailingBudget {
  readonly #rate: number;
  readonly #least: number;
  #spent = 0;
  #answered = 0;
  #settledMs = Number.NEGATIVE_INFINITY;

  /** `rate`: queries a second; `least`: what may be under way in vain at least. */
  constructor(rate: number, least: number) {
    this.#rate = rate;
    this.#least = least;
  }

  /** May a query be sent that may be in vain? `share` of the limit is open to it. */
  may(share: number, nowMs: number): boolean {
    this.#settle(nowMs);
    return this.#spent < share * this.limit;
  }

  /** `queries` were sent that may be in vain, or were. */
  charge(queries: number): void {
    this.#spent = Math.min(MOST_SPENT * this.limit, this.#spent + queries);
  }

  /** They were not in vain. */
  giveBack(queries: number): void {
    this.#spent = Math.max(0, this.#spent - queries);
  }

  /** The upstream answered a question. */
  answered(nowMs: number): void {
    this.#settle(nowMs);
    this.#answered++;
  }

  get limit(): number {
    return this.#least + Math.min(MOST_AHEAD, (this.#answered * AHEAD_SECONDS * 1000) / SMOOTHED_MS);
  }

  /** Part of the limit that is used, for people. */
  get used(): number {
    return this.#spent / this.limit;
  }

  #settle(nowMs: number): void {
    const elapsed = nowMs - this.#settledMs;
    if (elapsed < 10) return;
    this.#settledMs = nowMs;
    if (elapsed === Number.POSITIVE_INFINITY) return;
    const perMs = (this.#rate + (ORDINARY_SHARE * this.#answered * 1000) / SMOOTHED_MS) / 1000;
    this.#spent = Math.max(0, this.#spent - elapsed * perMs);
    this.#answered *= Math.exp(-elapsed / SMOOTHED_MS);
  }
}
