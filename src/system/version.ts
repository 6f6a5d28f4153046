/** The version of package.json, which is the only place where it stands. */
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Sekisho's version; works from the sources and from dist/, whose bundle has a package.json of another kind. */
export function version(): string {
  for (let folder = dirname(fileURLToPath(import.meta.url)); ; folder = dirname(folder)) {
    const file = join(folder, 'package.json');
    const manifest = existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as Record<string, unknown>) : {};
    const found = manifest['version'];
    if (typeof found === 'string') return found;
    if (dirname(folder) === folder) return 'unknown';
  }
}
