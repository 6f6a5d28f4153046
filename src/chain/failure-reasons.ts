/**
 * Why there is no answer, where RFC 8914's info codes say too little: an info code, and above its 16 bits the number of a text
 * for the client. Whoever keeps the info code alone (the table of failures) loses the text and nothing else.
 */
import { EDE } from '../wire/constants.ts';
import type { Query } from '../wire/query.ts';

const NONE = new Uint8Array(0);
const texts: Uint8Array[] = [NONE];

/** RFC 8914 §4.23: servers of a stub zone that are no authority for it, refuse, or have no answer of their own. */
export const STUB_LAME = reason(EDE.NO_REACHABLE_AUTHORITY, 'stub zone: its servers do not answer with authority');
/** A delegation below a stub zone: without recursion nobody follows it. */
export const STUB_REFERRAL = reason(EDE.OTHER, 'stub zone: delegated to servers that are not configured for it');
/** The budget of one question is used up (resolve/iterate/budget.ts), by what of it. RFC 8914 has no code of its own for that. */
export const BUDGET_QUERIES = overBudget('queries to authorities');
export const BUDGET_TIME = overBudget('time');
export const BUDGET_LOOKUPS = overBudget('addresses of name servers looked for');
export const BUDGET_FAILED_LOOKUPS = overBudget('name servers without an address');
export const BUDGET_REFERRALS = overBudget('referrals');
export const BUDGET_BYTES = overBudget('bytes received');

/** Give `query` the extended error of a failure: an info code, EDE.NONE or one of the above. */
export function setFailure(query: Query, ede: number): void {
  query.ede = ede < 0 ? ede : ede & 0xffff;
  query.edeText = texts[ede >> 16] ?? NONE;
}

function overBudget(what: string): number {
  return reason(EDE.NO_REACHABLE_AUTHORITY, `the budget of one question is used up: ${what}`);
}

function reason(code: number, text: string): number {
  return code | ((texts.push(new TextEncoder().encode(text)) - 1) << 16);
}
