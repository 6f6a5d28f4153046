/** The configuration for commands that ask no server. */

import type { Config } from '../config/config.ts';
import { loadConfig } from '../config/load.ts';
import { counted } from '../errors/counted.ts';
import { featuresIn } from '../features.ts';
import { resolvePlugin } from '../loading/plugins.ts';
import { settingsError } from '../settings/errors.ts';
import { problemText } from '../settings/yaml-source.ts';

/** Rejects with SekishoError SEKISHO_CONFIG_INVALID, with every problem as a detail. */
export async function configuration(
  path: string | undefined,
  workFolder: string,
  featureList?: string,
): Promise<Config> {
  const features = await featuresIn(featureList);
  const loaded = await loadConfig({ path, resolvePlugin, features, workFolder });
  if (loaded.ok) return loaded.config;
  const details = loaded.problems.map(problemText);
  throw settingsError('SEKISHO_CONFIG_INVALID', `${loaded.source}: ${counted(details.length, 'problem')}`, { details });
}
