/**
 * The desk's part of the admin API, below /v1/sinkhole/. Who keeps the rules is the operator or the security desk; the
 * privacy officer may look at them and at their history.
 */

import { NO_ADDRESS, PURPOSE, readWhereAddresses } from '../../src/audit/personal-read.ts';
import type { RouteAudit } from '../../src/audit/route-declaration.ts';
import { type AdminApi, FAILURES, groundProperties, type Role, renewalBody } from '../../src/contract/admin.ts';
import { type Auditor, type Clock, type DeskRules, errorText, generalError, z } from '../../src/contract/plugin.ts';
import { preview } from './preview.ts';
import { PLUGIN, readDraft, refused } from './request.ts';
import { RuleNameError, ruleName } from './rule-name.ts';
import { MAX_RULES } from './table.ts';
import { appliedSchema, CHANGES, changesSchema, changeView, previewSchema, rulesSchema, ruleView } from './views.ts';

const KEEP: readonly Role[] = ['operator', 'security'];
const LOOK: readonly Role[] = ['operator', 'security', 'privacy'];
/** Changes shown at most. */
const MAX_CHANGES = 1000;
/** That a dry run gave way is told by the rule that followed. */
const SHOWN = Object.keys(CHANGES) as (keyof typeof CHANGES)[];

const text = (description: string) => z.string().max(4096).describe(description);
/** What is missing is not said here, one by one, but by request.ts, all at once. */
const draftBody = z.strictObject({
  name: text('The attacked name.').optional(),
  subtree: z.boolean().optional().describe('The name and everything below it; otherwise exactly the name.'),
  'dry-run': z.boolean().optional().describe('Only count what the rule would hit.'),
  ground: z
    .strictObject({
      kind: text('self-defence, necessity or legitimate-business.').optional(),
      ...groundProperties,
    })
    .optional(),
});
const reasonBody = z.strictObject({ reason: text('Why the rule is lifted.').optional() }).nullable();
const nameParams = z.strictObject({ name: text('Name of the rule.') });

/** What was stated may name an attacker's address: then looking at it is a read of personal data. */
const READ: RouteAudit = { of: 'read', actions: ['sinkhole.read'], unless: NO_ADDRESS };
const changed = (action: string): RouteAudit => ({ of: 'change', actions: [`sinkhole.${action}`] });

export function registerRoutes(app: AdminApi, desk: DeskRules, clock: Clock, audit: Auditor): void {
  const by = (identity: { readonly name: string; readonly roles: readonly string[] } | null, verb: string) => ({
    who: identity?.name ?? 'unknown',
    role: identity?.roles.join(' ') ?? '',
    action: `${PLUGIN}.${verb}`,
  });
  const route = <Answer extends z.ZodType, Asked extends object>(
    roles: readonly Role[],
    trace: RouteAudit,
    summary: string,
    answer: Answer,
    asked: Asked,
  ) => ({
    config: { roles, audit: trace },
    schema: { summary, ...asked, response: { 200: answer, ...FAILURES } },
  });

  app.get(
    '/rules',
    route(
      LOOK,
      READ,
      'Rules of the sinkhole, with their rates; audited where an address is among what was stated',
      rulesSchema,
      { querystring: z.strictObject({ reason: PURPOSE }) },
    ),
    async ({ query, identity }) =>
      readWhereAddresses(audit, identity, 'sinkhole.read', query.reason, {
        rules: desk.entries(PLUGIN).map((entry) => ruleView(entry, clock)),
        limit: MAX_RULES,
        warnings: desk.warnings(),
      }),
  );

  app.post(
    '/rules',
    route(KEEP, changed('add'), 'Add a rule; answered when every worker holds it', appliedSchema, { body: draftBody }),
    async ({ body, identity }) => {
      const { entry, appliedInMs } = await desk.add(readDraft(body, clock.wallMs()), by(identity, 'add'));
      return { rule: ruleView(entry, clock), appliedInMs };
    },
  );

  app.post(
    '/rules/:name/renew',
    route(KEEP, changed('renew'), 'Another term for a rule, on fresh evidence', appliedSchema, {
      params: nameParams,
      body: renewalBody,
    }),
    async ({ params, body, identity }) => {
      const { entry, appliedInMs } = await desk.renew(named(params.name), body, by(identity, 'renew'));
      return { rule: ruleView(entry, clock), appliedInMs };
    },
  );

  app.delete(
    '/rules/:name',
    route(KEEP, changed('remove'), 'Lift a rule; answered when no worker has it any more', appliedSchema, {
      params: nameParams,
      body: reasonBody,
    }),
    async ({ params, body, identity }) => {
      const { entry, appliedInMs } = await desk.lift(named(params.name), body?.reason ?? '', by(identity, 'remove'));
      return { rule: ruleView(entry, clock), appliedInMs };
    },
  );

  app.post(
    '/preview',
    route(
      KEEP,
      READ,
      'What adding a rule would do, without adding it; audited where an address is among what was stated',
      previewSchema,
      {
        body: draftBody,
        querystring: z.strictObject({ reason: PURPOSE }),
      },
    ),
    async ({ body, query, identity }) =>
      readWhereAddresses(audit, identity, 'sinkhole.read', query.reason, await preview(desk, body, clock)),
  );

  app.get(
    '/changes',
    route(LOOK, READ, 'Every change to the rules, the latest first', changesSchema, {
      querystring: z.strictObject({ limit: z.int().min(1).max(MAX_CHANGES).default(100), reason: PURPOSE }),
    }),
    async ({ query, identity }) =>
      readWhereAddresses(audit, identity, 'sinkhole.read', query.reason, {
        changes: (await desk.changes(query.limit, { plugin: PLUGIN, actions: SHOWN })).map(changeView),
      }),
  );
}

function named(given: string): { readonly plugin: string; readonly name: string } {
  try {
    return { plugin: PLUGIN, name: ruleName(given).text };
  } catch (error) {
    if (!(error instanceof RuleNameError)) throw generalError('SEKISHO_REQUEST_INVALID', errorText(error));
    throw refused('nothing was changed', [`name: '${given.slice(0, 80)}' ${error.message}`]);
  }
}
