/** Every temporary rule of the server, below /v1/rules, wherever it came from. They are put in force where they are asked for. */
import { z } from 'zod';
import type { Auditor } from '../audit/entry.ts';
import { NO_ADDRESS, PURPOSE, readWhereAddresses } from '../audit/personal-read.ts';
import { type AdminApi, FAILURES } from '../errors/api-schema.ts';
import type { RulesDesk } from './desk.ts';
import { renewalBody } from './ground-body.ts';
import {
  type DeskChangesView,
  type DeskRulesView,
  deskChangesSchema,
  deskChangeView,
  deskRuleSchema,
  deskRulesSchema,
  deskRuleView,
} from './rule-view.ts';

const MAX_CHANGES = 1000;
const KEEP = ['operator', 'security'] as const;
const LOOK = ['operator', 'security', 'privacy'] as const;

export function ruleRoutes(app: AdminApi, desk: RulesDesk, audit: Auditor): void {
  const read = { of: 'read', actions: ['rule.read'], unless: NO_ADDRESS } as const;
  const params = z.strictObject({ id: z.string().max(20) });

  app.get(
    '/v1/rules',
    {
      config: { roles: LOOK, audit: read },
      schema: {
        summary: 'Temporary rules in force, and those that ended within a day; audited where an address is among them',
        querystring: z.strictObject({ reason: PURPOSE }),
        response: { 200: deskRulesSchema, ...FAILURES },
      },
    },
    async ({ query, identity }): Promise<DeskRulesView> => {
      const sights = await desk.sights();
      return readWhereAddresses(audit, identity, 'rule.read', query.reason, {
        rules: desk.list().map(({ rule, entry }) => deskRuleView(rule, entry, desk, sights)),
        warnings: desk.warnings(),
      });
    },
  );

  app.get(
    '/v1/rules/changes',
    {
      config: { roles: LOOK, audit: read },
      schema: {
        summary: 'The change log of all rules, the latest first; audited where an address is among them',
        querystring: z.strictObject({ limit: z.int().min(1).max(MAX_CHANGES).default(100), reason: PURPOSE }),
        response: { 200: deskChangesSchema, ...FAILURES },
      },
    },
    async ({ query, identity }): Promise<DeskChangesView> =>
      readWhereAddresses(audit, identity, 'rule.read', query.reason, {
        changes: (await desk.changes(query.limit)).map((change) => deskChangeView(change, desk)),
      }),
  );

  app.post(
    '/v1/rules/:id/renew',
    {
      config: { roles: KEEP, audit: { of: 'change', actions: ['rule.renew'] } },
      schema: {
        summary: 'Another term for a rule, on fresh evidence; answered when every worker holds it. Audited',
        params,
        body: renewalBody,
        response: { 200: deskRuleSchema, ...FAILURES },
      },
    },
    async ({ params: which, body, identity }) => {
      const { rule, entry } = await desk.renew(which, body, by(identity, 'renew'));
      return deskRuleView(rule, entry, desk);
    },
  );

  app.delete(
    '/v1/rules/:id',
    {
      config: { roles: KEEP, audit: { of: 'change', actions: ['rule.lift'] } },
      schema: {
        summary: 'Lift a rule; answered when no worker acts on it any more. Audited',
        params,
        body: z.strictObject({ reason: z.string().max(2000).optional().describe('Why it is lifted.') }).nullable(),
        response: { 200: deskRuleSchema, ...FAILURES },
      },
    },
    async ({ params: which, body, identity }) =>
      deskRuleView((await desk.lift(which, body?.reason ?? '', by(identity, 'lift'))).rule, undefined, desk),
  );
}

function by(identity: { readonly name: string; readonly roles: readonly string[] } | null, verb: string) {
  return { who: identity?.name ?? 'unknown', role: identity?.roles.join(',') ?? '', action: `rule.${verb}` };
}
