import { STANDING } from '../../plugins/standing.ts';

/** A plugin as configured. */
export interface PluginConfig {
  readonly name: string;
  /** URL of the module of a plugin that is not built in. */
  readonly module?: string;
  /** As parsed by the plugin's own schema. */
  readonly options: unknown;
}

/** Those lines of YAML, below `plugins:`. */
export const DEFAULT_PLUGIN_LINES = STANDING.byDefault.map((name) => `  ${name}: {}\n`).join('');

/** Plugins of a configuration that names none. */
export const DEFAULT_PLUGINS: { readonly [name: string]: object } = Object.fromEntries(
  STANDING.byDefault.map((name) => [name, {}]),
);
