/** What the audit log and the server's own log say of a change, by where the rule came from. */
import { discreetMatch, discreetText } from './discreet.ts';
import { matchText, type Rule, subjectOf } from './rule.ts';
import type { RuleAction } from './rule-store.ts';

/** Whoever changes a rule. */
export interface By {
  readonly who: string;
  readonly role: string;
  /** Of the entry in the audit log: `sinkhole.add`, `measure.lift`. */
  readonly action: string;
}

/** The desk itself, where a rule ends without anybody's doing. */
export function deskAs({ origin, plugin }: Rule, action: 'lift' | 'expire'): By {
  if (origin === 'diagnosis') return { who: 'server', role: 'server', action: `measure.${action}` };
  return { who: 'sekisho', role: 'server', action: `${plugin}.${action === 'lift' ? 'remove' : action}` };
}

/** The rest of the entry in the audit log. */
export function auditOf(
  rule: Rule,
  change: RuleAction,
  reason: string,
): { purpose: string; detail: Record<string, unknown> } {
  const { id, plugin, match, dryRun, ground, proposed, endsAtMs, origin } = rule;
  if (origin !== 'diagnosis') {
    const stated = ground.kind === 'legitimate-business' ? ground.purpose : ground.effect;
    const { approver, kind } = ground;
    return {
      purpose: reason === '' ? stated : reason,
      detail: { id, rule: subjectOf(rule), subtree: match.domain !== undefined, dryRun, ground: kind, approver },
    };
  }
  if (change === 'lift' || change === 'expire')
    return { purpose: discreetText(reason, match) || 'no reason was given', detail: { id, plugin } };
  const { diagnosis, escalated } = proposed ?? { diagnosis: '', escalated: '' };
  return {
    purpose: `${ground.kind}: ${matchText(discreetMatch(match))}`,
    detail: {
      measure: id,
      plugin,
      dryRun,
      diagnosis,
      approver: ground.approver,
      ground,
      escalated,
      until: endsAtMs === undefined ? null : new Date(endsAtMs).toISOString(),
    },
  };
}

/** A line of the server's log: fields and text. */
export function logLine(rule: Rule, change: RuleAction, who: string, why: string): [object, string] {
  const { id, plugin, dryRun, ground, proposed, endsAtMs, origin } = rule;
  const { approver } = ground;
  if (origin === 'diagnosis') {
    if (change === 'lift' || change === 'expire')
      return [{ measure: id, plugin, by: who, why }, `measure ${change === 'lift' ? 'lifted' : 'expired'}`];
    const until = endsAtMs === undefined ? undefined : new Date(endsAtMs).toISOString();
    const fields = { measure: id, plugin, dryRun, diagnosis: proposed?.diagnosis, approver, by: who, until };
    return [fields, change === 'renew' ? 'measure renewed' : 'measure in force'];
  }
  const name = subjectOf(rule);
  if (change === 'expire') return [{ plugin, rule: name }, `a ${plugin} rule has ended by itself`];
  if (change === 'lift') return [{ plugin, rule: name, by: who, reason: why }, `${plugin} rule lifted`];
  const subtree = rule.match.domain !== undefined;
  const fields = { plugin, rule: name, by: who, approver, ground: ground.kind, subtree, dryRun };
  return [fields, `${plugin} rule ${change === 'renew' ? 'renewed' : 'added'}`];
}
