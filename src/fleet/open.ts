/** The fleet of one configuration: what is kept as long as the process lives, seen and measured. */
import { createHash } from 'node:crypto';
import { basename, isAbsolute } from 'node:path';
import { anchorInFleet } from '../audit/postgres-anchor.ts';
import type { FeatureContext, Opened } from '../feature/feature.ts';
import type { FleetSection } from './fleet-config.ts';
import type { FleetState } from './fleet-state.ts';
import { fleetRoutes } from './routes.ts';
import { fleetView } from './view.ts';

/** What differs from node to node, and says nothing of what a subscriber meets. */
const OWN = ['fleet', 'server', 'admin', 'notice', 'source', 'baseFolder', 'warnings'];

export async function openFleet(context: FeatureContext<FleetSection>): Promise<Opened<FleetState | undefined>> {
  const { config, server, time, log, version, metrics, audit } = context;
  const fleet = await stateOf();
  if (!fleet) {
    return {
      desk: undefined,
      status: () => ({ fleet: null }),
      routes: (app) => fleetRoutes(app, { fleet: undefined, audit }),
    };
  }
  const { membership } = fleet;
  const gauge = (name: string, help: string) => metrics.gauge(`sekisho_fleet_${name}`, help);
  const gauges = {
    fenced: gauge('fenced', '1 while the fence of this node has run out: nobody is inspected.'),
    left: gauge('fence_left_seconds', 'How long this node may still inspect without hearing from PostgreSQL.'),
    doubt: gauge('in_doubt', '1 while the fence cannot be renewed; sekisho fleet status says why.'),
    nodes: gauge('nodes', 'Nodes of the fleet, those that rest included.'),
    silent: gauge('nodes_silent', 'Nodes whose fence has run out although they did not stop in good order.'),
    lag: gauge('consent_lag_entries', 'Entries of the consent ledger that some node has and this one lacks.'),
    mostLag: gauge(
      'consent_lag_entries_max',
      'Entries that the node furthest behind lacks, of those that are not resting.',
    ),
    drift: gauge(
      'configuration_drift',
      'Nodes whose configuration differs from that of this node in what subscribers meet.',
    ),
    ahead: gauge('engine_clock_ahead_seconds', "How far PostgreSQL's clock is ahead of this system's."),
    seen: gauge('view_age_seconds', 'How long ago the other nodes were seen last.'),
  };
  const hash = configurationHash(config);
  return {
    desk: fleet,
    activate() {
      fleet.requireSame(config.fleet);
      fleet.tell('configuration', () => hash);
      fleet.start();
    },
    routes: (app) => fleetRoutes(app, { fleet, audit }),
    status: () => ({ fleet: fleetView(fleet) }),
    warnings: () => {
      const { problem } = membership;
      if (problem === undefined) return [];
      return [
        `fleet: ${membership.isFenced ? 'nobody is inspected' : 'the fence cannot be renewed'}: ${problem.message}`,
      ];
    },
    unready: () =>
      config.fleet?.readyWithFence && membership.isFenced ? 'the fence of the fleet has run out' : undefined,
    announced: () => ({ fleet: fleet.config.node }),
    measure: () => {
      const { values } = metrics;
      const view = fleetView(fleet);
      const most = Math.max(0, ...view.nodes.map(({ applied }) => applied));
      const awake = view.nodes.filter(({ state }) => state !== 'resting');
      values[gauges.fenced] = view.fenced ? 1 : 0;
      values[gauges.left] = view.fenceLeftMs / 1000;
      values[gauges.doubt] = view.problem === null ? 0 : 1;
      values[gauges.nodes] = view.nodes.length;
      values[gauges.silent] = view.nodes.filter(({ state }) => state === 'silent').length;
      values[gauges.lag] = Math.max(0, most - (membership.part?.end().applied ?? most));
      values[gauges.mostLag] = Math.max(0, ...awake.map(({ applied }) => most - applied));
      values[gauges.drift] = view.nodes.filter(({ drifts }) => drifts).length;
      values[gauges.ahead] = (membership.engineAheadMs ?? 0) / 1000;
      values[gauges.seen] = (view.seenAgoMs ?? 0) / 1000;
    },
  };

  async function stateOf(): Promise<FleetState | undefined> {
    const kept = context.kept<FleetState>();
    // Also where the section is gone: what was shared stays shared until the process ends.
    kept?.requireSame(config.fleet);
    if (kept || !config.fleet) return kept;
    const section = config.fleet;
    // Brings the library for PostgreSQL along, which a server that stands alone need not load.
    const { FleetState } = await import('./fleet-state.ts');
    return context.keep(() => {
      const state = new FleetState(section, { dataFolder: server.dataFolder, clock: time, log, version });
      state.beforeEnd(anchorInFleet({ engine: state.engine, node: section.node, chain: 'audit', log }, audit));
      return state;
    });
  }
}

function configurationHash(config: object): string {
  const shared = Object.entries(config)
    .filter(([key]) => !OWN.includes(key))
    .sort(([one], [other]) => (one < other ? -1 : 1));
  return createHash('sha256').update(JSON.stringify(shared, withoutFolders)).digest('hex').slice(0, 16);
}

/** Nodes may keep the same files at different places. */
function withoutFolders(_: string, value: unknown): unknown {
  return typeof value === 'string' && isAbsolute(value) ? basename(value) : value;
}
