import { describe, expect, it } from 'vitest';
import { sampleAnswer, sampleQuery } from '../../test/support/sample-answers.ts';
import { Answer } from '../wire/answer.ts';
import { CACHE_HIT, CACHE_MISS } from '../wire/query.ts';
import { AnswerCache, releaseLocksOf } from './cache.ts';
import { createCacheMemory, LOCK, VERSION } from './memory.ts';

const MIB = 1 << 20;
const settings = { worker: 1, minTtl: 0, maxTtl: 86_400, serveStale: 0 };

describe('the cache’s memory', () => {
  it('stays within the bytes given, in a power of two of shards of at least 1 MiB', () => {
    for (const bytes of [MIB, 1.5 * MIB, 3 * MIB, 4 * MIB + 12_345, 100 * MIB]) {
      const { shards } = createCacheMemory({ bytes });
      const total = shards.reduce((sum, shard) => sum + shard.byteLength, 0);
      expect(total).toBeLessThanOrEqual(bytes);
      expect(total).toBeGreaterThan(bytes - 64 * 64);
      expect(Math.log2(shards.length) % 1).toBe(0);
      expect(shards[0]!.byteLength).toBeGreaterThanOrEqual(MIB);
    }
    expect(createCacheMemory({ bytes: 100 * MIB }).shards).toHaveLength(64);
    expect(createCacheMemory({ bytes: 8 * MIB, shards: 2 }).shards).toHaveLength(2);
  });

  it('refuses sizes and shards that cannot be', () => {
    expect(() => createCacheMemory({ bytes: MIB - 1 })).toThrow(RangeError);
    expect(() => createCacheMemory({ bytes: Number.NaN })).toThrow(RangeError);
    expect(() => createCacheMemory({ bytes: 8 * MIB, shards: 3 })).toThrow(RangeError);
    expect(() => createCacheMemory({ bytes: MIB, shards: 64 })).toThrow(RangeError);
  });

  it('is shared: what one thread’s cache learns, another’s serves', () => {
    const memory = createCacheMemory({ bytes: MIB });
    const one = new AnswerCache(memory, settings);
    const other = new AnswerCache(structuredClone(memory), { ...settings, worker: 2 });
    const query = sampleQuery('a.example');
    one.insert(query.question, sampleAnswer(new Answer(), query.question), 0);
    expect(other.serve(query, false)).toBe(CACHE_HIT);
  });
});

describe('a lock', () => {
  const memory = createCacheMemory({ bytes: 2 * MIB });
  const cache = new AnswerCache(memory, settings);
  const words = memory.shards.map((shard) => new Int32Array(shard));
  const answer = new Answer();
  const queries = Array.from({ length: 64 }, (_, i) => sampleQuery(`n${i}.example`));

  it('held by another costs the insert, not the worker', () => {
    for (const shard of words) shard[LOCK] = 9;
    for (const { question } of queries) expect(cache.insert(question, sampleAnswer(answer, question), 0)).toBe(false);
    expect(cache.stats()).toMatchObject({ entries: 0, skipped: 64 });
    for (const shard of words) shard[LOCK] = 0;
  });

  it('of a worker that died is released, and only its shards are emptied', () => {
    for (const { question } of queries) cache.insert(question, sampleAnswer(answer, question), 0);
    // The worker died in the middle of writing to the first shard.
    words[0]![LOCK] = 7;
    words[0]![VERSION]!++;
    const lost = queries.filter((query) => cache.serve(query, false) === CACHE_MISS);
    expect(lost.length).toBeGreaterThan(10);
    expect(lost.length).toBeLessThan(54);
    expect(cache.contended).toBe(lost.length);
    expect(releaseLocksOf(memory, 6)).toBe(0);
    expect(releaseLocksOf(memory, 7)).toBe(1);
    expect(cache.stats().entries).toBe(64 - lost.length);
    for (const query of queries) expect(cache.serve(query, false)).toBe(lost.includes(query) ? CACHE_MISS : CACHE_HIT);
    for (const { question } of lost) expect(cache.insert(question, sampleAnswer(answer, question), 0)).toBe(true);
    for (const query of queries) expect(cache.serve(query, false)).toBe(CACHE_HIT);
  });

  it('taken just before the worker’s death, with nothing written yet, is released too', () => {
    words[1]![LOCK] = 7;
    expect(releaseLocksOf(memory, 7)).toBe(1);
    expect(words[1]![LOCK]).toBe(0);
    expect(words[1]![VERSION]! & 1).toBe(0);
  });
});
