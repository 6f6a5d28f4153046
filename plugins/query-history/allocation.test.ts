import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, test } from 'vitest';
import { observed, testRecorder } from '../../test/support/history-queries.ts';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

test('observing allocates nothing, whether a query is looked at, known, new, or waited for its answer', () => {
  const { recorders } = testRecorder();
  const recorder = recorders[0]!;
  const queries = Array.from({ length: 512 }, (_, i) =>
    observed({
      name: i % 2 === 0 ? `www.site${i % 40}.co.jp` : `${(i * 2654435761).toString(36)}.victim.example.com`,
      client: `10.0.${i % 7}.${i % 250}`,
      latencyMs: i % 3 === 0 ? 12.34 : 0,
    }),
  );
  const run = (rounds: number) => {
    for (let round = 0; round < rounds; round++) for (let i = 0; i < queries.length; i++) recorder.observe(queries[i]!);
  };
  run(300);
  // Code that the compiler is still making better, in a thread of its own and when it gets to it, boxes numbers for a while. An
  // object for each query would show every time.
  const grown = Array.from({ length: 5 }, () => {
    collect();
    const before = process.memoryUsage().heapUsed;
    run(400);
    return process.memoryUsage().heapUsed - before;
  });
  // 204 800 queries: one object each would be more than three megabytes.
  expect(Math.min(...grown)).toBeLessThan(100_000);
});
