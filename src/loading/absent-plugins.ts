/**
 * The built-in plugins that a configuration does not have. Whoever asks for what belongs to one of them is told which lines bring it.
 */
import { builtInPlugins } from '../../plugins/index.ts';
import type { SekishoError } from '../errors/errors.ts';
import { pluginError } from './errors.ts';
import { DEFAULT_PLUGINS, type PluginConfig } from './plugin-config.ts';

export interface AbsentPlugin {
  readonly name: string;
  /** Where the lines go, and the lines: YAML on one line. */
  readonly lines: string;
}

/** `pluginsAreDefault`: the configuration has no section `plugins`, and one that is written replaces the defaults. */
export function absentPlugins(config: {
  readonly plugins: readonly PluginConfig[];
  readonly pluginsAreDefault: boolean;
}): AbsentPlugin[] {
  const present = new Set(config.plugins.map(({ name }) => name));
  const kept = Object.keys(DEFAULT_PLUGINS).map((name) => `${name}: {}`);
  return builtInPlugins
    .filter(({ name }) => !present.has(name))
    .map(({ name, toConfigure = '{}' }) => {
      const own = `${name}: ${toConfigure}`;
      const lines = config.pluginsAreDefault
        ? `\`plugins: { ${[...kept, own].join(', ')} }\``
        : `\`${own}\` below plugins`;
      return { name, lines };
    });
}

export function notConfigured({ name, lines }: AbsentPlugin): SekishoError {
  const message = `the plugin ${name} is not configured; add ${lines} in the configuration, and reload`;
  return pluginError('SEKISHO_PLUGIN_NOT_CONFIGURED', message);
}
