/** What this plugin would do with a query, in words: who the client is, what was consented to, and why nothing is looked up. */

import {
  ACTION_PASSTHRU,
  CONSENT_PURPOSES,
  CONTINUE,
  type DataContext,
  type Explanation,
  type ListsInForce,
  nameToText,
  type Query,
  type RuleMatch,
  type SubscribersInForce,
  type Verdict,
} from '../../src/contract/plugin.ts';
import type { Responder } from './respond.ts';

/** 契約約款等による包括同意, 個別の同意, 同意の撤回 */
const STATES = {
  contract: 'covered by the contract terms (契約約款等による包括同意)',
  individual: 'consented individually (個別の同意)',
  'opted-out': 'opted out (同意の撤回)',
  unknown: 'no consent is known',
} as const;

export interface DescribeParts {
  readonly lists: ListsInForce;
  readonly subscribers: SubscribersInForce;
  readonly listsFor: Int32Array;
  readonly confirmed: number;
  readonly dryRun: number;
  readonly responder: Responder;
  readonly describeSubscriber: DataContext<unknown>['describeSubscriber'];
}

export function describe(query: Query, parts: DescribeParts): Explanation {
  const { lists, subscribers, listsFor, confirmed, dryRun, responder, describeSubscriber } = parts;
  const client = describeSubscriber?.(query);
  const nobody = (why: string): Explanation => ({ reason: `not inspected: ${why}` });
  if (!client?.consents) return nobody(client?.who ?? 'nobody is known here');
  const terms = client.terms === undefined ? 'no terms in force' : `terms ${client.terms}`;
  const said = Object.entries(client.consents).map(([purpose, state]) => `${purpose}: ${STATES[state]}`);
  const who = `${client.who}, ${terms}; ${said.join('; ')}`;
  const wanted = listsFor[subscribers.purposesOf(subscribers.holderOf(query))]! & query.lists;
  // Neither does an explanation look where there is no consent.
  if (wanted === 0) return nobody(`${who}; no list acts on what was consented to`);
  const current = lists.current;
  if (!current) return { reason: `${who}; no list is in force` };
  const found = current.names.lookup(query.question, wanted);
  const matches: RuleMatch[] = [];
  const follows: string[] = [];
  const { excepted } = current.names;
  lists.facts.forEach(({ name, category, tier }, list) => {
    if ((excepted & (1 << list)) !== 0) follows.push(`${name} excepts the name`);
    if ((found & (1 << list)) === 0 || !current.names.matchOf(list)) return;
    const { question } = query;
    const rule = nameToText(question.name, question.labelStarts[question.labelCount - current.names.labels]);
    matches.push({ list, trigger: 'qname', rule: current.names.wildcard ? `*.${rule}` : rule });
    const purpose = CONSENT_PURPOSES[category];
    if (current.names.action === ACTION_PASSTHRU) follows.push(`${name} excepts the name`);
    else if ((dryRun & (1 << list)) !== 0) follows.push(`${name} (${purpose}) is a dry run`);
    else if ((confirmed & (1 << list)) === 0) follows.push(`${name} (${purpose}, ${tier}) leads to a notice only`);
    else {
      const action = responder.actionFor(category);
      follows.push(`${name} (${purpose}, ${tier}) leads to ${action ?? 'a notice only: there is no warning page'}`);
    }
  });
  if (follows.length === 0) return { reason: `${who}; on none of the lists consented to` };
  return { reason: `${who}; ${follows.join('; ')}`, matches };
}

/** Of the names that the answer leads to; `verdict`: undefined where no answer is at hand. */
export function describeAnswer(query: Query, verdict: Verdict | undefined, parts: DescribeParts): Explanation {
  const { lists, subscribers, listsFor, describeSubscriber } = parts;
  const client = describeSubscriber?.(query);
  const holder = subscribers.holderOf(query);
  const wanted = holder < 0 ? 0 : listsFor[subscribers.purposesOf(holder)]! & query.lists;
  if (!client?.consents || wanted === 0 || !lists.current)
    return { reason: 'not inspected: what the answer leads to is not looked up without consent' };
  if (verdict === undefined) return { reason: 'what the answer leads to is looked up once it is there' };
  return {
    reason:
      verdict === CONTINUE
        ? 'the answer leads to no name that is blocked'
        : 'the answer leads to a name on a list that was consented to',
  };
}
