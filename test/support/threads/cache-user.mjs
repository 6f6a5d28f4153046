// One of the threads of src/cache/two-threads.test.ts: writes and reads one small cache as fast as it can, and looks at every byte
// that it is served. The bytes of each answer follow from its key and a round that is told in its first data byte.
import { parentPort, workerData } from 'node:worker_threads';

const { compiled, memory, worker, keys, operations, writeShare } = workerData;
const { AnswerCache } = await import(new URL('src/cache/cache.js', compiled));
const { sampleAnswer, sampleQuery } = await import(new URL('test/support/sample-answers.js', compiled));
const { Answer } = await import(new URL('src/wire/answer.js', compiled));
const { CACHE_HIT, CACHE_MISS } = await import(new URL('src/wire/query.js', compiled));

const cache = new AnswerCache(memory, { worker, minTtl: 0, maxTtl: 86_400, serveStale: 0 });
const answer = new Answer();
const expected = new Answer();
const queries = Array.from({ length: keys }, (_, key) => {
  const query = sampleQuery(`k${key}.y${'z'.repeat(key % 23)}.example`);
  query.transport = 1;
  return query;
});

/** Sizes differ from round to round, so that answers both go over their elders and move. */
function shape(key, round) {
  return { ttls: [1000, 1000 + key], dataBytes: 8 + ((key * 7 + (round & 3) * 40) % 400), fill: round };
}

let hits = 0;
let misses = 0;
let wrong = 0;
let seed = worker * 7919;
for (let i = 0; i < operations; i++) {
  seed = (Math.imul(seed, 1664525) + 1013904223) | 0;
  const key = (seed >>> 8) % keys;
  const query = queries[key];
  const write = (seed & 0xff) < writeShare;
  if (write) {
    cache.insert(query.question, sampleAnswer(answer, query.question, shape(key, (seed >>> 16) & 255)), 0);
    continue;
  }
  query.nowMs = 0;
  query.replyLength = 0;
  const result = cache.serve(query, false);
  if (result === CACHE_MISS) misses++;
  else if (result !== CACHE_HIT) wrong++;
  else {
    hits++;
    // The first record's first data byte says which round this is.
    const firstData = query.replyStart + query.questionEnd + 12;
    sampleAnswer(expected, query.question, shape(key, query.reply[firstData]));
    if (!same(query, expected)) wrong++;
  }
}
parentPort.postMessage({ hits, misses, wrong, contended: cache.contended });

function same(query, expected) {
  if (query.replyLength !== expected.length) return false;
  // ID and flags are the client's; everything behind them is the answer's.
  for (let i = 4; i < expected.length; i++) if (query.reply[query.replyStart + i] !== expected.bytes[i]) return false;
  return true;
}
