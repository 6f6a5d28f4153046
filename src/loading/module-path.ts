/**
 * Where the module of a third-party plugin is: a file relative to the configuration, or a package installed beside it.
 */
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { isAbsolute, join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

/**
 * The module's URL, or undefined where nothing is found. Takes a URL that it has made itself, so that a module already
 * found is found again. Throws nothing.
 */
export function moduleUrl(specifier: string, baseFolder: string): string | undefined {
  if (/^\.{1,2}\//.test(specifier) || isAbsolute(specifier)) {
    const file = resolve(baseFolder, specifier);
    return existsSync(file) ? pathToFileURL(file).href : undefined;
  }
  if (specifier.startsWith('file:')) return existsSync(fileOf(specifier)) ? specifier : undefined;
  const require = createRequire(join(baseFolder, 'sekisho.yaml'));
  try {
    const file = require.resolve(specifier);
    // A bare name such as `fs` is no plugin.
    return isAbsolute(file) ? pathToFileURL(file).href : undefined;
  } catch {
    return packageOfModulesOnly(specifier, require.resolve.paths(specifier) ?? []);
  }
}

function fileOf(url: string): string {
  try {
    return fileURLToPath(url);
  } catch {
    return '';
  }
}

/** `require.resolve` does not see a package whose exports have an `import` condition alone; most new packages do. */
function packageOfModulesOnly(name: string, folders: readonly string[]): string | undefined {
  for (const folder of folders) {
    const root = join(folder, name);
    try {
      const manifest: unknown = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
      const entry = entryPoint((manifest as { exports?: unknown } | null)?.exports);
      if (entry !== undefined && existsSync(join(root, entry))) return pathToFileURL(join(root, entry)).href;
    } catch {
      // Not in this folder, or no readable package.json: the next folder up may have it.
    }
  }
  return undefined;
}

function entryPoint(exports: unknown): string | undefined {
  if (typeof exports === 'string') return exports;
  if (typeof exports !== 'object' || exports === null) return undefined;
  const conditions = exports as Record<string, unknown>;
  for (const key of ['.', 'node', 'import', 'default']) {
    const entry = entryPoint(conditions[key]);
    if (entry !== undefined) return entry;
  }
  return undefined;
}
