/** What goes to the upstream and what comes back from it: seen from the upstream's side. */
import { beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { askTcp, askUdp, dataOf } from '../support/dns-client.ts';
import { scrape, stoppedAfterwards } from '../support/observe.ts';
import {
  addressRecord,
  answerTo,
  honest,
  type ScriptedUpstream,
  startScriptedUpstream,
} from '../support/scripted-upstream.ts';
import { type SekishoServer, startSekisho } from '../support/sekisho.ts';

const CLIENT_SUBNET = 8;
const COOKIE = 10;
vi.setConfig({ testTimeout: 180_000, hookTimeout: 240_000 });
const keep = stoppedAfterwards();
let upstream: ScriptedUpstream;
let trusting: SekishoServer;
let server: SekishoServer;
const asking = () => ({ port: server.port });

beforeAll(async () => {
  upstream = keep(await startScriptedUpstream(honest()));
  const address = `127.0.0.1:${upstream.port}`;
  server = keep(await startSekisho({ config: { upstream: { servers: [address] }, cache: { size: '4MiB' } } }));
  trusting = keep(
    await startSekisho({ config: { upstream: { servers: [{ address, trusted: true }] }, cache: { size: '4MiB' } } }),
  );
});

beforeEach(() => {
  upstream.script = honest();
  upstream.queries.length = 0;
});

/** Queries for this name that reached the upstream. */
const seen = (name: string) => upstream.queries.filter((query) => query.name === name);

describe('DO and CD', () => {
  const combinations = [
    { dnssecOk: false, cd: false },
    { dnssecOk: true, cd: false },
    { dnssecOk: false, cd: true },
    { dnssecOk: true, cd: true },
  ];

  it('go to the upstream and are kept apart in the cache', async () => {
    const name = 'bits.example.test';
    upstream.script = (query) => honest(`192.0.2.${(query.dnssecOk ? 1 : 0) + (query.cd ? 2 : 0)}`)(query);
    for (const round of ['upstream', 'cache']) {
      for (const bits of combinations) {
        const reply = await askUdp({ name, ...bits }, asking());
        expect(dataOf(reply.answers, 'A'), round).toEqual([`192.0.2.${(bits.dnssecOk ? 1 : 0) + (bits.cd ? 2 : 0)}`]);
        expect(reply.cd).toBe(bits.cd);
        expect(((reply.opt?.flags ?? 0) & 0x8000) !== 0).toBe(bits.dnssecOk);
      }
    }
    expect(seen(name).map(({ dnssecOk, cd }) => ({ dnssecOk, cd }))).toEqual(combinations);
  });
});

describe('AD', () => {
  const validated = () => {
    upstream.script = (query) =>
      query.send(answerTo(query, { ad: true, answers: [addressRecord(query, '192.0.2.7')] }));
  };

  it('is passed on from a trusted upstream, to clients that understand it (RFC 6840 §5.8)', async () => {
    validated();
    const name = 'signed.example.test';
    const where = { port: trusting.port };
    for (const _ of ['upstream', 'cache']) {
      expect((await askUdp({ name, dnssecOk: true }, where)).ad).toBe(true);
      expect((await askUdp({ name, ad: true }, where)).ad).toBe(true);
      expect((await askUdp({ name }, where)).ad).toBe(false);
    }
  });

  it('is not passed on from any other', async () => {
    validated();
    const name = 'claimed.example.test';
    for (const _ of ['upstream', 'cache']) {
      expect((await askUdp({ name, dnssecOk: true }, asking())).ad).toBe(false);
      expect((await askUdp({ name, ad: true }, asking())).ad).toBe(false);
    }
  });
});

describe('the query to the upstream', () => {
  it('carries no option of the client but a cookie of our own, and the answer none back but the cookie', async () => {
    const name = 'options.example.test';
    const options = [
      { code: CLIENT_SUBNET, data: Buffer.from([0, 1, 24, 0, 192, 0, 2]) },
      { code: COOKIE, data: Buffer.from('12345678') },
      { code: 65001, data: Buffer.from('private') },
    ];
    for (const transport of [askUdp, askTcp]) {
      const reply = await transport({ name, options, udpSize: 4096 }, asking());
      expect(reply.rcode).toBe(0);
      const given = (reply.opt?.options ?? []) as unknown as { code: number; data: Buffer }[];
      expect(given.map(({ code }) => code)).toEqual([COOKIE]);
      expect(given[0]?.data).toHaveLength(24);
    }
    expect(seen(name).length).toBe(1);
    expect(seen(name)[0]).toMatchObject({ options: [COOKIE], udpSize: 1232, rd: true });
    expect(seen(name)[0]?.bytes.includes('12345678')).toBe(false);
  });

  it('comes from many ports, with ids and spelling drawn at random', async () => {
    // One after the other: what goes out in one system call shares a socket.
    for (let i = 0; i < 200; i++) await askUdp({ name: `drawn-at-random-${i}.example.test` }, asking());
    const asked = upstream.queries.filter(({ name }) => name.startsWith('drawn-at-random'));
    expect(asked.length).toBeGreaterThanOrEqual(200);
    expect(new Set(asked.map(({ port }) => port)).size).toBeGreaterThan(16);
    expect(new Set(asked.map(({ bytes }) => bytes.readUInt16BE(0))).size).toBeGreaterThan(190);
    // 24 letters: that one of 200 names comes out in lower case has odds of 1 in 80 000.
    expect(asked.filter(({ spelling, name }) => spelling === name).length).toBeLessThan(2);
  });

  it('is one for all who ask the same at the same time', async () => {
    const name = 'coalesced.example.test';
    upstream.script = (query) => setTimeout(() => honest()(query), 150);
    const replies = await Promise.all(Array.from({ length: 50 }, () => askUdp({ name }, asking())));
    expect(replies.every((reply) => dataOf(reply.answers, 'A').length === 1)).toBe(true);
    expect(seen(name).length).toBe(1);
    expect((await scrape(server)).total('sekisho_upstream_coalesced_total')).toBeGreaterThanOrEqual(49);
  });

  it('goes out again where the first one was lost', async () => {
    const name = 'lost.example.test';
    upstream.script = (query) => {
      if (seen(name).length > 1) honest()(query);
    };
    expect(dataOf((await askUdp({ name }, asking())).answers, 'A')).toEqual(['192.0.2.7']);
  });
});

describe('failures', () => {
  it('become SERVFAIL, are remembered for a while and say why (RFC 9520, RFC 8914)', async () => {
    const name = 'failing.example.test';
    upstream.script = (query) => query.send(answerTo(query, { rcode: 2 }));
    const first = await askUdp({ name, udpSize: 1232 }, asking());
    expect(first.rcode).toBe(2);
    expect(first.extendedErrors.length).toBe(1);
    const asked = seen(name).length;
    expect((await askUdp({ name, udpSize: 1232 }, asking())).rcode).toBe(2);
    expect(seen(name).length).toBe(asked);
  });

  it('of one upstream are made good by another', async () => {
    const broken = keep(await startScriptedUpstream((query) => query.send(answerTo(query, { rcode: 5 }))));
    const both = keep(
      await startSekisho({
        config: {
          upstream: { servers: [`127.0.0.1:${broken.port}`, `127.0.0.1:${upstream.port}`] },
          cache: { size: '1MiB' },
        },
      }),
    );
    for (let i = 0; i < 20; i++) {
      const reply = await askUdp({ name: `second-try-${i}.example.test` }, { port: both.port });
      expect(dataOf(reply.answers, 'A')).toEqual(['192.0.2.7']);
    }
  });
});
