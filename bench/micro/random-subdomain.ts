/** What the random-subdomain defence costs (plugins/random-subdomain): a miss and its answer, a refused miss, an answer from the cache. */
import randomSubdomain from '../../plugins/random-subdomain/index.ts';
import { CACHE_HIT, FAIL, type Hooks, RESOLVED_ANSWER, RESOLVED_TIMEOUT } from '../../src/contract/plugin.ts';
import { ListsInForce } from '../../src/lists/in-force.ts';
import { mountPlugin } from '../../src/loading/plugins.ts';
import { Metrics } from '../../src/metrics/registry.ts';
import { MeasuresInForce } from '../../src/rules/in-force.ts';
import { SubscribersInForce } from '../../src/subscribers/in-force.ts';
import { systemClock } from '../../src/time/clock.ts';
import type { Query } from '../../src/wire/query.ts';
import { readQuery } from '../../src/wire/reader.ts';
import { KEY0, KEY1, queryOver, queryPacket } from './packets.ts';
import { type Case, compare } from './timing.ts';

const NAMES = 1024;
let nowMs = 1_000_000;
let seed = 1;

function hooks(): Hooks {
  return mountPlugin(randomSubdomain, randomSubdomain.options.parse({}), undefined, {
    lists: new ListsInForce([]),
    subscribers: new SubscribersInForce(),
    measures: new MeasuresInForce(1),
    server: { access: ['0.0.0.0/0'], workers: 1, notice: {} },
    worker: 0,
    clock: { ...systemClock, nowMs: () => nowMs },
    hashKey: [KEY0, KEY1],
    random32: () => (seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0),
    metrics: new Metrics(),
    defer: () => undefined,
    resume: () => false,
    refresh: () => {},
  });
}

/** Questions for names below `zones` in turn, from as many networks. */
function questions(zones: number, domain: string): Query[] {
  return Array.from({ length: NAMES }, (_, i) => {
    const query = queryOver(queryPacket(`www${i}.${domain}${i % zones}.example`, { edns: true }));
    query.reset();
    readQuery(query, KEY0, KEY1);
    query.clientWords.set([0, 0, 0xffff, 0x0a000001 + 256 * i]);
    query.nowMs = nowMs;
    return query;
  });
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

async function answered(name: string, zones: number): Promise<Case> {
  const { miss, resolved } = hooks();
  const asked = questions(zones, 'well');
  for (const query of asked) {
    miss!(query);
    await turn();
    resolved!(query.question, RESOLVED_ANSWER, 10, 1, false, -1);
  }
  return {
    name,
    run(iterations) {
      let sum = 0;
      for (let i = 0; i < iterations; i++) {
        const query = asked[i & (NAMES - 1)]!;
        nowMs += 0.05;
        query.nowMs = nowMs;
        sum += miss!(query);
        resolved!(query.question, RESOLVED_ANSWER, 10, 1, false, -1);
      }
      return sum;
    },
  };
}

async function refused(): Promise<Case> {
  const { miss, resolved } = hooks();
  const asked = questions(1, 'silent');
  for (const query of asked) {
    if (miss!(query) === FAIL) continue;
    await turn();
    resolved!(query.question, RESOLVED_TIMEOUT, 4000, 1, false, -1);
  }
  return {
    name: 'a miss of a zone in trouble, refused',
    run(iterations) {
      let sum = 0;
      for (let i = 0; i < iterations; i++) {
        const query = asked[i & (NAMES - 1)]!;
        query.nowMs = nowMs;
        sum += miss!(query);
      }
      return sum;
    },
  };
}

async function fromCache(): Promise<Case> {
  const { observe } = hooks();
  const asked = questions(100, 'well');
  for (const query of asked) query.cacheResult = CACHE_HIT;
  return {
    name: 'an answer from the cache',
    run(iterations) {
      for (let i = 0; i < iterations; i++) observe?.(asked[i & (NAMES - 1)]!);
      return iterations;
    },
  };
}

compare('plugins/random-subdomain: its hooks', [
  await answered('a miss and its answer, 1 zone', 1),
  await answered('a miss and its answer, 1 000 zones', 1000),
  await refused(),
  await fromCache(),
]);
