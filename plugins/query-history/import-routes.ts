/** Past figures from elsewhere, below /v1/query-history/imports: brought, told of, taken back. */
import { randomBytes } from 'node:crypto';
import { PURPOSE } from '../../src/audit/personal-read.ts';
import type { AdminApi } from '../../src/contract/admin.ts';
import { type Auditor, z } from '../../src/contract/plugin.ts';
import type { HistoryDesk } from './desk.ts';
import { historyError } from './errors.ts';
import { IMPORT_BODY_BYTES, importedHourSchema, MOST_HOURS } from './imported.ts';

const id = z.string().regex(/^i[0-9a-f]{8}$/);
const outcome = {
  accepted: z.int().describe('Hours that are taken.'),
  measured: z.int().describe('Left out: there is a measured hour at that time.'),
  replaced: z.int().describe('Of the accepted, hours that were imported before.'),
  tooOld: z.int().describe('Left out: older than hours are kept for.'),
  future: z.int().describe('Left out: not over yet.'),
};
const record = z.strictObject({
  id: z.string(),
  at: z.string(),
  who: z.string(),
  source: z.string(),
  hours: z.int(),
  from: z.string(),
  to: z.string(),
});

export function importRoutes(app: AdminApi, desk: HistoryDesk, audit: Auditor): void {
  app.get(
    '/imports',
    {
      config: {
        roles: ['viewer', 'operator', 'security', 'privacy'],
        noAudit: 'who imported figures, from where, of how many hours: no name and no source',
      },
      schema: {
        summary: 'What past figures were imported, by whom and from where',
        response: { 200: z.strictObject({ imports: z.array(record) }) },
      },
    },
    async () => ({
      imports: (await desk.imports()).map(({ atMs, fromMs, toMs, ...rest }) => ({
        ...rest,
        at: new Date(atMs).toISOString(),
        from: new Date(fromMs).toISOString(),
        to: new Date(toMs).toISOString(),
      })),
    }),
  );

  app.post(
    '/imports',
    {
      config: { roles: ['operator'], audit: { of: 'change', actions: ['history.import'] } },
      bodyLimit: IMPORT_BODY_BYTES,
      schema: {
        summary: 'Import aggregated figures of past hours, kept apart from what is measured. Audited',
        body: z.strictObject({
          source: z.string().trim().min(3).max(200).describe('Where the figures come from.'),
          'dry-run': z.boolean().optional().describe('Only say what would become of them.'),
          import: id.optional().describe('Go on with this import.'),
          hours: z.array(importedHourSchema).min(1).max(MOST_HOURS),
        }),
        response: { 200: z.strictObject({ id: z.string(), dryRun: z.boolean(), ...outcome }) },
      },
    },
    async ({ body, identity }) => {
      const dryRun = body['dry-run'] ?? false;
      const who = identity?.name ?? 'unknown';
      const importId = body.import ?? `i${randomBytes(4).toString('hex')}`;
      audit.record({
        who,
        role: identity?.roles.join(',') ?? '',
        action: 'history.import',
        purpose: body.source,
        detail: { import: importId, hours: body.hours.length, dryRun },
      });
      const done = await desk.putImported({ id: importId, who, source: body.source }, body.hours, dryRun);
      return { id: importId, dryRun, ...done };
    },
  );

  app.delete(
    '/imports/:id',
    {
      config: { roles: ['operator'], audit: { of: 'change', actions: ['history.forget-import'] } },
      schema: {
        summary: 'Take an import back. Audited',
        params: z.strictObject({ id: z.string().max(20) }),
        body: z.strictObject({ reason: PURPOSE.describe('Why it is taken back; recorded.').optional() }).nullable(),
        response: { 200: z.strictObject({ hours: z.int() }) },
      },
    },
    async ({ params, body, identity }) => {
      if (!(await desk.imports()).some((each) => each.id === params.id))
        throw historyError('SEKISHO_HISTORY_IMPORT_UNKNOWN', `no import '${params.id}' is on record`);
      audit.record({
        who: identity?.name ?? 'unknown',
        role: identity?.roles.join(',') ?? '',
        action: 'history.forget-import',
        purpose: body?.reason ?? 'taken back',
        detail: { import: params.id },
      });
      return { hours: await desk.forgetImport(params.id) };
    },
  );
}
