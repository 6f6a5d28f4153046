import { LRUCache } from 'lru-cache';
import { describe, expect, it } from 'vitest';
import { sampleAnswer, sampleQuery } from '../../test/support/sample-answers.ts';
import { Answer } from '../wire/answer.ts';
import { CACHE_HIT } from '../wire/query.ts';
import { AnswerCache } from './cache.ts';
import { createCacheMemory } from './memory.ts';

/** Popular names, asked with Zipf's law (exponent 1), which fit the cache about three times over. */
const POPULAR = 2_000;
const QUERIES = 40_000;

/** A repeatable generator (mulberry32), 0 ≤ x < 1. */
function randomFrom(seed: number): () => number {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

const cumulated = new Float64Array(POPULAR);
for (let i = 0, sum = 0; i < POPULAR; i++) cumulated[i] = sum += 1 / (i + 1);

function zipf(random: () => number): number {
  const point = random() * cumulated[POPULAR - 1]!;
  let low = 0;
  for (let high = POPULAR - 1; low < high; ) {
    const middle = (low + high) >> 1;
    if (cumulated[middle]! < point) low = middle + 1;
    else high = middle;
  }
  return low;
}

interface Tried {
  /** Hit rate of the popular names in the second half, by the cache and by FIFO and LRU of as many answers. */
  cache: number;
  fifo: number;
  lru: number;
}

/** Ask QUERIES popular names, and `floodPerQuery` names that are asked only once with each. */
function play(floodPerQuery: number): Tried {
  const cache = new AnswerCache(createCacheMemory({ bytes: 1 << 20 }), {
    worker: 1,
    minTtl: 0,
    maxTtl: 86_400,
    serveStale: 0,
  });
  const random = randomFrom(42);
  const answer = new Answer();
  const query = sampleQuery('www.popular.example');
  const { question } = query;
  sampleAnswer(answer, question, { ttls: [3600], dataBytes: 60 });
  // The same key with another hash is another question to the cache only by its name: write the number into it.
  const name = (n: number) => {
    for (let i = 0; i < 3; i++) answer.bytes[13 + i] = question.name[1 + i] = 97 + ((n >>> (i * 5)) & 31);
    for (let i = 0; i < 4; i++) answer.bytes[17 + i] = question.name[5 + i] = 97 + ((n >>> (15 + i * 4)) & 15);
    question.hashLow = Math.imul(n ^ (n >>> 15), 0x2c1b3c6d);
    question.hashHigh = Math.imul(n, 0x297a2d39);
  };
  const asked = (n: number) => {
    name(n);
    if (cache.serve(query, false) === CACHE_HIT) return true;
    cache.insert(question, answer, 0);
    return false;
  };
  // How many such answers the cache holds at once, for a fair comparison.
  for (let n = 0; n < 30_000; n++) asked(1_000_000 + n);
  const capacity = cache.stats().entries;
  cache.flush();
  const reference = (recent: boolean) => {
    const held = new LRUCache<number, true>({ max: capacity });
    return (n: number) => {
      if (recent ? held.get(n) : held.has(n)) return true;
      held.set(n, true);
      return false;
    };
  };
  const fifo = reference(false);
  const lru = reference(true);
  const hits = { cache: 0, fifo: 0, lru: 0 };
  let once = 2_000_000;
  for (let i = 0; i < QUERIES; i++) {
    for (let j = 0; j < floodPerQuery; j++, once++) {
      asked(once);
      fifo(once);
      lru(once);
    }
    const n = zipf(random);
    const counts = i >= QUERIES / 2 ? 1 : 0;
    if (asked(n)) hits.cache += counts;
    if (fifo(n)) hits.fifo += counts;
    if (lru(n)) hits.lru += counts;
  }
  const all = QUERIES / 2;
  return { cache: hits.cache / all, fifo: hits.fifo / all, lru: hits.lru / all };
}

describe('popular names', () => {
  it('all stay while there is no flood: only the first question of each is a miss', () => {
    const { cache, lru } = play(0);
    expect(cache).toBe(lru);
  });

  it('stay under a flood of three names asked once for each of theirs', () => {
    const { cache, fifo, lru } = play(3);
    expect(cache).toBeGreaterThan(0.93);
    expect(1 - cache).toBeLessThan(0.3 * (1 - lru));
    expect(1 - cache).toBeLessThan(0.25 * (1 - fifo));
  });

  it('stay under a flood of twenty', () => {
    const { cache, fifo, lru } = play(20);
    expect(cache).toBeGreaterThan(0.85);
    expect(1 - cache).toBeLessThan(0.35 * (1 - lru));
    expect(1 - cache).toBeLessThan(0.3 * (1 - fifo));
  });
});
