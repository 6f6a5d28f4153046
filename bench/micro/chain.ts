/** What one cached query costs on its way through the whole chain (src/chain/chain.ts), without the system calls. */
import { cachedChain, hitLoop } from './cached-chain.ts';
import { compare } from './timing.ts';

const few = Array.from({ length: 64 }, (_, i) => `host${i}.zone${i % 7}.example.net`);
const many = Array.from({ length: 50_000 }, (_, i) => `host${i}.zone${i % 997}.example.net`);
const chain = await cachedChain(many.concat(few));
compare('chain.ts: one cached answer, without system calls', [
  { name: '64 names, lower case', run: hitLoop(chain, few) },
  {
    name: '64 names, mixed case',
    run: hitLoop(
      chain,
      few.map((name) => name.replace(/o/g, 'O')),
    ),
  },
]);
