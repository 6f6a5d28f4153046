/**
 * What the desk's API answers, declared once: types, OpenAPI and the filter on the way out.
 */

import {
  type Clock,
  GROUND_TERMS,
  type KeptRuleChange,
  RULE_STATES,
  type RuleEntry,
  ruleStateOf,
  z,
} from '../../src/contract/plugin.ts';

/** What the desk calls a change, and what this plugin has called it from the first. */
export const CHANGES = { add: 'add', renew: 'renew', lift: 'remove', expire: 'expire' } as const;

const rate = z.number().min(0).nullable();
const instant = z.string().nullable();

export const ruleSchema = z.strictObject({
  name: z.string(),
  source: z.enum(['desk', 'configuration']),
  state: z.enum(RULE_STATES),
  subtree: z.boolean().describe('The name and everything below it; otherwise exactly the name.'),
  ground: z.record(z.string(), z.string()).describe('As stated.'),
  groundTerm: z.string().describe('Its Japanese term.'),
  addedBy: z.string().nullable().describe('Name of the token; null for rules of the configuration.'),
  addedAt: instant,
  renewals: z.number(),
  endsAt: instant.describe('When it ends, or ended, by itself; null where it is reviewed instead.'),
  reviewAt: instant,
  secondsLeft: z.number().nullable().describe('Until its end; null where it has none.'),
  warning: z.string().nullable().describe('Why somebody has to look at it soon.'),
  hits: z.number().describe('Queries since the server, or the rule, began.'),
  ratePerSecond: rate.describe('Mean of the last minute; null while nothing was sampled yet.'),
  startPerSecond: rate.describe('Mean of the first minute.'),
  peakPerSecond: rate.describe('Mean of the highest minute.'),
  baselinePerSecond: rate.describe('Mean of the lowest quarter of an hour since the rule began.'),
  proposal: z.string().nullable().describe('Why the desk proposes to lift it.'),
});
export type RuleView = z.infer<typeof ruleSchema>;

export const rulesSchema = z.strictObject({
  rules: z.array(ruleSchema),
  limit: z.number().describe('Rules that there may be.'),
  warnings: z.array(z.string()),
});
export type RulesView = z.infer<typeof rulesSchema>;

export const appliedSchema = z.strictObject({
  rule: ruleSchema,
  appliedInMs: z.number().describe('From the moment that it was on the disk until every worker acted on it.'),
});
export type AppliedView = z.infer<typeof appliedSchema>;

export const previewSchema = z.strictObject({
  name: z.string().nullable().describe('As it would be asked for on the wire; null where no rule may have it.'),
  problems: z.array(z.string()).describe('Why the rule would be refused.'),
  counted: z.array(ruleSchema).describe('Rules and dry runs that count queries for the name now, and how many.'),
  below: z.array(z.string()).describe('Rules on names below, which a subtree would cover.'),
  note: z.string().describe('What is known, and how to know more.'),
});
export type PreviewView = z.infer<typeof previewSchema>;

export const changesSchema = z.strictObject({
  changes: z.array(
    z.strictObject({
      number: z.number(),
      at: z.string(),
      who: z.string(),
      action: z.enum(Object.values(CHANGES)),
      name: z.string(),
      reason: z.string(),
      subtree: z.boolean(),
      dryRun: z.boolean(),
      ground: z.record(z.string(), z.string()),
    }),
  ),
});
export type ChangesView = z.infer<typeof changesSchema>;

export function ruleView(entry: RuleEntry, clock: Clock): RuleView {
  const nowMs = clock.nowMs();
  const { rule, monitor } = entry;
  const { ground } = rule;
  const ofDesk = entry.place === 0;
  const left = Number.isFinite(entry.endsMs) ? (entry.endsMs - nowMs) / 1000 : null;
  const state = ruleStateOf(entry, nowMs);
  return {
    name: nameOf(entry),
    source: ofDesk ? 'desk' : 'configuration',
    state,
    subtree: rule.match.domain !== undefined,
    ground: { ...ground },
    groundTerm: GROUND_TERMS[ground.kind],
    addedBy: ofDesk ? rule.addedBy : null,
    addedAt: ofDesk ? isoText(rule.addedAtMs) : null,
    renewals: rule.renewals,
    endsAt: left === null ? null : isoText(rule.endsAtMs ?? clock.wallMs() + left * 1000),
    reviewAt: ground.kind === 'legitimate-business' ? ground.review : null,
    secondsLeft: left,
    warning: state === 'expired' || nowMs < entry.warnMs ? null : left === null ? 'review is due' : 'ends soon',
    hits: monitor.total,
    ratePerSecond: monitor.now ?? null,
    startPerSecond: monitor.start ?? null,
    peakPerSecond: monitor.start === undefined ? null : monitor.peak,
    baselinePerSecond: monitor.baseline ?? null,
    proposal: entry.proposal ?? null,
  };
}

export function changeView({ id, atMs, who, action, reason, rule }: KeptRuleChange): ChangesView['changes'][number] {
  const { dryRun, ground, match } = rule;
  return {
    number: id,
    at: isoText(atMs),
    who,
    action: action === 'follow' ? 'remove' : CHANGES[action],
    name: nameOf({ rule }),
    reason,
    subtree: match.domain !== undefined,
    dryRun,
    ground: { ...ground },
  };
}

export function nameOf({ rule: { match } }: Pick<RuleEntry, 'rule'>): string {
  return match.name ?? match.domain ?? '';
}

function isoText(wallMs: number): string {
  return new Date(wallMs).toISOString();
}
