/** The daily tallies of the process, and the report that is made of them with what the configuration says. */
import { join } from 'node:path';
import type { FeatureContext, KeptPart, Opened } from '../feature/feature.ts';
import type { ListsConfig } from '../lists/list-config.ts';
import { SUBSCRIBERS } from '../subscribers/feature.ts';
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
}

export function openReport(context: FeatureContext<ReportSections>): Opened<LentReport> {
  const { config, audit, time, log, server, counters, plugins, version } = context;
  const { log: tallies } = context.keep((): KeptTallies => {
    const opening = openSqliteTallyStore(join(server.dataFolder, TALLY_FILE), time.wallMs());
    const tallyLog = new TallyLog(opening, time, log, counters);
    // Once the workers have ended, the counters of the last configuration count twice.
    return { log: tallyLog, stop: () => tallyLog.close(), close: () => {} };
  });
  const subscribers = context.desk(SUBSCRIBERS);
  const report = async (span: ReportSpan): Promise<TransparencyReport> => {
    const begin = `${span.from}T00:00:00.000Z`;
    const endMs = Date.parse(span.to) + 86_400_000;
    const end = new Date(endMs).toISOString();
    await tallies.tick();
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
      actions: await audit.summary(begin, end),
      deletions: (await Promise.all(context.deletions.map((action) => audit.details(action, begin, end)))).flat(),
      consent: (await subscribers.state?.ledger.tally(Date.parse(begin), endMs)) ?? [],
      audit: await audit.verify(),
    });
  };
  return {
    desk: { tallies: (from, to) => tallies.between(from, to) },
    routes: (app) => reportRoutes(app, { audit, report }),
  };
}
