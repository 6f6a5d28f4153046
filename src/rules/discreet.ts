/**
 * Measures as they are kept and shown: networks or names, never both, and never a single address. A running measure on one client
 * needs the address, and has it in its own row of the store and in the packet threads; the row of one that has ended, the history of
 * changes, the audit log and what people see have the network around it.
 */

import { networkAround, replaceAddresses } from '../address/network-around.ts';
import type { Ground } from '../grounds/ground.ts';
import { matchText, type Rule, type RuleMatch } from './rule.ts';

/** What a rule matches, in words, without a single address. */
export function discreetMatchText(match: RuleMatch): string {
  return matchText(discreetMatch(match));
}

export function discreetMatch<Match extends RuleMatch>(match: Match): Match {
  return match.source === undefined ? match : { ...match, source: networkAround(match.source) };
}

/** A measure on names says nothing of sources: then even networks are left out of what people wrote. */
export function discreetText(text: string, { source }: RuleMatch): string {
  return source === undefined
    ? replaceAddresses(text, () => '(a source)', true)
    : replaceAddresses(text, (address) => networkAround(address));
}

/** Statements without addresses; who approved and when it ends stay. */
export function discreetGround(ground: Ground, match: RuleMatch): Ground {
  const kept = ['kind', 'approver', 'expires', 'review', 'ended'];
  return Object.fromEntries(
    Object.entries(ground).map(([key, text]) => [key, kept.includes(key) ? text : discreetText(text, match)]),
  ) as Ground;
}

export function discreet(rule: Rule): Rule {
  const { match, proposed } = rule;
  return {
    ...rule,
    match: discreetMatch(match),
    ground: discreetGround(rule.ground, match),
    endedWhy: discreetText(rule.endedWhy, match),
    proposed: proposed && { ...proposed, escalated: discreetText(proposed.escalated, match) },
  };
}
