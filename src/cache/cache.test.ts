import { decode, encode } from 'dns-packet';
import { describe, expect, it } from 'vitest';
import {
  ask,
  type SampleAnswer,
  type SampleQuery,
  sampleAnswer,
  sampleQuery,
} from '../../test/support/sample-answers.ts';
import { Answer, FAILURE, NODATA } from '../wire/answer.ts';
import { EDE, RCODE, TYPE } from '../wire/constants.ts';
import { textToName } from '../wire/name.ts';
import { Normalizer } from '../wire/normalize.ts';
import { CACHE_HIT, CACHE_MISS, CACHE_STALE, type Query, TCP } from '../wire/query.ts';
import { finishReply } from '../wire/writer.ts';
import { AnswerCache, type CacheSettings } from './cache.ts';
import { createCacheMemory } from './memory.ts';

const MIB = 1 << 20;
const defaults: CacheSettings = { worker: 1, minTtl: 0, maxTtl: 86_400, serveStale: 86_400 };
const answer = new Answer();

function makeCache(settings: Partial<CacheSettings> = {}, bytes = MIB): AnswerCache {
  return new AnswerCache(createCacheMemory({ bytes }), { ...defaults, ...settings });
}

function insert(
  cache: AnswerCache,
  name: string,
  nowMs: number,
  of: SampleAnswer = {},
  asked: SampleQuery = {},
): boolean {
  const { question } = sampleQuery(name, asked);
  return cache.insert(question, sampleAnswer(answer, question, of), nowMs);
}

function serve(cache: AnswerCache, query: Query, nowMs: number, staleOk = false): number {
  query.nowMs = nowMs;
  return cache.serve(query, staleOk);
}

/** The reply as another codec reads it. */
function replyOf(query: Query) {
  const bytes = query.reply.slice(query.replyStart, query.replyStart + query.replyLength);
  return decode(Buffer.from(bytes)) as ReturnType<typeof decode> & {
    flag_tc: boolean;
    flag_ad: boolean;
    rcode: string;
  };
}

describe('a hit', () => {
  it('gives the answer with the client’s id and spelling', () => {
    const cache = makeCache();
    expect(insert(cache, 'www.example.com', 1000, { fill: 7 })).toBe(true);
    const query = sampleQuery('wWw.ExAmPlE.cOm', { id: 0xbeef });
    expect(serve(cache, query, 1000)).toBe(CACHE_HIT);
    const reply = replyOf(query);
    expect(reply.id).toBe(0xbeef);
    expect(reply.questions).toMatchObject([{ name: 'wWw.ExAmPlE.cOm', type: 'A' }]);
    expect(reply.answers).toMatchObject([{ name: 'wWw.ExAmPlE.cOm', ttl: 300, data: '7.7.7.7' }]);
    expect(query.rcode).toBe(RCODE.NOERROR);
    expect(query.ede).toBe(EDE.NONE);
  });

  it('works for the root and for names of every length', () => {
    const cache = makeCache();
    const names = ['.', ...Array.from({ length: 63 }, (_, i) => 'x'.repeat(i + 1))];
    names.push(`${`${'y'.repeat(63)}.`.repeat(3)}${'y'.repeat(61)}`);
    for (const name of names) insert(cache, name, 0, { fill: name.length & 255 });
    for (const name of names) {
      const query = sampleQuery(name);
      expect(serve(cache, query, 0)).toBe(CACHE_HIT);
      const octet = name.length & 255;
      expect(replyOf(query).answers).toMatchObject([{ data: `${octet}.${octet}.${octet}.${octet}` }]);
    }
  });

  it('counts every TTL down by the age, and not below 0', () => {
    const cache = makeCache({ minTtl: 0 });
    insert(cache, 'a.example', 10_000, { ttls: [100, 250, 90] });
    const query = sampleQuery('a.example');
    expect(serve(cache, query, 99_000)).toBe(CACHE_HIT);
    expect(replyOf(query).answers?.map((record) => 'ttl' in record && record.ttl)).toEqual([11, 161, 1]);
  });

  it('ends when the lowest TTL is over', () => {
    const cache = makeCache({ serveStale: 0 });
    insert(cache, 'a.example', 10_000, { ttls: [100, 90] });
    const query = sampleQuery('a.example');
    expect(serve(cache, query, 99_999)).toBe(CACHE_HIT);
    expect(serve(cache, query, 100_000)).toBe(CACHE_MISS);
  });

  it('tells AD only to a client that set AD or DO (RFC 6840 §5.8), and only where the answer has it', () => {
    const cache = makeCache();
    insert(cache, 'signed.example', 0, { authenticData: true });
    insert(cache, 'signed.example', 0, { authenticData: true }, { dnssecOk: true });
    insert(cache, 'plain.example', 0);
    const flagOf = (name: string, options: SampleQuery) => {
      const query = sampleQuery(name, options);
      expect(serve(cache, query, 0)).toBe(CACHE_HIT);
      return replyOf(query).flag_ad;
    };
    expect(flagOf('signed.example', {})).toBe(false);
    expect(flagOf('signed.example', { ad: true })).toBe(true);
    expect(flagOf('signed.example', { dnssecOk: true })).toBe(true);
    expect(flagOf('plain.example', { ad: true })).toBe(false);
  });

  it('keeps rcode and extended error of the answer', () => {
    const cache = makeCache();
    insert(cache, 'gone.example', 0, { rcode: RCODE.NXDOMAIN, ede: EDE.NOT_AUTHORITATIVE });
    const query = sampleQuery('gone.example', { udpSize: 1232 });
    expect(serve(cache, query, 0)).toBe(CACHE_HIT);
    expect(query.rcode).toBe(RCODE.NXDOMAIN);
    expect(query.ede).toBe(EDE.NOT_AUTHORITATIVE);
    expect(replyOf(query).rcode).toBe('NXDOMAIN');
  });

  it('is cut to header and question with TC where the client takes less', () => {
    const cache = makeCache();
    insert(cache, 'big.example', 0, { ttls: Array(40).fill(60) });
    const small = sampleQuery('big.example');
    expect(serve(cache, small, 0)).toBe(CACHE_HIT);
    expect(replyOf(small)).toMatchObject({ flag_tc: true, answers: [] });
    const wide = sampleQuery('big.example', { udpSize: 1232 });
    expect(serve(cache, wide, 0)).toBe(CACHE_HIT);
    expect(replyOf(wide).flag_tc).toBe(false);
    finishReply(wide);
    expect(replyOf(wide)).toMatchObject({ flag_tc: false });
    expect(replyOf(wide).answers).toHaveLength(40);
    const tcp = sampleQuery('big.example');
    tcp.transport = TCP;
    expect(serve(cache, tcp, 0)).toBe(CACHE_HIT);
    expect(replyOf(tcp).answers).toHaveLength(40);
  });

  it('never writes beyond the reply’s memory', () => {
    const cache = makeCache();
    insert(cache, 'big.example', 0, { ttls: [60], dataBytes: 401 });
    for (let capacity = 380; capacity < 460; capacity++) {
      const query = sampleQuery('big.example', {}, capacity);
      query.reply.fill(0xee);
      serve(cache, query, 0);
      expect(query.replyLength).toBeLessThanOrEqual(capacity);
      expect(query.reply.subarray(64 + capacity).every((byte) => byte === 0xee)).toBe(true);
      expect(query.reply.subarray(0, 64).every((byte) => byte === 0xee)).toBe(true);
    }
  });
});

describe('the key', () => {
  it('is name, type, class, DO and CD, each of them', () => {
    const cache = makeCache();
    insert(cache, 'a.example', 0);
    const others: [string, SampleQuery][] = [
      ['b.example', {}],
      ['a.example', { type: TYPE.AAAA }],
      ['a.example', { class: 3 }],
      ['a.example', { dnssecOk: true }],
      ['a.example', { checkingDisabled: true }],
    ];
    for (const [name, options] of others) expect(serve(cache, sampleQuery(name, options), 0)).toBe(CACHE_MISS);
    expect(serve(cache, sampleQuery('A.EXAMPLE', { ad: true, udpSize: 4096 }), 0)).toBe(CACHE_HIT);
  });

  it('is compared byte by byte: a collision of the whole hash serves no other name’s answer', () => {
    const cache = makeCache();
    insert(cache, 'good.example', 0);
    const query = sampleQuery('evil.example');
    const good = sampleQuery('good.example').question;
    query.question.hashLow = good.hashLow;
    query.question.hashHigh = good.hashHigh;
    expect(serve(cache, query, 0)).toBe(CACHE_MISS);
    // Both live side by side in the bucket.
    cache.insert(query.question, sampleAnswer(answer, query.question, { fill: 9 }), 0);
    expect(serve(cache, query, 0)).toBe(CACHE_HIT);
    expect(replyOf(query).answers).toMatchObject([{ data: '9.9.9.9' }]);
    const other = sampleQuery('good.example');
    expect(serve(cache, other, 0)).toBe(CACHE_HIT);
    expect(replyOf(other).answers).toMatchObject([{ data: '0.0.0.0' }]);
  });
});

describe('answers to the same question with other bits', () => {
  /** What is served for `asked` where only `stored` was asked before. */
  const served = (stored: SampleQuery, asked: SampleQuery, nowMs: number, staleOk: boolean) => {
    const cache = makeCache();
    insert(cache, 'a.example', 0, {}, stored);
    const query = sampleQuery('a.example', asked);
    const found = serve(cache, query, nowMs, staleOk);
    return found !== CACHE_HIT && !(staleOk && found === CACHE_STALE) ? found : [found, replyOf(query).answers?.length];
  };

  it.each([
    [{ dnssecOk: true }, {}, true, true],
    [{ dnssecOk: true, checkingDisabled: true }, { checkingDisabled: true }, true, true],
    [{}, { dnssecOk: true }, false, true],
    [{}, { checkingDisabled: true }, false, true],
    [{ dnssecOk: true }, { checkingDisabled: true }, false, true],
    [{ checkingDisabled: true }, {}, false, false],
    [{ checkingDisabled: true }, { dnssecOk: true }, false, false],
    [{ dnssecOk: true, checkingDisabled: true }, {}, false, false],
  ])('stored with %j, asked with %j: fresh %s, in an outage %s', (stored, asked, fresh, outage) => {
    expect(served(stored, asked, 1000, false)).toEqual(fresh ? [CACHE_HIT, 1] : CACHE_MISS);
    expect(served(stored, asked, 400_000, false)).toBe(fresh ? CACHE_STALE : CACHE_MISS);
    expect(served(stored, asked, 400_000, true)).toEqual(outage ? [CACHE_STALE, 1] : CACHE_MISS);
  });

  it('do not come before the own one, and leave the question as it was', () => {
    const cache = makeCache();
    insert(cache, 'a.example', 0, { fill: 1 }, { dnssecOk: true });
    insert(cache, 'a.example', 0, { fill: 2 });
    const query = sampleQuery('a.example', { id: 77 });
    expect(serve(cache, query, 0)).toBe(CACHE_HIT);
    expect(replyOf(query)).toMatchObject({ id: 77, answers: [{ data: '2.2.2.2' }] });
    const other = sampleQuery('a.EXAMPLE', { checkingDisabled: true });
    expect(serve(cache, other, 0)).toBe(CACHE_MISS);
    expect([other.question.dnssecOk, other.question.checkingDisabled]).toEqual([false, true]);
  });

  it('go without signatures to a client without DO, cut only where what is left is too long', () => {
    const cache = makeCache();
    const asked = sampleQuery('signed.example', { dnssecOk: true });
    const signature = Buffer.alloc(600, 7);
    const bytes = encode({
      type: 'response',
      questions: [{ type: 'A', name: 'signed.example' }],
      answers: [
        { type: 'A', name: 'signed.example', ttl: 300, data: '192.0.2.1' },
        {
          type: 'RRSIG',
          name: 'signed.example',
          ttl: 300,
          data: {
            typeCovered: 'A',
            algorithm: 8,
            labels: 2,
            originalTTL: 300,
            expiration: 2_000_000_000,
            inception: 1_000_000_000,
            keyTag: 1,
            signersName: 'signed.example',
            signature,
          },
        },
        { type: 'A', name: 'signed.example', ttl: 300, data: '192.0.2.2' },
      ],
    });
    expect(new Normalizer().normalize(bytes, 0, bytes.length, asked.question, answer)).toBe(true);
    answer.authenticData = true;
    expect(cache.insert(asked.question, answer, 0)).toBe(true);
    const query = sampleQuery('siGNed.example', { ad: true, id: 9 });
    expect(serve(cache, query, 100_000)).toBe(CACHE_HIT);
    expect(replyOf(query)).toMatchObject({ id: 9, flag_tc: false, flag_ad: true });
    expect(replyOf(query).answers).toMatchObject([
      { type: 'A', name: 'siGNed.example', ttl: 200, data: '192.0.2.1' },
      { type: 'A', name: 'siGNed.example', ttl: 200, data: '192.0.2.2' },
    ]);
    const withDo = sampleQuery('signed.example', { dnssecOk: true, udpSize: 1232 });
    expect(serve(cache, withDo, 0)).toBe(CACHE_HIT);
    expect(replyOf(withDo).answers).toHaveLength(3);
  });
});

describe('what is stored', () => {
  it('is no failure and nothing with TTL 0', () => {
    const cache = makeCache();
    expect(insert(cache, 'a.example', 0, { kind: FAILURE, rcode: RCODE.SERVFAIL })).toBe(false);
    expect(insert(cache, 'b.example', 0, { ttls: [0] })).toBe(false);
    expect(cache.stats()).toMatchObject({ entries: 0, inserts: 0 });
  });

  it('is TTL 0 raised to min-ttl, but no negative answer that may not be kept', () => {
    const cache = makeCache({ minTtl: 30 });
    expect(insert(cache, 'zero.example', 0, { ttls: [0] })).toBe(true);
    const query = sampleQuery('zero.example');
    expect(serve(cache, query, 29_000)).toBe(CACHE_HIT);
    expect(replyOf(query).answers).toMatchObject([{ ttl: 1 }]);
    const { question } = sampleQuery('negative.example');
    sampleAnswer(answer, question, { kind: NODATA, ttls: [] });
    answer.ttl = -1;
    expect(cache.insert(question, answer, 0)).toBe(false);
  });

  it('is bounded in the answer itself, so that who waits for it gets what is kept', () => {
    const cache = makeCache({ minTtl: 60, maxTtl: 600 });
    const { question } = sampleQuery('bounded.example');
    sampleAnswer(answer, question, { ttls: [86_400, 0, -5] });
    cache.insert(question, answer, 0);
    const ttls = decode(Buffer.from(answer.bytes.subarray(0, answer.length))).answers;
    expect(ttls?.map((record) => 'ttl' in record && record.ttl)).toEqual([600, 60, 60]);
  });

  it('lives within min-ttl and max-ttl, its records too', () => {
    const cache = makeCache({ minTtl: 60, maxTtl: 600 });
    insert(cache, 'short.example', 0, { ttls: [5, 100] });
    insert(cache, 'long.example', 0, { ttls: [900, 1200] });
    insert(cache, 'odd.example', 0, { ttls: [100, -5] });
    const ttlsOf = (name: string, nowMs: number) => {
      const query = sampleQuery(name);
      expect(serve(cache, query, nowMs)).toBe(CACHE_HIT);
      return replyOf(query).answers?.map((record) => 'ttl' in record && record.ttl);
    };
    expect(ttlsOf('short.example', 0)).toEqual([60, 100]);
    expect(ttlsOf('short.example', 59_000)).toEqual([1, 41]);
    expect(ttlsOf('long.example', 599_000)).toEqual([1, 1]);
    expect(serve(cache, sampleQuery('long.example'), 600_000)).toBe(CACHE_STALE);
  });

  it('is a negative answer for three hours at most (RFC 2308 §5)', () => {
    const cache = makeCache();
    insert(cache, 'no.example', 0, { rcode: RCODE.NXDOMAIN, ttls: [86_400] });
    insert(cache, 'none.example', 0, { kind: NODATA, ttls: [86_400] });
    for (const name of ['no.example', 'none.example']) {
      expect(serve(cache, sampleQuery(name), 10_799_000)).toBe(CACHE_HIT);
      expect(serve(cache, sampleQuery(name), 10_800_000)).toBe(CACHE_STALE);
    }
  });

  it('is no message above 16 KiB or an eighth of the small ring', () => {
    const large = new AnswerCache(createCacheMemory({ bytes: 4 * MIB, shards: 1 }), defaults);
    expect(insert(large, 'a.example', 0, { dataBytes: 16_500 })).toBe(false);
    expect(insert(large, 'a.example', 0, { dataBytes: 16_300 })).toBe(true);
    const query = sampleQuery('a.example');
    query.transport = TCP;
    expect(serve(large, query, 0)).toBe(CACHE_HIT);
    expect(replyOf(query).answers).toHaveLength(1);
    expect(insert(makeCache(), 'a.example', 0, { dataBytes: 16_300 })).toBe(false);
  });

  it('gives way to a newer answer of the same question, of the same and of another size', () => {
    const cache = makeCache();
    const query = sampleQuery('a.example');
    for (const [fill, ttls] of [
      [1, [60]],
      [2, [60]],
      [3, [60, 60]],
      [4, [60]],
    ] as const) {
      insert(cache, 'a.example', 0, { fill, ttls });
      expect(serve(cache, query, 0)).toBe(CACHE_HIT);
      expect(replyOf(query).answers).toMatchObject(ttls.map(() => ({ data: `${fill}.${fill}.${fill}.${fill}` })));
      expect(cache.stats().entries).toBe(1);
    }
  });
});

describe('foresee', () => {
  it('changes nothing, in an empty cache and in one that overflows', () => {
    const [plain, foreseeing] = [makeCache(), makeCache()];
    const names = Array.from({ length: 20_000 }, (_, i) => `n${(i * 7919) % 16_000}.example`);
    for (const name of names) {
      foreseeing.foresee(sampleQuery(name).question);
      for (const cache of [plain, foreseeing]) insert(cache, name, 1000);
    }
    expect(foreseeing.stats()).toEqual(plain.stats());
    expect(foreseeing.stats().evictions).toBeGreaterThan(0);
    for (const name of names.slice(-3000)) {
      const { question } = sampleQuery(name);
      expect(foreseeing.peek(question, 1000)).toEqual(plain.peek(question, 1000));
    }
  });
});

describe('serve-stale (RFC 8767)', () => {
  it('serves an expired answer only when asked to, with TTL 30 and an extended error', () => {
    const cache = makeCache({ serveStale: 3600 });
    insert(cache, 'a.example', 0, { ttls: [60, 900] });
    insert(cache, 'no.example', 0, { rcode: RCODE.NXDOMAIN, ttls: [60] });
    const query = sampleQuery('a.example');
    expect(serve(cache, query, 60_000)).toBe(CACHE_STALE);
    expect(query.replyLength).toBe(0);
    expect(query.ede).toBe(EDE.NONE);
    expect(serve(cache, query, 60_000, true)).toBe(CACHE_STALE);
    expect(replyOf(query).answers).toMatchObject([{ ttl: 30 }, { ttl: 30 }]);
    expect(query.ede).toBe(EDE.STALE_ANSWER);
    ask(query, 'no.example');
    expect(serve(cache, query, 60_000, true)).toBe(CACHE_STALE);
    expect(query.ede).toBe(EDE.STALE_NXDOMAIN);
    expect(query.rcode).toBe(RCODE.NXDOMAIN);
  });

  it('ends after the time configured', () => {
    const cache = makeCache({ serveStale: 3600 });
    insert(cache, 'a.example', 0, { ttls: [60] });
    expect(serve(cache, sampleQuery('a.example'), 3_659_999, true)).toBe(CACHE_STALE);
    expect(serve(cache, sampleQuery('a.example'), 3_660_000, true)).toBe(CACHE_MISS);
  });
});

describe('refreshDue', () => {
  it('is said once, for a popular answer in the last tenth of its life', () => {
    const cache = makeCache();
    insert(cache, 'a.example', 0, { ttls: [100] });
    const due = (nowMs: number) => {
      expect(serve(cache, sampleQuery('a.example'), nowMs)).toBe(CACHE_HIT);
      return cache.refreshDue;
    };
    expect([due(0), due(1000), due(2000), due(89_000), due(90_000), due(90_000), due(99_000)]).toEqual([
      false,
      false,
      false,
      false,
      true,
      false,
      false,
    ]);
    insert(cache, 'a.example', 95_000, { ttls: [100] });
    expect([due(184_000), due(185_000), due(186_000)]).toEqual([false, true, false]);
  });

  it('is not said for an answer asked once, nor for a short-lived one', () => {
    const cache = makeCache();
    insert(cache, 'rare.example', 0, { ttls: [100] });
    serve(cache, sampleQuery('rare.example'), 95_000);
    expect(cache.refreshDue).toBe(false);
    insert(cache, 'short.example', 0, { ttls: [9] });
    for (let i = 0; i < 5; i++) {
      serve(cache, sampleQuery('short.example'), 8_500);
      expect(cache.refreshDue).toBe(false);
    }
  });
});

describe('the control plane', () => {
  it('peeks without making an answer popular', () => {
    const cache = makeCache({ serveStale: 100 });
    insert(cache, 'a.example', 0, { ttls: [100], rcode: RCODE.NXDOMAIN });
    const { question } = sampleQuery('a.example');
    for (let i = 0; i < 5; i++) cache.peek(question, 95_000);
    expect(cache.peek(question, 95_000)).toEqual({ ttlLeft: 5, age: 95, rcode: RCODE.NXDOMAIN, stale: false });
    expect(cache.peek(question, 130_000)).toEqual({ ttlLeft: -30, age: 130, rcode: RCODE.NXDOMAIN, stale: true });
    expect(cache.peek(question, 200_000)).toBeUndefined();
    expect(cache.peek(sampleQuery('b.example').question, 0)).toBeUndefined();
    serve(cache, sampleQuery('a.example'), 95_000);
    expect(cache.refreshDue).toBe(false);
  });

  it('forgets a name with all its types and flags, and no other', () => {
    const cache = makeCache();
    insert(cache, 'a.example', 0);
    insert(cache, 'a.example', 0, {}, { type: TYPE.HTTPS, dnssecOk: true });
    insert(cache, 'a.example', 0, {}, { type: 4242, checkingDisabled: true });
    insert(cache, 'b.example', 0);
    expect(cache.flushName(sampleQuery('A.example', { type: 4242 }).question)).toBe(3);
    expect(serve(cache, sampleQuery('a.example'), 0)).toBe(CACHE_MISS);
    expect(serve(cache, sampleQuery('b.example'), 0)).toBe(CACHE_HIT);
    expect(cache.stats().entries).toBe(1);
  });

  it('flushes everything and goes on', () => {
    const cache = makeCache({}, 4 * MIB);
    for (let i = 0; i < 100; i++) insert(cache, `n${i}.example`, 0);
    expect(cache.stats()).toMatchObject({ entries: 100, inserts: 100, capacity: 4 * MIB });
    expect(cache.flush()).toBe(true);
    expect(cache.stats()).toMatchObject({ entries: 0, bytesUsed: 0, wireBytes: 0 });
    expect(serve(cache, sampleQuery('n1.example'), 0)).toBe(CACHE_MISS);
    insert(cache, 'n1.example', 0);
    expect(serve(cache, sampleQuery('n1.example'), 0)).toBe(CACHE_HIT);
  });
});

describe('forgetting names', () => {
  const ALL = ['example.test', 'www.example.test', 'a.www.example.test', 'xexample.test', 'test', 'other.test'];
  const filled = () => {
    const memory = createCacheMemory({ bytes: 1 << 20 });
    const cache = new AnswerCache(memory, { worker: 1, minTtl: 0, maxTtl: 86_400, serveStale: 0 });
    const answer = new Answer();
    for (const name of ALL)
      for (const type of [1, 28])
        for (const dnssecOk of [false, true]) {
          const query = sampleQuery(name, { type, dnssecOk });
          cache.insert(query.question, sampleAnswer(answer, query.question), 1000);
        }
    const held = (type = 1) =>
      ALL.filter((name) => {
        const query = sampleQuery(name, { type });
        query.nowMs = 1000;
        return cache.serve(query, false) === CACHE_HIT;
      });
    return { cache, held };
  };
  const pause = async () => {};

  it('the name alone, in all its types and forms', async () => {
    const { cache, held } = filled();
    expect(await cache.flushNames(textToName('www.example.test'), false, -1, pause)).toBe(4);
    expect(held()).toEqual(ALL.filter((name) => name !== 'www.example.test'));
    expect(cache.stats().entries).toBe(4 * ALL.length - 4);
  });

  it('with all below it, and nothing that only ends alike', async () => {
    const { cache, held } = filled();
    expect(await cache.flushNames(textToName('example.test'), true, -1, pause)).toBe(12);
    expect(held()).toEqual(['xexample.test', 'test', 'other.test']);
  });

  it('of one type', async () => {
    const { cache, held } = filled();
    expect(await cache.flushNames(textToName('example.test'), true, 28, pause)).toBe(6);
    expect([held(1), held(28)]).toEqual([ALL, ['xexample.test', 'test', 'other.test']]);
  });

  it('the root and all below it is everything', async () => {
    const { cache, held } = filled();
    expect(await cache.flushNames(textToName('.'), true, -1, pause)).toBe(4 * ALL.length);
    expect([held(), cache.stats().entries]).toEqual([[], 0]);
  });
});

it('made untouched, it serves and leaves no trace: no answer becomes more popular or due to be fetched again', () => {
  const memory = createCacheMemory({ bytes: MIB });
  const cache = new AnswerCache(memory, defaults);
  const looking = new AnswerCache(memory, { ...defaults, untouched: true });
  insert(cache, 'popular.test', 0, { ttls: [100] });
  const query = sampleQuery('popular.test');
  query.nowMs = 95_000;
  const before = memory.shards.map((shard) => new Uint8Array(shard).slice());
  for (let i = 0; i < 10; i++) expect([looking.serve(query, false), looking.refreshDue]).toEqual([CACHE_HIT, false]);
  expect(memory.shards.every((shard, i) => Buffer.compare(new Uint8Array(shard).slice(), before[i]!) === 0)).toBe(true);
  for (let i = 0; i < 2; i++) cache.serve(query, false);
  expect(cache.refreshDue).toBe(true);
});
