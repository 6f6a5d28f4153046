/** `/v1/cache`: what the cache holds, in numbers, and forgetting a name. */
import type { Logger } from 'pino';
import { z } from 'zod';
import type { Auditor } from '../audit/entry.ts';
import { changeBy } from '../audit/personal-read.ts';
import { STAFF } from '../audit/roles.ts';
import { recordTogether } from '../audit/together.ts';
import type { FlushOrder } from '../cache/desk.ts';
import { type AdminApi, FAILURES } from '../errors/api-schema.ts';
import { generalError } from '../errors/errors.ts';
import { typeFromName } from '../wire/constants.ts';
import { NameError, nameToText, textToName } from '../wire/name.ts';

const count = z.int().min(0);

const statsSchema = z.strictObject({
  entries: count.describe('Answers held, expired ones included.'),
  usedBytes: count.describe('Memory of these answers with their headers.'),
  wireBytes: count.describe('The same answers as they go over the wire.'),
  sizeBytes: count.describe('Memory of the cache.'),
  hits: count,
  misses: count,
  stale: count.describe('Answers served past their TTL.'),
  failures: count.describe('Queries answered by a remembered failure (RFC 9520).'),
  inserts: count.describe('Answers stored since the start; this and what follows count to 2^32 and start over.'),
  evictions: count.describe('Answers that gave way to others.'),
  readmitted: count.describe('Answers stored again soon after they had given way.'),
  skipped: count.describe('Answers not stored because a lock was held for too long.'),
});
export type CacheStatsReport = z.infer<typeof statsSchema>;

const flushedSchema = z.strictObject({
  name: z.string(),
  subtree: z.boolean(),
  type: z.string().nullable().describe('null: every type.'),
  removed: count.describe('Answers that were forgotten.'),
});
export type Flushed = z.infer<typeof flushedSchema>;

export interface CacheRoutesDeps {
  stats(): CacheStatsReport;
  /** Resolves with the number of answers that were forgotten, for all workers at once. */
  flush(order: FlushOrder): Promise<number>;
  readonly log: Logger;
  readonly audit: Pick<Auditor, 'record'>;
}

export function cacheRoutes(app: AdminApi, { stats, flush, log, audit }: CacheRoutesDeps): void {
  app.get(
    '/v1/cache/stats',
    {
      config: { roles: STAFF, noAudit: 'how much the cache holds and how often it served: no name, no address' },
      schema: { summary: 'The cache in numbers', response: { 200: statsSchema, ...FAILURES } },
    },
    async () => stats(),
  );
  app.post(
    '/v1/cache/flush',
    {
      config: { roles: ['operator', 'security'], audit: { of: 'change', actions: ['cache.flush'] } },
      schema: {
        summary: 'Forget what the cache holds of a name, in every worker at once',
        body: z.strictObject({
          name: z.string().max(1024).describe('As text; `.` for the root.'),
          subtree: z.boolean().default(false).describe('All names below it as well.'),
          reason: z.string().max(500).optional().describe('Why; recorded.'),
          type: z.string().max(20).optional().describe('e.g. `AAAA`; every type unless given.'),
        }),
        response: { 200: flushedSchema, ...FAILURES },
      },
    },
    async ({ body, identity }): Promise<Flushed> => {
      const { subtree, type: typeText } = body;
      const name = wireName(body.name);
      const type = typeText === undefined ? undefined : typeFromName(typeText);
      if (typeText !== undefined && type === undefined)
        throw generalError('SEKISHO_REQUEST_INVALID', `type: '${typeText}' is not a record type`);
      const text = nameToText(name);
      await recordTogether(
        audit,
        changeBy(identity, 'cache.flush', body.reason, 'answers of a name are to be asked for again', {
          name: text,
          subtree,
        }),
      );
      const removed = await flush({ name, subtree, type });
      log.info({ by: identity?.name, subtree, type: typeText, removed }, 'cache was flushed over the admin API');
      return { name: text, subtree, type: typeText ?? null, removed };
    },
  );
}

function wireName(text: string): Uint8Array {
  try {
    return textToName(text);
  } catch (error) {
    if (error instanceof NameError) throw generalError('SEKISHO_REQUEST_INVALID', `name: ${error.message}`);
    throw error;
  }
}
