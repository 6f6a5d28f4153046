/**
 * Where the module of a third-party plugin is: a file or a folder relative to the configuration, or a package installed beside it.
 */
import { existsSync, readFileSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { isAbsolute, join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { withCode } from './third-party.ts';

/**
 * The module's URL, or undefined where nothing is found. Takes a URL that it has made itself, so that a module already
 * found is found again. Throws nothing.
 */
export function moduleUrl(specifier: string, baseFolder: string): string | undefined {
  if (/^\.{1,2}\//.test(specifier) || isAbsolute(specifier)) {
    return fileOrFolder(resolve(baseFolder, specifier));
  }
  if (specifier.startsWith('file:')) return fileOrFolder(fileOf(specifier));
  const require = createRequire(join(baseFolder, 'sekisho.yaml'));
  try {
    const file = require.resolve(specifier);
    // A bare name such as `fs` is no plugin.
    return isAbsolute(file) ? urlOf(file) : undefined;
  } catch {
    return packageOfModulesOnly(specifier, require.resolve.paths(specifier) ?? []);
  }
}

/** A file; or a folder with a package.json that names its entry, or with an index.js or index.mjs. */
function fileOrFolder(path: string): string | undefined {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (!stat) return undefined;
  if (!stat.isDirectory()) return urlOf(path);
  for (const entry of [manifestEntry(path), 'index.js', 'index.mjs'])
    if (entry !== undefined && statSync(join(path, entry), { throwIfNoEntry: false })?.isFile())
      return urlOf(join(path, entry));
  return undefined;
}

/** With the version of the code as it lies on disk now, so that a reload takes what changed (third-party.ts). */
function urlOf(file: string): string {
  return withCode(pathToFileURL(file).href);
}

/** `exports` or `main` of a folder's package.json. */
function manifestEntry(folder: string): string | undefined {
  try {
    const manifest = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as Record<string, unknown> | null;
    const main = manifest?.['main'];
    return entryPoint(manifest?.['exports']) ?? (typeof main === 'string' ? main : undefined);
  } catch {
    return undefined;
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
      const entry = manifestEntry(root);
      if (entry !== undefined && existsSync(join(root, entry))) return urlOf(join(root, entry));
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
