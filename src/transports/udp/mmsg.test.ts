import { describe, expect, it } from 'vitest';
import { describeDatagramListener, describeUpstreamSockets } from '../../../test/support/udp-suite.ts';
import { addressText, addressWords, isWildcard } from '../../address/address.ts';
import { Metrics } from '../../metrics/registry.ts';
import { libc, nativeUnavailable } from '../../system/libc.ts';
import { RoundClock, systemClock } from '../../time/clock.ts';
import type { Query } from '../../wire/query.ts';
import { NativeLoop } from '../loop.ts';
import { kernelDrops, openUdpListener, SocketError } from '../sockets.ts';
import { MmsgListener } from './mmsg-listener.ts';
import { MmsgUpstream } from './mmsg-upstream.ts';
import { segmentsWork } from './self-test.ts';
import { SocketBudget } from './source-ports.ts';

const reason = nativeUnavailable();
if (reason !== undefined) console.warn(`batched packet I/O is not tested here: ${reason}`);

/** A loop that runs until stopped, in the thread of the test: libuv has its turns all the while. */
function runLoop(flush: () => void): { loop: NativeLoop; stop: () => Promise<void> } {
  const loop = new NativeLoop({
    clock: new RoundClock(systemClock),
    tick: () => {},
    roundEnded: flush,
    busy: () => true,
    longestPause: 0,
  });
  const running = loop.run();
  return {
    loop,
    stop: async () => {
      loop.stop();
      await running;
      loop.close();
    },
  };
}

describe.runIf(reason === undefined)('on Linux', () => {
  describeDatagramListener('mmsg', async (setup) => {
    const sockets = setup.addresses.map(({ address, port }, listener) => {
      const words = addressWords(address);
      const fd = openUdpListener({ address: words, port, receiveBufferBytes: 1 << 20 });
      return { fd, listener, address, wildcard: isWildcard(words) };
    });
    const transport = new MmsgListener({ ...setup, sockets });
    const { loop, stop } = runLoop(() => transport.flush());
    const slots = sockets.map(({ fd }, i) => loop.watch(fd, () => transport.receive(i)));
    transport.onStopReceiving = () => {
      for (const [i, { fd }] of sockets.entries()) loop.unwatch(slots[i]!, fd);
    };
    return {
      transport,
      stop: async () => {
        await stop();
        for (const { fd } of sockets) libc().close(fd);
      },
    };
  });

  describeUpstreamSockets('mmsg', async (setup) => {
    let transport: MmsgUpstream | undefined;
    const { loop, stop } = runLoop(() => transport?.flush());
    transport = new MmsgUpstream({ ...setup, segments: segmentsWork(), loop, opened: () => {}, closed: () => {} });
    const made = transport;
    return {
      transport: made,
      stop: async () => {
        await stop();
        made.close();
      },
    };
  });

  it('tells main thread and successor which descriptors are open, and no others', async () => {
    const open = new Set<number>();
    const { loop, stop } = runLoop(() => {});
    let nowMs = 0;
    let random = 7;
    const upstream = new MmsgUpstream({
      loop,
      sink: { datagram: () => {} },
      sourcePorts: new SocketBudget(5),
      segments: segmentsWork(),
      random32: () => (random = (Math.imul(random, 1664525) + 1013904223) >>> 0),
      metrics: new Metrics(),
      nowMs: () => nowMs,
      opened: (fd) => open.add(fd),
      closed: (fd) => open.delete(fd),
    });
    const target = Int32Array.of(0, 0, 0xffff, 0x7f000001);
    for (let i = 0; i < 20; i++) {
      upstream.send(new Uint8Array(12), 0, 12, target, 9);
      upstream.flush();
      upstream.tick(0);
    }
    expect(open.size).toBe(4);
    for (; nowMs < 700_000; nowMs += 1000) upstream.tick(nowMs);
    expect(open.size).toBe(0);
    upstream.close();
    expect(upstream.send(new Uint8Array(12), 0, 12, target, 9)).toBe(-1);
    expect(open.size).toBe(0);
    await stop();
  });

  it('each of several on one loop gets what came to its own sockets', async () => {
    const { loop, stop } = runLoop(() => {});
    const { createSocket } = await import('node:dgram');
    const servers = await Promise.all(
      Array.from({ length: 3 }, async () => {
        const server = createSocket('udp4');
        await new Promise<void>((bound) => server.bind(0, '127.0.0.1', bound));
        server.on('message', (query, { port, address }) => server.send(query, port, address));
        return server;
      }),
    );
    const budget = new SocketBudget(64);
    const arrivals: string[] = [];
    let arrived = () => {};
    const upstreams = servers.map((server, i) => {
      let random = i;
      const sink = {
        datagram: (socket: number, bytes: Uint8Array, start: number, _length: number, _from: unknown, port: number) => {
          arrivals.push([i, socket, bytes[start], port === server.address().port].join());
          arrived();
        },
      };
      return new MmsgUpstream({
        loop,
        sink,
        sourcePorts: budget,
        segments: segmentsWork(),
        random32: () => (random = (Math.imul(random, 1664525) + 1013904223) >>> 0),
        metrics: new Metrics(),
        nowMs: () => 0,
        opened: () => {},
        closed: () => {},
      });
    });
    const sent: string[] = [];
    for (let round = 0; round < 5; round++) {
      for (const [i, upstream] of upstreams.entries()) {
        const query = new Uint8Array(12).fill(16 * i + round);
        const socket = upstream.send(query, 0, 12, addressWords('127.0.0.1'), servers[i]!.address().port);
        upstream.flush();
        sent.push([i, socket, 16 * i + round, true].join());
      }
    }
    while (arrivals.length < sent.length) await new Promise<void>((resolve) => (arrived = resolve));
    expect(arrivals.sort()).toEqual(sent.sort());
    for (const upstream of upstreams) upstream.close();
    expect(budget.open).toBe(0);
    for (const server of servers) server.close();
    await stop();
  });

  it('a port that is taken is refused with the name of the error', () => {
    const loopback = addressWords('127.0.0.1');
    const first = openUdpListener({ address: loopback, port: 0, receiveBufferBytes: 65536 });
    try {
      const port = new Uint8Array(28);
      libc().getsockname(first, port, new Uint8Array(new Uint32Array([28]).buffer));
      const taken = { address: loopback, port: (port[2]! << 8) | port[3]!, receiveBufferBytes: 65536, exclusive: true };
      expect(() => openUdpListener(taken)).toThrow(SocketError);
      expect(() => openUdpListener(taken)).toThrow(/already in use/);
    } finally {
      libc().close(first);
    }
  });

  it('what the kernel drops from a full receive buffer is counted', async () => {
    const fd = openUdpListener({ address: addressWords('127.0.0.1'), port: 0, receiveBufferBytes: 65536 });
    const { createSocket } = await import('node:dgram');
    const client = createSocket('udp4');
    try {
      const name = new Uint8Array(28);
      libc().getsockname(fd, name, new Uint8Array(new Uint32Array([28]).buffer));
      const port = (name[2]! << 8) | name[3]!;
      expect(kernelDrops(fd)).toBe(0);
      for (let i = 0; i < 300; i++)
        await new Promise((sent) => client.send(new Uint8Array(1000), port, '127.0.0.1', sent));
      expect(kernelDrops(fd)).toBeGreaterThan(0);
    } finally {
      client.close();
      libc().close(fd);
    }
  });

  it('tells of all senders of a batch before its first packet is handled, and of none where few have come', async () => {
    const fd = openUdpListener({ address: addressWords('127.0.0.1'), port: 0, receiveBufferBytes: 1 << 20 });
    const told: string[] = [];
    const sender = ({ clientWords, port }: Query) => `${addressText(clientWords)} ${port}`;
    const listener = new MmsgListener({
      sockets: [{ fd, listener: 0, address: '127.0.0.1', wildcard: false }],
      handle: (query) => {
        told.push(`handle ${sender(query)}`);
        return false;
      },
      foresight: { foresee: (query) => told.push(`foresee ${sender(query)}`), fetch: () => told.push('fetch') },
      clock: new RoundClock(systemClock),
      metrics: new Metrics(),
    });
    const { createSocket } = await import('node:dgram');
    const clients = await Promise.all(
      [1, 2, 3, 4, 5].map(async (i) => {
        const client = createSocket('udp4');
        await new Promise<void>((bound) => client.bind(0, `127.0.0.${i}`, bound));
        return client;
      }),
    );
    try {
      const name = new Uint8Array(28);
      libc().getsockname(fd, name, new Uint8Array(new Uint32Array([28]).buffer));
      const port = (name[2]! << 8) | name[3]!;
      const send = (some: typeof clients) =>
        Promise.all(some.map((client) => new Promise((sent) => client.send('x', port, '127.0.0.1', sent))));
      const texts = clients.map((client) => `${client.address().address} ${client.address().port}`).sort();
      await send(clients);
      expect(listener.receive(0)).toBe(5);
      expect(told.slice(0, 5).sort()).toEqual(texts.map((text) => `foresee ${text}`));
      expect(told[5]).toBe('fetch');
      expect(told.slice(6).sort()).toEqual(texts.map((text) => `handle ${text}`));
      told.length = 0;
      await send(clients.slice(0, 2));
      expect(listener.receive(0)).toBe(2);
      expect(told.every((each) => each.startsWith('handle '))).toBe(true);
    } finally {
      for (const client of clients) client.close();
      libc().close(fd);
    }
  });
});
