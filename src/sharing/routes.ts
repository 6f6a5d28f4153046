/** `/v1/share`: what leaves for another operator, with recipient, reason and end in the audit log before it does. */
import { z } from 'zod';
import type { Auditor } from '../audit/entry.ts';
import { PURPOSE, readOf } from '../audit/personal-read.ts';
import type { Identity } from '../audit/roles.ts';
import { recordTogether } from '../audit/together.ts';
import { type AdminApi, FAILURES } from '../errors/api-schema.ts';
import type { ListConfig } from '../lists/list-config.ts';
import { parseDurationMs } from '../settings/units.ts';
import type { Clock } from '../time/clock.ts';
import { sharingError } from './errors.ts';
import { ownList, shareableIndicators } from './indicators.ts';
import { type DailyCount, LEAST_CELL, shareable } from './statistics.ts';
import { bundleSchema, type Indicator, stixBundle } from './stix.ts';

const DAY = /^\d{4}-\d{2}-\d{2}$/;
/** What is shared is used for so long at most, and then asked for again. */
const LONGEST_MS = 366 * 86_400_000;

const leftOutSchema = z.array(z.strictObject({ why: z.string(), rows: z.int() }));
const shareSchema = z.strictObject({ to: z.string(), reason: z.string(), madeAt: z.string(), ends: z.string() });
export const statisticsSchema = z.strictObject({
  share: shareSchema,
  from: z.string(),
  until: z.string(),
  leastCell: z.int(),
  counts: z.array(z.strictObject({ name: z.string(), labels: z.record(z.string(), z.string()), count: z.number() })),
  leftOut: leftOutSchema,
});
export type StatisticsShare = z.infer<typeof statisticsSchema>;
export const indicatorsSchema = z.strictObject({
  share: shareSchema,
  indicators: z.array(z.strictObject({ name: z.string(), below: z.boolean(), why: z.string() })),
  leftOut: leftOutSchema,
  bundle: z.looseObject({}).nullable().describe('STIX 2.1, where it was asked for.'),
});
export type IndicatorsShare = z.infer<typeof indicatorsSchema>;

export interface ShareRoutesDeps {
  readonly audit: Auditor;
  readonly clock: Clock;
  readonly lists: readonly ListConfig[];
  /** Names that are under attack now, by the rules in force. */
  readonly attacked: () => readonly Indicator[];
  readonly tallies: (from: string, to: string) => Promise<readonly DailyCount[]>;
  /** Who speaks: the operator's name. */
  readonly operator: string;
}

const about = {
  reason: PURPOSE,
  to: z.string().trim().min(2).max(200).describe('Which operator gets it.'),
  expires: z.string().max(16).describe('Until when it may be used: 7d, 12h.'),
};

export function shareRoutes(app: AdminApi, deps: ShareRoutesDeps): void {
  const { audit, clock, lists } = deps;
  const begun = async (
    identity: Identity | null,
    action: string,
    { reason, to, expires }: { readonly reason?: string; readonly to: string; readonly expires: string },
    detail: object,
  ) => {
    const lastsMs = parseDurationMs(expires);
    if (lastsMs === undefined || lastsMs <= 0 || lastsMs > LONGEST_MS)
      throw sharingError(
        'SEKISHO_SHARE_REFUSED',
        'expires: write until when it may be used, as a duration of at most 366d',
      );
    const nowMs = clock.termMs();
    if (!Number.isFinite(nowMs))
      throw sharingError('SEKISHO_SHARE_REFUSED', 'the time is in doubt: nobody can say when a share ends');
    const share = { to, madeAt: new Date(nowMs).toISOString(), ends: new Date(nowMs + lastsMs).toISOString() };
    const entry = readOf(identity, action, reason, { to, ends: share.ends, ...detail });
    await recordTogether(audit, entry);
    return { share: { ...share, reason: entry.purpose }, nowMs, untilMs: nowMs + lastsMs };
  };

  app.post(
    '/v1/share/statistics',
    {
      config: { roles: ['security', 'privacy'], audit: { of: 'read', actions: ['share.statistics'] } },
      schema: {
        summary: 'Numbers by the day for another operator: no name, no address, nothing small; recorded',
        body: z.strictObject({ ...about, from: z.string().regex(DAY), until: z.string().regex(DAY) }),
        response: { 200: statisticsSchema, ...FAILURES },
      },
    },
    async ({ body, identity }): Promise<StatisticsShare> => {
      const { from, until } = body;
      if (until < from) throw sharingError('SEKISHO_SHARE_REFUSED', 'until: lies before from');
      const { counts, leftOut } = shareable(await deps.tallies(from, until));
      const { share } = await begun(identity, 'share.statistics', body, { from, until, rows: counts.length, leftOut });
      return {
        share,
        from,
        until,
        leastCell: LEAST_CELL,
        counts: counts.map((each) => ({ ...each, labels: { ...each.labels } })),
        leftOut: [...leftOut],
      };
    },
  );

  app.post(
    '/v1/share/indicators',
    {
      config: { roles: ['security'], audit: { of: 'read', actions: ['share.indicators'] } },
      schema: {
        summary: 'Names of own lists, or names under attack, for another operator; recorded',
        body: z.strictObject({
          ...about,
          list: z.string().max(64).optional().describe('One of the lists from a file; without it names under attack.'),
          stix: z.boolean().default(true),
        }),
        response: { 200: indicatorsSchema, ...FAILURES },
      },
    },
    async ({ body, identity }): Promise<IndicatorsShare> => {
      const list = body.list === undefined ? undefined : lists.find(({ name }) => name === body.list);
      if (body.list !== undefined && !list)
        throw sharingError('SEKISHO_SHARE_REFUSED', `there is no list ${body.list}`);
      const { indicators, leftOut } = shareableIndicators(list ? await ownList(list) : deps.attacked());
      if (indicators.length === 0)
        throw sharingError(
          'SEKISHO_SHARE_REFUSED',
          'there is nothing to share: the list is empty, or no name is under attack',
        );
      const detail = { list: body.list ?? 'names under attack', rows: indicators.length, leftOut };
      const { share, nowMs, untilMs } = await begun(identity, 'share.indicators', body, detail);
      const bundle = body.stix
        ? bundleSchema.parse(stixBundle(indicators, { by: deps.operator, nowMs, untilMs }))
        : null;
      return { share, indicators: [...indicators], leftOut: [...leftOut], bundle };
    },
  );
}
