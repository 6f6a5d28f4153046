/**
 * No silent renewal. Evidence that carried an earlier term of the same rule carries no other one, whether the rule is renewed, or
 * ended and is added again. A dry run's evidence may carry the rule that follows from it.
 */

import { discreetMatch } from './discreet.ts';
import { keyOf, type Rule } from './rule.ts';
import type { RuleStore } from './rule-store.ts';

/** Changes of one rule that are looked at. */
const MAX_LOOKED_AT = 1000;

/** What is wrong with the evidence; undefined where it is fresh, or the ground needs none. */
export async function staleEvidence(
  store: RuleStore,
  {
    plugin,
    match,
    limitPerSecond,
    ground,
    dryRun,
  }: Pick<Rule, 'plugin' | 'match' | 'limitPerSecond' | 'ground' | 'dryRun'>,
): Promise<string | undefined> {
  if (ground.kind === 'legitimate-business') return undefined;
  const wanted = normalized(ground.evidence);
  const key = keyOf({ plugin, match: discreetMatch(match), limitPerSecond });
  for (const { action, rule } of await store.changes(MAX_LOOKED_AT, { key })) {
    const isTerm = action === 'add' || action === 'renew';
    if (!isTerm || rule.ground.kind === 'legitimate-business' || (rule.dryRun && !dryRun)) continue;
    if (normalized(rule.ground.evidence) === wanted)
      return 'evidence: carried an earlier term of this rule already; say what shows that the attack goes on';
  }
  return undefined;
}

/** What only looks different is the same evidence. */
function normalized(text: string): string {
  const words = text.toLowerCase().replaceAll(/[\s\p{P}]+/gu, ' ');
  return words.trim();
}
