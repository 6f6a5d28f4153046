/** The measures that are in force, below /v1/measures: who may see and lift them. They are put in force where they are proposed. */
import { z } from 'zod';
import type { Auditor } from '../audit/entry.ts';
import { NO_ADDRESS, PURPOSE, readWhereAddresses } from '../audit/personal-read.ts';
import { type AdminApi, FAILURES } from '../errors/api-schema.ts';
import type { RulesDesk } from './desk.ts';
import { renewalBody } from './ground-body.ts';
import {
  type MeasureChangesView,
  type MeasuresView,
  measureChangesSchema,
  measureChangeView,
  measureSchema,
  measuresSchema,
  measureView,
} from './rule-view.ts';

const MAX_CHANGES = 1000;
const LOOK = ['operator', 'security', 'privacy'] as const;

export function measureRoutes(app: AdminApi, desk: RulesDesk, audit: Auditor): void {
  const read = { of: 'read', actions: ['measure.read'], unless: NO_ADDRESS } as const;
  app.get(
    '/v1/measures',
    {
      config: { roles: LOOK, audit: read },
      schema: {
        summary: 'Measures in force, and those that ended within the last day; audited where an address is among them',
        querystring: z.strictObject({ reason: PURPOSE }),
        response: { 200: measuresSchema, ...FAILURES },
      },
    },
    async ({ query, identity }): Promise<MeasuresView> =>
      readWhereAddresses(audit, identity, 'measure.read', query.reason, {
        measures: desk
          .list(({ origin }) => origin === 'diagnosis')
          .map(({ rule, entry }) => measureView(rule, entry, desk)),
        warnings: desk.warnings(),
      }),
  );

  app.delete(
    '/v1/measures/:id',
    {
      config: { roles: ['operator', 'security'], audit: { of: 'change', actions: ['measure.lift'] } },
      schema: {
        summary: 'Lift a measure; answered when no worker acts on it any more. Audited',
        params: z.strictObject({ id: z.string().max(20) }),
        body: z.strictObject({ reason: z.string().max(2000).optional().describe('Why it is lifted.') }).nullable(),
        response: { 200: measureSchema, ...FAILURES },
      },
    },
    async ({ params, body, identity }) =>
      measureView(
        (await desk.lift({ ...params, origin: 'diagnosis' }, body?.reason ?? '', by(identity, 'lift'))).rule,
        undefined,
        desk,
      ),
  );

  app.post(
    '/v1/measures/:id/renew',
    {
      config: { roles: ['operator', 'security'], audit: { of: 'change', actions: ['measure.renew'] } },
      schema: {
        summary: 'Another term for a measure, on fresh evidence; answered when every worker holds it. Audited',
        params: z.strictObject({ id: z.string().max(20) }),
        body: renewalBody,
        response: { 200: measureSchema, ...FAILURES },
      },
    },
    async ({ params, body, identity }) => {
      const { rule, entry } = await desk.renew({ ...params, origin: 'diagnosis' }, body, by(identity, 'renew'));
      return measureView(rule, entry, desk);
    },
  );

  app.get(
    '/v1/measures/changes',
    {
      config: { roles: LOOK, audit: read },
      schema: {
        summary:
          'Every measure that was put in force, lifted or ended; the latest first. Audited where an address is among them',
        querystring: z.strictObject({ limit: z.int().min(1).max(MAX_CHANGES).default(100), reason: PURPOSE }),
        response: { 200: measureChangesSchema, ...FAILURES },
      },
    },
    async ({ query, identity }): Promise<MeasureChangesView> =>
      readWhereAddresses(audit, identity, 'measure.read', query.reason, {
        changes: (await desk.changes(query.limit, { origin: 'diagnosis' })).map((change) =>
          measureChangeView(change, desk),
        ),
      }),
  );
}

function by(identity: { readonly name: string; readonly roles: readonly string[] } | null, verb: string) {
  return { who: identity?.name ?? 'unknown', role: identity?.roles.join(',') ?? '', action: `measure.${verb}` };
}
