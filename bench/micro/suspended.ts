/** What it costs to set a query aside and to take it up again (src/chain/suspended.ts). */
import { SuspendedQueries } from '../../src/chain/suspended.ts';
import { readQuery } from '../../src/wire/reader.ts';
import { KEY0, KEY1, queryOver, queryPacket } from './packets.ts';
import { type Case, compare } from './timing.ts';

const CAPACITY = 16_384;

/** `waiting` queries are held all the time, so that slots come from all over the pool's memory. */
function suspending(waiting: number): Case {
  const pool = new SuspendedQueries(CAPACITY);
  const query = queryOver(queryPacket('www.host.example.net', { edns: true }));
  const restored = queryOver(queryPacket('www.host.example.net'));
  readQuery(query, KEY0, KEY1);
  const tokens = new Int32Array(waiting);
  for (let i = 0; i < waiting; i++) tokens[i] = pool.hold(query);
  let at = 0;
  return {
    name: `hold, restore, release; ${waiting} waiting`,
    run(iterations) {
      let sum = 0;
      for (let i = 0; i < iterations; i++) {
        const oldest = tokens[at]!;
        pool.restore(oldest, restored, KEY0, KEY1);
        pool.release(oldest);
        tokens[at] = pool.hold(query);
        at = at + 1 === waiting ? 0 : at + 1;
        sum += restored.id;
      }
      return sum;
    },
  };
}

compare('suspended.ts', [suspending(1), suspending(1_000), suspending(16_000)]);
