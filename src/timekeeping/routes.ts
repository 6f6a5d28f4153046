/** The server's time, below /v1/time: how it stands to the system's clock, and the way out where the clock ran ahead by mistake. */
import { z } from 'zod';
import type { Auditor } from '../audit/entry.ts';
import { STAFF } from '../audit/roles.ts';
import { type AdminApi, FAILURES } from '../errors/api-schema.ts';
import { generalError } from '../errors/errors.ts';
import { statementProblem } from '../grounds/statement.ts';
import type { LatestTime, TimeState } from '../time/latest-time.ts';

export const timeSchema = z.strictObject({
  time: z.string().describe('By which terms are judged: never behind the latest that the data folder has seen.'),
  systemClock: z.string(),
  behindSeconds: z.number().describe("How far the system's clock is behind; 0 where it leads."),
  inDoubt: z
    .boolean()
    .describe('Since the start the system’s clock has been behind: nothing with a term acts until it has caught up.'),
});
export type TimeView = z.infer<typeof timeSchema>;

export interface TimeRoutesDeps {
  readonly time: Pick<LatestTime, 'state' | 'accept'>;
  readonly audit: Pick<Auditor, 'record'>;
}

export function timeRoutes(app: AdminApi, { time, audit }: TimeRoutesDeps): void {
  const response = { 200: timeSchema, ...FAILURES };
  app.get(
    '/v1/time',
    {
      config: { roles: STAFF, noAudit: 'the time alone: no name, no address, no subscriber' },
      schema: { summary: 'The server’s time beside the system’s clock', response },
    },
    async () => timeView(time.state),
  );

  app.post(
    '/v1/time/accept',
    {
      config: { roles: ['operator', 'privacy'], audit: { of: 'change', actions: ['time.accept'] } },
      schema: {
        summary: 'The system’s clock is right: take it as the time. What has ended stays ended. Audited',
        body: z.strictObject({ reason: z.string().max(500).describe('How it is known; recorded.') }),
        response,
      },
    },
    async ({ body, identity }) => {
      const problem = statementProblem(body.reason);
      if (problem !== undefined)
        throw generalError('SEKISHO_REQUEST_INVALID', `reason: ${problem}; say how the right time is known`);
      const before = timeView(time.state);
      audit.record({
        who: identity?.name ?? '',
        role: identity?.roles.join(', ') ?? '',
        action: 'time.accept',
        purpose: body.reason.trim(),
        detail: { from: before.time, to: before.systemClock },
      });
      return timeView(await time.accept(identity?.name ?? '', body.reason.trim()));
    },
  );
}

export function timeView({ wallMs, systemMs, behindMs, inDoubt }: TimeState): TimeView {
  const iso = (ms: number) => new Date(ms).toISOString();
  return { time: iso(wallMs), systemClock: iso(systemMs), behindSeconds: Math.round(behindMs / 1000), inDoubt };
}
