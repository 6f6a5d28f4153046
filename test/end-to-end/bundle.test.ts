/** The bundled program (scripts/program): compiled code that V8 kept is used where it fits, and never where it does not. */
import { spawnSync } from 'node:child_process';
import { cpSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { temporaryFolder } from '../support/process.ts';
import { repositoryRoot } from '../support/root.ts';

const built = join(repositoryRoot(), 'dist', 'program');

/** Run `sekisho WORDS`, and say how often kept code was used and refused. */
function run(program: string, words: readonly string[], nodeArgs: readonly string[] = []) {
  const script = `const { load, uses } = require(${JSON.stringify(join(program, 'loader.cjs'))});
process.on('exit', () => console.log(JSON.stringify(uses)));
load('src-main', 'main');`;
  const { stdout, stderr } = spawnSync(process.execPath, [...nodeArgs, '-e', script, '--', 'sekisho', ...words], {
    encoding: 'utf8',
  });
  const lines = stdout.trimEnd().split('\n');
  return {
    ...(JSON.parse(lines.pop() ?? '{}') as { used: number; refused: number }),
    stdout: lines.join('\n'),
    stderr,
  };
}

/** An installation of which a test may change files. */
function copied(): string {
  const folder = temporaryFolder('program');
  cpSync(built, join(folder, 'dist', 'program'), { recursive: true });
  cpSync(join(repositoryRoot(), 'package.json'), join(folder, 'package.json'));
  symlinkSync(join(repositoryRoot(), 'node_modules'), join(folder, 'node_modules'));
  return join(folder, 'dist', 'program');
}

test('a start compiles nothing that the build has compiled', () => {
  const { used, refused, stdout } = run(built, ['help']);
  expect(stdout).toContain('sekisho COMMAND');
  expect(refused).toBe(0);
  expect(used).toBeGreaterThan(10);
});

test('kept code that does not fit is not used', () => {
  // V8 with other flags compiles otherwise.
  const other = run(built, ['help'], ['--no-lazy-feedback-allocation']);
  expect(other).toMatchObject({ used: 0, stdout: run(built, ['help']).stdout, stderr: '' });

  // Another binary, which V8 itself might take for the same (test/node-versions runs such a one).
  const program = copied();
  const kept = join(program, 'code', 'main.bin');
  const bytes = readFileSync(kept);
  // All of it past the table of contents: of a lasting disk fault, say.
  for (let at = 4 + bytes.readUInt32LE(0); at < bytes.length; at += 512) bytes[at] = bytes[at]! ^ 0xff;
  writeFileSync(kept, bytes);
  expect(run(program, ['help'])).toMatchObject({ used: 0, refused: 0, stderr: '' });
  for (const damaged of [Buffer.alloc(0), bytes.subarray(0, 100), Buffer.from('ÿÿÿÿ{}')]) {
    writeFileSync(kept, damaged);
    expect(run(program, ['--version'])).toMatchObject({ used: 0, refused: 0, stderr: '' });
  }
});

test('a chunk that was changed by hand runs as it stands, even where its length stays', () => {
  const program = copied();
  const chunk = readdirSync(join(program, 'chunks')).find(
    (name) =>
      name.endsWith('.cjs') && readFileSync(join(program, 'chunks', name), 'utf8').includes('a command comes first'),
  );
  const file = join(program, 'chunks', chunk ?? '');
  writeFileSync(file, readFileSync(file, 'utf8').replace('a command comes first', 'A COMMAND COMES FIRST'));
  expect(run(program, ['--json']).stderr).toContain('A COMMAND COMES FIRST');
});

test('stacks name the sources, and modules from outside get the instances of the program', () => {
  const script = `import { definePlugin } from 'sekisho/plugin';
import { createRequire } from 'node:module';
const { load } = createRequire(import.meta.url)(${JSON.stringify(join(built, 'loader.cjs'))});
console.log(definePlugin === load('src-contract-plugin').definePlugin);
try { definePlugin({}); } catch (error) { console.log(error.stack); }`;
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', script], {
    encoding: 'utf8',
    cwd: repositoryRoot(),
  });
  expect(stderr).toBe('');
  const [same, ...stack] = stdout.split('\n');
  expect(same).toBe('true');
  const [, file = '', line = ''] =
    /\((\/[^:]*):(\d+):\d+\)/.exec(stack.find((place) => place.includes(' at ')) ?? '') ?? [];
  expect(file).toBe(join(repositoryRoot(), 'src', 'contract', 'plugin.ts'));
  expect(readFileSync(file, 'utf8').split('\n')[Number(line) - 1]).toContain('throw new TypeError(');
});
