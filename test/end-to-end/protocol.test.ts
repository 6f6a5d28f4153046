/** What is no plain question: what comes back, on both transports. */
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { addressWords } from '../../src/address/address.ts';
import { libc, MSG_DONTWAIT } from '../../src/system/libc.ts';
import { encodeSockaddr, openUdpListener, stopTaking } from '../../src/transports/sockets.ts';
import { MmsgBatch } from '../../src/transports/udp/mmsg-batch.ts';
import {
  askTcp,
  askUdp,
  dataOf,
  exchangeDatagram,
  queryBytes,
  readReply,
  TcpConnection,
} from '../support/dns-client.ts';
import { scrape, stoppedAfterwards } from '../support/observe.ts';
import { honest, type ScriptedUpstream, startScriptedUpstream } from '../support/scripted-upstream.ts';
import { type SekishoServer, startSekisho } from '../support/sekisho.ts';

vi.setConfig({ testTimeout: 180_000, hookTimeout: 240_000 });
const keep = stoppedAfterwards();
let upstream: ScriptedUpstream;
let server: SekishoServer;
let silent: SekishoServer;

beforeAll(async () => {
  upstream = keep(await startScriptedUpstream(honest()));
  const common = { upstream: { servers: [`127.0.0.1:${upstream.port}`] }, cache: { size: '1MiB' } };
  silent = keep(await startSekisho({ config: common }));
  server = keep(
    await startSekisho({ config: { ...common, server: { identity: { version: 'sekisho test', id: 'node-7' } } } }),
  );
});

/** Send bytes; the reply, or undefined where none comes within half a second. */
async function exchange(transport: 'udp' | 'tcp', message: Buffer, port = server.port) {
  if (transport === 'udp') {
    const bytes = await exchangeDatagram(message, { port, timeoutMs: 500 });
    return bytes && readReply(bytes);
  }
  const connection = await TcpConnection.open({ port });
  connection.send(message);
  const bytes = await connection.next(500);
  connection.close();
  return bytes && readReply(bytes);
}

function edited(edit: (bytes: Buffer) => void, ask = { name: 'www.example.test' }): Buffer {
  const bytes = queryBytes(ask);
  edit(bytes);
  return bytes;
}

const opt = Buffer.from([0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 0]);
const withAdditional = (count: number, ...records: Buffer[]): Buffer => {
  const bytes = Buffer.concat([queryBytes({ name: 'www.example.test' }), ...records]);
  bytes.writeUInt16BE(count, 10);
  return bytes;
};

describe.each(['udp', 'tcp'] as const)('over %s', (transport) => {
  it.each([
    ['NOTIFY', 4],
    ['UPDATE', 5],
    ['IQUERY', 1],
    ['opcode 15', 15],
  ])('%s is answered NOTIMP', async (_, opcode) => {
    const reply = await exchange(
      transport,
      edited((bytes) => bytes.writeUInt16BE((opcode << 11) | 0x0100, 2)),
    );
    expect(reply?.rcode).toBe(4);
    expect(reply?.qr).toBe(true);
    expect(reply?.opcode).toBe(opcode);
  });

  it.each<[string, Buffer]>([
    ['two questions', edited((bytes) => bytes.writeUInt16BE(2, 4))],
    ['no question', edited((bytes) => bytes.writeUInt16BE(0, 4))],
    ['a name that runs past the end', edited((bytes) => bytes.writeUInt8(63, 12))],
    ['a compression pointer in the question', edited((bytes) => bytes.writeUInt16BE(0xc00c, 12))],
    ['a label of 64 bytes', edited((bytes) => bytes.writeUInt8(64, 12))],
    ['two OPT records', withAdditional(2, opt, opt)],
    ['an OPT record cut short', withAdditional(1, opt.subarray(0, 7))],
    ['an OPT record whose options are broken', withAdditional(1, Buffer.from([...opt.subarray(0, 9), 0, 3, 0, 10, 0]))],
    ['an OPT record with an owner', withAdditional(1, Buffer.from([1, 0x61, ...opt]))],
    ['records that are announced but missing', withAdditional(3)],
  ])('%s is answered FORMERR', async (_, message) => {
    const reply = await exchange(transport, message);
    expect(reply?.rcode).toBe(1);
    expect(reply?.id).toBe(message.readUInt16BE(0));
    expect(reply?.answers).toEqual([]);
  });

  it('a later version of EDNS is answered BADVERS', async () => {
    const reply = await exchange(transport, queryBytes({ name: 'www.example.test', ednsVersion: 1 }));
    expect(reply?.rcode).toBe(16);
    expect(reply?.opt?.ednsVersion).toBe(0);
  });

  it('a response is not answered, nor is half a header', async () => {
    expect(
      await exchange(
        transport,
        edited((bytes) => bytes.writeUInt16BE(0x8100, 2)),
      ),
    ).toBeUndefined();
    expect(await exchange(transport, queryBytes({ name: 'www.example.test' }).subarray(0, 11))).toBeUndefined();
  });

  it('a query without RD is refused', async () => {
    const reply = await exchange(transport, queryBytes({ name: 'www.example.test', rd: false, udpSize: 1232 }));
    expect(reply?.rcode).toBe(5);
    expect(reply?.extendedErrors).toEqual([20]);
  });

  it.each(['AXFR', 'IXFR'])('%s is refused', async (type) => {
    expect((await exchange(transport, queryBytes({ name: 'example.test', type })))?.rcode).toBe(5);
  });

  it('ANY is answered with HINFO alone (RFC 8482)', async () => {
    const reply = await exchange(transport, queryBytes({ name: 'www.example.test', type: 'ANY' }));
    expect(reply?.rcode).toBe(0);
    expect(reply?.answers.map(({ type }) => type)).toEqual(['HINFO']);
    expect(reply?.answers[0]).toMatchObject({ data: { cpu: 'RFC8482', os: '' } });
  });

  it('tells its name and version where configured, and refuses them where not', async () => {
    const ask = { type: 'TXT', class: 'CH' } as const;
    const asking = transport === 'udp' ? askUdp : askTcp;
    for (const [name, text] of [
      ['version.bind', 'sekisho test'],
      ['VERSION.SERVER', 'sekisho test'],
      ['id.server', 'node-7'],
      ['hostname.bind', 'node-7'],
    ] as const) {
      const told = await asking({ ...ask, name }, { port: server.port });
      expect(dataOf(told.answers, 'TXT')).toEqual([text]);
      expect((await asking({ ...ask, name }, { port: silent.port })).rcode).toBe(5);
    }
    expect((await asking({ ...ask, name: 'authors.bind' }, { port: server.port })).rcode).toBe(5);
  });
});

it('none of this reached the upstream', () => {
  expect(upstream.queries.map(({ name, type }) => `${name} ${type}`)).toEqual([]);
});

it('what was dropped is counted by reason', async () => {
  const metrics = await scrape(server);
  expect(metrics.total('sekisho_drops_total', { reason: 'response' })).toBe(2);
  expect(metrics.total('sekisho_drops_total', { reason: 'short' })).toBe(2);
  expect(metrics.total('sekisho_responses_total', { rcode: 'FORMERR' })).toBe(20);
  expect(metrics.total('sekisho_responses_total', { rcode: 'NOTIMP' })).toBe(8);
  expect(metrics.total('sekisho_responses_total', { rcode: 'BADVERS' })).toBe(2);
});

it.skipIf(process.platform !== 'linux')(
  'a packet from one of its own sockets is dropped and counted, so that no reflection comes of it',
  async () => {
    const own = addressWords('127.0.0.1');
    // A socket with the server's own address and port, as nobody else could have one, that takes nothing away from it.
    const forger = openUdpListener({ address: own, port: server.port, receiveBufferBytes: 4096 });
    try {
      stopTaking(forger, own);
      const before = await scrape(server);
      const message = queryBytes({ name: 'www.example.test' });
      const to = encodeSockaddr(own, server.port);
      const tx = new MmsgBatch(576);
      tx.payload.set(message);
      tx.names.set(to);
      tx.describe(0, to.length, 0, message.length);
      for (let i = 0; i < 10; i++) expect(libc().sendmmsg(forger, tx.address, 1, MSG_DONTWAIT)).toBe(1);
      await vi.waitFor(async () => {
        const now = await scrape(server);
        expect(now.total('sekisho_drops_total', { reason: 'own-address' })).toBe(10);
        // Nothing was answered, so nothing came back as a query.
        expect(now.total('sekisho_queries_total') - before.total('sekisho_queries_total')).toBe(10);
      });
    } finally {
      libc().close(forger);
    }
    expect((await askUdp({ name: 'www.example.test' }, { port: server.port })).answers).toHaveLength(1);
  },
);
