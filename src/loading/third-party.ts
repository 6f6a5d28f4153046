/**
 * Code from outside. Two things that Node.js does not do by itself:
 *
 * - `sekisho/plugin`, imported from anywhere, leads to the contract of this very process; the plugin need not lie below a
 *   node_modules that holds Sekisho, and one that does never gets a second copy.
 * - Node.js keeps a module for ever under its URL. So the URL of a plugin carries the version of its code
 *   (`…/index.js?code=8f3a…`), which its own imports inherit: a reload loads what changed, in the main thread and in the new
 *   workers alike, and what did not change is not loaded a second time.
 */
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { register } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { contractUrls } from './contract-urls.ts';

/** What a plugin of any size has; more are not looked at. */
const MAX_FILES = 2000;
/** How far below its package.json a plugin's entry lies at most. */
const MAX_DEPTH = 4;
const CODE_FILE = /\.(?:js|mjs|cjs|json|wasm|node)$/;

let registered = false;

/** Import a plugin's module by the URL that `withCode` made. */
export async function importPlugin(url: string): Promise<{ default?: unknown }> {
  if (!registered) {
    registered = true;
    const hooks = new URL('./contract-hooks.js', import.meta.url);
    // From the sources (in tests) no such file yet, and `sekisho/plugin` is found as any package is.
    if (existsSync(fileURLToPath(hooks))) register(hooks, { data: contractUrls() });
  }
  return import(url);
}

/** The URL with the version of the code as it lies on disk at this moment. */
export function withCode(url: string): string {
  const bare = withoutCode(url);
  return `${bare}?code=${codeVersion(fileURLToPath(bare))}`;
}

/** For messages to people, and to compare. */
export function withoutCode(url: string): string {
  return url.replace(/\?code=[0-9a-f]+$/, '');
}

/** True where the code on disk is no longer what the URL stands for. */
export function codeHasChanged(url: string): boolean {
  return url !== withoutCode(url) && withCode(url) !== url;
}

/**
 * Changes whenever a file of code of the plugin does: names, sizes and times of change. A plugin with a package.json is all
 * that lies below it; one without is the files beside it.
 */
function codeVersion(file: string): string {
  const hash = createHash('sha256');
  let left = MAX_FILES;
  const add = (path: string) => {
    const stat = statSync(path, { throwIfNoEntry: false });
    if (stat) hash.update(`${path}\0${stat.size}\0${stat.mtimeMs}\n`);
  };
  const walk = (folder: string, deep: boolean) => {
    for (const entry of readdirSync(folder, { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1))) {
      if (left <= 0 || entry.name === 'node_modules' || entry.name.startsWith('.')) continue;
      const path = join(folder, entry.name);
      if (entry.isDirectory()) {
        if (deep) walk(path, deep);
      } else if (CODE_FILE.test(entry.name)) {
        left--;
        add(path);
      }
    }
  };
  const own = packageFolder(file);
  walk(own ?? dirname(file), own !== undefined);
  return hash.digest('hex').slice(0, 16);
}

/** The nearest folder with a package.json, unless that is Sekisho's own or lies far above. */
function packageFolder(file: string): string | undefined {
  const product = fileURLToPath(new URL('../../', import.meta.url));
  for (let folder = dirname(file), up = 0; up < MAX_DEPTH && dirname(folder) !== folder; folder = dirname(folder), up++)
    if (existsSync(join(folder, 'package.json'))) return product.startsWith(join(folder, '/')) ? undefined : folder;
  return undefined;
}
