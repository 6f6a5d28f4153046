/** For tests of the API and the commands: the routes of all features, over desks that hold nothing. */

import { pino } from 'pino';
import type { AuditLog } from '../../src/audit/log.ts';
import { auditRoutes } from '../../src/audit-desk/routes.ts';
import { backupRoutes } from '../../src/backup/routes.ts';
import type { Config } from '../../src/config/config.ts';
import { trustRoutes } from '../../src/dnssec/routes.ts';
import type { AdminApi } from '../../src/errors/api-schema.ts';
import { fleetRoutes } from '../../src/fleet/routes.ts';
import { listRoutes } from '../../src/lists/routes.ts';
import { emptyReport } from '../../src/report/empty-report.ts';
import { reportRoutes } from '../../src/report/routes.ts';
import { filterRoutes } from '../../src/router-filters/routes.ts';
import { measureRoutes } from '../../src/rules/measure-routes.ts';
import { ruleRoutes } from '../../src/rules/rule-routes.ts';
import { shareRoutes } from '../../src/sharing/routes.ts';
import { consentRoutes } from '../../src/subscribers/consent/routes.ts';
import { leaseRoutes } from '../../src/subscribers/leases/routes.ts';
import { terminalRoutes } from '../../src/terminals/routes.ts';
import { systemClock } from '../../src/time/clock.ts';
import { LatestTime } from '../../src/time/latest-time.ts';
import { timeRoutes } from '../../src/timekeeping/routes.ts';
import { deskWithoutLists } from './desk-without-lists.ts';
import { rulesWithoutStore } from './desk-without-store.ts';

const SOUND = { ok: true, entries: 0, head: null, problem: null };

/** `audit`: takes the entries; whoever gives none sees none. */
export async function featureRoutes(
  config: Config,
  audit: Pick<AuditLog, 'record'> = { record: () => {} },
): Promise<((app: AdminApi) => void)[]> {
  const desk = await deskWithoutLists(config);
  const approval = { singleApproverReason: undefined };
  const time = new LatestTime(systemClock, { mark: undefined, keepMark: () => {}, accepted: () => {} });
  const log = pino({ level: 'silent' });
  return [
    (app) => listRoutes(app, { desk, hits: () => 0, audit, approval }),
    (app) => measureRoutes(app, rulesWithoutStore(), audit),
    (app) => ruleRoutes(app, rulesWithoutStore(), audit),
    (app) => consentRoutes(app, { desk: undefined, audit, log }),
    (app) => leaseRoutes(app, { desk: undefined, audit }),
    (app) => backupRoutes(app, { audit, dataFolder: config.server.dataFolder, version: '0' }),
    (app) =>
      shareRoutes(app, {
        audit,
        clock: systemClock,
        lists: [],
        attacked: () => [],
        tallies: async () => [],
        operator: 'ISP',
      }),
    (app) => terminalRoutes(app, { desk: undefined, audit, portalUrl: '' }),
    (app) => fleetRoutes(app, { fleet: undefined, audit }),
    (app) => reportRoutes(app, { audit, report: emptyReport }),
    (app) => timeRoutes(app, { time, audit }),
    (app) => auditRoutes(app, { verify: async () => SOUND, acknowledge: async () => SOUND }),
    (app) => filterRoutes(app, config),
    (app) =>
      trustRoutes(app, {
        desk: rulesWithoutStore(),
        validating: false,
        wallMs: Date.now,
        state: () => ({ anchors: [], keys: [], problems: [], insecure: [] }),
      }),
  ];
}
