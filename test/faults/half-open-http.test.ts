/** Connections to admin API and portal that never bring a whole request: whoever comes after them is served anyway. */
import { get } from 'node:http';
import { connect, type Socket } from 'node:net';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { askUdp } from '../support/dns-client.ts';
import { scrape, stoppedAfterwards } from '../support/observe.ts';
import { honest, startScriptedUpstream } from '../support/scripted-upstream.ts';
import { type SekishoServer, startSekisho } from '../support/sekisho.ts';

vi.setConfig({ testTimeout: 120_000, hookTimeout: 60_000 });
const keep = stoppedAfterwards();
let server: SekishoServer;

beforeAll(async () => {
  const upstream = keep(await startScriptedUpstream(honest()));
  server = keep(
    await startSekisho({
      readyTimeoutMs: 60_000,
      config: { upstream: { servers: [`127.0.0.1:${upstream.port}`] }, cache: { size: '1MiB' } },
    }),
  );
});

/** Beginnings of requests, none of them whole. */
const BEGINNINGS = {
  'say nothing': '',
  'send half a header': 'GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Half: ',
  'send half a body':
    'POST /reload HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{',
};
const LISTENERS = { 'the admin API': () => server.adminPort, 'the portal': () => server.noticePort };

function halfOpen(port: number, from: string, beginning: string): Promise<Socket> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1', localAddress: from });
    socket.on('error', () => {});
    socket.resume();
    socket.once('connect', () => {
      socket.write(beginning);
      resolve(socket);
    });
    socket.once('close', () => resolve(socket));
  });
}

/** Status of a request on a connection of its own. */
function status(port: number, from: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const request = get({ port, host: '127.0.0.1', localAddress: from, path: '/healthz', agent: false }, (response) => {
      response.resume();
      resolve(response.statusCode ?? 0);
    });
    request.once('error', reject);
    request.setTimeout(10_000, () => request.destroy(new Error('no answer in time')));
  });
}

const table = Object.entries(LISTENERS).flatMap(([listener, port]) =>
  Object.entries(BEGINNINGS).map(([what, beginning]) => ({ listener, what, port, beginning })),
);

describe.each([
  ['from one address', () => '127.0.0.61'],
  ['from the very address of who comes after', () => '127.0.0.1'],
  ['from 40 addresses', (i: number) => `127.0.2.${1 + (i % 40)}`],
] as const)('2 500 connections %s', (_, address) => {
  it.each(table)('that $what do not shut others out of $listener', async ({ port, beginning }) => {
    const sockets: Socket[] = [];
    keep({ close: () => sockets.forEach((socket) => void socket.destroy()) });
    for (let i = 0; i < 2_500; i += 250) {
      const batch = Array.from({ length: 250 }, (_, n) => halfOpen(port(), address(i + n), beginning));
      sockets.push(...(await Promise.all(batch)));
      // Between two waves, as somebody who opens another for each that was closed.
      expect(await status(port(), '127.0.0.1')).toBeLessThan(500);
    }
    const open = sockets.filter((socket) => !socket.closed).length;
    expect(open).toBeLessThanOrEqual(2_100);
    expect((await askUdp({ name: 'www.example.test' }, { port: server.port })).rcode).toBe(0);
    for (const socket of sockets) socket.destroy();
  });
});

it('a request that is being answered is not closed for a newcomer', async () => {
  const answers = Promise.all(Array.from({ length: 30 }, () => status(server.adminPort, '127.0.0.62')));
  const crowd = await Promise.all(Array.from({ length: 300 }, () => halfOpen(server.adminPort, '127.0.0.63', '')));
  expect(new Set(await answers)).toEqual(new Set([200]));
  for (const socket of crowd) socket.destroy();
  expect((await scrape(server)).total('sekisho_worker_restarts_total')).toBe(0);
});
