/**
 * The query history on the packet path: cost, memory, and how well heavy hitters are found in a stream of names.
 *
 * The stream has ten million different names with Zipf's frequencies (s = 1), drawn with a seed. Recall and error are
 * those of one epoch in one worker: merging epochs and workers adds exact counts to exact counts.
 */

import { Collector } from '../../plugins/query-history/collector.ts';
import { HeavyHitters } from '../../plugins/query-history/heavy-hitters.ts';
import { createRecorderMemory, memoryBytes, planTable, SHAPES } from '../../plugins/query-history/layout.ts';
import { Recorder } from '../../plugins/query-history/recorder.ts';
import { SharedSuffixes, SuffixTeacher } from '../../plugins/query-history/shared-suffixes.ts';
import { systemClock } from '../../src/time/clock.ts';
import { Query } from '../../src/wire/query.ts';
import { readQuery } from '../../src/wire/reader.ts';
import { KEY0, KEY1, queryPacket } from './packets.ts';
import { compare } from './timing.ts';

const teacher = new SuffixTeacher([1, 2, 3, 4]);
const memory = createRecorderMemory();
const recorder = new Recorder(memory, {
  sourceKey: [1, 2, 3, 4, 5, 6].map((word) => Math.imul(word, 0x9e3779b1)),
  suffixKey: teacher.key,
  suffixes: new SharedSuffixes(teacher.memory),
  ipv4Prefix: 24,
  ipv6Prefix: 56,
  random32: () => 4711,
});
console.log(`memory of one worker's recorder: ${(memoryBytes(memory) / 2 ** 20).toFixed(1)} MiB`);

/** mulberry32 */
function seeded(seed: number): () => number {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Ranks 0 … n-1 with Zipf's frequencies: the inverse of the continuous distribution, good enough and quick. */
const zipf = (uniform: number, n: number) => Math.min(n - 1, Math.floor((n + 1) ** uniform) - 1);

/**
 * A stream of queries in flat memory, put one after the other into the same Query, as the packet path does. What is timed
 * is that with and without `observe`; the difference is the hook's.
 */
class Stream {
  readonly #questions: Uint8Array;
  readonly #lengths: Uint8Array;
  readonly #labels: Uint8Array;
  readonly #hashes: Int32Array;
  readonly #clients: Int32Array;
  readonly #query = new Query();
  readonly #count: number;

  constructor(names: (random: () => number) => string, count: number, clients: number) {
    const random = seeded(7);
    this.#count = count;
    this.#questions = new Uint8Array(count * 64);
    this.#lengths = new Uint8Array(count);
    this.#labels = new Uint8Array(count * 8);
    this.#hashes = new Int32Array(count * 2);
    this.#clients = new Int32Array(count);
    const query = this.#query;
    for (let i = 0; i < count; i++) {
      query.message = queryPacket(names(random), { edns: true });
      query.length = query.message.length;
      query.reset();
      readQuery(query, KEY0, KEY1);
      const { question } = query;
      this.#questions.set(question.name.subarray(0, question.nameLength), i * 64);
      this.#lengths[i] = question.nameLength;
      this.#labels[i * 8] = question.labelCount;
      this.#labels.set(question.labelStarts.subarray(0, question.labelCount), i * 8 + 1);
      this.#hashes[i * 2] = question.hashLow;
      this.#hashes[i * 2 + 1] = question.hashHigh;
      this.#clients[i] = 0x0a000000 | zipf(random(), clients);
    }
    query.clientWords.set([0, 0, 0xffff, 0]);
    query.cacheResult = 1;
    query.reply = new Uint8Array(1232);
    query.replyLength = 120;
  }

  run(iterations: number, observe: boolean, rate = 1000): number {
    const query = this.#query;
    const { question } = query;
    let at = 0;
    const begin = systemClock.nowMs();
    for (let i = 0; i < iterations; i++) {
      if (++at === this.#count) at = 0;
      const length = this.#lengths[at]!;
      for (let j = 0; j < length; j++) question.name[j] = this.#questions[at * 64 + j]!;
      question.nameLength = length;
      const labels = this.#labels[at * 8]!;
      question.labelCount = labels;
      for (let j = 0; j < labels; j++) question.labelStarts[j] = this.#labels[at * 8 + 1 + j]!;
      question.hashLow = this.#hashes[at * 2]!;
      question.hashHigh = this.#hashes[at * 2 + 1]!;
      query.clientWords[3] = this.#clients[at]!;
      query.nowMs = query.receivedMs = begin + (i / rate) * 1000;
      if (observe) recorder.observe(query);
    }
    return question.hashLow;
  }
}

const COUNT = 200_000;
const STREAMS = {
  '20 000 names of 3 labels, Zipf, 50 000 clients': new Stream(
    (random) => `www${zipf(random(), 20_000)}.example${zipf(random(), 5000)}.com`,
    COUNT,
    50_000,
  ),
  'the same below co.jp, 5 labels': new Stream(
    (random) => `a${zipf(random(), 20_000)}.www.shop${zipf(random(), 5000)}.co.jp`,
    COUNT,
    50_000,
  ),
  'random-subdomain flood': new Stream(
    (random) => `${Math.floor(random() * 2 ** 40).toString(36)}.victim.example.net`,
    COUNT,
    50_000,
  ),
};
/** Queries a second and worker, as the stream's own clock has it: decides how many of them the tables look at. */
const RATES = [5_000, 15_000, 30_000, 100_000];
/** CPU nanoseconds of this process per query: other processes of the machine take wall time, and only cache from this. */
function cpuNs(stream: Stream, observe: boolean, rate: number): number {
  const before = process.cpuUsage();
  stream.run(COUNT, observe, rate);
  const { user, system } = process.cpuUsage(before);
  return ((user + system) * 1000) / COUNT;
}

console.log(
  '\n**cost of observe, CPU ns per query: median (best) of 15 rounds, each against the same stream without it**\n',
);
console.log(`| stream | ${RATES.map((rate) => `${rate}/s`).join(' | ')} |\n|---|${'---|'.repeat(RATES.length)}`);
for (const [name, stream] of Object.entries(STREAMS)) {
  for (let i = 0; i < 3; i++) for (const rate of RATES) stream.run(COUNT, true, rate);
  const costs = RATES.map((): number[] => []);
  for (let round = 0; round < 15; round++) {
    const without = cpuNs(stream, false, 1000);
    RATES.forEach((rate, i) => {
      costs[i]?.push(cpuNs(stream, true, rate) - without);
    });
  }
  const cells = costs.map((rounds) => {
    const sorted = rounds.sort((one, other) => one - other);
    return `${sorted[7]?.toFixed(0)} (${sorted[0]?.toFixed(0)})`;
  });
  console.log(`| ${name} | ${cells.join(' | ')} |`);
}
const [first] = Object.values(STREAMS);
compare('what it allocates', [
  { name: 'the stream alone', run: (iterations) => first?.run(iterations, false) ?? 0 },
  { name: 'observed, every query looked at', run: (iterations) => first?.run(iterations, true, 1000) ?? 0 },
  { name: 'observed, one in eight looked at', run: (iterations) => first?.run(iterations, true, 100_000) ?? 0 },
]);

const collector = new Collector([memory], 24, 56);
const times: number[] = [];
for (let i = 0; i < 7; i++) {
  for (const stream of Object.values(STREAMS)) stream.run(COUNT, true);
  const begin = performance.now();
  collector.takeTops(0, 10);
  times.push(performance.now() - begin);
}
console.log(
  `\nreading and clearing an epoch of one worker, in the main thread: ${times.sort((a, b) => a - b)[3]?.toFixed(1)} ms (median of 7)`,
);

/** Keyed hash of a rank, as good as a name's. */
function mix(rank: number, key: number): number {
  let h = Math.imul(rank ^ key, 0x9e3779b1);
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return h ^ (h >>> 16);
}

const NAMES = 10_000_000;
const QUERIES = 30_000_000;
const shape = SHAPES.name;
console.log(`\n**heavy hitters: ${QUERIES / 1e6} M queries for ${NAMES / 1e6} M names, one epoch, Zipf s = 1**\n`);
console.log(
  '| seed | names above 0.1 % | found | largest error, % of the stream | mean error of those | ns per query |\n|---|---|---|---|---|---|',
);
for (const seed of [1, 2, 3]) {
  const random = seeded(seed);
  const table = new HeavyHitters(new Int32Array(planTable(shape, 0).end), shape, 0);
  const truth = new Uint32Array(NAMES);
  for (let i = 0; i < QUERIES; i++) truth[zipf(random(), NAMES)]! += 1;
  const again = seeded(seed);
  const begin = performance.now();
  for (let i = 0; i < QUERIES; i++) {
    const rank = zipf(again(), NAMES);
    table.add(mix(rank, 0x1234567), mix(rank, 0x89abcdef | 0), 1);
  }
  const nanoseconds = ((performance.now() - begin) * 1e6) / QUERIES;
  const listed = new Map<string, number>();
  for (let slot = 0; slot < shape.slots; slot++)
    listed.set(`${table.low(slot)}:${table.high(slot)}`, table.count(slot));
  let heavy = 0;
  let found = 0;
  let worst = 0;
  let sum = 0;
  truth.forEach((count, rank) => {
    if (count < QUERIES / 1000) return;
    heavy++;
    const estimate = listed.get(`${mix(rank, 0x1234567)}:${mix(rank, 0x89abcdef | 0)}`);
    if (estimate === undefined) return;
    found++;
    worst = Math.max(worst, Math.abs(estimate - count) / QUERIES);
    sum += Math.abs(estimate - count) / QUERIES;
  });
  console.log(
    `| ${seed} | ${heavy} | ${found} | ${(worst * 100).toFixed(4)} | ${((sum / heavy) * 100).toFixed(5)} | ${nanoseconds.toFixed(0)} with drawing and hashing |`,
  );
}
