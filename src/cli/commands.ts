/**
 * The commands, in the order of the help: the program's own, those of the features, of the plugins that come along, and of plugins that
 * the configuration names with their `module`. Each one's declaration is loaded when it is used, and its code by the declaration, so that
 * `sekisho status` loads neither a DNS server nor what the other commands need.
 */
import type { Command, CommandLoader } from '../commands/command.ts';

type Commands = { readonly [name: string]: CommandLoader };

const FIRST: Commands = {
  run: async () => (await import('./commands/run.ts')).runCommand,
  check: async () => (await import('./commands/check.ts')).checkCommand,
  convert: async () => (await import('./commands/convert.ts')).convertCommand,
  status: async () => (await import('./commands/status.ts')).statusCommand,
  explain: async () => (await import('./commands/explain.ts')).explainCommand,
  reload: async () => (await import('./commands/reload.ts')).reloadCommand,
  cache: async () => (await import('./commands/cache.ts')).cacheCommand,
};
const LAST: Commands = {
  'open-resolver-scan': async () => (await import('./commands/open-resolver-scan.ts')).openResolverScanCommand,
  plugin: async () => (await import('./commands/plugin.ts')).pluginCommand,
  completion: async () => (await import('./commands/completion.ts')).completionCommand,
};

/** Where commands come from besides this program. */
export interface CommandPlaces {
  /** URL of a module with features; src/features.ts unless given. */
  readonly featureList?: string | undefined;
  /** The configuration as named with `--config`, and the folder that it is looked for in; without it no plugin from outside is asked. */
  readonly configured?: { readonly path: string | undefined; readonly workFolder: string };
}

/** The command of that name; undefined where there is none. */
export async function findCommand(name: string, places: CommandPlaces): Promise<Command | undefined> {
  for (const commands of sources(places)) {
    const found = await commands();
    const load = Object.hasOwn(found, name) ? found[name] : undefined;
    if (load) return load();
  }
  return undefined;
}

/** All declarations, in the order of the help. */
export async function allCommands(places: CommandPlaces = {}): Promise<Command[]> {
  const found = new Map<string, CommandLoader>();
  for (const commands of sources(places))
    for (const [name, load] of Object.entries(await commands())) if (!found.has(name)) found.set(name, load);
  return Promise.all([...found.values()].map((load) => load()));
}

function sources({ featureList, configured }: CommandPlaces): (() => Promise<Commands>)[] {
  return [
    async () => FIRST,
    async () => {
      const { featuresIn } = await import('../features.ts');
      return together((await featuresIn(featureList)).map(({ commands = {} }) => commands));
    },
    async () => {
      const { builtInPlugins } = await import('../../plugins/index.ts');
      return together(builtInPlugins.map(({ commands = {} }) => commands));
    },
    async () => LAST,
    async () => {
      if (!configured) return {};
      const { outsidePlugins } = await import('./outside-plugins.ts');
      return together((await outsidePlugins(configured)).map(({ commands = {} }) => commands));
    },
  ];
}

/** Of two of the same name the first counts. */
function together(all: readonly Commands[]): Commands {
  const found: { [name: string]: CommandLoader } = {};
  for (const [name, load] of all.flatMap((commands) => Object.entries(commands))) found[name] ??= load;
  return found;
}
