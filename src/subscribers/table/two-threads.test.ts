import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { Worker } from 'node:worker_threads';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createPrefixTable, NOBODY, PrefixTable, UNKNOWN } from './prefix-table.ts';

const root = fileURLToPath(new URL('../../../', import.meta.url));
let folder = '';

// Threads run outside of Vitest, on compiled files; these are compiled from what the sources are now.
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'sekisho-subscribers-'));
  const project = {
    extends: join(root, 'tsconfig.json'),
    compilerOptions: {
      rootDir: root,
      outDir: folder,
      declaration: false,
      sourceMap: false,
      typeRoots: [join(root, 'node_modules/@types')],
    },
    include: [],
    files: [join(root, 'src/subscribers/table/prefix-table.ts')],
  };
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(project));
  writeFileSync(join(folder, 'package.json'), '{"type":"module"}');
  const compiler = join(dirname(createRequire(import.meta.url).resolve('typescript/package.json')), 'bin/tsc');
  execFileSync(process.execPath, [compiler, '-p', folder], { stdio: 'pipe' });
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

it('a reader never sees one holder with the time of another, while a thread writes', async () => {
  const PREFIXES = 3;
  const memory = createPrefixTable(5, 64);
  const stop = new SharedArrayBuffer(4);
  const writer = new Worker(new URL('../../../test/support/threads/prefix-writer.mjs', import.meta.url), {
    workerData: { compiled: pathToFileURL(`${folder}/`).href, memory, prefixes: PREFIXES, stop },
  });
  const written = new Promise<number>((resolve, reject) => {
    writer.once('message', resolve);
    writer.once('error', reject);
  });
  const table = new PrefixTable(memory);
  while (table.count < PREFIXES) await new Promise((resolve) => setImmediate(resolve));
  const seen = { held: 0, torn: 0, unknown: 0, nobody: 0 };
  for (let i = 0; i < 6_000_000; i++) {
    const k = i % PREFIXES;
    table.locate(k, k, k, k, 0);
    const holder = table.found(1000);
    if (holder === UNKNOWN) seen.unknown++;
    else if (holder === NOBODY) seen.nobody++;
    else if ((holder & 1) === 0) seen.held++;
    else seen.torn++;
  }
  Atomics.store(new Int32Array(stop), 0, 1);
  expect(await written).toBeGreaterThan(PREFIXES);
  expect(seen).toMatchObject({ torn: 0, unknown: 0 });
  expect(Math.min(seen.held, seen.nobody)).toBeGreaterThan(0);
});
