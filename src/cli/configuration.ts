/** The configuration for commands that ask no server. */

import type { Config } from '../config/config.ts';
import { loadConfig } from '../config/load.ts';
import { counted } from '../errors/counted.ts';
import { resolvePlugin } from '../loading/plugins.ts';
import { settingsError } from '../settings/errors.ts';
import { problemText } from '../settings/yaml-source.ts';

/** Rejects with SekishoError SEKISHO_CONFIG_INVALID, with every problem as a detail. */
export async function configuration(
  path: string | undefined,
  workFolder: string,
  _featureList?: string,
): Promise<Config> {
  const loaded = await loadConfig({ path, resolvePlugin, workFolder });
  if (loaded.ok) return loaded.config;
  const details = loaded.problems.map(problemText);
  throw settingsError('SEKISHO_CONFIG_INVALID', `${loaded.source}: ${counted(details.length, 'problem')}`, { details });
}
