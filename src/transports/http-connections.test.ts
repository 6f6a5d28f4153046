import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { connect, type Socket } from 'node:net';
import { afterEach, expect, it } from 'vitest';
import { boundConnections, type HttpConnectionsOptions } from './http-connections.ts';

const ends: (() => void)[] = [];
afterEach(() => {
  for (const end of ends.splice(0)) end();
});

async function start(options: Omit<HttpConnectionsOptions, 'closed'>): Promise<{ port: number; closed: () => number }> {
  let closed = 0;
  const server = createServer((_, response) => response.end('here'));
  boundConnections(server, { ...options, closed: () => closed++ });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  ends.push(() => {
    server.close();
    server.closeAllConnections();
  });
  return { port: (server.address() as AddressInfo).port, closed: () => closed };
}

async function open(port: number): Promise<Socket> {
  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => {});
  await once(socket, 'connect');
  return socket;
}

/** What the answer says about its connection. */
async function ask(socket: Socket): Promise<string | undefined> {
  socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
  const [answer] = (await once(socket, 'data')) as [Buffer];
  return /^connection: (.*)$/im.exec(answer.toString('latin1'))?.[1]?.trim();
}

it('connections are kept alive while half of the places of an address are free, and not relied on beyond', async () => {
  const { port, closed } = await start({ idleMs: 30_000, most: 100, mostPerAddress: 4 });
  const [first, second] = [await open(port), await open(port)];
  expect([await ask(first), await ask(second)]).toEqual(['keep-alive', 'keep-alive']);
  const third = await open(port);
  const end = once(third, 'close');
  expect(await ask(third)).toBe('close');
  await end;
  // Who asks again on those that were promised is answered, and nobody was closed without being told.
  expect([await ask(first), await ask(second)]).toEqual(['keep-alive', 'keep-alive']);
  expect(closed()).toBe(0);
});

it('the same counts for all addresses together, and for one that speaks for many', async () => {
  const { port } = await start({ idleMs: 30_000, most: 4, mostPerAddress: 1, unbounded: () => true });
  const sockets = [await open(port), await open(port)];
  for (const socket of sockets) expect(await ask(socket)).toBe('keep-alive');
  expect(await ask(await open(port))).toBe('close');
});
