/**
 * The console's files as Vite built them, held in memory: a handful, some hundred kilobytes. What the browser is sent is compressed
 * once, when they are read.
 */
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';

export interface ConsoleFile {
  readonly type: string;
  readonly etag: string;
  readonly plain: Buffer;
  readonly gzip: Buffer;
}

export const PAGE = 'index.html';

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
};

/** By name; empty where the program was compiled without its console. */
export function readConsoleFiles(folder = builtFolder()): ReadonlyMap<string, ConsoleFile> {
  if (folder === undefined) return new Map();
  return new Map(
    readdirSync(folder)
      .filter((name) => TYPES[extname(name)] !== undefined)
      .map((name) => {
        const plain = readFileSync(join(folder, name));
        const etag = `"${createHash('sha256').update(plain).digest('base64url').slice(0, 22)}"`;
        return [name, { type: TYPES[extname(name)] ?? '', etag, plain, gzip: gzipSync(plain, { level: 9 }) }] as const;
      }),
  );
}

/** `dist/console`, from the compiled program as from its sources. */
function builtFolder(): string | undefined {
  for (let folder = dirname(fileURLToPath(import.meta.url)); ; folder = dirname(folder)) {
    for (const candidate of [join(folder, 'console'), join(folder, 'dist', 'console')])
      if (existsSync(join(candidate, PAGE)) && existsSync(join(candidate, 'built.txt'))) return candidate;
    if (folder === dirname(folder)) return undefined;
  }
}
