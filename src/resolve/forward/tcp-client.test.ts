import { type AddressInfo, createServer, type Socket } from 'node:net';
import { afterEach, expect, it } from 'vitest';
import { tcpDialer } from './dialer.ts';
import { TCP_LIMITS, TcpClient } from './tcp-client.ts';

const closers: (() => void)[] = [];
afterEach(() => {
  for (const close of closers.splice(0)) close();
});

/** A server on loopback that does what `serve` does with each connection. */
async function listen(serve: (socket: Socket) => void): Promise<number> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    serve(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closers.push(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

function connect(port: number, limits = TCP_LIMITS) {
  const messages: Uint8Array[] = [];
  const gone: boolean[] = [];
  const client = new TcpClient(
    tcpDialer('127.0.0.1', port),
    {
      message: (bytes, start, length) => messages.push(bytes.slice(start, start + length)),
      begun: () => {},
      gone: (worked) => gone.push(worked),
    },
    limits,
  );
  closers.push(() => client.close());
  return { client, messages, gone };
}

async function until(condition: () => boolean): Promise<void> {
  for (let i = 0; i < 3000 && !condition(); i++) await new Promise((resolve) => setTimeout(resolve, 1));
  expect(condition()).toBe(true);
}

const MESSAGE = Uint8Array.from({ length: 40 }, (_, i) => i);

it('frames what it sends, and unframes what comes in pieces of any size', async () => {
  const received: number[] = [];
  const long = Uint8Array.from({ length: 65535 }, (_, i) => i);
  const port = await listen((socket) => {
    socket.on('data', (chunk) => {
      received.push(...new Uint8Array(Buffer.from(chunk)));
      if (received.length !== 42) return;
      const out = Uint8Array.from([0, 3, 7, 8, 9, 0, 0, 255, 255, ...long, 255, 255, ...long, 0, 1, 5]);
      for (let at = 0; at < out.length; at += 10_007) socket.write(out.subarray(at, at + 10_007));
    });
  });
  const { client, messages } = connect(port);
  expect(client.send(MESSAGE, 0, MESSAGE.length, 0)).toBe(true);
  await until(() => messages.length === 5);
  expect(received).toEqual([0, 40, ...MESSAGE]);
  expect(messages.map(({ length }) => length)).toEqual([3, 0, 65535, 65535, 1]);
  expect(Buffer.compare(messages[3]!, long)).toBe(0);
});

it('bounds the queries in flight; answers make room', async () => {
  const port = await listen((socket) => {
    socket.once('data', () => socket.write(Uint8Array.of(0, 1, 9)));
  });
  const { client, messages } = connect(port, { ...TCP_LIMITS, inFlight: 3 });
  for (let i = 0; i < 3; i++) expect(client.send(MESSAGE, 0, 40, 0)).toBe(true);
  expect(client.send(MESSAGE, 0, 40, 0)).toBe(false);
  await until(() => messages.length === 1);
  expect(client.send(MESSAGE, 0, 40, 0)).toBe(true);
  expect(client.send(MESSAGE, 0, 40, 0)).toBe(false);
});

it('gives up a connection that stays silent under queries, and opens another for the next one', async () => {
  let connections = 0;
  const port = await listen((socket) => {
    if (++connections === 2) socket.once('data', () => socket.write(Uint8Array.of(0, 1, 9)));
  });
  const { client, messages, gone } = connect(port);
  client.send(MESSAGE, 0, 40, 0);
  await until(() => connections === 1);
  client.tick(TCP_LIMITS.connectMs);
  await until(() => {
    client.tick(TCP_LIMITS.answerMs + 1);
    return gone.length === 1;
  });
  expect(gone).toEqual([false]);
  client.send(MESSAGE, 0, 40, 5000);
  await until(() => messages.length === 1);
});

it('stays open for other queries beside one that is never answered', async () => {
  const queries: number[] = [];
  const port = await listen((socket) => {
    socket.on('data', (bytes: Uint8Array) => {
      queries.push(bytes.length);
      // The first one is never answered.
      if (queries.length > 1) socket.write(Uint8Array.of(0, 1, 9));
    });
  });
  const { client, messages, gone } = connect(port);
  client.send(MESSAGE, 0, 40, 0);
  await until(() => queries.length === 1);
  for (let i = 1; i <= 10; i++) {
    const nowMs = i * (TCP_LIMITS.answerMs - 100);
    client.send(MESSAGE, 0, 40, nowMs);
    client.tick(nowMs + 200);
    await until(() => messages.length === i);
  }
  expect(gone).toEqual([]);
});

it('closes when it was idle, having worked', async () => {
  const port = await listen((socket) => {
    socket.on('data', () => socket.write(Uint8Array.of(0, 1, 9)));
  });
  const { client, messages, gone } = connect(port);
  client.send(MESSAGE, 0, 40, 0);
  await until(() => messages.length === 1);
  client.tick(TCP_LIMITS.idleMs);
  expect(gone).toEqual([]);
  client.tick(TCP_LIMITS.idleMs + 1);
  expect(gone).toEqual([true]);
});

it('tells that a connection was refused', async () => {
  const port = await listen(() => {});
  for (const close of closers.splice(0)) close();
  const { client, gone } = connect(port);
  await new Promise((resolve) => setTimeout(resolve, 5));
  client.send(MESSAGE, 0, 40, 0);
  await until(() => gone.length === 1);
  expect(gone).toEqual([false]);
});
