/**
 * Finds plugins and puts them in the order in which their hooks run. Used by the main thread, by every worker and by
 * `sekisho check`, so that all see the same chain.
 */
import { builtInPlugins } from '../../plugins/index.ts';
import { STANDING } from '../../plugins/standing.ts';
import type { MountedPlugin } from '../chain/hooks.ts';
import { ContractError, type DataContext, definePlugin, type Hooks, type Plugin, STAGES } from '../contract/plugin.ts';
import { type Metrics, metricPrefix } from '../metrics/registry.ts';
import { MeasuresInForce } from '../rules/in-force.ts';
import { pluginError } from './errors.ts';
import { moduleUrl } from './module-path.ts';
import type { PluginConfig } from './plugin-config.ts';
import { importPlugin, withoutCode } from './third-party.ts';

/** A plugin as every thread resolves it. */
export interface PluginReference {
  readonly name: string;
  /** Absolute URL of its module; undefined for those that come with Sekisho. */
  readonly module?: string | undefined;
}

/** The plugin that a configuration names: built in, or in `module` as seen from `baseFolder`. Throws SekishoError. */
export async function resolvePlugin(name: string, module: string | undefined, baseFolder: string): Promise<Plugin> {
  if (module === undefined) return loadPlugin({ name });
  const url = moduleUrl(module, baseFolder);
  if (url === undefined)
    throw pluginError(
      'SEKISHO_PLUGIN_NOT_FOUND',
      `module '${module}' is neither a file nor a package that can be found from ${baseFolder}`,
    );
  return loadPlugin({ name, module: url });
}

/** Load a plugin. Throws SekishoError with what is wrong with it. */
export async function loadPlugin({ name, module }: PluginReference): Promise<Plugin> {
  if (module === undefined) {
    const builtIn = builtInPlugins.find((plugin) => plugin.name === name);
    if (builtIn) return builtIn;
    const known = builtInPlugins.map((plugin) => plugin.name).join(', ');
    throw pluginError(
      'SEKISHO_PLUGIN_NOT_FOUND',
      `no plugin '${name}' comes with Sekisho (${known}); one from outside needs 'module:'`,
    );
  }
  let loaded: { default?: unknown };
  try {
    loaded = await importPlugin(module);
  } catch (error) {
    throw pluginError(
      'SEKISHO_PLUGIN_INVALID',
      `cannot load ${withoutCode(module)}: ${error instanceof Error ? error.message : String(error)}`,
    );
  }
  const plugin = loaded.default as Plugin | undefined;
  if (typeof plugin !== 'object' || plugin === null || typeof plugin.name !== 'string') {
    throw pluginError(
      'SEKISHO_PLUGIN_INVALID',
      `${withoutCode(module)} has no plugin as its default export (export default definePlugin({ … }))`,
    );
  }
  if (plugin.name !== name)
    throw pluginError(
      'SEKISHO_PLUGIN_INVALID',
      `${withoutCode(module)} is the plugin '${plugin.name}'; its key must be that, not '${name}'`,
    );
  try {
    return definePlugin(plugin);
  } catch (error) {
    const code = error instanceof ContractError ? 'SEKISHO_PLUGIN_CONTRACT' : 'SEKISHO_PLUGIN_INVALID';
    throw pluginError(code, error instanceof Error ? error.message : String(error));
  }
}

/** By stage; inside a stage as configured. The gate leads, whatever the configuration says: nothing runs for outsiders. */
export function inChainOrder<T extends { readonly plugin: Plugin }>(entries: readonly T[]): T[] {
  const place = ({ plugin }: T) => (plugin.name === STANDING.gate ? -1 : STAGES.indexOf(plugin.stage));
  return [...entries].sort((one, other) => place(one) - place(other));
}

/** What `mountPlugins` gives to each plugin's `data`, besides its options and counters. */
export interface MountParts
  extends Omit<DataContext<unknown>, 'options' | 'shared' | 'counter' | 'counters' | 'measures'> {
  /** Measures in this thread; none where left out. */
  readonly measures?: MeasuresInForce;
  /** What each plugin's `control` returned, in the order of the configuration. */
  readonly shared: readonly unknown[];
  readonly metrics: Metrics;
}

/** Set up the hooks of every plugin of the configuration, in chain order. Throws SekishoError where one cannot be. */
export async function mountPlugins(plugins: readonly PluginConfig[], parts: MountParts): Promise<MountedPlugin[]> {
  const mounted: MountedPlugin[] = [];
  for (const [i, { name, module, options }] of plugins.entries()) {
    const plugin = await loadPlugin({ name, module });
    mounted.push({ plugin, hooks: mountPlugin(plugin, options, parts.shared[i], parts) });
  }
  return inChainOrder(mounted);
}

/** Set up the hooks of one plugin. */
export function mountPlugin(
  plugin: Plugin,
  options: unknown,
  shared: unknown,
  parts: Omit<MountParts, 'shared'>,
): Hooks {
  const { metrics, measures = new MeasuresInForce(parts.server.workers), ...facts } = parts;
  const prefix = metricPrefix(plugin.name);
  return (
    plugin.data?.({
      ...facts,
      measures: measures.of(plugin.name),
      options: options as never,
      shared,
      counter: (name, help, labels) => metrics.counter(`${prefix}_${name}_total`, help, labels),
      counters: metrics.values,
    }) ?? {}
  );
}
