/** Two thousand TCP connections that say nothing, or almost nothing: everybody else is served anyway. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { askTcp, askUdp, queryBytes, readReply, TcpConnection } from '../support/dns-client.ts';
import { scrape, stoppedAfterwards, waitFor } from '../support/observe.ts';
import { honest, type ScriptedUpstream, startScriptedUpstream } from '../support/scripted-upstream.ts';
import { type SekishoServer, startSekisho } from '../support/sekisho.ts';

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });
const keep = stoppedAfterwards();
const CONNECTIONS = 2_000;
const SOURCES = 25;
let upstream: ScriptedUpstream;
let server: SekishoServer;

beforeAll(async () => {
  upstream = keep(await startScriptedUpstream(honest()));
  server = keep(
    await startSekisho({
      readyTimeoutMs: 60_000,
      config: {
        server: {
          workers: 2,
          tcp: {
            'max-connections': 1_500,
            'max-connections-per-client': 90,
            'idle-timeout': '8s',
            'message-timeout': '4s',
          },
        },
        upstream: { servers: [`127.0.0.1:${upstream.port}`] },
        cache: { size: '1MiB' },
      },
    }),
  );
});

it('2 000 idle and dribbling connections starve nobody, and all of them end', async () => {
  const connections: TcpConnection[] = [];
  keep({ close: () => closeAll(connections) });
  const message = queryBytes({ name: 'never-finished.example.test' });
  const framed = Buffer.concat([Buffer.from([0, message.length]), message]);
  for (let i = 0; i < CONNECTIONS; i += 100) {
    const batch = Array.from({ length: 100 }, (_, n) =>
      TcpConnection.open({ port: server.port, from: `127.0.0.${2 + ((i + n) % SOURCES)}`, timeoutMs: 10_000 }),
    );
    connections.push(...(await Promise.all(batch)));
  }
  // Every second one dribbles: a byte now and then, never a whole query.
  let sent = 0;
  const dribble = setInterval(() => {
    if (++sent >= framed.length) return;
    for (let i = 0; i < connections.length; i += 2) {
      const connection = connections[i];
      if (connection && !connection.ended) connection.sendRaw(framed.subarray(sent - 1, sent));
    }
  }, 200);
  try {
    for (let round = 0; round < 20; round++) {
      const from = round % 2 === 0 ? '127.0.0.1' : `127.0.0.${2 + (round % SOURCES)}`;
      expect((await askUdp({ name: `udp-${round}.example.test` }, { port: server.port, from })).rcode).toBe(0);
      expect(
        (await askTcp({ name: `tcp-${round}.example.test` }, { port: server.port, from: '127.0.0.1' })).rcode,
      ).toBe(0);
    }
    const metrics = await scrape(server);
    // Both workers' shares together, and never more.
    expect(metrics.total('sekisho_tcp_connections')).toBeLessThanOrEqual(1_500);
    expect(metrics.total('sekisho_tcp_accepted_total')).toBeGreaterThanOrEqual(CONNECTIONS);
    await waitFor('every one of them has been closed', () => connections.every(({ ended }) => ended), 20_000);
    await waitFor('none is open', async () => (await scrape(server)).total('sekisho_tcp_connections') === 0);
  } finally {
    clearInterval(dribble);
  }
  const after = await scrape(server);
  expect(after.total('sekisho_tcp_closed_total', { reason: 'message-timeout' })).toBeGreaterThan(100);
  expect(after.total('sekisho_worker_restarts_total')).toBe(0);
  expect((await askTcp({ name: 'afterwards.example.test' }, { port: server.port })).rcode).toBe(0);
});

it('one client cannot take every place, over both workers, and its newcomers are served', async () => {
  const greedy: TcpConnection[] = [];
  keep({ close: () => closeAll(greedy) });
  for (let i = 0; i < 300; i++) greedy.push(await TcpConnection.open({ port: server.port, from: '127.0.0.99' }));
  await waitFor('all above its share are closed', () => greedy.filter(({ ended }) => ended).length >= 300 - 90);
  const metrics = await scrape(server);
  expect(greedy.filter(({ ended }) => ended)).toHaveLength(300 - 90);
  expect(metrics.total('sekisho_tcp_closed_total', { reason: 'client-limit' })).toBeGreaterThanOrEqual(300 - 90);
  for (const from of ['127.0.0.98', '127.0.0.99'])
    expect((await askTcp({ name: 'www.example.test' }, { port: server.port, from })).rcode).toBe(0);
});

describe('a share of six connections over two workers', () => {
  let shared: SekishoServer;
  const FROM = '127.0.0.71';
  const ask = { name: 'www.example.test' };
  const served = async (connection: TcpConnection) => {
    connection.send(queryBytes(ask));
    return readReply((await connection.next()) ?? Buffer.alloc(12)).rcode === 0;
  };

  beforeAll(async () => {
    shared = keep(
      await startSekisho({
        readyTimeoutMs: 60_000,
        config: {
          server: { workers: 2, tcp: { 'max-connections': 40, 'max-connections-per-client': 6 } },
          upstream: { servers: [`127.0.0.1:${upstream.port}`] },
          cache: { size: '1MiB' },
        },
      }),
    );
  });

  it('the longest idle one of the client ends for each newcomer, whichever worker has it', async () => {
    const stranger = await TcpConnection.open({ port: shared.port, from: '127.0.0.72' });
    expect(await served(stranger)).toBe(true);
    /** Open ones, longest idle first. */
    const open: TcpConnection[] = [];
    keep({ close: () => closeAll([...open, stranger]) });
    for (let round = 0; round < 40; round++) {
      const newcomer = await TcpConnection.open({ port: shared.port, from: FROM });
      expect(await served(newcomer)).toBe(true);
      open.push(newcomer);
      if (open.length <= 6) continue;
      const [gone] = open.splice(0, 1);
      await waitFor('the longest idle one has ended', () => gone?.ended);
      expect(open.filter(({ ended }) => ended)).toEqual([]);
      // One of the others is heard of again, and is not the longest idle one any more.
      const [again] = open.splice(round % 5, 1);
      expect(await served(again!)).toBe(true);
      open.push(again!);
    }
    expect(await served(stranger)).toBe(true);
    expect((await scrape(shared)).total('sekisho_tcp_connections')).toBe(7);
    closeAll([...open, stranger]);
  });

  it('all workers together have no more than there may be', async () => {
    const crowd: TcpConnection[] = [];
    keep({ close: () => closeAll(crowd) });
    for (let i = 0; i < 120; i++)
      crowd.push(await TcpConnection.open({ port: shared.port, from: `127.0.1.${1 + (i % 30)}` }));
    await waitFor('those above the bound have ended', () => crowd.filter(({ ended }) => ended).length >= 80);
    await waitFor('no more are open', async () => (await scrape(shared)).total('sekisho_tcp_connections') <= 40);
    expect((await askTcp(ask, { port: shared.port, from: '127.0.1.99' })).rcode).toBe(0);
    closeAll(crowd);
  });

  it('a reload begins with all places free', async () => {
    const before: TcpConnection[] = [];
    for (let i = 0; i < 6; i++) before.push(await TcpConnection.open({ port: shared.port, from: '127.0.0.73' }));
    await reload(shared);
    await waitFor('the old workers have let go', () => before.every(({ ended }) => ended));
    const after: TcpConnection[] = [];
    keep({ close: () => closeAll([...before, ...after]) });
    for (let i = 0; i < 6; i++) after.push(await TcpConnection.open({ port: shared.port, from: '127.0.0.73' }));
    for (const each of after) expect(await served(each)).toBe(true);
  });
});

describe('what is no query ends the connection', () => {
  const query = () => queryBytes({ name: 'www.example.test' });
  const response = () => {
    const bytes = query();
    bytes[2]! |= 0x80;
    return bytes;
  };
  const framed = (bytes: Uint8Array) => Buffer.concat([Buffer.of(bytes.length >>> 8, bytes.length & 255), bytes]);
  const GARBAGE: Record<string, Buffer> = {
    'a response': framed(response()),
    'a response that cannot be read': framed(Buffer.concat([response().subarray(0, 12), Buffer.alloc(40, 0xff)])),
    'five bytes': framed(Buffer.from('hello')),
    'a message without a length': framed(Buffer.alloc(0)),
    'bytes that are no question': framed(Buffer.concat([query().subarray(0, 12), Buffer.alloc(40, 0xff)])),
    'another protocol': Buffer.from('GET / HTTP/1.1\r\nHost: www.example.test\r\n\r\n'),
    'a TLS hello': Buffer.from('16030100c8010000c40303', 'hex'),
  };

  it.each(Object.keys(GARBAGE))('%s', async (what) => {
    const connection = await TcpConnection.open({ port: server.port, from: '127.0.0.51' });
    keep({ close: () => closeAll([connection]) });
    const first = query();
    connection.sendRaw(Buffer.concat([framed(first), GARBAGE[what]!, framed(query())]));
    // What was asked before is answered.
    expect((await connection.next())?.readUInt16BE(0)).toBe(first.readUInt16BE(0));
    await waitFor('it has ended', () => connection.ended);
    // At most a FORMERR, never an answer to what came behind.
    const last = await connection.next();
    if (last !== undefined) expect(readReply(last).rcode).toBe(1);
    expect(connection.unread).toBe(0);
  });
});

it('a client that never reads its answers keeps nobody else from theirs', async () => {
  const connection = await TcpConnection.open({ port: server.port });
  const flood = Array.from({ length: 2_000 }, () => queryBytes({ name: 'www.example.test', type: 'TXT' }));
  connection.pause();
  for (let i = 0; i < 20; i++) connection.send(...flood);
  expect((await askUdp({ name: 'www.example.test' }, { port: server.port })).rcode).toBe(0);
  expect((await askTcp({ name: 'www.example.test' }, { port: server.port })).rcode).toBe(0);
  connection.close();
});

function closeAll(connections: readonly TcpConnection[]): void {
  for (const connection of connections) connection.close();
}

async function reload({ folder, adminPort }: SekishoServer): Promise<void> {
  const token = readFileSync(join(folder, 'data', 'admin.token'), 'utf8').trim();
  const headers = { authorization: `Bearer ${token}` };
  const reply = await fetch(`http://127.0.0.1:${adminPort}/reload`, { method: 'POST', headers });
  expect(await reply.json()).toEqual({ ok: true, problems: [] });
}
