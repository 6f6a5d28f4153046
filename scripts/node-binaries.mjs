// Other versions of Node.js, as npm packages that hold nothing but the binary.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The lines that are supported; of the first the oldest that is. README.md says until when. */
export const NODE_LINES = ['20.19.0', '22', '24'];

/** Path of each line's binary, fetched once and kept below node_modules; or why they could not be had. */
export function nodeBinaries() {
  const folder = join(dirname(dirname(fileURLToPath(import.meta.url))), 'node_modules', '.sekisho-node');
  const place = (line) => join(folder, 'node_modules', `node-${line}`, 'bin', 'node');
  const binaries = new Map(NODE_LINES.map((line) => [line, place(line)]));
  if ([...binaries.values()].every((path) => existsSync(path))) return binaries;
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'package.json'), '{ "private": true }\n');
  const wanted = NODE_LINES.map((line) => `node-${line}@npm:node-linux-${process.arch}@${line}`);
  const options = [
    '--ignore-scripts',
    '--no-audit',
    '--no-fund',
    '--no-package-lock',
    '--loglevel=error',
    '--no-bin-links',
  ];
  const { status, stderr } = spawnSync('npm', ['install', '--prefix', folder, ...options, ...wanted], {
    encoding: 'utf8',
  });
  return status === 0 ? binaries : `npm install ended with ${status}: ${stderr.slice(-300)}`;
}
