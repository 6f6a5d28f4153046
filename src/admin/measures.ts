/** The measures that are in force, below /v1/measures: who may see and lift them. They are put in force where they are proposed. */
import type { FastifyInstance } from 'fastify';
import { errorSchema, responseSchema } from '../contract/api-schema.ts';
import type { MeasureDesk } from '../rules/desk.ts';
import {
  iso,
  type MeasureChangesView,
  type MeasuresView,
  measureChangesSchema,
  measureSchema,
  measuresSchema,
  measureView,
} from '../rules/measure-view.ts';

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
