/**
 * What the answer cache costs (src/cache/): nanoseconds per hit and per insert, bytes per answer, and how many popular
 * names survive a flood. Run after a build: `node --expose-gc dist/bench/micro/cache.js`.
 *
 * Each time is the median of ROUNDS rounds; the questions of a round are drawn in random order over all entries, so that
 * at 1 M entries nearly every hit pays for main memory, as it does in real life for all but the most popular names.
 */
import { AnswerCache } from '../../src/cache/cache.ts';
import { createCacheMemory } from '../../src/cache/memory.ts';
import { Answer } from '../../src/wire/answer.ts';
import { CACHE_HIT, type Query } from '../../src/wire/query.ts';
import { readQuery } from '../../src/wire/reader.ts';
import { sampleAnswer, sampleQuery } from '../../test/support/sample-answers.ts';

const ROUNDS = 7;
const PER_ROUND = 300_000;
const MIB = 1 << 20;
const SETTINGS = { worker: 1, minTtl: 0, maxTtl: 86_400, serveStale: 86_400 };

/** `www.name0000000.example`: the digits are written in place, then the packet is read as the server would. */
const query = sampleQuery('www.name0000000.example');
const DIGITS = 12 + 1 + 3 + 1 + 4;

function askNumber(n: number): void {
  const message = query.message;
  for (let i = DIGITS + 6; i >= DIGITS; i--) {
    message[i] = 48 + (n % 10);
    n = (n / 10) | 0;
  }
  query.replyLength = 0;
  query.ede = -1;
  readQuery(query, 0x01234567, 0x76543210);
}

/** One address record makes 57 bytes, three make 89. */
const answer = new Answer();
function answerWith(records: number, dataBytes = 4): Answer {
  return sampleAnswer(answer, query.question, { ttls: Array(records).fill(3600), dataBytes });
}

/** Put the question's name into the answer made before: quicker than making it anew. */
function insert(cache: AnswerCache, from: Query): boolean {
  const { name, nameLength } = from.question;
  for (let i = 0; i < nameLength; i++) answer.bytes[12 + i] = name[i]!;
  return cache.insert(from.question, answer, 0);
}

let seed = 1;
function random(below: number): number {
  seed = (Math.imul(seed, 1664525) + 1013904223) | 0;
  return ((seed >>> 0) * below * 2 ** -32) | 0;
}

/** Median CPU nanoseconds of one `run`, which is called PER_ROUND times a round. */
function nanoseconds(run: () => void): number {
  const times: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const begin = process.cpuUsage();
    for (let i = 0; i < PER_ROUND; i++) run();
    const { user, system } = process.cpuUsage(begin);
    times.push(((user + system) * 1000) / PER_ROUND);
  }
  return times.sort((a, b) => a - b)[ROUNDS >> 1]!;
}

const rows: Record<string, string>[] = [];
function report(what: string, value: string): void {
  rows.push({ what, value });
}

function speed(entries: number, bytes: number): void {
  const cache = new AnswerCache(createCacheMemory({ bytes }), SETTINGS);
  askNumber(0);
  answerWith(3);
  const before = process.memoryUsage.rss();
  for (let n = 0; n < entries; n++) {
    askNumber(n);
    insert(cache, query);
  }
  const stats = cache.stats();
  let hits = 0;
  const drawn = nanoseconds(() => askNumber(random(entries)));
  const served = nanoseconds(() => {
    askNumber(random(entries));
    if (cache.serve(query, false) === CACHE_HIT) hits++;
  });
  const missed = nanoseconds(() => {
    askNumber(5_000_000 + random(entries));
    cache.serve(query, false);
  });
  const popular = nanoseconds(() => {
    askNumber(random(64));
    cache.serve(query, false);
  });
  const size = entries >= 1e6 ? `${entries / 1e6} M` : `${entries / 1e3} k`;
  report(
    `hit, ${size} entries, ns (beyond drawing and reading the packet: ${drawn.toFixed(0)})`,
    (served - drawn).toFixed(0),
  );
  report(`miss, ${size} entries, ns`, (missed - drawn).toFixed(0));
  report(`hit on one of 64 names, ${size} entries, ns`, (popular - drawn).toFixed(0));
  report(`  hits of lookups at ${size}`, `${((100 * hits) / (ROUNDS * PER_ROUND)).toFixed(2)} %`);
  report(
    `  resident memory for ${stats.entries} entries, MiB`,
    ((process.memoryUsage.rss() - before) / MIB).toFixed(0),
  );
}

/** Fill a cache to the brim with a million answers and more, and see how many it holds. */
function memoryPerAnswer(records: number, dataBytes: number): void {
  askNumber(0);
  answerWith(records, dataBytes);
  const bytes = Math.ceil(((answer.length + 60) * 1e6) / MIB) * MIB;
  const cache = new AnswerCache(createCacheMemory({ bytes }), SETTINGS);
  for (let n = 0; n < 3_000_000; n++) {
    askNumber(n);
    insert(cache, query);
  }
  const { entries, wireBytes, capacity } = cache.stats();
  const over = (capacity - wireBytes) / entries;
  report(
    `bytes per answer above ${answer.length} on the wire, cache full with ${(entries / 1e6).toFixed(2)} M`,
    over.toFixed(1),
  );
}

/** Answers that one call takes from an upstream's socket under load. */
const AT_ONCE = 32;

function inserts(): void {
  const cache = new AnswerCache(createCacheMemory({ bytes: 128 * MIB }), SETTINGS);
  askNumber(0);
  answerWith(3);
  let n = 0;
  const drawn = nanoseconds(() => askNumber(n++));
  for (n = 0; n < 1_500_000; n++) {
    askNumber(n);
    insert(cache, query);
  }
  const fresh = nanoseconds(() => {
    askNumber(n++);
    insert(cache, query);
  });
  // As the upstream's answers come: some at once, looked ahead to before the first is inserted.
  let ahead = 0;
  const foreseen = nanoseconds(() => {
    if (ahead === 0) {
      for (; ahead < AT_ONCE; ahead++) {
        askNumber(n + ahead);
        cache.foresee(query.question);
      }
    }
    ahead--;
    askNumber(n++);
    insert(cache, query);
  });
  const same = nanoseconds(() => {
    askNumber(n - 1 - random(50_000));
    insert(cache, query);
  });
  report('insert of a new name into a full cache of 128 MiB, ns', (fresh - drawn).toFixed(0));
  report(`the same, ${AT_ONCE} foreseen together, ns`, (foreseen - 2 * drawn).toFixed(0));
  report('insert over an older answer, ns', (same - drawn).toFixed(0));
}

/** Zipf (exponent 1) over 100 k names in a cache for about 150 k, and `flood` names asked once with each question. */
function flooded(flood: number): void {
  const popular = 100_000;
  const questions = 1_000_000;
  const cache = new AnswerCache(createCacheMemory({ bytes: 24 * MIB }), SETTINGS);
  const cumulated = new Float64Array(popular);
  for (let i = 0, sum = 0; i < popular; i++) cumulated[i] = sum += 1 / (i + 1);
  askNumber(0);
  answerWith(3);
  const asked = (n: number) => {
    askNumber(n);
    if (cache.serve(query, false) === CACHE_HIT) return true;
    insert(cache, query);
    return false;
  };
  let hits = 0;
  let once = 200_000;
  for (let i = 0; i < questions; i++) {
    for (let j = 0; j < flood; j++) asked(once++);
    const point = (random(2 ** 30) / 2 ** 30) * cumulated[popular - 1]!;
    let low = 0;
    for (let high = popular - 1; low < high; ) {
      const middle = (low + high) >> 1;
      if (cumulated[middle]! < point) low = middle + 1;
      else high = middle;
    }
    if (asked(low) && i >= questions / 2) hits++;
  }
  report(`hit rate of popular names, flood of ${flood} a question`, `${((200 * hits) / questions).toFixed(1)} %`);
}

/** Heap growth over a million hits; needs --expose-gc. */
function allocation(): void {
  const collect = globalThis.gc;
  if (!collect) {
    report('heap growth over 1 M hits, bytes', 'needs node --expose-gc');
    return;
  }
  const cache = new AnswerCache(createCacheMemory({ bytes: 16 * MIB }), SETTINGS);
  askNumber(0);
  answerWith(3);
  for (let n = 0; n < 1000; n++) {
    askNumber(n);
    insert(cache, query);
  }
  const hit = (times: number) => {
    for (let i = 0; i < times; i++) {
      askNumber(random(1000));
      cache.serve(query, false);
    }
  };
  hit(200_000);
  collect();
  const before = process.memoryUsage().heapUsed;
  hit(1_000_000);
  report(
    'heap growth over 1 M hits, bytes (the measuring itself takes some)',
    String(process.memoryUsage().heapUsed - before),
  );
}

speed(10_000, 16 * MIB);
speed(1_000_000, 256 * MIB);
inserts();
memoryPerAnswer(1, 4);
memoryPerAnswer(3, 4);
memoryPerAnswer(4, 16);
for (const flood of [0, 1, 5, 20]) flooded(flood);
allocation();

const width = Math.max(...rows.map(({ what }) => what!.length));
for (const { what, value } of rows) console.log(`${what!.padEnd(width)}  ${value!.padStart(8)}`);
