/**
 * What every UDP transport must do, whatever it is made of. The tests of all implementations call these two functions;
 * everything runs over real sockets, on the loopback interface or between two network namespaces.
 */
import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { decode } from 'dns-packet';
import { afterEach, describe, expect, it } from 'vitest';
import { addressWords } from '../../src/address/address.ts';
import type { DatagramSink, PacketHandler, UpstreamSockets } from '../../src/chain/routes.ts';
import { SuspendedQueries } from '../../src/chain/suspended.ts';
import { Metrics } from '../../src/metrics/registry.ts';
import { type Clock, ManualClock } from '../../src/time/clock.ts';
import type { DatagramListener } from '../../src/transports/udp/datagram-listener.ts';
import { SocketBudget } from '../../src/transports/udp/source-ports.ts';
import { Query, UDP } from '../../src/wire/query.ts';
import { answer, KEY0, KEY1, question, writeAnswer } from './net-queries.ts';

export interface ListenerSetup {
  /** Listener index = position; port 0 = any. `0.0.0.0` must serve 127.0.0.1–127.0.0.3, `::` must serve ::1. */
  readonly addresses: readonly { readonly address: string; readonly port: number }[];
  readonly handle: PacketHandler;
  readonly clock: Clock;
  readonly metrics: Metrics;
}

/** An open transport, with whatever drives it (a loop, a timer) running until `stop`. */
export interface Running<Transport> {
  readonly transport: Transport;
  stop(): void | Promise<void>;
}

export interface UpstreamSetup {
  readonly sink: DatagramSink;
  readonly sourcePorts: SocketBudget;
  readonly reserved?: Uint8Array;
  readonly random32: () => number;
  readonly metrics: Metrics;
  readonly nowMs: () => number;
}

/** Datagrams that came, in order; `next` waits for one. */
class Inbox<Item> {
  readonly items: Item[] = [];
  #taken = 0;
  #wake: () => void = () => {};

  push(item: Item): void {
    this.items.push(item);
    this.#wake();
  }

  async next(): Promise<Item> {
    await this.count(this.#taken + 1);
    return this.items[this.#taken++]!;
  }

  /** Wait until `count` have come in all. */
  async count(count: number): Promise<readonly Item[]> {
    while (this.items.length < count) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    return this.items;
  }
}

interface Datagram {
  readonly bytes: Buffer;
  readonly from: RemoteInfo;
}

/** Where a suite runs. Its tests speak of 127.0.0.1 to 127.0.0.3 and ::1; these may stand for others. */
export interface World {
  /** The server's address that this one stands for; wildcards stand for themselves. */
  server(address: string): string;
  /** The address that this one of the server is known by. */
  named(address: string): string;
  client(address: string): string;
  /** A client's socket, bound to `client(address)`. */
  bind(address: string, port: number): Promise<Socket>;
}

const HERE: World = {
  server: (address) => address,
  named: (address) => address,
  client: (address) => address,
  bind: async (address, port) => {
    const socket = createSocket(address.includes(':') ? 'udp6' : 'udp4');
    await new Promise<void>((resolve) => socket.bind(port, address, resolve));
    return socket;
  },
};

/** A plain socket: client or server, as the test needs it. */
class Peer {
  readonly inbox = new Inbox<Datagram>();
  readonly socket: Socket;
  readonly #world: World;

  private constructor(socket: Socket, world: World) {
    this.socket = socket;
    this.#world = world;
    socket.on('message', (bytes, from) =>
      this.inbox.push({ bytes, from: { ...from, address: world.named(from.address) } }),
    );
  }

  static async open(address = '127.0.0.1', port = 0, world = HERE): Promise<Peer> {
    return new Peer(await world.bind(address, port), world);
  }

  get port(): number {
    return this.socket.address().port;
  }

  send(bytes: Uint8Array, port: number, address: string): Promise<void> {
    return new Promise((resolve, reject) =>
      this.socket.send(bytes, port, this.#world.server(address), (error) => (error ? reject(error) : resolve())),
    );
  }
}

export function describeDatagramListener(
  name: string,
  open: (setup: ListenerSetup) => Promise<Running<DatagramListener>>,
  world = HERE,
): void {
  describe(`${name}: UDP listener`, () => {
    const cleanups: (() => void | Promise<void>)[] = [];
    afterEach(async () => {
      for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
    });

    async function start(
      addresses: readonly string[],
      handle: PacketHandler = answer,
      metrics = new Metrics(),
    ): Promise<DatagramListener> {
      const running = await open({
        addresses: addresses.map((address) => ({ address: world.server(address), port: 0 })),
        handle,
        clock: new ManualClock(),
        metrics,
      });
      cleanups.push(() => running.stop());
      return running.transport;
    }

    async function client(address?: string): Promise<Peer> {
      const peer = await Peer.open(address, 0, world);
      cleanups.push(() => void peer.socket.close());
      return peer;
    }

    async function expectAnswer(peer: Peer, id: number, qname: string, address: string, port: number): Promise<void> {
      await peer.send(question(id, qname), port, address);
      const { bytes, from } = await peer.inbox.next();
      const reply = decode(bytes);
      expect(reply.id).toBe(id);
      expect(reply.questions?.[0]?.name).toBe(qname);
      expect(reply.answers?.[0]).toMatchObject({ type: 'A', data: '192.0.2.7' });
      expect(from).toMatchObject({ address, port });
    }

    for (const [address, family] of [
      ['127.0.0.1', 4],
      ['::1', 6],
    ] as const) {
      it(`answers IPv${family} and tells who asked`, async () => {
        let seen: unknown;
        const listener = await start([address], (query) => {
          seen = {
            transport: query.transport,
            listener: query.listener,
            family: query.family,
            client: [...query.clientWords],
            port: query.port,
            connection: query.connection,
            plain: query.message.constructor === Uint8Array && query.reply.constructor === Uint8Array,
            aligned: query.replyStart % 4,
          };
          return answer(query);
        });
        const peer = await client(address);
        await expectAnswer(peer, 77, 'WWW.example', address, listener.bound[0]!.port);
        const { port } = peer;
        expect(seen).toEqual({
          transport: UDP,
          listener: 0,
          family,
          client: [...addressWords(world.client(address))],
          port,
          connection: -1,
          plain: true,
          aligned: 0,
        });
      });
    }

    it('gives the client’s sockaddr in the layout of Linux', async () => {
      let sockaddr: number[] = [];
      const listener = await start(['127.0.0.1'], (query) => {
        sockaddr = [...query.peer.subarray(0, 8)];
        return answer(query);
      });
      const peer = await client('127.0.0.1');
      await expectAnswer(peer, 1, 'a.example', '127.0.0.1', listener.bound[0]!.port);
      expect(sockaddr).toEqual([
        2,
        0,
        peer.port >>> 8,
        peer.port & 255,
        ...world.client('127.0.0.1').split('.').map(Number),
      ]);
    });

    it('serves several addresses and tells which one was asked', async () => {
      const listeners: number[] = [];
      const listener = await start(['127.0.0.1', '::1', '127.0.0.1'], (query) => {
        listeners.push(query.listener);
        return answer(query);
      });
      const v4 = await client();
      const v6 = await client('::1');
      await expectAnswer(v4, 1, 'a.example', '127.0.0.1', listener.bound[2]!.port);
      await expectAnswer(v6, 2, 'b.example', '::1', listener.bound[1]!.port);
      await expectAnswer(v4, 3, 'c.example', '127.0.0.1', listener.bound[0]!.port);
      expect(listeners).toEqual([2, 1, 0]);
    });

    it('answers from the address asked on a wildcard of IPv4', async () => {
      const listener = await start(['0.0.0.0']);
      const { port } = listener.bound[0]!;
      const peer = await client('127.0.0.1');
      for (const address of ['127.0.0.2', '127.0.0.3', '127.0.0.1']) {
        await expectAnswer(peer, 9, 'wild.example', address, port);
      }
    });

    it('answers from the address asked on a wildcard of IPv6', async () => {
      const listener = await start(['::']);
      await expectAnswer(await client('::1'), 9, 'wild.example', '::1', listener.bound[0]!.port);
    });

    it('gives each of many clients its own answer', async () => {
      const listener = await start(['127.0.0.1']);
      const { port } = listener.bound[0]!;
      const peers = await Promise.all(Array.from({ length: 40 }, () => client()));
      await Promise.all(peers.map((peer, i) => expectAnswer(peer, 1000 + i, `n${i}.example`, '127.0.0.1', port)));
    });

    it('answers 200 queries sent back to back', async () => {
      const listener = await start(['127.0.0.1']);
      const { port } = listener.bound[0]!;
      const peer = await client();
      await Promise.all(
        Array.from({ length: 200 }, (_, i) => peer.send(question(i, `q${i}.example`), port, '127.0.0.1')),
      );
      const replies = await peer.inbox.count(200);
      const pairs = new Map(replies.map(({ bytes }) => [bytes.readUInt16BE(0), decode(bytes).questions?.[0]?.name]));
      expect(pairs).toEqual(new Map(Array.from({ length: 200 }, (_, i) => [i, `q${i}.example`])));
    });

    it('hands on the header of what is too long for a query, counts it, and goes on', async () => {
      const metrics = new Metrics();
      const lengths: number[] = [];
      const count: PacketHandler = (query) => {
        lengths.push(query.length);
        return query.length > 12 && answer(query);
      };
      const listener = await start(['127.0.0.1'], count, metrics);
      const { port } = listener.bound[0]!;
      const peer = await client();
      await peer.send(new Uint8Array(2300), port, '127.0.0.1');
      await peer.send(new Uint8Array(60_000), port, '127.0.0.1');
      await expectAnswer(peer, 5, 'after.example', '127.0.0.1', port);
      expect(lengths.slice(0, 2)).toEqual([12, 12]);
      expect(lengths).toHaveLength(3);
      expect(metrics.values[metrics.counter('sekisho_udp_oversized_total', '')]).toBe(2);
    });

    it('takes a datagram without bytes for what it is', async () => {
      const lengths: number[] = [];
      const listener = await start(['127.0.0.1'], (query) => {
        lengths.push(query.length);
        return answer(query);
      });
      const { port } = listener.bound[0]!;
      const peer = await client();
      await peer.send(new Uint8Array(0), port, '127.0.0.1');
      await expectAnswer(peer, 6, 'x.example', '127.0.0.1', port);
      expect(lengths).toEqual([0, 27]);
      expect(peer.inbox.items.length).toBe(1);
    });

    it('sends nothing where the handler has no reply', async () => {
      const listener = await start(['127.0.0.1'], (query) => answer(query) && query.id !== 1);
      const { port } = listener.bound[0]!;
      const peer = await client();
      for (const id of [1, 2, 1, 3]) await peer.send(question(id, 'd.example'), port, '127.0.0.1');
      const replies = await peer.inbox.count(2);
      expect(replies.map(({ bytes }) => bytes.readUInt16BE(0))).toEqual([2, 3]);
    });

    for (const [wildcard, asked, from] of [
      ['0.0.0.0', '127.0.0.3', '127.0.0.1'],
      ['127.0.0.1', '127.0.0.1', '127.0.0.1'],
      ['::', '::1', '::1'],
      ['::1', '::1', '::1'],
    ] as const) {
      it(`answers a query that had to wait, in any order, from the address asked: ${asked} on ${wildcard}`, async () => {
        const suspended = new SuspendedQueries(8);
        const tokens = new Inbox<number>();
        const listener = await start([wildcard], (query) => {
          if (answer(query)) tokens.push(suspended.hold(query));
          return false;
        });
        const { port } = listener.bound[0]!;
        const one = await client(from);
        const two = await client(from);
        await one.send(question(21, 'one.example'), port, asked);
        await tokens.count(1);
        await two.send(question(22, 'two.example'), port, asked);
        const [first, second] = await tokens.count(2);
        const resumed = new Query();
        for (const token of [second!, first!]) {
          suspended.restore(token, resumed, KEY0, KEY1);
          expect(listener.prepare(resumed)).toBe(true);
          writeAnswer(resumed);
          listener.send(resumed);
          suspended.release(token);
        }
        listener.flush();
        for (const [peer, id] of [
          [one, 21],
          [two, 22],
        ] as const) {
          const reply = await peer.inbox.next();
          expect(reply.bytes.readUInt16BE(0)).toBe(id);
          expect(reply.from).toMatchObject({ address: asked, port });
        }
      });
    }
  });
}

interface Arrival {
  readonly socket: number;
  readonly text: string;
  readonly address: number[];
  readonly port: number;
  readonly plain: boolean;
}

const LOOPBACK4 = Int32Array.of(0, 0, 0xffff, 0x7f000001);
const LOOPBACK6 = Int32Array.of(0, 0, 0, 1);

/** mulberry32: the same ports in every run, so that the checks on their distribution cannot fail by chance. */
function seeded(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return (t ^ (t >>> 14)) >>> 0;
  };
}

/** Bits of Shannon's entropy in a sample. */
function entropyOf(values: readonly number[]): number {
  const counts = new Map<number, number>();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  let bits = 0;
  for (const count of counts.values()) bits -= (count / values.length) * Math.log2(count / values.length);
  return bits;
}

/** What source-ports.ts decides is tested beside it; here, that a transport does what it says. */
export function describeUpstreamSockets(
  name: string,
  open: (setup: UpstreamSetup) => Promise<Running<UpstreamSockets>>,
): void {
  describe(`${name}: UDP towards upstreams`, () => {
    const cleanups: (() => void | Promise<void>)[] = [];
    afterEach(async () => {
      for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
    });

    async function server(address?: string, port?: number): Promise<Peer> {
      const peer = await Peer.open(address, port);
      cleanups.push(() => void peer.socket.close());
      return peer;
    }

    async function start(
      options: { sourcePorts?: number; seed?: number; clock?: ManualClock; reserved?: Uint8Array } = {},
    ) {
      const { sourcePorts = 8, seed = 1, clock = new ManualClock() } = options;
      const arrivals = new Inbox<Arrival>();
      const running = await open({
        sourcePorts: new SocketBudget(sourcePorts),
        ...(options.reserved && { reserved: options.reserved }),
        random32: seeded(seed),
        nowMs: () => clock.nowMs(),
        metrics: new Metrics(),
        sink: {
          datagram(socket, bytes, start, length, address, port) {
            const text = Buffer.from(bytes.subarray(start, start + length)).toString('latin1');
            arrivals.push({ socket, text, address: [...address], port, plain: bytes.constructor === Uint8Array });
          },
        },
      });
      cleanups.push(() => running.stop());
      return { sockets: running.transport, arrivals };
    }

    function send(sockets: UpstreamSockets, text: string, port: number, address = LOOPBACK4): number {
      // From the middle of a larger buffer, as the real caller does.
      const bytes = new Uint8Array(600);
      for (let i = 0; i < text.length; i++) bytes[17 + i] = text.charCodeAt(i);
      return sockets.send(bytes, 17, text.length, address, port);
    }

    for (const [address, words] of [
      ['127.0.0.1', LOOPBACK4],
      ['::1', LOOPBACK6],
    ] as const) {
      it(`sends to ${address} and hands on the reply with its sender and the socket`, async () => {
        const { sockets, arrivals } = await start();
        const upstream = await server(address);
        const socket = send(sockets, 'question', upstream.port, words);
        sockets.flush();
        const { bytes, from } = await upstream.inbox.next();
        expect(bytes.toString()).toBe('question');
        await upstream.send(Buffer.from('reply'), from.port, address);
        const { port } = upstream;
        expect(await arrivals.next()).toEqual({ socket, text: 'reply', address: [...words], port, plain: true });
      });
    }

    it('has as many bits of port entropy as a port of its own for each query gives, over the whole range', async () => {
      const count = 4096;
      const { sockets } = await start({ sourcePorts: count * 2 });
      const upstream = await server();
      const ports: number[] = [];
      const numbers = new Map<number, number>();
      // As many together as a busy turn of the loop has.
      for (let round = 0; round < count / 32; round++) {
        const sent = Array.from({ length: 32 }, (_, i) => send(sockets, `${i % 10}`, upstream.port));
        sockets.flush();
        await upstream.inbox.count((round + 1) * 32);
        for (const number of sent) numbers.set(number, (numbers.get(number) ?? 0) + 1);
        sockets.tick(0);
      }
      for (const { from } of upstream.inbox.items) ports.push(from.port);
      expect(numbers.size).toBe(new Set(ports).size);
      // log2(4096) = 12 where no port comes twice; unbound, which draws each from 60 000, has 11.9.
      expect(entropyOf(ports)).toBeGreaterThan(11.8);
      expect(ports.filter((port, i) => port === ports[i - 1]).length).toBeLessThan(count / 100);
      expect(Math.min(...ports)).toBeGreaterThanOrEqual(1024);
      expect(new Set(ports.map((port) => Math.floor(((port - 1024) * 64) / (65536 - 1024)))).size).toBe(64);
      const rises = ports.filter((port, i) => i > 0 && port > ports[i - 1]!).length;
      expect(rises / count).toBeGreaterThan(0.45);
      expect(rises / count).toBeLessThan(0.55);
    });

    it('leaves ports alone that are reserved', async () => {
      const reserved = new Uint8Array(65536).fill(1, 0, 50_000);
      const { sockets } = await start({ sourcePorts: 64, reserved });
      const upstream = await server();
      for (let i = 0; i < 64; i++) send(sockets, 'q', upstream.port);
      sockets.flush();
      const sent = await upstream.inbox.count(64);
      expect(Math.min(...sent.map(({ from }) => from.port))).toBeGreaterThanOrEqual(50_000);
    });

    it('follows the random numbers it is given', async () => {
      const upstream = await server();
      const drawn = async (seed: number): Promise<number> => {
        const { sockets } = await start({ sourcePorts: 1, seed });
        send(sockets, 'q', upstream.port);
        sockets.flush();
        return (await upstream.inbox.next()).from.port;
      };
      const ports = [await drawn(11), await drawn(12), await drawn(13)];
      expect(new Set(ports).size).toBe(3);
    });

    it('tells a stranger what a closed port tells: ICMP port unreachable, and hands nothing of his on', async () => {
      const { sockets, arrivals } = await start();
      const upstream = await server();
      const socket = send(sockets, 'q', upstream.port);
      sockets.flush();
      const { from } = await upstream.inbox.next();
      // The upstream's address with another port is a stranger's too.
      for (const address of ['127.0.0.2', '127.0.0.1']) {
        const stranger = createSocket('udp4');
        cleanups.push(() => void stranger.close());
        await new Promise<void>((bound) => stranger.bind(0, address, bound));
        await new Promise<void>((connected) => stranger.connect(from.port, '127.0.0.1', connected));
        const refused = new Promise((told) => stranger.on('error', told));
        stranger.send('forged');
        expect(await refused).toMatchObject({ code: 'ECONNREFUSED' });
      }
      await upstream.send(Buffer.from('reply'), from.port, '127.0.0.1');
      expect(await arrivals.next()).toMatchObject({ socket, text: 'reply', port: upstream.port });
      expect(arrivals.items.length).toBe(1);
    });

    it('hands on an empty reply and one of 1232 bytes', async () => {
      const { sockets, arrivals } = await start();
      const upstream = await server();
      send(sockets, 'q', upstream.port);
      sockets.flush();
      const { from } = await upstream.inbox.next();
      await upstream.send(new Uint8Array(0), from.port, '127.0.0.1');
      await upstream.send(Buffer.alloc(1232, 'x'), from.port, '127.0.0.1');
      expect((await arrivals.next()).text.length).toBe(0);
      expect((await arrivals.next()).text.length).toBe(1232);
    });

    it('keeps both families apart in one turn', async () => {
      const { sockets, arrivals } = await start({ sourcePorts: 1 });
      const v4 = await server('127.0.0.1');
      const v6 = await server('::1');
      const socket4 = send(sockets, 'four', v4.port, LOOPBACK4);
      const socket6 = send(sockets, 'six', v6.port, LOOPBACK6);
      sockets.flush();
      expect(socket6).not.toBe(socket4);
      for (const [peer, address, text] of [
        [v4, '127.0.0.1', 'four'],
        [v6, '::1', 'six'],
      ] as const) {
        const query = await peer.inbox.next();
        expect(query.bytes.toString()).toBe(text);
        await peer.send(query.bytes, query.from.port, address);
      }
      const both = await arrivals.count(2);
      expect(new Map(both.map(({ text, socket }) => [text, socket]))).toEqual(
        new Map([
          ['four', socket4],
          ['six', socket6],
        ]),
      );
    });

    it('survives a port that nobody listens on', async () => {
      const { sockets } = await start({ sourcePorts: 1 });
      const upstream = await server();
      const gone = await Peer.open();
      const { port } = gone;
      await new Promise<void>((resolve) => gone.socket.close(resolve));
      for (let i = 0; i < 3; i++) {
        send(sockets, 'lost', port);
        sockets.flush();
      }
      send(sockets, 'found', upstream.port);
      sockets.flush();
      expect((await upstream.inbox.next()).bytes.toString()).toBe('found');
    });

    it('goes on with a port whose server was not there for a while', async () => {
      const { sockets, arrivals } = await start({ sourcePorts: 1 });
      const first = await Peer.open();
      const { port } = first;
      await new Promise<void>((resolve) => first.socket.close(resolve));
      const lost = send(sockets, 'lost', port);
      sockets.flush();
      // The ICMP error has come by the time that this datagram has.
      const other = await server();
      await other.send(Buffer.from('x'), other.port, '127.0.0.1');
      await other.inbox.next();
      const back = await server('127.0.0.1', port);
      const found = send(sockets, 'found', port);
      sockets.flush();
      expect(found).toBe(lost);
      const { bytes, from } = await back.inbox.next();
      expect(bytes.toString()).toBe('found');
      await back.send(Buffer.from('reply'), from.port, '127.0.0.1');
      expect(await arrivals.next()).toMatchObject({ socket: found, text: 'reply' });
    });

    it('still listens on a port that is no longer drawn, then closes it', async () => {
      const clock = new ManualClock();
      const { sockets, arrivals } = await start({ sourcePorts: 1, clock });
      const upstream = await server();
      const draw = async (): Promise<{ socket: number; port: number }> => {
        const socket = send(sockets, 'q', upstream.port);
        sockets.flush();
        return { socket, port: (await upstream.inbox.next()).from.port };
      };
      const old = await draw();
      clock.advance(601_000);
      sockets.tick(clock.nowMs());
      const now = await draw();
      expect(now.port).not.toBe(old.port);
      expect(now.socket).toBeGreaterThan(old.socket);
      clock.advance(4000);
      sockets.tick(clock.nowMs());
      await upstream.send(Buffer.from('late'), old.port, '127.0.0.1');
      expect(await arrivals.next()).toMatchObject({ socket: old.socket, text: 'late' });
      clock.advance(2000);
      sockets.tick(clock.nowMs());
      await upstream.send(Buffer.from('too late'), old.port, '127.0.0.1');
      await upstream.send(Buffer.from('in time'), now.port, '127.0.0.1');
      expect(await arrivals.next()).toMatchObject({ socket: now.socket, text: 'in time' });
      expect(arrivals.items.length).toBe(2);
    });
  });
}
