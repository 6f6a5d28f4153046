/** A measure as the admin API and the command line show it. */
import { z } from 'zod';
import { GROUND_TERMS } from '../grounds/ground.ts';
import type { Counted, Held } from './desk.ts';
import { discreet } from './discreet.ts';
import { MEASURE_STATES, type Measure, matchText } from './measure.ts';
import { QUIET_MINUTES } from './recovery.ts';
import { MEASURE_ACTIONS } from './store.ts';

export const measureSchema = z.strictObject({
  id: z.string(),
  state: z.enum(MEASURE_STATES),
  plugin: z.string(),
  match: z.record(z.string(), z.string()),
  text: z.string().describe('What it matches, in words.'),
  limitPerSecond: z.number().describe('Queries a second that still pass.'),
  limitRationale: z.string(),
  ground: z.record(z.string(), z.string()).describe('As stated.'),
  groundTerm: z.string().describe('Its Japanese term.'),
  escalated: z.string().describe('Why a whole zone; empty for a narrower measure.'),
  diagnosis: z.string(),
  cause: z.string(),
  appliedBy: z.string(),
  appliedAt: z.string(),
  endsAt: z.string(),
  endedAt: z.string().nullable(),
  endedWhy: z.string(),
  matched: z
    .number()
    .nullable()
    .describe('Queries that it was about since it or the server began; null once it has ended.'),
  limited: z.number().nullable().describe('Of these, over its limit; of a dry run, what would have been.'),
  ratePerSecond: z.number().nullable().describe('Of the last whole minute.'),
  normalPerSecond: z.number(),
  removes: z.number().describe('Share of the rise that it removes, as the diagnosis saw it.'),
  hits: z.number().describe('Share of the last day’s normal traffic that it would have hit.'),
  backBelowPerSecond: z.number().nullable().describe('It lifts itself when every minute stays below for a while.'),
  quietMinutes: z.number().nullable(),
  quietMinutesNeeded: z.number(),
});
export type MeasureView = z.infer<typeof measureSchema>;

export const measuresSchema = z.strictObject({ measures: z.array(measureSchema), warnings: z.array(z.string()) });
export type MeasuresView = z.infer<typeof measuresSchema>;

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

export function measureView(measure: Measure, held?: Held, counted?: Counted): MeasureView {
  const { match, ground, endedAtMs } = discreet(measure);
  return {
    id: measure.id,
    state: measure.state,
    plugin: measure.plugin,
    match: { ...match },
    text: matchText(match),
    limitPerSecond: measure.limitPerSecond,
    limitRationale: measure.limitRationale,
    ground: { ...ground },
    groundTerm: GROUND_TERMS[ground.kind],
    escalated: measure.escalated,
    diagnosis: measure.diagnosis,
    cause: measure.cause,
    appliedBy: measure.appliedBy,
    appliedAt: iso(measure.appliedAtMs),
    endsAt: iso(measure.endsAtMs),
    endedAt: endedAtMs === undefined ? null : iso(endedAtMs),
    endedWhy: measure.endedWhy,
    matched: counted?.matched ?? null,
    limited: counted?.limited ?? null,
    ratePerSecond: held?.recovery.rate ?? null,
    normalPerSecond: measure.normalPerSecond,
    removes: measure.removes,
    hits: measure.hits,
    backBelowPerSecond: held?.recovery.threshold ?? null,
    quietMinutes: held?.recovery.quiet ?? null,
    quietMinutesNeeded: QUIET_MINUTES,
  };
}

export function iso(wallMs: number): string {
  return new Date(wallMs).toISOString();
}
