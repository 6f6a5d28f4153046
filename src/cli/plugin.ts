/** `sekisho plugin new NAME` and `sekisho plugin test FOLDER`: a way in for plugins that are written elsewhere. */
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Args } from '../commands/command.ts';
import { usageError } from '../commands/errors.ts';
import type { Terminal } from '../commands/terminal.ts';
import { DEFAULT_PLUGIN_LINES } from '../loading/plugin-config.ts';
import { pluginFiles } from './plugin-scaffold.ts';

const NAME = /^[a-z][a-z0-9]*(-[a-z0-9]+)*$/;

export async function pluginNew({ positionals, json }: Args, terminal: Terminal): Promise<number> {
  const [name = ''] = positionals;
  if (!NAME.test(name))
    throw usageError(`'${name}' is not a valid plugin name: use lower-case letters, digits and dashes`);
  const folder = resolve(name);
  if (existsSync(folder) && !(statSync(folder).isDirectory() && readdirSync(folder).length === 0))
    throw usageError(`'${name}' already exists and is not an empty folder; nothing was written`);
  mkdirSync(folder, { recursive: true });
  const files = pluginFiles(name);
  for (const [file, text] of Object.entries(files)) writeFileSync(join(folder, file), text, { flag: 'wx' });
  if (json) {
    terminal.out(`${JSON.stringify({ folder, files: Object.keys(files) }, null, 2)}\n`);
    return 0;
  }
  terminal.out(`Wrote ${Object.keys(files).join(', ')} to ${name}/.

Test it:      sekisho plugin test ${name}
Load it:      add to the configuration, then \`sekisho check\` and \`sekisho reload\`:

plugins:
${DEFAULT_PLUGIN_LINES}  ${name}: { module: ./${name} }
`);
  return 0;
}

/** Node's own test runner, with `sekisho/plugin` and `sekisho/testing` leading to this installation. */
export async function pluginTest({ positionals }: Args, terminal: Terminal): Promise<number> {
  const [folder = '.'] = positionals;
  const place = resolve(folder);
  if (!existsSync(place)) throw usageError(`there is no folder '${folder}'`);
  const files = readdirSync(place)
    .filter((file) => /\.test\.(?:js|mjs)$/.test(file))
    .map((file) => join(place, file));
  if (files.length === 0) throw usageError(`'${folder}' contains no test: files must be called NAME.test.js`);
  const register = fileURLToPath(new URL('../loading/register.js', import.meta.url));
  const child = spawn(process.execPath, ['--import', register, '--test', ...files], {
    cwd: place,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  child.stdout.on('data', (chunk: Buffer) => terminal.out(chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => terminal.err(chunk.toString()));
  return new Promise((done, failed) => {
    child.once('error', failed);
    child.once('close', (code) => done(code === 0 ? 0 : 1));
  });
}
