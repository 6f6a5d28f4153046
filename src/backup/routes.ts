/** `/v1/backup`: that everything which is kept is about to be copied, on record before it happens. */
import { z } from 'zod';
import type { Auditor } from '../audit/entry.ts';
import { PURPOSE, readOf } from '../audit/personal-read.ts';
import { recordTogether } from '../audit/together.ts';
import { type AdminApi, FAILURES } from '../errors/api-schema.ts';

const recordedSchema = z.strictObject({ dataFolder: z.string(), version: z.string() });
export type RecordedBackup = z.infer<typeof recordedSchema>;

export interface BackupRoutesDeps {
  readonly audit: Auditor;
  readonly dataFolder: string;
  readonly version: string;
}

export function backupRoutes(app: AdminApi, { audit, dataFolder, version }: BackupRoutesDeps): void {
  app.post(
    '/v1/backup',
    {
      config: { roles: ['operator', 'privacy'], audit: { of: 'read', actions: ['backup.create'] } },
      schema: {
        summary: 'Record that a backup is made; it is made by whoever may read the data folder',
        body: z.strictObject({ reason: PURPOSE, to: z.string().max(4096).describe('Where to.') }),
        response: { 200: recordedSchema, ...FAILURES },
      },
    },
    async ({ body: { reason, to }, identity }): Promise<RecordedBackup> => {
      await recordTogether(audit, readOf(identity, 'backup.create', reason, { to }));
      return { dataFolder, version };
    },
  );
}
