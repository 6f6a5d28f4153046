/**
 * What is measured. A scenario prepares every server once (`prepare`) and then gives, for each round, the load that all
 * of them get in turn.
 */

import { ask } from '../../test/support/ask.ts';
import { memory } from '../../test/support/cpu.ts';
import { type Figures, fill, measure, measureFlood } from './measure.ts';
import { LONG_APEX, nameOf, queryFile, randomNumbers, SHORT_APEX, UNCACHED_APEX } from './queries.ts';
import type { Target } from './servers.ts';

export interface Size {
  rounds: number;
  /** Length of one measurement. */
  seconds: number;
  /** Answers cached in `mixed-1m` and `memory`. */
  entries: number;
}

export type Metric = 'cpuMicroseconds' | 'p99Ms' | 'maxMs' | 'bytesPerEntry';

/** A number to reach (issue 2): Sekisho's median, as a multiple of a peer's in the same round or as it is. */
export interface Goal {
  metric: Metric;
  /** `cheapest`: the peer with the lowest median; `dnsdist`: the better of its two settings; `none`: the figure itself. */
  against: 'cheapest' | 'echo' | 'dnsdist' | 'none';
  atMost: number;
}

export interface Scenario {
  name: string;
  text: string;
  /** Servers that take part, in the order of each round. */
  servers: readonly string[];
  /** Metric that the table's ratios are of. */
  metric: Metric;
  goals: readonly Goal[];
  /** False: dnsdist runs without its packet cache. */
  cache: boolean;
  /** One measurement a server; more rounds would find the answers cached. */
  once?: boolean;
  /** Fill caches, warm up. */
  prepare(target: Target, size: Size): Promise<void>;
  /** Measure `target` in round `round` (from 0). */
  round(target: Target, size: Size, round: number): Promise<Figures>;
}

const ALL = ['echo', 'sekisho', 'dnsdist', 'dnsdist-batch', 'unbound', 'pdns-recursor'];
/** Names asked again and again where every query is to be a hit. */
const HOT_NAMES = 10_000;
/** Enough in flight to keep a forwarder busy; few enough for dnsdist's socket to the authority, whose buffer is not ours to set. */
const SATURATING = { outstanding: 200, clients: 20 };
const FIXED_RATE = { outstanding: 2_000, clients: 20 };
/** Queries per second that no server here exceeds: sizes the files whose names must not repeat. */
const MISS_CEILING = 150_000;
const MIXED_RATE = 50_000;
const MISS_SHARE = 0.1;
/** The round before the first: names of its own. */
const WARM_UP = -1;

const hotNames = once(() => queryFile('hot', HOT_NAMES, (i) => `${nameOf(SHORT_APEX, 'hot', i)} A`));

function hitScenario(name: string, text: string, goals: readonly Goal[], rate?: number): Scenario {
  return {
    name,
    text,
    servers: ALL,
    metric: 'cpuMicroseconds',
    goals,
    cache: true,
    async prepare(target, size) {
      // Twice: what was lost in the first run is fetched in the second.
      for (let run = 0; run < 2; run++) await fill(target, hotNames());
      await measureFlood(target, hotNames(), Math.min(2, size.seconds));
    },
    round: (target, { seconds }) =>
      rate === undefined
        ? measureFlood(target, hotNames(), seconds)
        : measure(target, { ...FIXED_RATE, rate, queryFile: hotNames(), seconds }),
  };
}

const missNames = perRound((round, size) => {
  const count = Math.ceil(MISS_CEILING * size.seconds);
  return queryFile(`miss-${round}`, count, (i) => `${nameOf(SHORT_APEX, `m${round + 1}-`, i)} A`);
});

const pool = keyed((entries: number) => queryFile(`pool-${entries}`, entries, (i) => `${nameOf(LONG_APEX, 'p', i)} A`));

const mixedNames = perRound((round, size) => {
  const random = randomNumbers(Math.imul(round + 2, 0x9e3779b1));
  const count = Math.ceil(MIXED_RATE * size.seconds * 1.1);
  return queryFile(`mixed-${round}`, count, (i) => {
    const miss = random() < MISS_SHARE;
    return `${miss ? nameOf(LONG_APEX, `x${round + 1}-`, i) : nameOf(LONG_APEX, 'p', Math.floor(random() * size.entries))} A`;
  });
});

export const SCENARIOS: readonly Scenario[] = [
  hitScenario('hit-saturated', 'every query a cache hit, as fast as the server answers', [
    { metric: 'cpuMicroseconds', against: 'cheapest', atMost: 0.85 },
    { metric: 'cpuMicroseconds', against: 'echo', atMost: 1.4 },
  ]),
  hitScenario(
    'hit-50k',
    'every query a cache hit, 50 000 queries/s',
    [{ metric: 'cpuMicroseconds', against: 'cheapest', atMost: 1.0 }],
    50_000,
  ),
  hitScenario(
    'hit-5k',
    'every query a cache hit, 5 000 queries/s',
    [{ metric: 'cpuMicroseconds', against: 'cheapest', atMost: 1.3 }],
    5_000,
  ),
  {
    name: 'miss',
    text: 'every query a new name, forwarded to the authority; dnsdist without cache',
    servers: ['sekisho', 'dnsdist', 'dnsdist-batch', 'unbound', 'pdns-recursor'],
    metric: 'cpuMicroseconds',
    goals: [{ metric: 'cpuMicroseconds', against: 'dnsdist', atMost: 1.0 }],
    cache: false,
    async prepare(target, size) {
      const seconds = Math.min(2, size.seconds);
      await measure(target, { ...SATURATING, queryFile: missNames(WARM_UP, { ...size, seconds }), seconds });
    },
    round: (target, size, round) =>
      measure(target, { ...SATURATING, queryFile: missNames(round, size), seconds: size.seconds, runs: 1 }),
  },
  {
    name: 'mixed-1m',
    text: 'a million cached answers, 50 000 queries/s, 10 % of them new names',
    servers: ['echo', 'sekisho', 'dnsdist', 'dnsdist-batch'],
    metric: 'p99Ms',
    goals: [
      { metric: 'p99Ms', against: 'dnsdist', atMost: 1.5 },
      { metric: 'maxMs', against: 'none', atMost: 20 },
    ],
    cache: true,
    async prepare(target, size) {
      // The echo has no cache to fill.
      if (target.name !== 'echo') for (let run = 0; run < 2; run++) await fill(target, pool(size.entries));
      const seconds = Math.min(2, size.seconds);
      await measure(target, { ...FIXED_RATE, rate: MIXED_RATE, queryFile: mixedNames(WARM_UP, size), seconds });
    },
    round: (target, size, round) =>
      measure(target, {
        outstanding: 20_000,
        clients: 20,
        rate: MIXED_RATE,
        queryFile: mixedNames(round, size),
        seconds: size.seconds,
        latencies: true,
      }),
  },
  {
    name: 'memory',
    text: 'growth of the resident memory per cached answer, above the answer’s bytes on the wire',
    servers: ['sekisho', 'dnsdist', 'unbound', 'pdns-recursor'],
    metric: 'bytesPerEntry',
    goals: [{ metric: 'bytesPerEntry', against: 'none', atMost: 96 }],
    cache: true,
    once: true,
    async prepare(target) {
      // Hits and forwarded queries, few names: the program is warm, its heap grown, the cache as good as empty.
      for (const apex of [SHORT_APEX, UNCACHED_APEX]) {
        const few = queryFile(`few.${apex}`, 1_000, (i) => `${nameOf(apex, 'few', i)} A`);
        await measure(target, { ...SATURATING, queryFile: few, seconds: 3 });
      }
    },
    async round(target, size) {
      const before = memory(target.pid).pssBytes;
      const figures = await measure(target, { outstanding: 200, clients: 4, queryFile: pool(size.entries), runs: 1 });
      const failed = await fill(target, pool(size.entries));
      const grown = memory(target.pid).pssBytes - before;
      const wireBytes = (await ask(target.port, nameOf(LONG_APEX, 'p', 0))).bytes.length;
      return { ...figures, errors: failed, bytesPerEntry: grown / size.entries - wireBytes };
    },
  },
];

function once<T>(make: () => T): () => T {
  let made: T | undefined;
  return () => {
    made ??= make();
    return made;
  };
}

function keyed<Key, T>(make: (key: Key) => T): (key: Key) => T {
  const made = new Map<Key, T>();
  return (key) => {
    const value = made.get(key) ?? make(key);
    made.set(key, value);
    return value;
  };
}

/** One file a round, made when the first server of the round needs it. */
function perRound(make: (round: number, size: Size) => string): (round: number, size: Size) => string {
  const made = new Map<string, string>();
  return (round, size) => {
    const key = `${round}/${size.seconds}/${size.entries}`;
    const value = made.get(key) ?? make(round, size);
    made.set(key, value);
    return value;
  };
}
