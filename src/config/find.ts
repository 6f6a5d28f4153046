/**
 * Which configuration file counts, and what it says.
 */
import { existsSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import type { Found } from '../settings/found.ts';
import { BUILT_IN_DEFAULTS } from './config.ts';

/** Looked for in this order when no file is named; a relative one from the working folder. */
export const DEFAULT_PATHS = ['./sekisho.yaml', '/etc/sekisho/sekisho.yaml'];

/** The file named, else the first of the default ones that exists, else the built-in defaults. */
export function findConfig(
  path: string | undefined,
  workFolder: string,
  defaultPaths: readonly string[] = DEFAULT_PATHS,
): Found {
  const source = path ?? defaultPaths.find((each) => existsSync(resolve(workFolder, each)));
  if (source === undefined) return { source: BUILT_IN_DEFAULTS, file: undefined, baseFolder: workFolder };
  const file = resolve(workFolder, source);
  return { source, file, baseFolder: dirname(file) };
}
