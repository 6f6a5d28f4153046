/**
 * The subscriber desk of one configuration, and what is known of subscribers as long as the process lives. The static ranges are
 * loaded before the first worker starts. A configuration without subscribers opens no desk; what a former one has kept stays.
 */

import { counted } from '../errors/counted.ts';
import type { FeatureContext, Opened } from '../feature/feature.ts';
import { FLEET } from '../fleet/feature.ts';
import { LISTS } from '../lists/feature.ts';
import type { ListsConfig } from '../lists/list-config.ts';
import { type NoticeDesk, noticeDesk } from './consent/notice-desk.ts';
import { consentRoutes } from './consent/routes.ts';
import type { SubscriberDesk } from './desk.ts';
import { fleetOf } from './fleet/fleet-of-state.ts';
import { leaseRoutes } from './leases/routes.ts';
import type { SubscriberState } from './state.ts';
import type { SubscribersConfig } from './subscribers-config.ts';

/** What the configuration says that concerns subscribers: its section, and which lists there are. */
export interface SubscriberSections extends Pick<ListsConfig, 'lists'> {
  /** Absent: nobody is known, and nobody inspected. */
  readonly subscribers?: SubscribersConfig;
}

export interface LentSubscribers {
  /** Undefined where the configuration knows no subscribers. */
  readonly desk: SubscriberDesk | undefined;
  /** Undefined where this process has known none yet. */
  readonly state: SubscriberState | undefined;
  /** For a plugin that keeps notices, and answers for how long; undefined where the configuration knows no subscribers. */
  takeNotices(): NoticeDesk | undefined;
}

export async function openSubscribers(context: FeatureContext<SubscriberSections>): Promise<Opened<LentSubscribers>> {
  const { config, audit, log, server } = context;
  const lists = context.desk(LISTS);
  const desk = await openDesk(context);
  let noticesTaken = false;
  /** Between `activate` and `deactivate`. */
  let inForce = false;
  let stopForgetting: (() => void) | undefined;
  return {
    desk: {
      desk,
      get state() {
        return context.kept<SubscriberState>();
      },
      takeNotices: () => {
        noticesTaken = true;
        const namesOf = (list: number) => lists.compiled?.names.lists[list]?.names;
        return desk && noticeDesk(desk.state, config.lists, namesOf, audit, log, () => inForce);
      },
    },
    async activate() {
      await desk?.activate();
      inForce = true;
      stopForgetting?.();
      stopForgetting = undefined;
      // Names of notices are deleted where no plugin in force takes any.
      if (noticesTaken) return;
      const { forgetNames } = await import('./consent/forget-names.ts');
      stopForgetting = await forgetNames({
        dataFolder: server.dataFolder,
        state: context.kept<SubscriberState>(),
        audit,
        log,
      });
    },
    async deactivate() {
      inForce = false;
      stopForgetting?.();
      await desk?.deactivate();
    },
    async close() {
      stopForgetting?.();
      await desk?.close();
    },
    routes: (app) => {
      consentRoutes(app, { desk, audit, log });
      leaseRoutes(app, { desk, audit });
    },
    measure: () => desk?.measure(),
    status: () => {
      const sum = (name: string) =>
        context.samples(`sekisho_subscribers_${name}`).reduce((all, { value }) => all + value, 0);
      const ranges = desk?.ranges;
      return {
        leases: desk
          ? {
              addresses: desk.state.leases.table.count,
              conflicts: sum('lease_conflicts_total'),
              refused: sum('lease_prefixes_refused_total'),
              sessionsRefused: sum('sessions_refused_total'),
            }
          : null,
        ranges: ranges ? { rows: ranges.rows, rejected: ranges.rejected, unreadable: ranges.unreadable } : null,
      };
    },
    warnings: () => {
      const damage = context.kept<SubscriberState>()?.damage;
      const unreadable = desk?.ranges?.unreadable ?? 0;
      return [
        ...(damage === undefined
          ? []
          : [`the consent ledger is damaged, nobody is inspected (sekisho consent accept-damage): ${damage}`]),
        ...(unreadable > 0 ? [unreadableRows(unreadable, config)] : []),
      ];
    },
  };
}

async function openDesk(context: FeatureContext<SubscriberSections>): Promise<SubscriberDesk | undefined> {
  const { config, server, log, time, audit, metrics } = context;
  const { subscribers } = config;
  if (!subscribers) return undefined;
  // Brings SQLite along, which a server without subscribers need not load.
  const [{ SubscriberState }, { SubscriberDesk }] = await Promise.all([import('./state.ts'), import('./desk.ts')]);
  const fleetState = context.desk(FLEET);
  const fleet = fleetState && fleetOf(fleetState);
  const keep = { leaseMs: subscribers.leaseMs, believedMs: subscribers.leaseAfterRestartMs };
  const state = context.keep(
    () => new SubscriberState(server.dataFolder, time, log, keep, { audit, outside: server.anchorsFolder }, fleet),
  );
  await state.restored;
  return SubscriberDesk.open({
    audit,
    config: subscribers,
    access: server.access,
    state,
    log,
    metrics,
    publish: (published) => context.publish(published),
  });
}

function unreadableRows(count: number, { subscribers }: SubscriberSections): string {
  return `${counted(count, 'row')} of ${subscribers?.rangesFile ?? 'subscribers.ranges'} cannot be read although an address in them can: nobody is identified by these addresses. 'sekisho check' names the lines; correct them in the file or in the system that exports it, and the file is read again by itself`;
}
