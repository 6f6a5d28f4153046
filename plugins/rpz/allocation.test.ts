import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, test } from 'vitest';
import { cachedChain, hitLoop } from '../../bench/micro/cached-chain.ts';
import { listsInForce, type TestList } from '../../test/support/lists-in-force.ts';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

/** Sampling one query in 256 reads the clock a few times; a single object per query would be 1.4 MB. */
const MOST_BYTES = 400_000;

const names = Array.from({ length: 500 }, (_, i) => `host${i}.zone${i % 7}.example.net`);
const others = Array.from({ length: 2000 }, (_, i) => `w${i}.listed.example CNAME .`);
const rules = (...more: string[]): TestList => ({ text: `$ORIGIN rpz.test.\n${[...others, ...more].join('\n')}\n` });

describe('a query allocates nothing', () => {
  test.each([
    ['that no rule on names is about', [rules()]],
    [
      'that rules on answers are looked at for in vain',
      [rules('24.0.100.51.198.rpz-ip CNAME .', '24.0.100.51.198.rpz-nsip CNAME .', 'ns.x.test.rpz-nsdname CNAME .')],
    ],
    ['that is answered NXDOMAIN', [rules('*.example.net CNAME .')]],
    ['that is answered local data, by its address', [rules('24.0.2.0.192.rpz-ip A 192.0.2.80')]],
    ['that is sent to a name in the cache', [rules('*.zone0.example.net CNAME host1.zone1.example.net.')]],
    ['that a dry run would hit', [{ ...rules('*.example.net CNAME .'), dryRun: true }]],
  ])(
    '%s',
    async (_what, lists) => {
      const chain = await cachedChain(names, listsInForce(...lists));
      const run = hitLoop(chain, names);
      // Compiled first: the compiler's own garbage is not that of a query.
      for (let i = 0; i < 20; i++) run(5_000);
      await new Promise((resolve) => setTimeout(resolve, 100));
      // On a busy machine the compiler may be late: of several looks, the one that it left alone counts.
      let least = Number.POSITIVE_INFINITY;
      for (let look = 0; look < 5 && least >= MOST_BYTES; look++) {
        collect();
        const before = process.memoryUsage().heapUsed;
        for (let i = 0; i < 3; i++) run(30_000);
        least = Math.min(least, process.memoryUsage().heapUsed - before);
      }
      expect(least).toBeLessThan(MOST_BYTES);
    },
    120_000,
  );
});
