import { PerformanceObserver } from 'node:perf_hooks';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, test } from 'vitest';
import { cachedChain, hitLoop } from '../../bench/micro/cached-chain.ts';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

const names = Array.from({ length: 1000 }, (_, i) => `host${i}.zone${i % 7}.example.net`);

test('a million cache hits allocate nothing', async () => {
  const chain = await cachedChain(names);
  const run = hitLoop(chain, names);
  // Compiled first: the compiler's own garbage is not that of a query.
  for (let i = 0; i < 20; i++) run(20_000);
  await new Promise((resolve) => setTimeout(resolve, 200));
  collect();
  let collections = 0;
  const observer = new PerformanceObserver((list) => {
    collections += list.getEntries().length;
  });
  observer.observe({ entryTypes: ['gc'] });
  const before = process.memoryUsage().heapUsed;
  for (let i = 0; i < 10; i++) run(100_000);
  const grown = process.memoryUsage().heapUsed - before;
  await new Promise((resolve) => setImmediate(resolve));
  observer.disconnect();
  // Sampling one query in 256 reads the clock a few times; a single object per query would be 16 MB.
  expect(grown).toBeLessThan(600_000);
  expect(collections).toBe(0);
});
