/** A plugin as configured. */
export interface PluginConfig {
  readonly name: string;
  /** URL of the module of a plugin that is not built in. */
  readonly module?: string;
  /** As parsed by the plugin's own schema. */
  readonly options: unknown;
}

/** Plugins of a configuration that names none. */
export const DEFAULT_PLUGINS = { access: {}, 'amp-shaper': {}, sinkhole: {} };
