/** The daily tallies of the process, and the report that is made of them with what the configuration says. */
import { join } from 'node:path';
import type { FeatureContext, KeptPart, Opened } from '../feature/feature.ts';
import { FLEET } from '../fleet/feature.ts';
import type { ListsConfig } from '../lists/list-config.ts';
import { SUBSCRIBERS } from '../subscribers/feature.ts';
import { systemTimers } from '../time/timers.ts';
import { FleetAudit } from './fleet-audit.ts';
import { openPostgresTallyStore } from './postgres-tally-store.ts';
import { type ReportSpan, type TransparencyReport, transparencyReport } from './report.ts';
import { reportRoutes } from './routes.ts';
import { openSqliteTallyStore, TALLY_FILE } from './sqlite-tally-store.ts';
import { TallyLog } from './tally-log.ts';
import type { Tally } from './tally-store.ts';

/** The report says which lists there are. */
export type ReportSections = Pick<ListsConfig, 'lists'>;

/** Sums of days, both included, as YYYY-MM-DD. */
export interface LentReport {
  readonly tallies: (from: string, to: string) => Promise<readonly Tally[]>;
}

interface KeptTallies extends KeptPart {
  readonly log: TallyLog;
  /** Of a fleet. */
  readonly fleetAudit: FleetAudit | undefined;
}

/** So often a node puts what its audit log says in numbers where the report of any node finds it. */
const PUT_MS = 10 * 60_000;

export function openReport(context: FeatureContext<ReportSections>): Opened<LentReport> {
  const { config, audit, time, log, server, counters, plugins, version } = context;
  const fleet = context.desk(FLEET);
  const { log: tallies, fleetAudit } = context.keep((): KeptTallies => {
    const opening = fleet
      ? Promise.resolve({ store: openPostgresTallyStore(fleet.engine, fleet.config.node), movedAside: undefined })
      : openSqliteTallyStore(join(server.dataFolder, TALLY_FILE), time.wallMs());
    const tallyLog = new TallyLog(opening, time, log, counters);
    const sums = fleet && new FleetAudit(fleet.engine, fleet.config.node, audit, context.deletions);
    const put = () => sums?.put(time.wallMs()).catch(() => {});
    const stopPutting = sums && systemTimers.every(PUT_MS, () => void put());
    return {
      log: tallyLog,
      fleetAudit: sums,
      // Once the workers have ended, the counters of the last configuration count twice.
      async stop() {
        stopPutting?.();
        await put();
        await tallyLog.close();
      },
      close: () => {},
    };
  });
  const subscribers = context.desk(SUBSCRIBERS);
  const report = async (span: ReportSpan): Promise<TransparencyReport> => {
    const begin = `${span.from}T00:00:00.000Z`;
    const endMs = Date.parse(span.to) + 86_400_000;
    const end = new Date(endMs).toISOString();
    await tallies.tick();
    await fleetAudit?.put(time.wallMs());
    const { actions, deletions } = (await fleetAudit?.between(span.from, span.to)) ?? {
      actions: await audit.summary(begin, end),
      deletions: (await Promise.all(context.deletions.map((action) => audit.details(action, begin, end)))).flat(),
    };
    return transparencyReport(span, {
      version,
      nowMs: time.wallMs(),
      chain: plugins,
      lists: config.lists.map(({ name, category, tier, ground }) => ({
        name,
        category,
        tier,
        ground: ground?.kind ?? 'consent',
      })),
      tallies: await tallies.between(span.from, span.to),
      actions,
      deletions,
      consent: (await subscribers.state?.ledger.tally(Date.parse(begin), endMs)) ?? [],
      audit: await audit.verify(),
    });
  };
  return {
    desk: { tallies: (from, to) => tallies.between(from, to) },
    routes: (app) => reportRoutes(app, { audit, report }),
  };
}
