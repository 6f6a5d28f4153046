/**
 * An upstream, or somebody who pretends to be it, that answers wrongly: the client never gets to see it, gets the right
 * answer where one follows, and what was wrong is counted.
 */
import { beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { askUdp, dataOf } from '../support/dns-client.ts';
import { scrape, stoppedAfterwards } from '../support/observe.ts';
import {
  addressRecord,
  answerTo,
  honest,
  type Script,
  type ScriptedAnswer,
  type ScriptedUpstream,
  startScriptedUpstream,
  type UpstreamQuery,
} from '../support/scripted-upstream.ts';
import { type SekishoServer, startSekisho } from '../support/sekisho.ts';

vi.setConfig({ testTimeout: 180_000, hookTimeout: 240_000 });
const keep = stoppedAfterwards();
const RIGHT = '192.0.2.7';
const WRONG = '203.0.113.66';
let upstream: ScriptedUpstream;
let server: SekishoServer;
let asked = 0;

beforeAll(async () => {
  upstream = keep(await startScriptedUpstream(honest(RIGHT)));
  await startServer();
});
beforeEach(() => {
  upstream.script = honest(RIGHT);
});

/** A server that has not learnt anything about the upstream yet. */
async function startServer(): Promise<void> {
  const config = { upstream: { servers: [`127.0.0.1:${upstream.port}`], timeout: '1500ms' }, cache: { size: '1MiB' } };
  server = keep(await startSekisho({ config }));
}

const forged = (query: UpstreamQuery, more: ScriptedAnswer = {}): Buffer =>
  answerTo(query, { answers: [addressRecord(query, WRONG)], ...more });
const ask = (name = `asked-letters-${++asked}.example.test`) =>
  askUdp({ name, udpSize: 1232 }, { port: server.port, timeoutMs: 6_000 });
const mismatches = async (reason: string) => {
  const total = (await scrape(server)).total('sekisho_upstream_mismatches_total', { reason });
  return Number.isNaN(total) ? 0 : total;
};
const otherCase = (text: string): string =>
  text.replace(/[a-z]/gi, (letter) => (letter === letter.toLowerCase() ? letter.toUpperCase() : letter.toLowerCase()));

/** What comes first, over UDP; the right answer follows 50 ms later. */
const WRONG_FIRST: [string, string, (query: UpstreamQuery) => void][] = [
  ['another id', 'id', (query) => query.send(forged(query, { id: query.bytes.readUInt16BE(0) ^ 0x8001 }))],
  ['another name', 'question', (query) => query.send(forged(query, { name: 'other.example.test' }))],
  ['a query instead of a response', 'query', (query) => query.send(edited(forged(query), (b) => b.writeUInt8(1, 2)))],
  ['another opcode', 'opcode', (query) => query.send(edited(forged(query), (b) => b.writeUInt8(0xa1, 2)))],
  ['no question', 'question', (query) => query.send(edited(forged(query), (b) => b.writeUInt16BE(0, 4)))],
  ['an empty datagram', 'short', (query) => query.send(Buffer.alloc(0))],
  ['half a header', 'short', (query) => query.send(forged(query).subarray(0, 7))],
  ['garbage', 'id', (query) => query.send(Buffer.from(Array.from({ length: 100 }, (_, i) => (i * 37) ^ 0xa5)))],
];

/** What the kernel keeps from a connected socket: nobody gets to see it, so nobody can count it either. */
const KEPT_OUT: [string, (query: UpstreamQuery) => void][] = [
  ['another port', (query) => query.send(forged(query), 'other-port')],
  ['another address', (query) => query.send(forged(query), 'other-address')],
];

describe('before the right answer', () => {
  it.each(WRONG_FIRST)('%s is not taken, and counted as %s', async (_, reason, wrong) => {
    const before = await mismatches(reason);
    upstream.script = (query) => {
      wrong(query);
      setTimeout(() => honest(RIGHT)(query), 50);
    };
    const reply = await ask();
    expect(dataOf(reply.answers, 'A')).toEqual([RIGHT]);
    expect(await mismatches(reason)).toBeGreaterThan(before);
  });

  it.each(KEPT_OUT)('%s is not taken, and nothing of it handed on', async (_, wrong) => {
    const counted = async () => (await scrape(server)).total('sekisho_upstream_mismatches_total');
    const before = await counted();
    let forgeries = 0;
    upstream.script = (query) => {
      for (let i = 0; i < 20; i++, forgeries++) wrong(query);
      setTimeout(() => honest(RIGHT)(query), 50);
    };
    const name = `kept-out-${++asked}.example.test`;
    // Nor does it stay in the cache.
    for (let i = 0; i < 2; i++) expect(dataOf((await ask(name)).answers, 'A')).toEqual([RIGHT]);
    expect(forgeries).toBe(20);
    expect(await counted()).toBe(before);
  });

  it('a flood of forged answers is not taken either', async () => {
    const before = await mismatches('id');
    upstream.script = (query) => {
      for (let i = 1; i <= 500; i++) query.send(forged(query, { id: (query.bytes.readUInt16BE(0) + i) & 0xffff }));
      setTimeout(() => honest(RIGHT)(query), 50);
    };
    expect(dataOf((await ask()).answers, 'A')).toEqual([RIGHT]);
    expect((await mismatches('id')) - before).toBeGreaterThan(100);
  });
});

describe('instead of an answer', () => {
  it.each([...WRONG_FIRST.map(([what, , wrong]) => [what, wrong] as const).slice(0, 2), ...KEPT_OUT])(
    '%s is a failure, and nothing of it stays in the cache',
    async (_, wrong) => {
      const name = `never-right-${++asked}.example.test`;
      upstream.script = wrong;
      const reply = await ask(name);
      expect(reply.rcode).toBe(2);
      expect(reply.answers).toEqual([]);
      expect(reply.extendedErrors.length).toBe(1);
    },
  );

  it('cut short in the middle of a record, it is asked for elsewhere or fails, never half taken', async () => {
    await startServer();
    const before = await mismatches('malformed');
    upstream.script = (query) => query.send(forged(query, { edns: false }).subarray(0, -3));
    const reply = await ask();
    expect(reply.rcode).toBe(2);
    expect(reply.answers).toEqual([]);
    expect(await mismatches('malformed')).toBeGreaterThan(before);
  });

  it('records of other names beside the right ones do not reach anybody (cache poisoning)', async () => {
    upstream.script = (query) => {
      const strange = { type: 'A', name: 'www.bank.test', ttl: 300, data: WRONG } as const;
      const answers = [addressRecord(query, RIGHT), strange];
      query.send(
        answerTo(query, { answers, authorities: [{ type: 'NS', name: 'test', ttl: 300, data: 'ns.evil.test' }] }),
      );
    };
    const reply = await ask();
    expect(dataOf(reply.answers, 'A')).toEqual([RIGHT]);
    upstream.script = honest(RIGHT);
    expect(dataOf((await ask('www.bank.test')).answers, 'A')).toEqual([RIGHT]);
  });
});

describe('an upstream that', () => {
  it('truncates is asked over TCP', async () => {
    upstream.script = (query) =>
      query.send(query.transport === 'udp' ? answerTo(query, { tc: true }) : forgedRight(query));
    expect(dataOf((await ask()).answers, 'A')).toEqual([RIGHT]);
    expect((await scrape(server)).total('sekisho_upstream_truncated_total')).toBeGreaterThan(0);
  });

  it('truncates and does not do TCP makes the question fail', async () => {
    upstream.script = (query) => {
      if (query.transport === 'udp') query.send(answerTo(query, { tc: true }));
    };
    expect((await ask()).rcode).toBe(2);
  });

  it('truncates even over TCP makes the question fail', async () => {
    upstream.script = (query) => query.send(forged(query, { tc: true }));
    const reply = await ask();
    expect(reply.rcode).toBe(2);
    expect(reply.answers).toEqual([]);
  });

  it.each<[string, Script]>([
    ['answers FORMERR to EDNS', (query) => query.send(withoutEdns(query, 1))],
    ['answers NOTIMP to EDNS', (query) => query.send(withoutEdns(query, 4))],
    ['answers EDNS with a bare header', (query) => query.send(bare(query, 1))],
    ['leaves the OPT record out', (query) => query.send(answerTo(query, { ...right(query), edns: false }))],
  ])('%s is understood', async (_, script) => {
    await startServer();
    upstream.script = (query) => (query.udpSize > 0 ? script(query) : honest(RIGHT)(query));
    for (let i = 0; i < 5; i++) {
      const reply = await ask();
      expect(dataOf(reply.answers, 'A')).toEqual([RIGHT]);
      // RFC 6891 §7: EDNS is between us and the client, whatever the upstream does.
      expect(reply.opt?.udpPayloadSize).toBe(1232);
    }
  });

  it('knows EDNS but answers FORMERR to our cookie is asked without it', async () => {
    await startServer();
    upstream.script = (query) => (query.cookie ? query.send(answerTo(query, { rcode: 1 })) : honest(RIGHT)(query));
    for (let i = 0; i < 5; i++) expect(dataOf((await ask()).answers, 'A')).toEqual([RIGHT]);
    // Remembered: one question was sent twice.
    expect((await scrape(server)).total('sekisho_upstream_cookie_fallbacks_total')).toBe(1);
    expect(upstream.queries.at(-1)).toMatchObject({ cookie: undefined, udpSize: 1232 });
  });

  it.each<[string, (query: UpstreamQuery) => ScriptedAnswer]>([
    ['without our cookie', () => ({})],
    ['without an OPT record', () => ({ edns: false })],
    ['with a strange cookie', () => ({ cookie: Buffer.alloc(24, 0x5e) })],
  ])('that knows cookies is imitated %s, and not believed (RFC 7873 §5.3)', async (_, how) => {
    await startServer();
    const rightly = (query: UpstreamQuery) =>
      query.send(answerTo(query, { ...right(query), cookie: withServerCookie(query) }));
    upstream.script = rightly;
    // From now on the server expects the cookie.
    expect(dataOf((await ask()).answers, 'A')).toEqual([RIGHT]);
    upstream.script = (query) => {
      if (query.transport === 'udp') query.send(forged(query, how(query)));
      else rightly(query);
    };
    for (let i = 0; i < 5; i++) expect(dataOf((await ask()).answers, 'A')).toEqual([RIGHT]);
    expect(await mismatches('cookie')).toBe(5);
  });

  it('loses the case of the name is found out over TCP, and answers from then on', async () => {
    await startServer();
    upstream.script = (query) => query.send(answerTo(query, { ...right(query), name: query.name }));
    for (let i = 0; i < 5; i++) expect(dataOf((await ask()).answers, 'A')).toEqual([RIGHT]);
    const metrics = await scrape(server);
    expect(metrics.total('sekisho_upstream_mismatches_total', { reason: 'case' })).toBeGreaterThan(0);
    expect(metrics.total('sekisho_upstream_case_mismatches_total')).toBeGreaterThan(0);
    const overTcp = metrics.total('sekisho_upstream_tcp_queries_total');
    for (let i = 0; i < 5; i++) expect(dataOf((await ask()).answers, 'A')).toEqual([RIGHT]);
    expect((await scrape(server)).total('sekisho_upstream_tcp_queries_total')).toBe(overTcp);
  });

  it('is imitated with the wrong case is not believed', async () => {
    await startServer();
    upstream.script = (query) => {
      if (query.transport === 'udp') query.send(forged(query, { name: otherCase(query.spelling) }));
      setTimeout(() => honest(RIGHT)(query), 30);
    };
    for (let i = 0; i < 5; i++) expect(dataOf((await ask()).answers, 'A')).toEqual([RIGHT]);
  });

  it('points a name at itself does not make the server turn in circles', async () => {
    upstream.script = (query) =>
      query.send(
        answerTo(query, {
          answers: [
            { type: 'CNAME', name: query.spelling, ttl: 300, data: 'loop.example.test' },
            { type: 'CNAME', name: 'loop.example.test', ttl: 300, data: query.spelling },
          ],
        }),
      );
    const reply = await ask();
    expect(dataOf(reply.answers, 'A')).toEqual([]);
    expect((await ask('fine.example.test')).qr).toBe(true);
  });
});

it('and all is well in the end', async () => {
  expect(dataOf((await ask()).answers, 'A')).toEqual([RIGHT]);
  const metrics = await scrape(server);
  expect(metrics.total('sekisho_worker_restarts_total')).toBe(0);
});

function right(query: UpstreamQuery): ScriptedAnswer {
  return { answers: [addressRecord(query, RIGHT)] };
}

function forgedRight(query: UpstreamQuery): Buffer {
  return answerTo(query, right(query));
}

/** The client's cookie as it came, and one of the upstream's. */
function withServerCookie(query: UpstreamQuery): Buffer {
  return Buffer.concat([query.cookie?.subarray(0, 8) ?? Buffer.alloc(8), Buffer.alloc(16, 0xa5)]);
}

function withoutEdns(query: UpstreamQuery, rcode: number): Buffer {
  return answerTo(query, { rcode, edns: false });
}

function bare(query: UpstreamQuery, rcode: number): Buffer {
  const bytes = Buffer.alloc(12);
  query.bytes.copy(bytes, 0, 0, 2);
  bytes.writeUInt16BE(0x8180 | rcode, 2);
  return bytes;
}

function edited(bytes: Buffer, edit: (bytes: Buffer) => void): Buffer {
  edit(bytes);
  return bytes;
}
