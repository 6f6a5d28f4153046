/**
 * `/v1/terminals`: reports of infected terminals in, cases out. Reports come in rows; the file is read where it lies
 * (cli/report-file.ts). Who held an address is looked up here and nowhere else, and each look is on record before.
 */
import { z } from 'zod';
import type { Auditor } from '../audit/entry.ts';
import { actorOf, changeBy, PURPOSE, readOf } from '../audit/personal-read.ts';
import { recordTogether } from '../audit/together.ts';
import { type AdminApi, FAILURES } from '../errors/api-schema.ts';
import { generalError } from '../errors/errors.ts';
import { isSubscriberNumber } from '../subscribers/table/directory.ts';
import { CASE_STATES, type Case, codeIn } from './cases/case.ts';
import type { TerminalsDesk } from './desk.ts';
import { terminalsError } from './errors.ts';
import { REPORT_PROBLEMS } from './matching.ts';
import { REPORT_FORMS } from './reports/report-forms.ts';
import { isZone } from './reports/report-time.ts';

const instant = z.string().describe('ISO 8601, UTC.');

export const caseSchema = z.strictObject({
  code: z.string().describe('What the subscriber checks in the portal.'),
  subscriber: z.string(),
  kind: z.string().describe('What was seen.'),
  sources: z.array(z.string()),
  firstSeen: instant,
  lastSeen: instant,
  reports: z.int(),
  state: z.enum(CASE_STATES),
  over: z.boolean().describe('Fixed, wrong, or without a further report for `terminals.ends-after`.'),
  notices: z.int().describe('How often the subscriber was told.'),
  noticed: instant.nullable().describe('Last time.'),
});
export type CaseView = z.infer<typeof caseSchema>;

const casesSchema = z.strictObject({ cases: z.array(caseSchema) });
export type CasesView = z.infer<typeof casesSchema>;

const exportedSchema = z.strictObject({
  notices: z.array(
    z.strictObject({
      code: z.string(),
      subscriber: z.string(),
      kind: z.string(),
      firstSeen: instant,
      lastSeen: instant,
      reports: z.int(),
      notice: z.int().describe('1 = the first, more = a reminder.'),
      checkUrl: z.string().describe('Where the subscriber can check the code.'),
    }),
  ),
  marked: z.boolean().describe('They count as told from now on.'),
});
export type ExportedNotices = z.infer<typeof exportedSchema>;

const importedSchema = z.strictObject({
  dryRun: z.boolean(),
  matched: z.int(),
  repeated: z.int().describe('Taken before, or twice: not looked up again.'),
  opened: z.int().describe('Cases.'),
  added: z.int().describe('Reports added to cases that were there.'),
  over: z.int().describe('Observed before their case was fixed, found wrong or ended.'),
  refused: z.array(z.strictObject({ row: z.int(), problem: z.enum(REPORT_PROBLEMS) })),
});
export type ImportedReports = z.infer<typeof importedSchema>;

const formsSchema = z.strictObject({
  forms: z.array(
    z.strictObject({
      name: z.string(),
      syntax: z.enum(['csv', 'json']),
      columns: z.strictObject({
        address: z.array(z.string()),
        port: z.array(z.string()),
        time: z.array(z.string()),
        kind: z.array(z.string()),
      }),
      zone: z.string().nullable(),
      source: z.string().nullable(),
    }),
  ),
});
export type FormsView = z.infer<typeof formsSchema>;

const checkedSchema = z.strictObject({
  genuine: z.boolean().describe('A notice with this code was sent by this operator.'),
  kind: z.string().nullable(),
  firstSeen: instant.nullable(),
  lastSeen: instant.nullable(),
  state: z.enum(CASE_STATES).nullable(),
});
export type CheckedCode = z.infer<typeof checkedSchema>;

/** Rows of one request. */
export const REPORT_ROWS = 1000;
const BODY_BYTES = 1024 * 1024;

export interface TerminalRoutesDeps {
  /** Undefined where the configuration takes no reports. */
  readonly desk: TerminalsDesk | undefined;
  readonly audit: Auditor;
  readonly portalUrl: string;
}

export function terminalRoutes(app: AdminApi, { desk, audit, portalUrl }: TerminalRoutesDeps): void {
  const needed = (): TerminalsDesk => {
    if (desk) return desk;
    throw terminalsError('SEKISHO_NO_TERMINALS', 'no `terminals` is configured, or no `subscribers`');
  };

  app.get(
    '/v1/terminals/forms',
    {
      config: { roles: ['security', 'privacy'], noAudit: 'which columns reports have: nothing of anybody' },
      schema: {
        summary: 'Forms in which reports can be imported',
        response: { 200: formsSchema, ...FAILURES },
      },
    },
    async (): Promise<FormsView> => ({
      forms: (desk?.config.forms ?? REPORT_FORMS).map(({ name, syntax, columns, zone, source }) => ({
        name,
        syntax,
        columns: {
          address: [...columns.address],
          port: [...columns.port],
          time: [...columns.time],
          kind: [...columns.kind],
        },
        zone: zone ?? null,
        source: source ?? null,
      })),
    }),
  );

  const cell = z.string().max(128);
  app.post(
    '/v1/terminals/reports',
    {
      config: { roles: ['security'], audit: { of: 'read', actions: ['terminals.import'] } },
      bodyLimit: BODY_BYTES,
      schema: {
        summary: 'Match reports of third parties to the leases of their time; the look is recorded',
        body: z.strictObject({
          reason: PURPOSE,
          source: z
            .string()
            .regex(/^[\x20-\x7e]{1,64}$/)
            .describe('Who reports.'),
          zone: z.string().max(64).optional().describe('Of times that carry none.'),
          kind: z.string().max(64).optional().describe('Of rows that name none.'),
          dryRun: z.boolean().default(false),
          rows: z
            .array(
              z.strictObject({
                row: z.int().min(0).describe('Of the file, to tell what is wrong with it.'),
                address: cell,
                port: cell.default(''),
                time: cell,
                kind: cell.default(''),
              }),
            )
            .max(REPORT_ROWS),
        }),
        response: { 200: importedSchema, ...FAILURES },
      },
    },
    async ({ body, identity }): Promise<ImportedReports> => {
      const { reason, source, zone, kind, dryRun, rows } = body;
      const entry = readOf(identity, 'terminals.import', reason, { source, reports: rows.length, dryRun });
      const to = needed();
      if (zone !== undefined && !isZone(zone))
        throw generalError(
          'SEKISHO_REQUEST_INVALID',
          'zone: write UTC, an offset such as +09:00 or a zone such as Asia/Tokyo',
        );
      const missing = to.historyMissing;
      if (missing !== undefined) throw terminalsError('SEKISHO_NO_LEASE_HISTORY', missing);
      // Nobody's lease is read before it is on record who reads it and what for.
      await recordTogether(audit, entry);
      const result = await to.import({ source, rows, zone, kind, dryRun });
      const counts: Record<string, number> = {};
      for (const { problem } of result.refused) counts[problem] = (counts[problem] ?? 0) + 1;
      const { matched, repeated, opened, added, over } = result;
      await recordTogether(audit, {
        ...entry,
        action: 'terminals.import.succeeded',
        detail: { ...entry.detail, matched, repeated, opened, added, over, refused: counts },
      });
      return { dryRun, matched, repeated, opened, added, over, refused: [...result.refused] };
    },
  );

  app.get(
    '/v1/terminals/cases',
    {
      config: { roles: ['security', 'privacy'], audit: { of: 'read', actions: ['terminals.read'] } },
      schema: {
        summary: 'Cases of infected terminals; the look is recorded',
        querystring: z.strictObject({
          reason: PURPOSE,
          subscriber: z.string().max(64).optional(),
          state: z.enum(CASE_STATES).optional(),
          over: z.boolean().default(false).describe('Those that are over, too.'),
        }),
        response: { 200: casesSchema, ...FAILURES },
      },
    },
    async ({ query: { reason, subscriber, state, over }, identity }): Promise<CasesView> => {
      const entry = readOf(identity, 'terminals.read', reason, subscriber === undefined ? {} : { subscriber });
      const to = needed();
      if (subscriber !== undefined && !isSubscriberNumber(subscriber))
        throw generalError('SEKISHO_REQUEST_INVALID', 'subscriber: not a subscriber number');
      await recordTogether(audit, entry);
      const filter = {
        ...(subscriber !== undefined && { subscriber }),
        ...(state !== undefined && { state }),
        closed: over,
      };
      return { cases: (await to.list(filter)).map(caseView) };
    },
  );

  app.post(
    '/v1/terminals/export',
    {
      config: { roles: ['security'], audit: { of: 'read', actions: ['terminals.export'] } },
      schema: {
        summary: 'Notices that are due, for a mailing system; recorded',
        body: z.strictObject({
          reason: PURPOSE,
          mark: z.boolean().default(false).describe('They count as told from now on.'),
        }),
        response: { 200: exportedSchema, ...FAILURES },
      },
    },
    async ({ body: { reason, mark }, identity }): Promise<ExportedNotices> => {
      const entry = readOf(identity, 'terminals.export', reason, { mark });
      const to = needed();
      await recordTogether(audit, entry);
      const due = await to.due();
      if (mark) await to.noticed(due.map(({ code }) => code));
      return {
        notices: due.map((each) => {
          const { code, subscriber, kind, firstSeen, lastSeen, reports, notices } = caseView(each);
          const checkUrl = to.checkUrl(portalUrl, code);
          return { code, subscriber, kind, firstSeen, lastSeen, reports, notice: notices + 1, checkUrl };
        }),
        marked: mark,
      };
    },
  );

  app.post(
    '/v1/terminals/cases/:code',
    {
      config: { roles: ['security'], audit: { of: 'change', actions: ['terminals.mark'] } },
      schema: {
        summary: 'Change the state of a case',
        params: z.strictObject({ code: z.string().max(64) }),
        body: z.strictObject({
          state: z.enum(CASE_STATES),
          reason: z.string().max(500).default('').describe('Why; recorded.'),
        }),
        response: { 200: caseSchema, ...FAILURES },
      },
    },
    async ({ params, body: { state, reason }, identity }): Promise<CaseView> => {
      const to = needed();
      const code = codeOf(params.code);
      await recordTogether(
        audit,
        changeBy(identity, 'terminals.mark', reason, 'the state of a case has changed', { code, state }),
      );
      return caseView(await to.mark(code, state));
    },
  );

  app.post(
    '/v1/terminals/check',
    {
      config: { roles: ['portal'], audit: { of: 'change', actions: ['terminals.check'] } },
      schema: {
        summary:
          'Is this code of a notice by this operator? For a portal of the operator’s own; a genuine one counts as seen',
        body: z.strictObject({ code: z.string().min(1).max(64) }),
        response: { 200: checkedSchema, ...FAILURES },
      },
    },
    async ({ body, identity }): Promise<CheckedCode> => {
      const to = needed();
      await recordTogether(audit, {
        ...actorOf(identity),
        action: 'terminals.check',
        purpose: 'a subscriber checks the code of a notice',
        detail: {},
      });
      const code = codeIn(body.code);
      const found = code === undefined ? undefined : await to.checked(code);
      if (!found) return { genuine: false, kind: null, firstSeen: null, lastSeen: null, state: null };
      const { kind, firstSeen, lastSeen, state } = caseView(found);
      return { genuine: true, kind, firstSeen, lastSeen, state };
    },
  );
}

/** Throws SekishoError SEKISHO_CASE_UNKNOWN. */
function codeOf(text: string): string {
  const code = codeIn(text);
  if (code === undefined)
    throw terminalsError('SEKISHO_CASE_UNKNOWN', 'that is no code of a case; codes read XXXX-XXXX-XXXX');
  return code;
}

function caseView(of: Case): CaseView {
  return {
    code: of.code,
    subscriber: of.subscriber,
    kind: of.kind,
    sources: [...of.sources],
    firstSeen: iso(of.firstMs),
    lastSeen: iso(of.lastMs),
    reports: of.reports,
    state: of.state,
    over: of.closedMs !== 0,
    notices: of.notices,
    noticed: of.noticedMs === 0 ? null : iso(of.noticedMs),
  };
}

function iso(ms: number): string {
  return new Date(ms).toISOString();
}
