/**
 * Plugins that the configuration names with their `module`, for the commands that they bring. Read leniently: a file that is being edited,
 * or a plugin that cannot be loaded, takes no other command away; `sekisho check` says what is wrong with them.
 */
import { pluginModules } from '../config/load.ts';
import type { Plugin } from '../contract/plugin.ts';
import { resolvePlugin } from '../loading/plugins.ts';

export async function outsidePlugins({
  path,
  workFolder,
}: {
  readonly path: string | undefined;
  readonly workFolder: string;
}): Promise<Plugin[]> {
  const { modules, baseFolder } = await pluginModules({ path, workFolder });
  const loaded = await Promise.allSettled(modules.map(({ name, module }) => resolvePlugin(name, module, baseFolder)));
  return loaded.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []));
}
