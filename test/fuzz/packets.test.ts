/**
 * Mutated and random packets against the running server, over both transports. Whatever comes back must be a response to
 * what was sent, and the server must be none the worse for it. SEKISHO_FUZZ_SEED makes another run than the usual one;
 * SEKISHO_DATA names a folder whose `packets/*.lp` hold real messages (16-bit length, message, repeated) to start from
 * as well.
 */
import { createSocket, type Socket } from 'node:dgram';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { decode } from 'dns-packet';
import { beforeAll, expect, it, vi } from 'vitest';
import { Query, TCP } from '../../src/wire/query.ts';
import { READ_MALFORMED, READ_RESPONSE, READ_SHORT, readQuery } from '../../src/wire/reader.ts';
import { askTcp, askUdp, dataOf, queryBytes, TcpConnection } from '../support/dns-client.ts';
import { pause, scrape, stoppedAfterwards, waitFor } from '../support/observe.ts';
import { type ScriptedUpstream, startScriptedUpstream, type UpstreamQuery } from '../support/scripted-upstream.ts';
import { type SekishoServer, startSekisho } from '../support/sekisho.ts';
import { honestQueries, mutant, Seeded } from './mutate.ts';

vi.setConfig({ testTimeout: 120_000, hookTimeout: 240_000 });
const UDP_PACKETS = 150_000;
/** Packets that the server has before it at most: not more than it has time for, and than the kernel's buffers hold. */
const UDP_BATCH = 2_000;
const TCP_PACKETS = 55_000;
/** On one connection. */
const TCP_BATCH = 50;
const seed = Number(process.env['SEKISHO_FUZZ_SEED'] ?? 20_261_122);
const keep = stoppedAfterwards();
const bases = [...honestQueries(), ...realMessages()];
let upstream: ScriptedUpstream;
let server: SekishoServer;

beforeAll(async () => {
  upstream = keep(await startScriptedUpstream((query) => query.send(answerInKind(query))));
  // Nothing of what the fuzz lets through is worth keeping: its memory would grow with the run.
  upstream.queries.push = () => 0;
  server = keep(
    await startSekisho({
      config: {
        server: { workers: 2, identity: { version: 'fuzzed' }, tcp: { 'max-pipelined': 1_000 } },
        upstream: { servers: [`127.0.0.1:${upstream.port}`], timeout: '500ms' },
        cache: { size: '2MiB' },
        plugins: { access: {}, sinkhole: {}, whoami: {} },
      },
    }),
  );
});

/** 192.0.2.7 for A, nothing for the rest; byte by byte, since names of the fuzz have no text that stands for them. */
function answerInKind({ bytes }: UpstreamQuery): Buffer {
  let end = 12;
  while (bytes[end] !== 0) end += 1 + (bytes[end] ?? 0);
  end += 5;
  const isA = bytes.readUInt16BE(end - 4) === 1;
  const reply = Buffer.concat([
    bytes.subarray(0, end),
    isA ? Buffer.from([0xc0, 12, 0, 1, 0, 1, 0, 0, 1, 44, 0, 4, 192, 0, 2, 7]) : Buffer.alloc(0),
  ]);
  reply.writeUInt16BE(0x8180, 2);
  reply.writeUInt16BE(isA ? 1 : 0, 6);
  reply.writeUInt32BE(0, 8);
  return reply;
}

function realMessages(): Buffer[] {
  const folder = join(process.env['SEKISHO_DATA'] ?? '', 'packets');
  if (process.env['SEKISHO_DATA'] === undefined || !existsSync(folder)) return [];
  const messages: Buffer[] = [];
  for (const file of readdirSync(folder).filter((name) => name.endsWith('.lp'))) {
    const bytes = readFileSync(join(folder, file));
    for (let at = 0; at + 2 <= bytes.length; at += 2 + bytes.readUInt16BE(at))
      messages.push(bytes.subarray(at + 2, at + 2 + bytes.readUInt16BE(at)));
  }
  return messages.filter(({ length }) => length >= 16 && length <= 2_048);
}

/** What is wrong with `reply` as an answer to one of the messages with the ids `sent`; undefined where nothing is. */
function faultOf(reply: Buffer, sent: ReadonlySet<number>): string | undefined {
  if (reply.length < 12) return 'shorter than a header';
  if (!sent.has(reply.readUInt16BE(0))) return 'an id that nobody asked with';
  const flags = reply.readUInt16BE(2);
  if ((flags & 0x8000) === 0) return 'QR is not set';
  if (reply.readUInt16BE(4) > 1) return 'more than one question';
  try {
    decode(reply);
  } catch (error) {
    // dns-packet knows not every type's data; what it reads of the question is enough of a check then.
    if (reply.readUInt16BE(6) === 0) return `cannot be read: ${String(error)}`;
  }
  return undefined;
}

async function healthy(): Promise<void> {
  for (const ask of [askUdp, askTcp]) {
    const reply = await ask({ name: `alive-${Math.random()}.example.test` }, { port: server.port });
    expect(dataOf(reply.answers, 'A')).toEqual(['192.0.2.7']);
  }
  const metrics = await scrape(server);
  expect(metrics.total('sekisho_worker_restarts_total')).toBe(0);
  expect(metrics.total('sekisho_plugin_faults_total')).toBe(0);
  expect(metrics.total('sekisho_drops_total', { reason: 'fault' })).toBe(0);
  expect(server.stdout()).not.toContain('a hook failed');
}

it(`${UDP_PACKETS} over UDP (seed ${seed})`, async () => {
  const random = new Seeded(seed);
  const sent = new Set<number>();
  const faults: string[] = [];
  let replies = 0;
  const sockets: Socket[] = await Promise.all(
    Array.from({ length: 8 }, () => {
      const socket = createSocket({ type: 'udp4', recvBufferSize: 4 << 20 });
      keep({ close: () => socket.close() });
      socket.on('message', (reply) => {
        replies++;
        const fault = faultOf(reply, sent);
        if (fault !== undefined && faults.length < 10) faults.push(`${fault}: ${reply.toString('hex')}`);
        if (reply.length > 1232 && faults.length < 10) faults.push(`${reply.length} bytes over UDP`);
      });
      return new Promise<Socket>((resolve) => socket.connect(server.port, '127.0.0.1', () => resolve(socket)));
    }),
  );
  let sentCount = 0;
  let taken = 0;
  let shed = 0;
  // A server that gets no processor sheds what it is behind with, unread: more is sent until enough was read.
  while (taken < UDP_PACKETS && sentCount < 3 * UDP_PACKETS) {
    for (let i = 0; i < UDP_BATCH; i++, sentCount++) {
      const packet = mutant(random, bases);
      if (packet.length >= 2) sent.add(packet.readUInt16BE(0));
      sockets[sentCount % sockets.length]?.send(packet);
      if (i % 200 === 199) await pause(1);
    }
    // Not faster than they are read: each is handled, or shed and counted, and none is lost.
    await waitFor(
      'what was sent is counted',
      async () => {
        const metrics = await scrape(server);
        taken = metrics.total('sekisho_queries_total', { transport: 'udp' });
        shed = metrics.total('sekisho_overload_shed_total', { dry_run: 'false' });
        return taken + shed === sentCount;
      },
      20_000,
    );
  }
  console.info(`UDP: ${taken} of ${sentCount} read by the server, ${replies} replies`);
  expect(faults).toEqual([]);
  expect(taken).toBeGreaterThanOrEqual(UDP_PACKETS);
  expect(replies).toBeGreaterThan(UDP_PACKETS / 10);
  await healthy();
});

/**
 * Whoever sends what is no query ends its connection: everything before it is taken and answered, nothing behind it is. Each
 * connection carries readable messages, then one that is not, then honest queries that must stay unanswered.
 */
it(`${TCP_PACKETS} over TCP, pipelined (seed ${seed})`, async () => {
  const random = new Seeded(seed ^ 0x5bd1e995);
  const faults: string[] = [];
  let replies = 0;
  let sentCount = 0;
  let connections = 0;
  const client = async () => {
    while (sentCount < TCP_PACKETS) {
      const batch: Buffer[] = [];
      let last: Buffer | undefined;
      while (batch.length < TCP_BATCH || last === undefined) {
        const packet = mutant(random, bases);
        // An empty message ends a connection; that has its own place below.
        if (packet.length === 0) continue;
        if (isReadable(packet)) batch.push(packet);
        else if (last === undefined || random.next(20) === 0) last = packet;
      }
      batch.push(last);
      const sent = new Set(batch.map((packet) => (packet.length >= 2 ? packet.readUInt16BE(0) : -1)));
      const unused = Array.from({ length: 65_536 }, (_, id) => id).filter((id) => !sent.has(id));
      const behind = Array.from({ length: 3 }, (_, i) => queryBytes({ name: 'www.example.test', id: unused[i] ?? 0 }));
      sentCount += batch.length;
      connections++;
      const connection = await TcpConnection.open({ port: server.port });
      connection.send(...batch, ...behind);
      for (let reply = await connection.next(8_000); reply !== undefined; reply = await connection.next(8_000)) {
        replies++;
        const fault = faultOf(reply, sent);
        if (fault !== undefined && faults.length < 10) faults.push(`${fault}: ${reply.toString('hex')}`);
      }
      // It is the server that ends it.
      if (!connection.ended && faults.length < 10) faults.push(`goes on after ${last.toString('hex')}`);
      connection.close();
    }
  };
  const before = await scrape(server);
  await Promise.all(Array.from({ length: 4 }, client));
  const after = await scrape(server);
  const grew = (name: string, labels: Record<string, string>) => after.total(name, labels) - before.total(name, labels);
  const taken = grew('sekisho_queries_total', { transport: 'tcp' });
  console.info(`TCP: ${taken} of ${sentCount} taken by the server on ${connections} connections, ${replies} replies`);
  expect(faults).toEqual([]);
  expect(taken).toBe(sentCount);
  expect(grew('sekisho_tcp_closed_total', { reason: 'garbage' })).toBe(connections);
  expect(replies).toBeGreaterThan(TCP_PACKETS / 10);
  await healthy();
});

/** By the server's own reading, over TCP. */
function isReadable(packet: Buffer): boolean {
  const query = new Query();
  query.transport = TCP;
  query.message = packet;
  query.length = packet.length;
  return ![READ_SHORT, READ_RESPONSE, READ_MALFORMED].includes(readQuery(query, 1, 2));
}

it('2 000 connections with broken framing', async () => {
  const random = new Seeded(seed ^ 0x1b873593);
  for (let i = 0; i < 2_000; i += 50) {
    await Promise.all(
      Array.from({ length: 50 }, async () => {
        const connection = await TcpConnection.open({ port: server.port });
        const bytes = Buffer.concat([mutant(random, bases), mutant(random, bases)]);
        connection.sendRaw(random.next(4) === 0 ? Buffer.alloc(2) : bytes);
        if (random.next(2) === 0) connection.end();
        await connection.next(5);
        connection.close();
      }),
    );
  }
  await healthy();
});
