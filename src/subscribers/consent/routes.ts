/**
 * `/v1/consent`: the consent of one subscriber at a time, for the portal and the call centre; bulk import and the state of
 * the ledger for the privacy officer. Who asked, over which channel and why is recorded with every request.
 */
import { z } from 'zod';
import { actorOf as askerOf, PURPOSE, readOf } from '../../audit/personal-read.ts';
import type { Identity, Role } from '../../audit/roles.ts';
import { statedReason } from '../../audit/stated-reason.ts';
import { recordTogether } from '../../audit/together.ts';
import { type AdminApi, FAILURES } from '../../errors/api-schema.ts';
import { needed, type SubscriberRoutesDeps } from '../routes-deps.ts';
import { AuditedConsents } from './audited-consents.ts';
import { type Actor, ConsentDesk, type ImportRow } from './consent-desk.ts';
import { PURPOSES } from './purposes.ts';

const instant = z.string().describe('ISO 8601, UTC.');

export const consentSchema = z.strictObject({
  subscriber: z.string(),
  known: z.boolean().describe('Seen in a range, a lease or the ledger since the start.'),
  terms: z.string().nullable().describe('Version of the terms in force.'),
  durable: z
    .boolean()
    .describe('False: a withdrawal acts, but cannot be written to the disk yet; it is retried until it is.'),
  purposes: z.array(
    z.strictObject({
      purpose: z.enum(PURPOSES),
      state: z.enum(['contract', 'opted-out', 'individual', 'unknown']),
      inspected: z.boolean().describe('Queries of this subscriber are looked up in lists of this purpose now.'),
    }),
  ),
});
export type ConsentView = z.infer<typeof consentSchema>;

export const exportSchema = z.strictObject({
  consent: consentSchema,
  history: z.array(
    z.strictObject({
      seq: z.int(),
      at: instant,
      purpose: z.string(),
      action: z.string(),
      who: z.string(),
      channel: z.string(),
      terms: z.string(),
      reason: z.string(),
      hash: z.string(),
    }),
  ),
  notices: z.array(
    z.strictObject({ category: z.string(), list: z.string(), first: instant, last: instant, count: z.int() }),
  ),
  names: z
    .array(z.strictObject({ list: z.string(), name: z.string(), first: instant, last: instant, count: z.int() }))
    .describe('Listed names that were looked up; empty unless the operator records them on a ground (record-names).'),
  cases: z
    .array(
      z.strictObject({
        code: z.string(),
        kind: z.string(),
        first: instant,
        last: instant,
        reports: z.int(),
        state: z.string(),
      }),
    )
    .describe('Cases of infected terminals (`sekisho terminals`).'),
});
export type ConsentExport = z.infer<typeof exportSchema>;

const importSchema = z.strictObject({
  rows: z.int().describe('Rows of the file that are done.'),
  problems: z.array(z.strictObject({ row: z.int(), problem: z.string() })),
});
export type ImportResult = z.infer<typeof importSchema>;

const ledgerSchema = z.strictObject({
  entries: z.int(),
  holds: z.boolean(),
  problem: z.string().nullable(),
  nodes: z
    .int()
    .nullable()
    .describe(
      'Nodes of the fleet whose reported ends lie on the chain in the database; null where the server stands alone.',
    ),
});
export type LedgerView = z.infer<typeof ledgerSchema>;

const acceptedSchema = z.strictObject({ damage: z.string().describe('What was accepted.'), entries: z.int() });
export type AcceptedDamage = z.infer<typeof acceptedSchema>;

/** One subscriber at a time for the portal; the privacy officer sees what was done to whom. */
const ONE_SUBSCRIBER: Role[] = ['portal', 'privacy'];
const SUBSCRIBER = z.string().min(1).max(64);
const REASON = z.string().max(500).default('').describe('Why; recorded.');
const CHANNEL = z.enum(['api', 'portal', 'call-centre', 'command-line']).default('api');
/** Rows of one request of an import. */
export const IMPORT_ROWS = 1000;
const IMPORT_BODY_BYTES = 512 * 1024;

interface Why {
  readonly reason: string;
  readonly channel: string;
}

export function consentRoutes(
  app: AdminApi,
  { desk, audit, log }: Pick<SubscriberRoutesDeps, 'desk' | 'audit' | 'log'>,
): void {
  const audited = () => new AuditedConsents(needed(desk).state, audit, log);
  // Of a look a purpose is needed, and what is missing is told by name (personal-read.ts).
  const whyRead = z.strictObject({ reason: PURPOSE, channel: CHANNEL });
  const params = z.strictObject({ subscriber: SUBSCRIBER });

  app.get(
    '/v1/consent/subscribers/:subscriber',
    {
      config: { roles: ONE_SUBSCRIBER, audit: { of: 'read', actions: ['consent.show'] } },
      schema: {
        summary: 'The consent of a subscriber; the look is recorded',
        params,
        querystring: whyRead,
        response: { 200: consentSchema, ...FAILURES },
      },
    },
    async ({ params: { subscriber }, query, identity }) => {
      const entry = readOf(identity, 'consent.show', query.reason, { subscriber, channel: query.channel });
      const state = needed(desk).state;
      await recordTogether(audit, entry);
      return viewOf(await new ConsentDesk(state).show(subscriber, readerOf(query, entry.purpose, identity)));
    },
  );

  app.get(
    '/v1/consent/subscribers/:subscriber/export',
    {
      config: { roles: ONE_SUBSCRIBER, audit: { of: 'read', actions: ['consent.export'] } },
      schema: {
        summary: 'Everything that is kept of a subscriber, for the subscriber’s own request; recorded',
        params,
        querystring: whyRead,
        response: { 200: exportSchema, ...FAILURES },
      },
    },
    async ({ params: { subscriber }, query, identity }): Promise<ConsentExport> => {
      const entry = readOf(identity, 'consent.export', query.reason, { subscriber, channel: query.channel });
      const state = needed(desk).state;
      await recordTogether(audit, entry);
      const reader = readerOf(query, entry.purpose, identity);
      const { consent, history, notices, names } = await new ConsentDesk(state).export(subscriber, reader);
      return {
        consent: viewOf(consent),
        history: history.map(({ atMs, subscriber: _, ...entry }) => ({ ...entry, at: iso(atMs) })),
        notices: notices.map(({ category, list, firstMs, lastMs, count }) => ({
          category,
          list,
          first: iso(firstMs),
          last: iso(lastMs),
          count,
        })),
        names: names.map(({ list, name, firstMs, lastMs, count }) => ({
          list,
          name,
          first: iso(firstMs),
          last: iso(lastMs),
          count,
        })),
        cases: ((await state.casesOf?.(subscriber)) ?? []).map(
          ({ code, kind, firstMs, lastMs, reports, state: at }) => ({
            code,
            kind,
            first: iso(firstMs),
            last: iso(lastMs),
            reports,
            state: at,
          }),
        ),
      };
    },
  );

  app.post(
    '/v1/consent/subscribers/:subscriber/:action',
    {
      config: {
        roles: ONE_SUBSCRIBER,
        audit: {
          of: 'change',
          actions: ['consent.opt-out', 'consent.opt-in'],
          unless: 'an opt-out acts also where the audit log cannot be written: it protects whoever asks for it',
        },
      },
      schema: {
        summary:
          'Opt out or in; 200 when it is on the disk and acts in every worker, 202 when an opt-out acts that cannot be written yet',
        params: params.extend({ action: z.enum(['opt-out', 'opt-in']) }),
        body: z.strictObject({ purpose: z.enum(PURPOSES).default('c2'), reason: REASON, channel: CHANNEL }),
        response: { 200: consentSchema, 202: consentSchema, ...FAILURES },
      },
    },
    async ({ params: { subscriber, action }, body, identity }, reply) => {
      const actor = actorOf(body, identity);
      const consent = await audited().change(subscriber, body.purpose, action, actor, askerOf(identity));
      return reply.code(consent.durable ? 200 : 202).send(viewOf(consent));
    },
  );

  const id = z.strictObject({ id: z.string().regex(/^[A-Za-z0-9._-]{1,80}$/) });
  app.get(
    '/v1/consent/import/:id',
    {
      config: { roles: ['privacy'], noAudit: 'how many rows of a file were taken: nothing of whom' },
      schema: {
        summary: 'How far an import has come',
        params: id,
        response: { 200: importSchema, ...FAILURES },
      },
    },
    async ({ params: { id: of } }): Promise<ImportResult> => ({
      rows: await needed(desk).state.consent.importedRows(of),
      problems: [],
    }),
  );

  app.post(
    '/v1/consent/import/:id',
    {
      config: { roles: ['privacy'], audit: { of: 'change', actions: ['consent.import'] } },
      bodyLimit: IMPORT_BODY_BYTES,
      schema: {
        summary: 'Take rows of consents from another system; rows that were taken before are left out',
        params: id,
        body: z.strictObject({
          from: z.int().min(0).describe('Rows of the file before the first one here.'),
          rows: z.array(z.array(z.string().max(64)).min(3).max(4)).max(IMPORT_ROWS),
          reason: REASON,
        }),
        response: { 200: importSchema, ...FAILURES },
      },
    },
    async ({ params: { id: of }, body, identity }) =>
      audited().import(
        of,
        body.from,
        body.rows.map(importRow),
        actorOf({ reason: body.reason, channel: 'import' }, identity),
        askerOf(identity),
      ),
  );

  app.get(
    '/v1/consent/ledger',
    {
      config: { roles: ['privacy'], noAudit: 'whether the chain holds and how long it is: nothing of whom' },
      schema: {
        summary: 'Verify the whole chain of the consent ledger',
        response: { 200: ledgerSchema, ...FAILURES },
      },
    },
    async (): Promise<LedgerView> => {
      const { state } = needed(desk);
      // What is found now is damage from now on.
      const problem = await state.consent.verify();
      const nodes = state.fleet ? (await state.fleet.nodes()).filter(({ applied }) => applied > 0) : undefined;
      const wider = problem ?? (nodes && (await state.fleet?.ledger.verify(nodes)));
      return {
        entries: state.ledger.entries,
        holds: wider === undefined,
        problem: wider ?? null,
        nodes: nodes?.length ?? null,
      };
    },
  );

  app.post(
    '/v1/consent/ledger/accept-damage',
    {
      config: { roles: ['privacy'], audit: { of: 'change', actions: ['consent.accept-damage'] } },
      schema: {
        summary: 'Accept the damage of the consent ledger: inspection goes on with what it says now. Recorded',
        body: statedReason,
        response: { 200: acceptedSchema, ...FAILURES },
      },
    },
    async ({ body: { reason }, identity }): Promise<AcceptedDamage> =>
      needed(desk).state.consent.acceptDamage({
        who: identity?.name ?? '',
        role: identity?.roles.join(' ') ?? '',
        reason,
      }),
  );
}

/** Of three or four columns, as the schema says. */
function importRow([subscriber = '', purpose = '', action = '', terms]: readonly string[]): ImportRow {
  return terms === undefined ? [subscriber, purpose, action] : [subscriber, purpose, action, terms];
}

function actorOf({ reason, channel }: Why, identity: Identity | null): Actor {
  // A portal's token speaks for the portal, whatever it says.
  const isPortal = identity?.roles.length === 1 && identity.roles[0] === 'portal';
  return { who: identity?.name ?? '', channel: isPortal ? 'portal' : channel, reason };
}

function readerOf({ channel }: { readonly channel: string }, reason: string, identity: Identity | null): Actor {
  return actorOf({ reason, channel }, identity);
}

function viewOf(consent: Awaited<ReturnType<ConsentDesk['show']>>): ConsentView {
  return { ...consent, terms: consent.terms ?? null, purposes: [...consent.purposes] };
}

function iso(ms: number): string {
  return new Date(ms).toISOString();
}
