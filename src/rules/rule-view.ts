/** A rule as the admin API and the command line show it. */
import { z } from 'zod';
import { GROUND_TERMS } from '../grounds/ground.ts';
import type { Clock } from '../time/clock.ts';
import { discreet } from './discreet.ts';
import { type Entry, stateOf } from './entry.ts';
import type { Sight } from './fleet-rules.ts';
import { QUIET_MINUTES } from './recovery.ts';
import { matchText, RULE_ORIGINS, RULE_STATES, type Rule } from './rule.ts';
import { type KeptChange, RULE_ACTIONS } from './rule-store.ts';
import type { Slots } from './slots.ts';

const common = {
  id: z.string(),
  state: z.enum(RULE_STATES),
  plugin: z.string(),
  match: z.record(z.string(), z.string()),
  text: z.string().describe('What it matches, in words.'),
  ground: z.record(z.string(), z.string()).describe('As stated.'),
  groundTerm: z.string().describe('Its Japanese term.'),
  endedAt: z.string().nullable(),
  endedWhy: z.string(),
  matched: z
    .number()
    .nullable()
    .describe('Queries that it was about since it or the server began; null once it has ended.'),
  limited: z.number().nullable().describe('Of these, over its limit; of a dry run, what would have been.'),
};

/** A measure: a rule that a diagnosis proposed. */
export const measureSchema = z.strictObject({
  ...common,
  limitPerSecond: z.number().describe('Queries a second that still pass.'),
  limitRationale: z.string(),
  escalated: z.string().describe('Why a whole zone; empty for a narrower measure.'),
  diagnosis: z.string(),
  cause: z.string(),
  appliedBy: z.string(),
  appliedAt: z.string(),
  endsAt: z.string(),
  renewals: z.number(),
  ratePerSecond: z.number().nullable().describe('Of the last whole minute.'),
  normalPerSecond: z.number(),
  removes: z.number().describe('Share of the rise that it removes, as the diagnosis saw it.'),
  hits: z.number().describe('Share of the last day’s normal traffic that it would have hit.'),
  backBelowPerSecond: z
    .number()
    .nullable()
    .describe('It is lifted automatically when every minute stays below for a while.'),
  quietMinutes: z.number().nullable(),
  quietMinutesNeeded: z.number(),
  note: z.string().nullable().describe('Why somebody should look at it.'),
});
export type MeasureView = z.infer<typeof measureSchema>;

export const measuresSchema = z.strictObject({ measures: z.array(measureSchema), warnings: z.array(z.string()) });
export type MeasuresView = z.infer<typeof measuresSchema>;

/** As measures have been shown from the first: what a change does has names of its own there. */
export const MEASURE_ACTIONS = ['apply', 'renew', 'lift', 'expire'] as const;
export const measureChangesSchema = z.strictObject({
  changes: z.array(
    z.strictObject({
      at: z.string(),
      who: z.string(),
      action: z.enum(MEASURE_ACTIONS),
      reason: z.string(),
      measure: measureSchema,
    }),
  ),
});
export type MeasureChangesView = z.infer<typeof measureChangesSchema>;

/** Any rule of the desk. */
export const deskRuleSchema = z.strictObject({
  ...common,
  origin: z.enum(RULE_ORIGINS).describe('A person, or a diagnosis whose proposal a person put in force.'),
  addedBy: z.string(),
  addedAt: z.string(),
  renewals: z.number(),
  endsAt: z.string().nullable().describe('When it ends by itself; null where it is reviewed instead.'),
  reviewAt: z.string().nullable(),
  proposal: z.string().nullable().describe('Why the desk proposes to lift it.'),
  nodes: z
    .array(
      z.strictObject({
        node: z.string(),
        state: z.string(),
        matched: z.number().describe('Queries that it was about there.'),
        secondsAgo: z.number().describe('Since the node said so.'),
      }),
    )
    .optional()
    .describe('Of a fleet: what each node said last of the rule.'),
});
export type DeskRuleView = z.infer<typeof deskRuleSchema>;

export const deskRulesSchema = z.strictObject({ rules: z.array(deskRuleSchema), warnings: z.array(z.string()) });
export type DeskRulesView = z.infer<typeof deskRulesSchema>;

export const deskChangesSchema = z.strictObject({
  changes: z.array(
    z.strictObject({
      number: z.number(),
      at: z.string(),
      who: z.string(),
      action: z.enum(RULE_ACTIONS),
      reason: z.string(),
      rule: deskRuleSchema,
    }),
  ),
});
export type DeskChangesView = z.infer<typeof deskChangesSchema>;

/** What a view needs beside the rule. */
export interface ViewParts {
  readonly clock: Clock;
  readonly slots: Slots;
}

/** `entry`: of a rule that runs. */
export function measureView(rule: Rule, entry: Entry | undefined, parts: ViewParts): MeasureView {
  const { proposed, limitPerSecond, addedBy, addedAtMs, endsAtMs, renewals } = rule;
  const recovery = entry?.recovery;
  return {
    ...commonOf(rule, entry, parts),
    limitPerSecond,
    limitRationale: proposed?.limitRationale ?? '',
    escalated: proposed?.escalated ?? '',
    diagnosis: proposed?.diagnosis ?? '',
    cause: proposed?.cause ?? '',
    appliedBy: addedBy,
    appliedAt: iso(addedAtMs),
    endsAt: iso(endsAtMs ?? 0),
    renewals,
    ratePerSecond: recovery?.rate ?? null,
    normalPerSecond: proposed?.normalPerSecond ?? 0,
    removes: proposed?.removes ?? 0,
    hits: proposed?.hits ?? 0,
    backBelowPerSecond: recovery?.threshold ?? null,
    quietMinutes: recovery?.quiet ?? null,
    quietMinutesNeeded: QUIET_MINUTES,
    note: entry?.proposal ?? null,
  };
}

export function measureChangeView(
  { atMs, who, action, reason, rule }: KeptChange,
  parts: ViewParts,
): MeasureChangesView['changes'][number] {
  const shown = action === 'add' ? 'apply' : action === 'follow' ? 'lift' : action;
  return { at: iso(atMs), who, action: shown, reason, measure: measureView(rule, undefined, parts) };
}

/** `sights`: of a fleet. */
export function deskRuleView(
  rule: Rule,
  entry: Entry | undefined,
  parts: ViewParts,
  sights: readonly Sight[] = [],
): DeskRuleView {
  const seen = sights.filter((sight) => sight.rule === rule.id && sight.renewals === rule.renewals);
  const { origin, addedBy, addedAtMs, renewals, endsAtMs, reviewAtMs } = rule;
  return {
    ...commonOf(rule, entry, parts),
    origin,
    addedBy,
    addedAt: iso(addedAtMs),
    renewals,
    endsAt: endsAtMs === undefined ? null : iso(endsAtMs),
    reviewAt: reviewAtMs === undefined ? null : iso(reviewAtMs),
    proposal: entry?.proposal ?? null,
    ...(seen.length > 0 && {
      nodes: seen.map(({ node, state, matched, agoMs }) => ({
        node,
        state,
        matched,
        secondsAgo: Math.max(0, Math.round(agoMs / 1000)),
      })),
    }),
  };
}

export function deskChangeView(
  { id, atMs, who, action, reason, rule }: KeptChange,
  parts: ViewParts,
): DeskChangesView['changes'][number] {
  return { number: id, at: iso(atMs), who, action, reason, rule: deskRuleView(rule, undefined, parts) };
}

function commonOf(rule: Rule, entry: Entry | undefined, { clock, slots }: ViewParts) {
  const { match, ground, endedAtMs, endedWhy } = rule.origin === 'diagnosis' ? discreet(rule) : rule;
  const counted = entry && slots.read(entry.slot);
  return {
    id: rule.id,
    // A measure that rests while the clock is in doubt is in force: it acts again when that is over.
    state: entry ? (rule.origin === 'diagnosis' ? rule.state : stateOf(entry, clock.nowMs())) : rule.state,
    plugin: rule.plugin,
    match: { ...match } as Record<string, string>,
    text: matchText(match),
    ground: { ...ground },
    groundTerm: GROUND_TERMS[ground.kind],
    endedAt: endedAtMs === undefined ? null : iso(endedAtMs),
    endedWhy,
    matched: entry && counted ? entry.monitor.totalAt(counted.matched) : null,
    limited: entry && counted ? limitedOf(entry, counted.limited) : null,
  };
}

/** Of a rule that discards, every query that it acts on. */
function limitedOf(entry: Entry, limited: number): number {
  const { rule, limitedFrom, monitor } = entry;
  if (rule.limitPerSecond === 0) return rule.dryRun ? 0 : monitor.total;
  return (limited - limitedFrom) >>> 0;
}

function iso(wallMs: number): string {
  return new Date(wallMs).toISOString();
}
