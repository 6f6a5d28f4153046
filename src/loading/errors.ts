/** What can be wrong with a plugin. */
import { type Catalogue, errorsOf } from '../errors/errors.ts';

export const PLUGIN_ERRORS = {
  SEKISHO_PLUGIN_NOT_FOUND: {
    status: 422,
    exitCode: 1,
    meaning: 'The configuration names a plugin that is not built in, and the module it names cannot be found.',
    remedy: 'Correct the name, or give `module:` a file relative to the configuration or an installed package.',
  },
  SEKISHO_PLUGIN_INVALID: {
    status: 422,
    exitCode: 1,
    meaning: 'The module does not export a plugin as src/contract/plugin.ts requires, or the plugin has an async hook.',
    remedy: 'Export the result of `definePlugin` as the default; take `async` off its data hooks.',
  },
  SEKISHO_PLUGIN_CONTRACT: {
    status: 422,
    exitCode: 1,
    meaning: 'A plugin was made for another version of the plugin contract than this server has.',
    remedy: 'Install the plugin’s release for this version of Sekisho; its author finds what changed in CHANGELOG.md.',
  },
  SEKISHO_PLUGIN_FAILED: {
    status: 500,
    exitCode: 1,
    meaning: 'A plugin threw during set-up, so the server did not start or the reload was refused.',
    remedy: "Read the plugin's own message; take the plugin out of the configuration to start without it.",
  },
  SEKISHO_PLUGIN_NOT_CONFIGURED: {
    status: 404,
    exitCode: 1,
    meaning: 'The request needs a plugin that the current configuration does not have.',
    remedy: 'Add the lines that the message names to the configuration; `sekisho reload` brings them into force.',
  },
} as const satisfies Catalogue;

export const pluginError = errorsOf(PLUGIN_ERRORS);
