/**
 * A rule for another term: what is stated now replaces what was stated. Renewing an emergency measure needs fresh evidence; a
 * standing one has to be argued for again.
 */
import { type Approval, approverProblem } from '../grounds/approval.ts';
import { missing, readGround, type StatedGround } from '../grounds/stated.ts';
import type { Clock } from '../time/clock.ts';
import { measureTerm, timeProblem } from './admission.ts';
import { staleEvidence } from './evidence.ts';
import type { Rule } from './rule.ts';
import type { RuleStore } from './rule-store.ts';

/** `rule` as `body` renews it, or undefined with everything that is wrong added to `problems`. */
export async function renewedRule(
  rule: Rule,
  body: unknown,
  parts: { readonly who: string; readonly clock: Clock; readonly approval: Approval; readonly store: RuleStore },
  problems: string[],
): Promise<Rule | undefined> {
  const { who, clock, approval, store } = parts;
  const doubt = timeProblem(clock);
  if (doubt !== undefined) problems.push(doubt);
  const wallMs = clock.wallMs();
  const read = readRenewal(body, rule, wallMs, problems);
  const stated = read && rule.origin === 'diagnosis' ? measureTerm(read, rule, clock, problems) : read;
  const onePerson = stated && approverProblem(stated.ground.approver, who, approval);
  if (onePerson !== undefined) problems.push(onePerson);
  const stale = stated && (await staleEvidence(store, { ...rule, ...stated }));
  if (stale !== undefined) problems.push(stale);
  if (problems.length > 0 || !stated) return undefined;
  const { dryRun, renewals } = rule;
  const state = dryRun ? 'dry-run' : 'in-force';
  return { ...rule, ...stated, termFromMs: wallMs, renewals: renewals + 1, state, endedAtMs: undefined, endedWhy: '' };
}

function readRenewal(body: unknown, { ground }: Rule, wallMs: number, problems: string[]): StatedGround | undefined {
  const given = (body ?? {}) as Record<string, unknown>;
  const emergency = ground.kind !== 'legitimate-business';
  const anew = emergency ? ['evidence', 'approver', 'expires'] : ['necessity', 'approver', 'review'];
  for (const key of anew) if (given[key] === undefined) problems.push(missing(key, ground.kind));
  // What is missing was named; the rest is looked at as if it were there.
  const stated = readGround({ ...ground, [emergency ? 'expires' : 'review']: '1h', ...given }, wallMs, problems);
  return problems.length > 0 ? undefined : stated;
}
