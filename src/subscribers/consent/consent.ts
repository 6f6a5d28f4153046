/**
 * What a subscriber's consent is, from what the subscriber said and what the terms in force say.
 *
 * | subscriber said last | contract covers the purpose | otherwise |
 * |---|---|---|
 * | nothing              | `contract`   | `unknown`  |
 * | opt out, under any terms | `opted-out` | `opted-out` |
 * | opt in, under the terms in force | `individual` | `individual` |
 * | opt in, under other terms | `contract` | `unknown` |
 *
 * New terms never undo an opt-out: who has withdrawn is not asked to withdraw again (2017 direction, reference ①:
 * 随時不利益なく同意を撤回でき). An individual consent was given to a text, and ends with that text.
 */
import type { Purpose } from './purposes.ts';

/** 契約約款等による包括同意, 同意の撤回, 個別の同意, 不明 */
export type ConsentState = 'contract' | 'opted-out' | 'individual' | 'unknown';

/** The last thing that a subscriber said about a purpose; kept as one byte. */
export const SAID_NOTHING = 0;
export const SAID_OPT_OUT = 1;
export const SAID_OPT_IN = 2;
export const SAID_OPT_IN_TO_OTHER_TERMS = 3;

export interface Terms {
  /** Undefined: no terms are in force, and nobody consents to anything by contract. */
  readonly version: string | undefined;
  /** Purposes that they cover. */
  readonly covers: readonly Purpose[];
}

export function consentState(said: number, purpose: Purpose, { version, covers }: Terms): ConsentState {
  if (said === SAID_OPT_OUT) return 'opted-out';
  if (said === SAID_OPT_IN) return 'individual';
  return version !== undefined && covers.includes(purpose) ? 'contract' : 'unknown';
}

/** Only these allow inspection. */
export function allows(state: ConsentState): boolean {
  return state === 'contract' || state === 'individual';
}

export function saidByAction(action: 'opt-out' | 'opt-in', terms: string, inForce: Terms): number {
  if (action === 'opt-out') return SAID_OPT_OUT;
  return terms === inForce.version ? SAID_OPT_IN : SAID_OPT_IN_TO_OTHER_TERMS;
}
