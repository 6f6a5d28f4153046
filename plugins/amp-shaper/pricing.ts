/**
 * What an answer costs its network: the bytes by which it amplifies. An answer of up to `freeRatio` times its query is
 * free, which is what ordinary names get; the rest is charged, some types more dearly than others, and some outcomes at
 * a least price, because a flood of small answers reflects too.
 */
import { type Query, RCODE, replyRoom } from '../../src/contract/plugin.ts';

export const OUTCOMES = ['answer', 'nodata', 'nxdomain', 'error'] as const;
export type Outcome = (typeof OUTCOMES)[number];

export interface PriceRule {
  /** Types of the question that it is about; all where left out. */
  readonly types?: readonly number[] | undefined;
  readonly outcomes?: readonly Outcome[] | undefined;
  /** Factor of the bytes charged, 0 = free. */
  readonly weight: number;
  /** Least bytes charged for an answer. */
  readonly least: number;
  /** Instead of the ratio for all. */
  readonly freeRatio?: number | undefined;
}

/** More than any answer over UDP can cost. */
const MAX_PRICE = 1 << 20;
/** An OPT record without options: every answer to a client with EDNS has at least that. */
const OPT_BYTES = 11;

export class Pricing {
  /** By outcome and type: the rule's number + 1, 0 = none. */
  readonly #ruleOf = new Uint8Array(OUTCOMES.length << 16);
  readonly #weight: Float64Array;
  readonly #least: Float64Array;
  readonly #freeRatio: Float64Array;

  /** The first rule that fits counts; where none does the weight is 1 and nothing is the least. */
  constructor(freeRatio: number, rules: readonly PriceRule[]) {
    this.#freeRatio = Float64Array.from([freeRatio, ...rules.map((rule) => rule.freeRatio ?? freeRatio)]);
    this.#weight = Float64Array.from([1, ...rules.map(({ weight }) => weight)]);
    this.#least = Float64Array.from([0, ...rules.map(({ least }) => least)]);
    for (let i = rules.length - 1; i >= 0; i--) {
      const { types, outcomes = OUTCOMES } = rules[i]!;
      for (const outcome of outcomes) {
        const from = OUTCOMES.indexOf(outcome) << 16;
        if (types === undefined) this.#ruleOf.fill(i + 1, from, from + 0x10000);
        else for (const type of types) this.#ruleOf[from + type] = i + 1;
      }
    }
  }

  /** Whole bytes to charge for the reply in `query`, 0 for most. */
  priceOf(query: Query): number {
    const rule = this.#ruleOf[(outcomeOf(query) << 16) | query.question.type]!;
    const bytes = query.replyLength + (query.edns ? OPT_BYTES : 0);
    const excess = bytes - this.#freeRatio[rule]! * query.length;
    // What does not fit leaves as an empty answer with TC.
    const amplified = excess > 0 && query.replyLength <= replyRoom(query) ? excess * this.#weight[rule]! : 0;
    const least = this.#least[rule]!;
    return Math.min(MAX_PRICE, Math.ceil(amplified > least ? amplified : least));
  }
}

/** Index of OUTCOMES. */
function outcomeOf(query: Query): number {
  if (query.rcode === RCODE.NXDOMAIN) return 2;
  if (query.rcode !== RCODE.NOERROR) return 3;
  const { reply, replyStart } = query;
  return (reply[replyStart + 6]! | reply[replyStart + 7]!) === 0 ? 1 : 0;
}
