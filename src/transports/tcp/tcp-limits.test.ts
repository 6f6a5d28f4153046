import { afterEach, describe, expect, it } from 'vitest';
import { answer, question, until } from '../../../test/support/net-queries.ts';
import { Holding, startServer, TcpClient, type TestServer } from '../../../test/support/tcp-client.ts';
import type { Query } from '../../wire/query.ts';
import { ANSWER, addRecord, beginReply, finishReply } from '../../wire/writer.ts';

const cleanups: (() => void)[] = [];
afterEach(() => {
  for (const cleanup of cleanups.splice(0).reverse()) cleanup();
});

async function start(options?: Parameters<typeof startServer>[0]): Promise<TestServer> {
  const test = await startServer(options);
  cleanups.push(() => test.server.close());
  return test;
}

async function client(...where: Parameters<typeof TcpClient.open>): Promise<TcpClient> {
  const opened = await TcpClient.open(...where);
  cleanups.push(() => opened.destroy());
  return opened;
}

async function expectServed(one: TcpClient, id: number): Promise<void> {
  one.send(question(id, 'served.example'));
  expect(await one.ids(1)).toEqual([id]);
}

/** Answers with a record of 60 000 bytes. */
function largeAnswer(query: Query): boolean {
  if (!answer(query)) return false;
  beginReply(query, 0);
  addRecord(query, ANSWER, 16, 60, new Uint8Array(60_000));
  finishReply(query);
  return true;
}

describe('deadlines of TCP connections', () => {
  it('closes a connection that has been idle, counted from its last answer (RFC 7766 §6.2.3)', async () => {
    const { port, pass, closedFor, server } = await start({ limits: { idleMs: 10_000 } });
    const one = await client(port);
    await until(() => server.connections === 1);
    pass(9_000);
    await expectServed(one, 1);
    pass(9_000);
    expect(server.connections).toBe(1);
    pass(1_000);
    expect(server.connections).toBe(0);
    await one.gone();
    expect(closedFor('idle')).toBe(1);
  });

  it('does not take a connection for idle while a query is outstanding', async () => {
    const holding = new Holding();
    const { port, pass, server } = await start({ handle: holding.handle, limits: { idleMs: 10_000 } });
    const one = await client(port);
    one.send(question(1, 'slow.example'));
    await holding.held(1);
    pass(60_000);
    holding.answer(server);
    expect(await one.ids(1)).toEqual([1]);
    pass(9_000);
    expect(server.connections).toBe(1);
  });

  it('closes a connection that dribbles a message, however busily', async () => {
    const { port, pass, closedFor, server } = await start({ limits: { idleMs: 60_000, messageMs: 3_000 } });
    const one = await client(port);
    await expectServed(one, 1);
    let received = 0;
    // A few turns of the event loop for each byte to arrive.
    const dribble = async (byte: number): Promise<void> => {
      await new Promise<void>((resolve) => one.socket.write(Buffer.of(byte), () => resolve()));
      received++;
      for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
    };
    await dribble(0);
    while (server.connections === 1 && received < 40) {
      pass(250);
      if (server.connections === 1) await dribble(received === 1 ? 40 : 0);
    }
    await one.gone();
    expect(closedFor('message-timeout')).toBe(1);
    // 3 000 ms, give or take the bytes that were on their way.
    expect(received).toBeGreaterThanOrEqual(12);
    expect(received).toBeLessThanOrEqual(16);
  });

  it('gives every message its own time', async () => {
    const { port, pass, server } = await start({ limits: { messageMs: 3_000 } });
    const one = await client(port);
    const bytes = question(6, 'halves.example');
    const whole = Buffer.concat([Buffer.of(0, bytes.length), bytes]);
    one.write(whole.subarray(0, 10));
    for (let i = 0; i < 5; i++) {
      pass(2_000);
      // The rest of one message and the beginning of the next.
      one.write(Buffer.concat([whole.subarray(10), whole.subarray(0, 10)]));
      expect(await one.ids(1)).toEqual([6]);
    }
    expect(server.connections).toBe(1);
  });

  it('closes a connection at the end of its lifetime, after the outstanding answers', async () => {
    const holding = new Holding();
    const limits = { lifetimeMs: 50_000, idleMs: 60_000 };
    const { port, pass, closedFor, server } = await start({ handle: holding.handle, limits });
    const idle = await client(port);
    const busy = await client(port);
    busy.send(question(1, 'slow.example'));
    await holding.held(1);
    await until(() => server.connections === 2);
    pass(49_000);
    expect(server.connections).toBe(2);
    pass(1_000);
    await idle.gone();
    expect(busy.closed).toBe(false);
    holding.answer(server);
    expect(await busy.ids(1)).toEqual([1]);
    await busy.gone();
    expect(closedFor('lifetime')).toBe(2);
  });

  it('forgets a connection whose outstanding query is never heard of again', async () => {
    const holding = new Holding();
    const { port, pass, server } = await start({ handle: holding.handle, limits: { lifetimeMs: 50_000 } });
    const one = await client(port);
    one.send(question(1, 'lost.example'));
    await holding.held(1);
    pass(50_000);
    expect(server.connections).toBe(1);
    pass(50_000);
    expect(server.connections).toBe(0);
  });
});

describe('messages that are none', () => {
  it.each([
    ['empty', Buffer.of(0, 0)],
    ['oversized', Buffer.of(0x10, 0x01, 1)],
    ['oversized', Buffer.of(0xff, 0xff)],
  ] as const)('closes on an %s message, the answers before it sent', async (reason, bytes) => {
    const { port, closedFor, server } = await start();
    const one = await client(port);
    const query = question(2, 'before.example');
    one.write(Buffer.concat([Buffer.of(0, query.length), query, bytes]));
    expect(await one.ids(1)).toEqual([2]);
    await one.gone();
    expect(closedFor(reason)).toBe(1);
    expect(server.connections).toBe(0);
  });

  it('takes a query of 4096 bytes', async () => {
    const lengths: number[] = [];
    const { port } = await start({
      handle(query) {
        lengths.push(query.length);
        return answer(query);
      },
    });
    const one = await client(port);
    const padded = Buffer.alloc(4096);
    question(4, 'large.example').copy(padded);
    one.send(padded);
    await one.next();
    expect(lengths).toEqual([4096]);
  });
});

describe('what is no query', () => {
  it('ends the connection, the answers before it sent', async () => {
    const holding = new Holding();
    const { port, closedFor, server } = await start({
      limits: { idleMs: 60_000 },
      handle(query) {
        if ((query.message[query.start + 2]! & 0x80) === 0) return holding.handle(query);
        query.dropReason = 1;
        query.unreadable = true;
        return false;
      },
    });
    const one = await client(port);
    const response = question(2, 'response.example');
    response[2]! |= 0x80;
    one.send(question(1, 'before.example'), response, question(3, 'after.example'));
    await holding.held(1);
    holding.answer(server);
    expect(await one.ids(1)).toEqual([1]);
    await one.gone();
    expect([closedFor('garbage'), holding.tokens.length]).toEqual([1, 0]);
  });
});

describe('caps on TCP connections', () => {
  it('closes the longest idle connection of a client that has its share, and nobody else’s (RFC 7766 §6.2.3)', async () => {
    const { port, pass, closedFor, server, accepted } = await start({ limits: { maxPerClient: 2 } });
    const stranger = await client(port, '127.0.0.1', '127.0.0.2');
    await expectServed(stranger, 1);
    pass(10);
    const first = await client(port);
    const second = await client(port);
    await expectServed(second, 2);
    pass(10);
    await expectServed(first, 3);
    pass(10);
    await expectServed(await client(port), 4);
    await second.gone();
    expect([first.closed, stranger.closed, closedFor('client-limit')]).toEqual([false, false, 1]);
    await expectServed(first, 5);
    await expectServed(stranger, 6);
    expect([server.connections, accepted()]).toEqual([3, 4]);
  });

  it('turns a client away only where all of its share has queries outstanding', async () => {
    const holding = new Holding();
    const { port, closedFor, server } = await start({ handle: holding.handle, limits: { maxPerClient: 2 } });
    const busy = [await client(port), await client(port)];
    for (const [i, one] of busy.entries()) one.send(question(i, 'slow.example'));
    await holding.held(2);
    await (await client(port)).gone();
    expect(closedFor('client-limit')).toBe(1);
    holding.answer(server);
    const newcomer = await client(port);
    newcomer.send(question(7, 'slow.example'));
    await holding.held(2);
    expect(busy.map(({ closed }) => closed).filter(Boolean)).toHaveLength(1);
  });

  it('counts clients of IPv6 too', async () => {
    const { port, closedFor } = await start({ host: '::1', limits: { maxPerClient: 1 } });
    const first = await client(port, '::1');
    await expectServed(first, 1);
    await expectServed(await client(port, '::1'), 2);
    await first.gone();
    expect(closedFor('client-limit')).toBe(1);
  });

  it('closes the longest idle connection for a newcomer when it is full (RFC 7766 §6.2.3)', async () => {
    const { port, closedFor, server } = await start({ limits: { maxConnections: 3 } });
    const clients = [await client(port), await client(port), await client(port)];
    await until(() => server.connections === 3);
    // The first has just been served: the second is the longest idle one now.
    await expectServed(clients[0]!, 1);
    await expectServed(await client(port), 2);
    await clients[1]!.gone();
    expect(clients.map(({ closed }) => closed)).toEqual([false, true, false]);
    expect(closedFor('evicted')).toBe(1);
    expect(server.connections).toBe(3);
  });

  it('takes for idle who was served before the others', async () => {
    const { port, closedFor, server } = await start({ limits: { maxConnections: 3 } });
    const clients = [await client(port), await client(port), await client(port)];
    for (const i of [2, 0, 1]) await expectServed(clients[i]!, i);
    await expectServed(await client(port), 3);
    await clients[2]!.gone();
    expect(clients.map(({ closed }) => closed)).toEqual([false, false, true]);
    expect([closedFor('evicted'), closedFor('full'), server.connections]).toEqual([1, 0, 3]);
  });

  it('turns a newcomer away when every connection has queries outstanding', async () => {
    const holding = new Holding();
    const { port, closedFor, server } = await start({ handle: holding.handle, limits: { maxConnections: 2 } });
    const busy = [await client(port), await client(port)];
    for (const [i, one] of busy.entries()) one.send(question(i, 'slow.example'));
    await holding.held(2);
    await (await client(port)).gone();
    expect(closedFor('full')).toBe(1);
    holding.answer(server);
    holding.answer(server);
    for (const [i, one] of busy.entries()) expect(await one.ids(1)).toEqual([i]);
  });

  it('serves a newcomer during a flood of 2000 idle and dribbling connections', async () => {
    const { port, closedFor, server, accepted, metrics } = await start({
      limits: { maxConnections: 500, maxPerClient: 5000 },
    });
    for (let batch = 0; batch < 20; batch++) {
      const flood = await Promise.all(Array.from({ length: 100 }, () => client(port)));
      for (const [i, one] of flood.entries()) if (i % 2 === 0 && !one.closed) one.write(Buffer.of(0, 30, 1));
    }
    await until(() => accepted() === 2000);
    expect(server.connections).toBe(500);
    await expectServed(await client(port, '127.0.0.1', '127.0.0.9'), 77);
    expect(closedFor('evicted') + closedFor('error') + closedFor('client')).toBe(1501);
    expect(metrics.values[metrics.gauge('sekisho_tcp_connections', '')]).toBe(500);
  });

  it('keeps others served when a flood comes from one client', async () => {
    const { port, closedFor, server } = await start({ limits: { maxPerClient: 20 } });
    const one = await client(port, '127.0.0.1', '127.0.0.7');
    await Promise.all(Array.from({ length: 100 }, () => client(port)));
    await until(() => closedFor('client-limit') === 80);
    await expectServed(one, 1);
    expect(server.connections).toBe(21);
  });
});

describe('a client that does not read', () => {
  it('is not read from any more, and closed when it takes nothing in time', async () => {
    let handled = 0;
    const { port, pass, closedFor, server } = await start({
      limits: { stallMs: 5_000 },
      handle(query) {
        handled++;
        return largeAnswer(query);
      },
    });
    const one = await client(port);
    one.socket.pause();
    const queries = Array.from({ length: 2_000 }, (_, i) => question(i, 'large.example'));
    one.send(...queries);
    // The kernel's buffers take some megabytes; 120 MB of answers they do not.
    let before = -1;
    while (before !== handled || handled === 0) {
      before = handled;
      for (let turn = 0; turn < 50; turn++) await new Promise((resolve) => setImmediate(resolve));
    }
    expect(handled).toBeLessThan(1_000);
    await expectServedLarge(await client(port), 5);
    pass(4_000);
    expect(server.connections).toBe(2);
    pass(1_000);
    expect(closedFor('stalled')).toBe(1);
    expect(server.connections).toBe(1);
  });

  it('is read from again when it goes on reading', async () => {
    const { port, pass, server } = await start({ handle: largeAnswer, limits: { stallMs: 5_000, idleMs: 60_000 } });
    const one = await client(port);
    one.socket.pause();
    one.send(...Array.from({ length: 400 }, (_, i) => question(i, 'large.example')));
    for (let turn = 0; turn < 200; turn++) await new Promise((resolve) => setImmediate(resolve));
    pass(4_000);
    one.socket.resume();
    expect(await one.ids(400)).toEqual(Array.from({ length: 400 }, (_, i) => i));
    pass(4_000);
    expect(server.connections).toBe(1);
  });

  it('is closed where its answers come later and become too many', async () => {
    const holding = new Holding();
    const { port, closedFor, server } = await start({
      handle: holding.handle,
      limits: { maxInFlight: 1_000, maxUnsentBytes: 200_000 },
    });
    const one = await client(port);
    one.socket.pause();
    one.send(...Array.from({ length: 1_000 }, (_, i) => question(i, 'large.example')));
    await holding.held(1_000);
    let sent = 0;
    while (server.connections === 1 && sent < 1_000) {
      const query = holding.take();
      expect(server.prepare(query)).toBe(true);
      largeAnswer(query);
      server.send(query);
      sent++;
    }
    expect(closedFor('unsent')).toBe(1);
    expect(sent).toBeLessThan(500);
  });
});

async function expectServedLarge(one: TcpClient, id: number): Promise<void> {
  one.send(question(id, 'large.example'));
  const reply = await one.next();
  expect([reply.readUInt16BE(0), reply.length > 60_000]).toEqual([id, true]);
}
