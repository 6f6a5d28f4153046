/** `sekisho explain`: what the policy lists say about client and name, and why a rule that matches does not act. */

import {
  ADDRESS_TRIGGER,
  type Clock,
  CONTINUE,
  type Explanation,
  GROUND_TERMS,
  type LoadedLists,
  MAX_LISTS,
  NetworkName,
  nameToText,
  prefixText,
  type Query,
  type RuleMatch,
  type Verdict,
} from '../../src/contract/plugin.ts';
import type { Matcher } from './matcher.ts';
import { actionLabel, CLIENT_IP, type Policies, type Policy, QNAME, TRIGGERS } from './policies.ts';
import type { ReplyView } from './reply-view.ts';

export interface ExplainParts {
  readonly policies: Policies;
  readonly matcher: Matcher;
  readonly view: ReplyView;
  /** Lists that have triggers on answers. */
  readonly answerHolders: number;
  readonly clock: Clock;
}

export function explain(query: Query, lists: LoadedLists | undefined, parts: ExplainParts): Explanation {
  const { policies, matcher, view, answerHolders, clock } = parts;
  const all = policies.byList.filter((policy) => policy !== undefined);
  if (all.length === 0) return { reason: 'no list of category policy is configured' };
  if (lists === undefined) return { reason: 'the lists are not loaded yet' };
  view.readQuestion(query);
  policies.look();
  policies.narrow(query.lists);
  const known = Number.isFinite(clock.termMs());
  const said: string[] = [];
  const matches: RuleMatch[] = [];
  let decider: Policy | undefined;
  for (const policy of all) {
    const trigger = [CLIENT_IP, QNAME].find((one) => matcher.load(policy, one, query, lists, 0));
    if (trigger === undefined) continue;
    const { action } = matcher;
    const rule = ruleText(trigger, query, lists);
    matches.push({ list: policy.list, trigger: TRIGGERS[trigger]!, rule });
    const earlier = namesOf(policies, answerHolders & policies.acting & ((1 << policy.list) - 1));
    const what = `list '${policy.facts.name}': ${TRIGGERS[trigger]} rule '${rule}', action ${actionText(policy, action)}`;
    let why = '';
    if ((query.lists & (1 << policy.list)) === 0) why = " — does not act: the client's view is without it";
    else if ((policies.inForce & (1 << policy.list)) === 0)
      why = known
        ? ' — does not act: its ground has expired'
        : ' — does not act: its ground has an end, and the clock is in doubt (sekisho time)';
    else if (policy.facts.override.action === 'disabled') why = ' — only counted: the list is disabled by its override';
    else if (policy.facts.dryRun) why = ' — only counted: the list is a dry run';
    else if (decider !== undefined) why = ` — does not act: list '${decider.facts.name}' comes first and has decided`;
    else {
      decider = policy;
      if (earlier !== '') why = `, unless the answer matches a rule of ${earlier}, which comes first`;
    }
    said.push(`${what}${why}; ${groundText(policy)}`);
  }
  if (said.length === 0) said.push('no policy list has a rule for this client or name');
  const later = namesOf(policies, answerHolders & policies.inForce & beforeOnly(decider));
  if (later !== '') said.push(`rules on answers (${later}) are looked at when the answer is known`);
  return { reason: said.join('; '), ...(matches.length > 0 && { matches }) };
}

/** Lists before the one that decides; all where none does. */
function beforeOnly(decider: Policy | undefined): number {
  return decider === undefined ? -1 : (1 << decider.list) - 1;
}

function namesOf(policies: Policies, mask: number): string {
  const names: string[] = [];
  for (let list = 0; list < MAX_LISTS; list++) {
    const policy = policies.byList[list];
    if (policy && (mask & (1 << list)) !== 0) names.push(`'${policy.facts.name}'`);
  }
  return names.join(', ');
}

function actionText(policy: Policy, action: number): string {
  return policy.override === 0 ? actionLabel(action) : `${actionLabel(action)} (by the list's override)`;
}

function groundText({ facts: { ground } }: Policy): string {
  return ground
    ? `ground ${ground.kind} (${GROUND_TERMS[ground.kind]}), approved by ${ground.approver}`
    : 'no ground is stated';
}

/** What the rule that the matcher just loaded is on. */
function ruleText(trigger: number, { question, clientWords }: Query, { names, networks }: LoadedLists): string {
  if (trigger === QNAME) {
    const { labels, wildcard } = names;
    const text = nameToText(question.name, question.labelStarts[question.labelCount - labels]);
    return wildcard ? `*.${text}` : text;
  }
  const bits = networks?.bits ?? 0;
  const name = new NetworkName();
  name.set(ADDRESS_TRIGGER.CLIENT_IP, clientWords, bits);
  // The index keeps a network as prefix length, then the address with what is beyond it cleared.
  const view = new DataView(name.bytes.buffer);
  return prefixText({ words: Int32Array.from({ length: 4 }, (_, i) => view.getInt32(2 + 4 * i)), bits });
}

/** What the answer hook found, which has just run: the matcher still holds what decided. */
export function explainAnswer(
  verdict: Verdict | undefined,
  { policies, matcher, answerHolders }: ExplainParts,
): Explanation {
  if (policies.byList.every((policy) => policy === undefined))
    return { reason: 'no list of category policy is configured' };
  const lists = namesOf(policies, answerHolders & policies.inForce);
  if (verdict === undefined)
    return {
      reason:
        lists === ''
          ? 'aliases in the answer are looked up in the policy lists'
          : `rules on answers (${lists}) are looked at when the answer is known`,
    };
  const { policy, trigger, action } = matcher;
  if (verdict === CONTINUE || policy === undefined) return { reason: 'no rule changes this answer' };
  return {
    reason: `list '${policy.facts.name}': ${TRIGGERS[trigger]} rule on the answer, action ${actionText(policy, action)}; ${groundText(policy)}`,
  };
}
