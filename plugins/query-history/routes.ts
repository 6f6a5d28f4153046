/** The admin routes of the history, below /v1/query-history/. */

import type { FastifyRequest } from 'fastify';
import { holdsAddress } from '../../src/audit/addresses-in-text.ts';
import { PURPOSE } from '../../src/audit/personal-read.ts';
import { type AdminApi, measureSchema, measureView } from '../../src/contract/admin.ts';
import { z } from '../../src/contract/plugin.ts';
import type { HistoryDesk } from './desk.ts';
import type { Reader } from './reader.ts';
import { type HistoryReading, LEAST_REASON, shown } from './reading.ts';
import type { ShownOverload } from './report-shapes.ts';

const reason = z
  .string()
  .min(LEAST_REASON)
  .max(500)
  .describe('Declares an overload for an hour; recorded with who gave it.');
const span = z
  .int()
  .min(10)
  .max(35 * 86_400);
const windowSeconds = span.default(60).describe('How far back, in seconds.');
const fitting = span
  .optional()
  .describe('How far back, in seconds; without it the window that fits the incident is found.');
const approver = z
  .string()
  .min(1)
  .max(200)
  .optional()
  .describe('A second person who approves that single addresses are shown; not needed while an overload is detected.');

const text = (description: string) => z.string().max(2000).optional().describe(description);
/** What a ground lacks is not said here, one by one, but by the measures desk, all at once. */
const applyBody = z.strictObject({
  diagnosis: text('Its id; without it, the last that the same token made.'),
  proposal: z.int().min(1).max(100).describe('Its place in the diagnosis, from 1.'),
  'dry-run': z.boolean().optional().describe('Only count what it would limit.'),
  escalate: text('For a whole zone: why nothing narrower does.'),
  ground: z
    .record(z.string(), z.string().max(2000).describe('A statement; evidence and effect are added from the diagnosis.'))
    .optional()
    .describe('kind, and what that ground needs; for legitimate-business `expires` stands for `review`.'),
});

const signal = z.strictObject({ signal: z.string(), value: z.number(), threshold: z.number(), rationale: z.string() });
const overload = z.strictObject({
  by: z.string(),
  since: z.string(),
  reason: z.string(),
  who: z.string(),
  signals: z.array(signal),
});
const stateSchema = z.strictObject({
  overload: overload.nullable().describe('The one under which it is read; null while the history is closed.'),
  overloads: z.array(overload).describe('All that are open: the detected one, and each that somebody declared.'),
  signals: z.array(signal).describe('What is above its threshold at this moment.'),
  retention: z.strictObject({ minutesMs: z.number(), hoursMs: z.number(), sourcesMs: z.number() }),
  archiveBytes: z.number(),
  lostMinutes: z.number().describe('Minutes that the disk did not take in time.'),
  deletions: z.array(z.strictObject({ at: z.string(), dataset: z.string(), before: z.string(), rows: z.number() })),
});
const previewSchema = z.strictObject({
  text: z.string().describe('What it matches, in words.'),
  plugin: z.string(),
  limitPerSecond: z.number().describe('Queries a second that would still pass.'),
  limitRationale: z.string(),
  trial: z
    .strictObject({ seconds: z.number(), matchedPerSecond: z.number(), limitedPerSecond: z.number() })
    .describe('A dry run of it over the minutes that the diagnosis looked at.'),
  problems: z.array(z.string()).describe('Why it would be refused.'),
});
const typical = z.strictObject({ median: z.number(), spread: z.number() });
const normalSchema = z.strictObject({
  basis: z.string().describe('What the normal is made of, such as `hour of the week`; `none`: there is no past yet.'),
  samples: z.number(),
  rate: typical.describe('Queries a second.'),
  servfail: typical.describe('Share of answers, 0–1.'),
  latencyMs: typical.describe('95th percentile.'),
  series: z
    .strictObject({
      stepSeconds: z.number(),
      values: z.array(z.number()),
      endMs: z.number().describe('When it was read, milliseconds since 1970.'),
    })
    .describe('Queries a second of the last quarter of an hour, oldest first.'),
});
/** Reports are described in docs; their shape is that of DiagnosisReport and HistoryReport (reading.ts). */
const report = z.looseObject({ overload, window: z.looseObject({ from: z.string(), seconds: z.number() }) });

export function historyRoutes(
  app: AdminApi,
  desk: HistoryDesk,
  reading: HistoryReading,
  parts: Parameters<typeof measureView>[2],
): void {
  app.get(
    '/state',
    {
      config: {
        roles: ['viewer', 'operator', 'security', 'privacy'],
        noAudit: 'whether the history is open, and what was deleted of it: no name and no source',
      },
      schema: {
        summary: 'Whether an overload is open, what is kept for how long, what was deleted; no name and no source',
        response: { 200: stateSchema },
      },
    },
    async () => ({
      overload: desk.overload.open ? withoutAddress(shown(desk.overload.open)) : null,
      overloads: desk.overload.all.map((each) => withoutAddress(shown(each))),
      signals: desk.overload.signals,
      retention: {
        minutesMs: desk.retention.minutes,
        hoursMs: desk.retention.hours,
        sourcesMs: desk.retention.sources,
      },
      archiveBytes: await desk.archiveBytes(),
      lostMinutes: desk.lostMinutes,
      deletions: (await desk.deletions(50)).map(({ at, dataset, before, rows }) => ({
        at: new Date(at).toISOString(),
        dataset,
        before: new Date(before).toISOString(),
        rows,
      })),
    }),
  );

  app.get(
    '/normal',
    {
      config: {
        roles: ['viewer', 'operator', 'security', 'privacy'],
        noAudit: 'how many queries in all are normal at this hour: sums of the server, no name and no source',
      },
      schema: {
        summary: 'What is normal at this hour, and the curve of the last quarter of an hour; sums alone',
        response: { 200: normalSchema },
      },
    },
    async () => reading.normal(),
  );

  app.post(
    '/overload',
    {
      config: { roles: ['operator'], audit: { of: 'change', actions: ['overload.declare'] } },
      schema: {
        summary: 'Declare an overload: opens the history for an hour',
        body: z.strictObject({ reason }),
        response: { 200: overload },
      },
    },
    async (request) => shown(reading.declare(readerOf(request), request.body.reason)),
  );

  app.delete(
    '/overload',
    {
      config: { roles: ['operator'], audit: { of: 'change', actions: ['overload.close'] } },
      schema: {
        summary: 'Say that the overload is over, detected and declared ones alike: closes the history. Audited',
        body: z
          .strictObject({ reason: z.string().max(500).optional().describe('Why it is over; recorded.') })
          .nullable(),
        response: { 200: z.strictObject({ closed: z.int(), overloads: z.array(overload) }) },
      },
    },
    async (request) => {
      const closed = reading.close(readerOf(request), request.body?.reason);
      return { closed: closed.length, overloads: closed.map((each) => withoutAddress(shown(each))) };
    },
  );

  app.post(
    '/diagnose',
    {
      config: { roles: ['operator'], audit: { of: 'read', actions: ['history.diagnose'] } },
      schema: {
        summary: 'What explains the overload, and which narrow rule would end it; audited',
        body: z.strictObject({ reason: reason.optional(), windowSeconds: fitting, approver }),
        response: { 200: report },
      },
    },
    async (request) => reading.shownDiagnosis(readerOf(request), request.body),
  );

  app.post(
    '/preview',
    {
      config: { roles: ['operator', 'security'], audit: { of: 'read', actions: ['measure.preview'] } },
      schema: {
        summary:
          'What putting a proposal of a diagnosis in force would do and be refused for, without doing it. Audited',
        querystring: z.strictObject({ reason: PURPOSE }),
        body: applyBody,
        response: { 200: previewSchema },
      },
    },
    async (request) => ({ ...reading.preview(readerOf(request), request.body, request.query.reason) }),
  );

  app.post(
    '/apply',
    {
      config: { roles: ['operator', 'security'], audit: { of: 'change', actions: ['measure.apply'] } },
      schema: {
        summary: 'Put a proposal of a diagnosis in force, for a while; answered when every worker acts on it. Audited',
        body: applyBody,
        response: { 200: measureSchema },
      },
    },
    async (request) => {
      const { rule, entry } = await reading.apply(readerOf(request), request.body);
      return measureView(rule, entry, parts);
    },
  );

  app.post(
    '/read',
    {
      config: { roles: ['operator'], audit: { of: 'read', actions: ['history.read'] } },
      schema: {
        summary: 'Top names, domains, patterns and sources over a window, beside the normal; audited',
        body: z.strictObject({
          reason: reason.optional(),
          windowSeconds,
          approver,
          addresses: z
            .boolean()
            .optional()
            .describe('Single addresses in place of names; only those that make a quarter of the load.'),
          top: z.int().min(1).max(300).default(10),
        }),
        response: { 200: report },
      },
    },
    async (request) => reading.shownHistory(readerOf(request), request.body, request.body.top),
  );
}

/** What somebody wrote as the reason may name an address, and this is shown to whoever has a token. */
function withoutAddress(overload: ShownOverload): ShownOverload {
  return holdsAddress(overload.reason) ? { ...overload, reason: '(names an address)' } : overload;
}

function readerOf({ identity }: FastifyRequest): Reader {
  return { who: identity?.name ?? 'unknown', role: identity?.roles.join(',') ?? '' };
}
