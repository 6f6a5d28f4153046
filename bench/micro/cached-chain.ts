/**
 * A chain with access, a sinkhole rule and a filled cache, and a loop of cached queries through it, without the system
 * calls. Packets lie in one buffer as after a recvmmsg. For the bench of the chain and the proof that a hit allocates
 * nothing (src/chain/chain-allocation.test.ts).
 */

import { AnswerCache } from '../../src/cache/cache.ts';
import { createFailureMemory, FailureTable } from '../../src/cache/failures.ts';
import { createCacheMemory } from '../../src/cache/memory.ts';
import { Chain } from '../../src/chain/chain.ts';
import { OwnNames } from '../../src/chain/own-names.ts';
import { SuspendedQueries } from '../../src/chain/suspended.ts';
import { ListsInForce } from '../../src/lists/in-force.ts';
import { mountPlugins } from '../../src/loading/plugins.ts';
import { Metrics } from '../../src/metrics/registry.ts';
import { SubscribersInForce } from '../../src/subscribers/in-force.ts';
import { systemClock } from '../../src/time/clock.ts';
import { Answer } from '../../src/wire/answer.ts';
import { Query } from '../../src/wire/query.ts';
import { readQuery } from '../../src/wire/reader.ts';
import { KEY0, KEY1, queryPacket } from './packets.ts';

const STRIDE = 2112;
const BATCH = 64;

/** A chain whose cache holds an A record for each of `names`; with `lists`, the rpz plugin is in it. */
export async function cachedChain(names: readonly string[], lists?: ListsInForce): Promise<Chain> {
  const metrics = new Metrics();
  const cache = new AnswerCache(createCacheMemory({ bytes: 64 << 20 }), {
    worker: 1,
    minTtl: 0,
    maxTtl: 86400,
    serveStale: 0,
  });
  const nowMs = systemClock.nowMs();
  const query = new Query();
  for (const name of names) {
    query.message = queryPacket(name, { edns: true });
    query.length = query.message.length;
    query.reset();
    readQuery(query, KEY0, KEY1);
    cache.insert(query.question, addressAnswer(query), nowMs);
  }
  const hashKey = [KEY0, KEY1] as const;
  const ground = {
    kind: 'self-defence',
    effect: 'floods the portal',
    evidence: 'ticket 4711',
    approver: 'NOC',
    expires: '2099-01-01',
  };
  const plugins = await mountPlugins(
    [
      { name: 'access', options: { outsiders: 'refuse' } },
      {
        name: 'sinkhole',
        options: { ipv4: '192.0.2.1', ttl: 30, rules: [{ name: 'attacked.example', ground, 'dry-run': false }] },
      },
      ...(lists ? [{ name: 'rpz', options: { 'max-policy-ttl': 86_400 } }] : []),
    ],
    {
      lists: lists ?? new ListsInForce([]),
      subscribers: new SubscribersInForce(),
      server: { access: ['127.0.0.0/8', '192.0.2.0/24', '::1/128'], workers: 1, notice: {} },
      shared: [],
      worker: 0,
      clock: systemClock,
      hashKey,
      random32: () => 0,
      metrics,
      defer: () => undefined,
      resume: () => false,
      refresh: () => {},
    },
  );
  const log = { error: (_fields: object, text: string) => console.error(text) };
  const chain = { plugins, ownNames: new OwnNames({}), cache, failures: new FailureTable(createFailureMemory()) };
  return new Chain({ ...chain, suspended: new SuspendedQueries(16), metrics, clock: systemClock, hashKey, log });
}

/** One A record behind the query's own question. */
function addressAnswer(query: Query): Answer {
  const answer = new Answer();
  const { name, nameLength } = query.question;
  const bytes = [0, 0, 0, 0, 0, 1, 0, 1, 0, 0, 0, 0, ...name.subarray(0, nameLength), 0, 1, 0, 1];
  answer.ttlOffsets[0] = bytes.length + 6;
  bytes.push(0xc0, 12, 0, 1, 0, 1, 0, 0, 14, 16, 0, 4, 192, 0, 2, 1);
  answer.bytes.set(bytes);
  answer.length = bytes.length;
  answer.ttlCount = 1;
  answer.ttl = 3600;
  return answer;
}

/** A function that sends so many queries for `names` through the chain, one after the other. */
export function hitLoop(chain: Chain, names: readonly string[]): (iterations: number) => number {
  const message = new Uint8Array(BATCH * STRIDE);
  const lengths = new Int32Array(BATCH);
  for (let i = 0; i < BATCH; i++) {
    const packet = queryPacket(names[(i * 7919) % names.length] ?? '', { edns: true });
    message.set(packet, i * STRIDE);
    lengths[i] = packet.length;
  }
  const memory = new ArrayBuffer(BATCH * 1344);
  const query = new Query();
  query.reply = new Uint8Array(memory);
  query.replyWords = new Int32Array(memory);
  query.replyCapacity = 1232;
  query.message = message;
  query.clientWords.set([0, 0, 0xffff, 0x7f000001]);
  query.port = 5353;
  return (iterations) => {
    let sum = 0;
    const nowMs = systemClock.nowMs();
    query.nowMs = nowMs;
    query.receivedMs = nowMs;
    for (let i = 0; i < iterations; i++) {
      const slot = i & (BATCH - 1);
      query.start = slot * STRIDE;
      query.length = lengths[slot]!;
      query.replyStart = slot * 1344;
      if (!chain.handle(query)) throw new Error('a query was not answered at once');
      sum += query.replyLength;
    }
    return sum;
  };
}
