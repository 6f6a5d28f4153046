/**
 * The desk's part of the admin API, below /v1/sinkhole/. Who keeps the rules is the operator or the security desk; the
 * privacy officer may look at them and at their history.
 */

import type { FastifyInstance } from 'fastify';
import { NO_ADDRESS, PURPOSE, readWhereAddresses } from '../../src/audit/personal-read.ts';
import type { RouteAudit } from '../../src/audit/route-declaration.ts';
import { errorSchema, groundProperties, type Role, renewalBody, responseSchema } from '../../src/contract/admin.ts';
import { type Auditor, type Clock, type DeskRules, errorText, generalError } from '../../src/contract/plugin.ts';
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

const text = (description: string) => ({ type: 'string', maxLength: 4096, description });
/** What is missing is not said here, one by one, but by request.ts, all at once. */
const draftBody = {
  type: 'object',
  additionalProperties: false,
  properties: {
    name: text('The attacked name.'),
    subtree: { type: 'boolean', description: 'The name and everything below it; otherwise exactly the name.' },
    'dry-run': { type: 'boolean', description: 'Only count what the rule would hit.' },
    ground: {
      type: 'object',
      additionalProperties: false,
      properties: { kind: text('self-defence, necessity or legitimate-business.'), ...groundProperties },
    },
  },
};
const reasonBody = {
  type: ['object', 'null'],
  additionalProperties: false,
  properties: { reason: text('Why the rule is lifted.') },
};
const nameParams = { type: 'object', required: ['name'], properties: { name: text('Name of the rule.') } };

type NameParams = { Params: { name: string } };

/** What was stated may name an attacker's address: then looking at it is a read of personal data. */
const READ: RouteAudit = { of: 'read', actions: ['sinkhole.read'], unless: NO_ADDRESS };
const changed = (action: string): RouteAudit => ({ of: 'change', actions: [`sinkhole.${action}`] });

export function registerRoutes(app: FastifyInstance, desk: DeskRules, clock: Clock, audit: Auditor): void {
  const failures = { '4xx': responseSchema(errorSchema), '5xx': responseSchema(errorSchema) };
  const by = (identity: { readonly name: string; readonly roles: readonly string[] } | null, verb: string) => ({
    who: identity?.name ?? 'unknown',
    role: identity?.roles.join(' ') ?? '',
    action: `${PLUGIN}.${verb}`,
  });
  const route = (
    roles: readonly Role[],
    trace: RouteAudit,
    summary: string,
    answer: Record<string, unknown>,
    more: object = {},
  ) => ({
    config: { roles, audit: trace },
    schema: { summary, ...more, response: { 200: answer, ...failures } },
  });
  const applied = responseSchema(appliedSchema);

  app.get<{ Querystring: { reason?: string } }>(
    '/rules',
    route(
      LOOK,
      READ,
      'Rules of the sinkhole, with their rates; audited where an address is among what was stated',
      responseSchema(rulesSchema),
      { querystring: { type: 'object', additionalProperties: false, properties: { reason: PURPOSE } } },
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
    route(KEEP, changed('add'), 'Add a rule; answered when every worker holds it', applied, { body: draftBody }),
    async ({ body, identity }) => {
      const { entry, appliedInMs } = await desk.add(readDraft(body, clock.wallMs()), by(identity, 'add'));
      return { rule: ruleView(entry, clock), appliedInMs };
    },
  );

  app.post<NameParams>(
    '/rules/:name/renew',
    route(KEEP, changed('renew'), 'Another term for a rule, on fresh evidence', applied, {
      params: nameParams,
      body: renewalBody,
    }),
    async ({ params, body, identity }) => {
      const { entry, appliedInMs } = await desk.renew(named(params.name), body, by(identity, 'renew'));
      return { rule: ruleView(entry, clock), appliedInMs };
    },
  );

  app.delete<NameParams & { Body: { reason?: string } | null }>(
    '/rules/:name',
    route(KEEP, changed('remove'), 'Lift a rule; answered when no worker has it any more', applied, {
      params: nameParams,
      body: reasonBody,
    }),
    async ({ params, body, identity }) => {
      const { entry, appliedInMs } = await desk.lift(named(params.name), body?.reason ?? '', by(identity, 'remove'));
      return { rule: ruleView(entry, clock), appliedInMs };
    },
  );

  app.post<{ Querystring: { reason?: string } }>(
    '/preview',
    route(
      KEEP,
      READ,
      'What adding a rule would do, without adding it; audited where an address is among what was stated',
      responseSchema(previewSchema),
      {
        body: draftBody,
        querystring: { type: 'object', additionalProperties: false, properties: { reason: PURPOSE } },
      },
    ),
    async ({ body, query, identity }) =>
      readWhereAddresses(audit, identity, 'sinkhole.read', query.reason, await preview(desk, body, clock)),
  );

  app.get<{ Querystring: { limit?: number; reason?: string } }>(
    '/changes',
    route(LOOK, READ, 'Every change to the rules, the latest first', responseSchema(changesSchema), {
      querystring: {
        type: 'object',
        additionalProperties: false,
        properties: {
          limit: { type: 'integer', minimum: 1, maximum: MAX_CHANGES, default: 100 },
          reason: PURPOSE,
        },
      },
    }),
    async ({ query, identity }) =>
      readWhereAddresses(audit, identity, 'sinkhole.read', query.reason, {
        changes: (await desk.changes(query.limit ?? 100, { plugin: PLUGIN, actions: SHOWN })).map(changeView),
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
