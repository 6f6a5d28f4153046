/** Addresses, families and TCP, as clients meet them. */
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { ensurePackages } from '../support/debian.ts';
import { askTcp, askUdp, dataOf, queryBytes, readReply, TcpConnection } from '../support/dns-client.ts';
import { dig } from '../support/field.ts';
import { freePort } from '../support/free-port.ts';
import { pause, scrape, stoppedAfterwards, waitFor } from '../support/observe.ts';
import {
  addressRecord,
  answerTo,
  honest,
  type ScriptedUpstream,
  startScriptedUpstream,
} from '../support/scripted-upstream.ts';
import { type SekishoServer, startSekisho } from '../support/sekisho.ts';

const KEEPALIVE = 11;
vi.setConfig({ testTimeout: 180_000, hookTimeout: 240_000 });
const keep = stoppedAfterwards();
const missing = ensurePackages(['dig', 'kdig']);
let upstream: ScriptedUpstream;
let server: SekishoServer;
let port: number;

beforeAll(async () => {
  upstream = keep(await startScriptedUpstream(honest()));
  port = await freePort('::');
  server = keep(
    await startSekisho({
      config: {
        server: {
          listen: [`0.0.0.0:${port}`, `[::]:${port}`],
          workers: 2,
          tcp: { 'idle-timeout': '2s' },
          udp: { io: 'mmsg' },
        },
        upstream: { servers: [`127.0.0.1:${upstream.port}`] },
        cache: { size: '1MiB' },
      },
    }),
  );
});

describe('wildcard addresses', () => {
  // The client's socket is connected: an answer from another address than the one asked would never be delivered.
  it.each([
    ['127.0.0.1', undefined],
    ['127.0.0.2', undefined],
    ['127.0.0.3', '127.0.0.77'],
    ['127.1.2.3', '127.0.0.2'],
    ['::1', undefined],
  ])('answer from the address asked: %s', async (host, from) => {
    const where = { port, host, ...(from !== undefined && { from }) };
    expect(dataOf((await askUdp({ name: 'www.example.test' }, where)).answers, 'A')).toEqual(['192.0.2.7']);
    expect(dataOf((await askTcp({ name: 'www.example.test' }, where)).answers, 'A')).toEqual(['192.0.2.7']);
  });

  it('also for an answer that had to be waited for', async () => {
    for (const host of ['127.0.0.2', '127.0.0.3', '::1']) {
      upstream.script = (query) => setTimeout(() => honest('192.0.2.8')(query), 60);
      const reply = await askUdp({ name: `waited-${host.length}-${host.at(-1)}.example.test` }, { port, host });
      upstream.script = honest();
      expect(dataOf(reply.answers, 'A')).toEqual(['192.0.2.8']);
    }
  });

  it.skipIf(missing.has('dig'))('dig agrees, over both families and both transports', async () => {
    for (const args of ['@127.0.0.2 -4', '@127.0.0.3 -4 +tcp', '@::1 -6', '@::1 -6 +tcp']) {
      const text = await dig('dig', `${args} -p ${port} +time=2 +tries=1 www.example.test A`);
      expect(text).toMatch(/status: NOERROR[\s\S]*192\.0\.2\.7/);
      expect(text).not.toContain('reply from unexpected source');
    }
  });
});

describe('TCP', () => {
  it('answers as many queries as come in one segment', async () => {
    const connection = await TcpConnection.open({ port });
    const messages = Array.from({ length: 200 }, (_, i) => queryBytes({ name: `p${i % 20}.example.test`, id: i }));
    connection.send(...messages);
    const ids = new Set<number>();
    for (const _ of messages) {
      const bytes = await connection.next();
      if (bytes) ids.add(readReply(bytes).id);
    }
    connection.close();
    expect(ids.size).toBe(200);
  });

  it('takes queries byte by byte', async () => {
    const connection = await TcpConnection.open({ port });
    const message = queryBytes({ name: 'www.example.test' });
    for (const byte of [0, message.length, ...message]) {
      connection.sendRaw(Uint8Array.of(byte));
      await pause(1);
    }
    expect(readReply((await connection.next()) ?? Buffer.alloc(0)).rcode).toBe(0);
    connection.close();
  });

  it('answers out of order: what is known does not wait for what is not (RFC 7766 §6.2.1.1)', async () => {
    await askUdp({ name: 'quick.example.test' }, { port });
    upstream.script = (query) => setTimeout(() => honest()(query), 300);
    const connection = await TcpConnection.open({ port });
    connection.send(
      queryBytes({ name: 'slow.example.test', id: 1 }),
      queryBytes({ name: 'quick.example.test', id: 2 }),
    );
    const ids = [await connection.next(), await connection.next()].map((bytes) => bytes?.readUInt16BE(0));
    upstream.script = honest();
    connection.close();
    expect(ids).toEqual([2, 1]);
  });

  it('announces its idle timeout to those who ask for it, and to nobody else (RFC 7828)', async () => {
    const keepalive = { code: KEEPALIVE, data: Buffer.alloc(0) };
    const asked = await askTcp({ name: 'www.example.test', options: [keepalive] }, { port });
    const options = (asked.opt?.options ?? []) as unknown as { code: number; data: Buffer }[];
    expect(options.find(({ code }) => code === KEEPALIVE)?.data.readUInt16BE(0)).toBe(20);
    const plain = await askTcp({ name: 'www.example.test', udpSize: 1232 }, { port });
    expect(plain.opt?.options).toEqual([]);
    // RFC 7828 §3.3.2: never over UDP.
    const udp = await askUdp({ name: 'www.example.test', options: [keepalive] }, { port });
    expect(udp.opt?.options).toEqual([]);
  });

  it.skipIf(missing.has('kdig'))('keeps the connection open for kdig +keepopen', async () => {
    const before = (await scrape(server)).total('sekisho_tcp_accepted_total');
    const text = await dig('kdig', `@127.0.0.1 -p ${port} +tcp +keepopen a.example.test b.example.test c.example.test`);
    expect(text.match(/status: NOERROR/g)?.length).toBe(3);
    expect((await scrape(server)).total('sekisho_tcp_accepted_total')).toBe(before + 1);
  });

  it('closes what is idle, and nothing that waits for an answer', async () => {
    const connection = await TcpConnection.open({ port });
    upstream.script = (query) => setTimeout(() => honest()(query), 2_600);
    connection.send(queryBytes({ name: 'very-slow.example.test' }));
    expect(readReply((await connection.next(4_000)) ?? Buffer.alloc(0)).rcode).toBe(0);
    upstream.script = honest();
    expect(connection.ended).toBe(false);
    await waitFor('the idle connection is closed', () => connection.ended, 5_000);
  });

  it('answers a client that has closed its side', async () => {
    upstream.script = (query) => setTimeout(() => honest()(query), 100);
    const connection = await TcpConnection.open({ port });
    connection.send(queryBytes({ name: 'half-closed.example.test' }));
    connection.end();
    const bytes = await connection.next();
    upstream.script = honest();
    connection.close();
    expect(bytes && readReply(bytes).rcode).toBe(0);
  });

  it('hands a large answer over whole', async () => {
    upstream.script = (query) => {
      const data = Array.from({ length: 2_500 }, (_, i) => `192.0.${(i >> 8) & 255}.${i & 255}`);
      if (query.transport === 'udp') query.send(answerTo(query, { tc: true }));
      else query.send(answerTo(query, { answers: data.map((address) => addressRecord(query, address)) }));
    };
    const name = 'l.test';
    const reply = await askTcp({ name }, { port });
    const cut = await askUdp({ name, udpSize: 4096 }, { port });
    upstream.script = honest();
    expect(reply.answers.length).toBe(2_500);
    expect(cut.tc).toBe(true);
  });
});
