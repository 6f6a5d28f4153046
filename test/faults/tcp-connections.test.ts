/** Two thousand TCP connections that say nothing, or almost nothing: everybody else is served all the same. */
import { beforeAll, expect, it, vi } from 'vitest';
import { askTcp, askUdp, queryBytes, TcpConnection } from '../support/dns-client.ts';
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

it('one client cannot take every place', async () => {
  const greedy: TcpConnection[] = [];
  keep({ close: () => closeAll(greedy) });
  for (let i = 0; i < 300; i++) greedy.push(await TcpConnection.open({ port: server.port, from: '127.0.0.99' }));
  await waitFor('those above its share are closed', () => greedy.filter(({ ended }) => ended).length >= 300 - 2 * 90);
  const metrics = await scrape(server);
  expect(metrics.total('sekisho_tcp_closed_total', { reason: 'client-limit' })).toBeGreaterThanOrEqual(300 - 2 * 90);
  expect((await askTcp({ name: 'www.example.test' }, { port: server.port, from: '127.0.0.98' })).rcode).toBe(0);
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
