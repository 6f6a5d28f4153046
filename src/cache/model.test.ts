import fc from 'fast-check';
import { expect, it } from 'vitest';
import { ask, sampleAnswer, sampleQuery } from '../../test/support/sample-answers.ts';
import { Answer } from '../wire/answer.ts';
import { CACHE_HIT, CACHE_MISS, CACHE_STALE, type Query } from '../wire/query.ts';
import { AnswerCache } from './cache.ts';
import { createCacheMemory } from './memory.ts';

const BYTES = 1 << 20;
const MAX_TTL = 500;
const STALE = 200;
const KEYS = 3_000;

/** What the reference remembers of the last insert of a key. */
interface Known {
  ttl: number;
  storedAt: number;
  fill: number;
  dataBytes: number;
  records: number;
}

type Step =
  | { do: 'insert'; key: number; ttl: number; fill: number; dataBytes: number; records: number }
  | { do: 'serve'; key: number; staleOk: boolean }
  | { do: 'wait'; ms: number }
  | { do: 'forget'; key: number }
  /** Many inserts at once, so that the rings go round. */
  | { do: 'fill'; from: number; count: number; dataBytes: number }
  | { do: 'flush' };

const key = fc.oneof(fc.nat({ max: 20 }), fc.nat({ max: KEYS - 1 }));
const steps = fc.array(
  fc.oneof(
    {
      weight: 6,
      arbitrary: fc.record<Step & { do: 'insert' }>({
        do: fc.constant('insert'),
        key,
        ttl: fc.nat({ max: 700 }),
        fill: fc.nat({ max: 255 }),
        dataBytes: fc.oneof(fc.nat({ max: 40 }), fc.nat({ max: 5_000 })),
        records: fc.integer({ min: 1, max: 4 }),
      }),
    },
    {
      weight: 10,
      arbitrary: fc.record<Step & { do: 'serve' }>({ do: fc.constant('serve'), key, staleOk: fc.boolean() }),
    },
    {
      weight: 2,
      arbitrary: fc.record<Step & { do: 'wait' }>({ do: fc.constant('wait'), ms: fc.nat({ max: 300_000 }) }),
    },
    { weight: 1, arbitrary: fc.record<Step & { do: 'forget' }>({ do: fc.constant('forget'), key }) },
    {
      weight: 2,
      arbitrary: fc.record<Step & { do: 'fill' }>({
        do: fc.constant('fill'),
        from: fc.nat({ max: KEYS }),
        count: fc.integer({ min: 1, max: 1_500 }),
        dataBytes: fc.nat({ max: 600 }),
      }),
    },
    { weight: 1, arbitrary: fc.record<Step & { do: 'flush' }>({ do: fc.constant('flush') }) },
  ),
  { minLength: 1, maxLength: 120, size: 'max' },
);

/** Even keys ask for A, odd ones for AAAA of the same name; every fourth has DO. */
const nameOf = (n: number) => `n${n >> 1}.${'x'.repeat((n >> 1) % 7)}y.example`;
const optionsOf = (n: number) => ({ type: n & 1 ? 28 : 1, dnssecOk: (n & 3) === 3, udpSize: 65_535 });

it('serves only what was inserted last for that very key, in time, within its memory', () => {
  fc.assert(
    fc.property(steps, (list) => {
      const memory = createCacheMemory({ bytes: BYTES });
      const cache = new AnswerCache(memory, { worker: 1, minTtl: 0, maxTtl: MAX_TTL, serveStale: STALE });
      const known = new Map<number, Known>();
      const answer = new Answer();
      const query = sampleQuery('x.example');
      query.transport = 1;
      let nowMs = 0;
      const insert = (n: number, entry: Known) => {
        ask(query, nameOf(n), optionsOf(n));
        const ttls = Array.from({ length: entry.records }, (_, i) => entry.ttl + i * 100);
        sampleAnswer(answer, query.question, { ttls, dataBytes: entry.dataBytes, fill: entry.fill });
        if (!cache.insert(query.question, answer, nowMs)) return false;
        known.set(n, entry);
        return true;
      };
      const serve = (n: number, staleOk: boolean) => {
        ask(query, nameOf(n), optionsOf(n));
        query.nowMs = nowMs;
        const result = cache.serve(query, staleOk);
        if (result === CACHE_MISS) expect(query.replyLength).toBe(0);
        else check(query, known.get(n), result, staleOk);
        return result;
      };
      for (const step of list) {
        if (step.do === 'wait') nowMs += step.ms;
        if (step.do === 'flush') {
          cache.flush();
          known.clear();
        }
        if (step.do === 'forget') {
          ask(query, nameOf(step.key), optionsOf(step.key));
          cache.flushName(query.question);
          known.delete(step.key & ~1);
          known.delete(step.key | 1);
        }
        if (step.do === 'serve') serve(step.key, step.staleOk);
        if (step.do === 'insert' && insert(step.key, { ...step, storedAt: Math.floor(nowMs / 1000) })) {
          expect(serve(step.key, false)).toBe(CACHE_HIT);
        }
        for (let i = 0; step.do === 'fill' && i < step.count; i++) {
          const n = step.from + i;
          insert(n, {
            ttl: 100,
            fill: n & 255,
            dataBytes: step.dataBytes,
            records: 1,
            storedAt: Math.floor(nowMs / 1000),
          });
        }
      }
      for (let n = 0; n < KEYS * 2; n += 3) serve(n, true);
      const stats = cache.stats();
      expect(stats.bytesUsed).toBeLessThanOrEqual(BYTES);
      expect(stats.bytesUsed).toBeGreaterThanOrEqual(stats.wireBytes);
      expect(stats.entries).toBeLessThanOrEqual(known.size);
      expect(cache.contended + stats.skipped).toBe(0);
    }),
    { numRuns: 30 },
  );
});

/** The reply must be, byte for byte, what was inserted last for its key. */
function check(query: Query, known: Known | undefined, result: number, staleOk: boolean): void {
  if (!known) throw new Error('served what was never inserted, or forgotten since');
  const now = Math.floor(query.nowMs / 1000);
  const ttl = Math.min(known.ttl, MAX_TTL);
  const stale = now >= known.storedAt + ttl;
  expect(result).toBe(stale ? CACHE_STALE : CACHE_HIT);
  expect(now).toBeLessThan(known.storedAt + ttl + STALE);
  if (stale && !staleOk) {
    expect(query.replyLength).toBe(0);
    return;
  }
  const age = now - known.storedAt;
  const ttls = Array.from({ length: known.records }, (_, i) =>
    stale ? 30 : Math.min(known.ttl + i * 100, MAX_TTL) - age,
  );
  const expected = sampleAnswer(scratch, query.question, { ttls, dataBytes: known.dataBytes, fill: known.fill });
  expect(query.replyLength).toBe(expected.length);
  const at = query.replyStart;
  expect(
    Buffer.compare(query.reply.subarray(at + 4, at + expected.length), expected.bytes.subarray(4, expected.length)),
  ).toBe(0);
}

const scratch = new Answer();
