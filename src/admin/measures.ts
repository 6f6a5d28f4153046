/** The measures that are in force, below /v1/measures: who may see and lift them. They are put in force where they are proposed. */
import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import { GROUND_TERMS } from '../grounds/ground.ts';
import type { Counted, Held, MeasureDesk } from '../rules/desk.ts';
import { discreet } from '../rules/discreet.ts';
import { MEASURE_STATES, type Measure, matchText } from '../rules/measure.ts';
import { QUIET_MINUTES } from '../rules/recovery.ts';
import { MEASURE_ACTIONS } from '../rules/store.ts';
import { errorSchema, responseSchema } from './status.ts';

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

const MAX_CHANGES = 1000;
const LOOK = ['operator', 'security', 'privacy'] as const;

export function measureRoutes(app: FastifyInstance, desk: MeasureDesk): void {
  const failures = { '4xx': responseSchema(errorSchema), '5xx': responseSchema(errorSchema) };

  app.get(
    '/v1/measures',
    {
      config: { roles: LOOK },
      schema: {
        summary: 'Measures in force, and those that ended within the last day',
        response: { 200: responseSchema(measuresSchema), ...failures },
      },
    },
    async (): Promise<MeasuresView> => ({
      measures: desk.list().map(({ measure, held, counted }) => measureView(measure, held, counted)),
      warnings: desk.store?.movedAside
        ? [`the store was damaged and moved aside at the start: ${desk.store.movedAside}`]
        : [],
    }),
  );

  app.delete<{ Params: { id: string }; Body: { reason?: string } | null }>(
    '/v1/measures/:id',
    {
      config: { roles: ['operator', 'security'] },
      schema: {
        summary: 'Lift a measure; answered when no worker acts on it any more. Audited',
        params: { type: 'object', required: ['id'], properties: { id: { type: 'string', maxLength: 20 } } },
        body: {
          type: ['object', 'null'],
          additionalProperties: false,
          properties: { reason: { type: 'string', maxLength: 2000, description: 'Why it is lifted.' } },
        },
        response: { 200: responseSchema(measureSchema), ...failures },
      },
    },
    async ({ params, body, identity }) =>
      measureView(
        await desk.lift(params.id, identity?.name ?? 'unknown', identity?.roles.join(',') ?? '', body?.reason ?? ''),
      ),
  );

  app.get<{ Querystring: { limit?: number } }>(
    '/v1/measures/changes',
    {
      config: { roles: LOOK },
      schema: {
        summary: 'Every measure that was put in force, lifted or ended; the latest first',
        querystring: {
          type: 'object',
          additionalProperties: false,
          properties: { limit: { type: 'integer', minimum: 1, maximum: MAX_CHANGES, default: 100 } },
        },
        response: { 200: responseSchema(measureChangesSchema), ...failures },
      },
    },
    async ({ query }): Promise<MeasureChangesView> => ({
      changes: desk.changes(query.limit ?? 100).map(({ at, who, action, reason, measure }) => ({
        at: iso(at),
        who,
        action,
        reason,
        measure: measureView(measure),
      })),
    }),
  );
}

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

function iso(wallMs: number): string {
  return new Date(wallMs).toISOString();
}
