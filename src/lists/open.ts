/** The list desk of one configuration: lists that lie on disk are in force before the first worker starts. */
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import type { FeatureContext, Opened } from '../feature/feature.ts';
import { FLEET } from '../fleet/feature.ts';
import { metricPrefix } from '../metrics/registry.ts';
import { makeDataFolder } from '../system/data-folder.ts';
import { threadCompiler } from './compiler.ts';
import { ListDesk } from './desk.ts';
import type { CompiledLists, ListFacts } from './in-force.ts';
import type { ListSections } from './list-config.ts';
import { PostgresGate } from './postgres-gate.ts';
import { listRoutes } from './routes.ts';

export interface LentLists {
  /** Throws TypeError while the plugins' control halves are set up. */
  readonly desk: ListDesk;
  /** What is in force; undefined while nothing is. */
  readonly compiled: CompiledLists | undefined;
}

/** Numbers compiled lists, from 1: a thread that holds one takes none that is older. */
class Versions {
  #latest = 0;
  readonly next = () => ++this.#latest;
  close(): void {}
}

export function openLists({
  config,
  server,
  log,
  time,
  audit,
  metrics,
  approval,
  ...context
}: FeatureContext<ListSections>): Opened<LentLists> {
  const fleet = context.desk(FLEET);
  const own = fleet && { node: fleet.config.node, ...fleet.config.lists };
  const gate = fleet && own && new PostgresGate(fleet.engine, own, () => time.nowMs());
  const versions = context.keep(() => new Versions());
  let desk: ListDesk | undefined;
  return {
    desk: {
      get desk() {
        if (!desk) throw new TypeError('the lists are not loaded yet');
        return desk;
      },
      get compiled() {
        return desk?.compiled;
      },
    },
    // Millions of names take their time: whatever is wrong with a plugin is said before.
    async afterPlugins() {
      const random = () => randomBytes(4).readUInt32LE();
      const folder = join(server.dataFolder, 'lists');
      makeDataFolder(folder);
      const opened = await ListDesk.open({
        audit,
        config,
        folder,
        log,
        clock: time,
        random,
        metrics,
        compiler: threadCompiler({
          key: [random() | 0, random() | 0, random() | 0, random() | 0],
          popularNamesFile: config.popularNamesFile,
        }),
        nextVersion: versions.next,
        publish: (compiled) => context.publish(compiled),
        gate,
      });
      desk = opened;
      fleet?.tell('lists', () => versionsOf(opened));
      return () => opened.close();
    },
    routes: (app) => {
      if (desk) listRoutes(app, { desk, hits: (list, dryRun) => hitsOf(context, list, dryRun), audit, approval });
    },
    activate: () => desk?.activate(),
    deactivate: () => desk?.deactivate(),
  };
}

/** Which version of each list is in force here, by the beginning of its checksum; 64 lists at most. */
function versionsOf({ lists }: ListDesk): Record<string, string> {
  return Object.fromEntries(
    lists
      .slice(0, 64)
      .map(({ config, store }) => [config.name, store.current?.provenance.sha256.slice(0, 16) ?? 'none']),
  );
}

/** Plugins that act on lists count what one decided under `hits`, by list and, where rules may differ in that, by `dry_run`. */
function hitsOf(
  { plugins, samples }: Pick<FeatureContext<unknown>, 'plugins' | 'samples'>,
  list: ListFacts,
  dryRun: boolean,
): number {
  return plugins
    .filter(({ listCategories = [] }) => listCategories.includes(list.category))
    .flatMap(({ name }) => samples(`${metricPrefix(name)}_hits_total`))
    .filter(({ labels }) => labels['list'] === list.name)
    .filter(({ labels }) => (labels['dry_run'] ?? String(list.dryRun)) === String(dryRun))
    .reduce((sum, { value }) => sum + value, 0);
}
