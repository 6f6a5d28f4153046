/** `/v1/audit`: whether the audit log's chain holds, and the way on where it does not. */
import { z } from 'zod';
import type { AuditStore } from '../audit/audit-store.ts';
import { statedReason } from '../audit/stated-reason.ts';
import { type AdminApi, FAILURES } from '../errors/api-schema.ts';

/** What `sekisho audit verify` shows. */
export const auditSchema = z.strictObject({
  ok: z.boolean(),
  entries: z.int().describe('Entries that fit, from the first.'),
  head: z.string().nullable().describe('SEQUENCE:HASH of the last of them.'),
  problem: z.string().nullable(),
});

export function auditRoutes(app: AdminApi, audit: Pick<AuditStore, 'verify' | 'acknowledge'>): void {
  const response = { 200: auditSchema, ...FAILURES };
  app.get(
    '/v1/audit/verify',
    {
      config: {
        roles: ['privacy', 'operator', 'security'],
        noAudit: 'it says whether the chain holds and how long it is, and nothing of what stands in it',
      },
      schema: {
        summary: 'Recompute the hash chain of the audit log; with an anchor, see that it leads through that entry',
        querystring: z.strictObject({
          anchor: z.string().max(100).optional().describe('SEQUENCE:HASH as noted earlier.'),
        }),
        response,
      },
    },
    async ({ query }) => audit.verify(query.anchor),
  );

  app.post(
    '/v1/audit/acknowledge',
    {
      config: { roles: ['privacy'], audit: { of: 'change', actions: ['audit.acknowledge'] } },
      schema: {
        summary: 'Accept the damage that the audit log was found with, so that personal data can be read again',
        body: statedReason,
        response,
      },
    },
    async ({ body: { reason }, identity }) =>
      audit.acknowledge({ who: identity?.name ?? '', role: identity?.roles.join(' ') ?? '', reason }),
  );
}
