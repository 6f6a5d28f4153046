/** `/v1/report`: the transparency report of a span of days. It names nobody, but it is the privacy officer who publishes it. */
import { z } from 'zod';
import type { Auditor } from '../audit/entry.ts';
import { recordTogether } from '../audit/together.ts';
import { type AdminApi, FAILURES } from '../errors/api-schema.ts';
import { generalError } from '../errors/errors.ts';
import type { ReportSpan, TransparencyReport } from './report.ts';

const count = z.int().min(0);
const HIDDEN = 'null: fewer than smallestCell.';
const wordsSchema = z.strictObject({ ja: z.string(), en: z.string() });
const countedSchema = z.strictObject({
  what: wordsSchema,
  labels: wordsSchema,
  count: count.nullable().describe(HIDDEN),
  days: count.nullable().describe('Days on which it rose.'),
});
const actionSchema = z.strictObject({
  action: z.string(),
  what: wordsSchema,
  count: count.nullable().describe(HIDDEN),
  first: z.string().nullable(),
  last: z.string().nullable(),
});

const reportSchema = z.strictObject({
  from: z.string(),
  to: z.string(),
  generatedAt: z.string().describe('ISO 8601, UTC.'),
  version: z.string(),
  queries: count,
  measures: z.array(
    z.strictObject({
      plugin: z.string(),
      stage: z.string(),
      counts: z.array(countedSchema),
      undescribed: count.describe('Counters of plugins from outside, for which there are no words for the public.'),
    }),
  ),
  lists: z.array(z.strictObject({ name: z.string(), category: z.string(), tier: z.string(), ground: z.string() })),
  actions: z.array(actionSchema),
  refusals: z.strictObject({ actions: z.array(actionSchema), counts: z.array(countedSchema) }),
  deletions: z.array(
    z.strictObject({
      dataset: z.string(),
      what: wordsSchema,
      times: count,
      rows: count.nullable().describe(HIDDEN),
      last: z.string(),
    }),
  ),
  consent: z.array(
    z.strictObject({
      action: z.string(),
      channel: z.string(),
      what: wordsSchema,
      by: wordsSchema,
      count: count.nullable().describe('null: of fewer people than smallestCell.'),
    }),
  ),
  smallestCell: count,
  audit: z.strictObject({ ok: z.boolean(), entries: count, head: z.string().nullable() }),
});

export interface ReportRoutesDeps {
  readonly audit: Auditor;
  /** Rejects with SekishoError where something it is made of cannot be read. */
  readonly report: (span: ReportSpan) => Promise<TransparencyReport>;
}

const DAY = /^\d{4}-\d{2}-\d{2}$/;
const day = z.string().regex(DAY).describe('YYYY-MM-DD, in UTC, included.');

export function reportRoutes(app: AdminApi, { audit, report }: ReportRoutesDeps): void {
  app.get(
    '/v1/report',
    {
      config: { roles: ['privacy'], audit: { of: 'read', actions: ['report.read'] } },
      schema: {
        summary: 'The transparency report: what was done, how often, what was deleted; names nobody',
        querystring: z.strictObject({ from: day, to: day }),
        response: { 200: reportSchema, ...FAILURES },
      },
    },
    async ({ query, identity }) => {
      const span = checkedSpan(query.from, query.to);
      await recordTogether(audit, {
        who: identity?.name ?? '',
        role: identity?.roles.join(', ') ?? '',
        action: 'report.read',
        purpose: 'transparency report',
        detail: { ...span },
      });
      return report(span);
    },
  );
}

/** Throws SekishoError SEKISHO_REQUEST_INVALID where these are no days, or end before they begin. */
export function checkedSpan(from: string, to: string): ReportSpan {
  for (const [name, text] of [
    ['from', from],
    ['to', to],
  ] as const)
    if (!DAY.test(text) || Number.isNaN(Date.parse(text)) || new Date(text).toISOString().slice(0, 10) !== text)
      throw generalError('SEKISHO_REQUEST_INVALID', `${name}: '${text}' is not a date of the form YYYY-MM-DD`);
  if (to < from) throw generalError('SEKISHO_REQUEST_INVALID', `to: ${to} lies before ${from}`);
  return { from, to };
}
