import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { Worker } from 'node:worker_threads';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sampleAnswer, sampleQuery } from '../../test/support/sample-answers.ts';
import { Answer } from '../wire/answer.ts';
import { CACHE_HIT } from '../wire/query.ts';
import { AnswerCache, releaseLocksOf } from './cache.ts';
import { type CacheMemory, createCacheMemory, LOCK, VERSION } from './memory.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
let folder = '';

interface Result {
  hits: number;
  misses: number;
  wrong: number;
  contended: number;
}

// Threads run outside of Vitest, on compiled files; these are compiled from what the sources are now.
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'sekisho-cache-'));
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
    files: [join(root, 'src/cache/cache.ts'), join(root, 'test/support/sample-answers.ts')],
  };
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(project));
  writeFileSync(join(folder, 'package.json'), '{"type":"module"}');
  const compiler = join(dirname(createRequire(import.meta.url).resolve('typescript/package.json')), 'bin/tsc');
  execFileSync(process.execPath, [compiler, '-p', folder], { stdio: 'pipe' });
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

function start(memory: CacheMemory, worker: number, operations: number, writeShare: number, keys: number): Worker {
  return new Worker(new URL('../../test/support/threads/cache-user.mjs', import.meta.url), {
    workerData: { compiled: pathToFileURL(`${folder}/`).href, memory, worker, keys, operations, writeShare },
  });
}

function resultOf(worker: Worker): Promise<Result> {
  return new Promise((resolve, reject) => {
    worker.once('message', resolve);
    worker.once('error', reject);
  });
}

describe('two threads on one small cache', () => {
  it.each([
    ['few keys: the same entries are written and read at once', 8],
    ['more keys than fit: entries move and give way all the time', 12_000],
  ])('are never served a torn or foreign byte (%s)', async (_, keys) => {
    const memory = createCacheMemory({ bytes: 1 << 20 });
    const operations = 400_000;
    const results = await Promise.all([
      resultOf(start(memory, 1, operations, 200, keys)),
      resultOf(start(memory, 2, operations, 40, keys)),
    ]);
    const stats = new AnswerCache(memory, { worker: 3, minTtl: 0, maxTtl: 1, serveStale: 0 }).stats();
    for (const { hits, wrong } of results) {
      expect(hits).toBeGreaterThan(10_000);
      expect(wrong).toBe(0);
    }
    expect(stats.inserts).toBeGreaterThan(100_000);
    const words = new Int32Array(memory.shards[0]!);
    expect(words[LOCK]).toBe(0);
    expect(words[VERSION]! & 1).toBe(0);
  });

  it('go on after one of them was killed in the middle of its work', async () => {
    const memory = createCacheMemory({ bytes: 1 << 20 });
    const words = new Int32Array(memory.shards[0]!);
    const answer = new Answer();
    const query = sampleQuery('after.example');
    const cache = new AnswerCache(memory, { worker: 3, minTtl: 0, maxTtl: 3600, serveStale: 0 });
    let heldLocks = 0;
    // A thread that does nothing but write is killed until it died at least once with the lock in its hand.
    for (let attempt = 0; attempt < 200 && heldLocks === 0; attempt++) {
      const worker = start(memory, 1, 1e9, 256, 5_000);
      const failed = new Promise<never>((_, reject) => worker.once('error', reject));
      const before = Atomics.load(words, VERSION);
      while (Atomics.load(words, VERSION) - before < 2_000) {
        await Promise.race([failed, new Promise((resolve) => setImmediate(resolve))]);
      }
      await worker.terminate();
      heldLocks += releaseLocksOf(memory, 1);
      expect(words[LOCK]).toBe(0);
      expect(cache.insert(query.question, sampleAnswer(answer, query.question), 0)).toBe(true);
      expect(cache.serve(query, false)).toBe(CACHE_HIT);
    }
    expect(heldLocks).toBeGreaterThan(0);
  });
});
