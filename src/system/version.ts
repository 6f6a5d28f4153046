/** The version of package.json, which is the only place where it stands. */
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Sekisho's version; works from the sources and from dist/. */
export function version(): string {
  const file = ownManifest();
  const found = file === undefined ? undefined : (manifestIn(file)['version'] as unknown);
  return typeof found === 'string' ? found : 'unknown';
}

/** Path of the package.json with the version. The bundle has one of another kind, which is passed by. */
export function ownManifest(): string | undefined {
  for (let folder = dirname(fileURLToPath(import.meta.url)); ; folder = dirname(folder)) {
    const file = join(folder, 'package.json');
    if (existsSync(file) && manifestIn(file)['version'] !== undefined) return file;
    if (dirname(folder) === folder) return undefined;
  }
}

function manifestIn(file: string): Record<string, unknown> {
  return JSON.parse(readFileSync(file, 'utf8')) as Record<string, unknown>;
}
