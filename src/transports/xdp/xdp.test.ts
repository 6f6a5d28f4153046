import { readdirSync } from 'node:fs';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type FrameSpec, frame } from '../../../test/support/frames.ts';
import { answer, question, until } from '../../../test/support/net-queries.ts';
import { describeDatagramListener, type ListenerSetup, type World } from '../../../test/support/udp-suite.ts';
import {
  CLIENT_V4,
  CLIENT_V6,
  clientSocket,
  fastPathUnavailable,
  makeVethPair,
  SERVER_V4,
  SERVER_V6,
  type VethPair,
} from '../../../test/support/veth-pair.ts';
import { addressWords, isWildcard, parsePrefix } from '../../address/address.ts';
import { Bpf, PROGRAM_SOCKET_FILTER } from '../../bpf/bpf.ts';
import { createDropMaps, type DropReason, DropTable } from '../../drops/drop-table.ts';
import { socketFilter } from '../../drops/socket-filter.ts';
import { Metrics } from '../../metrics/registry.ts';
import { libc, SO_ATTACH_BPF, SOCK_RAW, SOL_SOCKET } from '../../system/libc.ts';
import { ManualClock, RoundClock, systemClock } from '../../time/clock.ts';
import type { Query } from '../../wire/query.ts';
import { NativeLoop } from '../loop.ts';
import { boundPort, openUdpListener } from '../sockets.ts';
import { MmsgListener } from '../udp/mmsg-listener.ts';
import { FastPathInterface } from './fast-path-interface.ts';
import { interfaceFacts } from './interface-facts.ts';
import type { OwnPlace } from './own-places.ts';
import { XdpListener } from './xdp-listener.ts';
import { RECEIVE_CHUNKS, SEND_CHUNKS } from './xsk-socket.ts';

const reason = fastPathUnavailable();
if (reason !== undefined) console.warn(`AF_XDP is not tested here: ${reason}`);

const AF_PACKET = 17;
const STANDS_FOR: Record<string, string> = {
  '127.0.0.1': SERVER_V4[0],
  '127.0.0.2': SERVER_V4[1],
  '127.0.0.3': SERVER_V4[2],
  '::1': SERVER_V6,
};

let pair: VethPair;
let bpf: Bpf;
beforeAll(() => {
  if (reason !== undefined) return;
  pair = makeVethPair();
  bpf = new Bpf();
});
afterAll(() => pair?.remove());

const world: World = {
  server: (address) => STANDS_FOR[address] ?? address,
  named: (address) => Object.keys(STANDS_FOR).find((name) => STANDS_FOR[name] === address) ?? address,
  client: (address) => (address.includes(':') ? CLIENT_V6 : CLIENT_V4),
  bind: async (address, port) => clientSocket(pair, world.client(address), port),
};

/** A listener in the server's namespace, with everything that the main thread and a worker would have. */
async function open(setup: ListenerSetup, vlan = 0) {
  const sockets = pair.inside('server', () =>
    setup.addresses.map(({ address, port }, listener) => {
      const words = addressWords(address);
      const fd = openUdpListener({ address: words, port, receiveBufferBytes: 1 << 20 });
      return { fd, listener, address, wildcard: isWildcard(words) };
    }),
  );
  const transport = new XdpListener({
    ...setup,
    sockets: new MmsgListener({ ...setup, sockets }),
    random32: () => 7,
  });
  const loop = new NativeLoop({
    clock: new RoundClock(systemClock),
    tick: () => {},
    roundEnded: () => transport.flush(),
    busy: () => true,
    longestPause: 0,
  });
  const running = loop.run();
  const watched = sockets.map(({ fd }, i) => [loop.watch(fd, () => socketPackets(i)), fd] as const);
  let bySocket = 0;
  const socketPackets = (i: number) => {
    const count = transport.sockets.receive(i);
    bySocket += count;
    return count;
  };
  const drops = createDropMaps(bpf);
  const places: OwnPlace[] = sockets.flatMap(({ fd, listener, address, wildcard }) => {
    const own = wildcard ? (address === '::' ? [SERVER_V6] : SERVER_V4) : [address];
    return own.map((each) => ({ words: [...addressWords(each)], port: boundPort(fd), vlan, listener, wildcard }));
  });
  const card = pair.inside('server', () => {
    const facts = interfaceFacts('eth0');
    if (facts === undefined) throw new Error('no eth0');
    const options = { zeroCopy: true, busyPollMicroseconds: 0, modes: ['driver', 'stack'] as const, queues: [0] };
    return new FastPathInterface({ bpf, facts, drops, ...options });
  });
  card.setPlaces(places);
  const [rings] = transport.attach({ queues: card.sockets, places });
  const slot = loop.watch(rings!.fd, () => transport.receive(0));
  card.admit(card.sockets[0]!);
  transport.onDetach = () => loop.unwatch(slot, rings!.fd);
  return {
    transport,
    card,
    places,
    sockets,
    table: new DropTable(bpf, drops),
    bySocket: () => bySocket,
    stop: async () => {
      loop.stop();
      await running;
      for (const [handle, fd] of watched) loop.unwatch(handle, fd);
      card.close();
      loop.close();
      for (const fd of [drops.hosts, drops.networks, drops.counters]) libc().close(fd);
      for (const { fd } of sockets) libc().close(fd);
    },
  };
}

describe.runIf(reason === undefined)('between two namespaces', () => {
  describeDatagramListener('xdp', open, world);

  describe('xdp', () => {
    const cleanups: (() => void | Promise<void>)[] = [];
    /** What `start` opened last. */
    let last: Awaited<ReturnType<typeof open>> | undefined;
    afterEach(async () => {
      for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
    });

    async function start(addresses: readonly string[] = [SERVER_V4[0]]) {
      const metrics = new Metrics();
      const setup = { addresses: addresses.map((address) => ({ address, port: 0 })), handle: answer };
      const opened = await open({ ...setup, clock: new ManualClock(), metrics });
      cleanups.push(opened.stop);
      last = opened;
      const value = (name: string, labels = {}) => metrics.values[metrics.counter(name, '', labels)]!;
      return { ...opened, port: opened.transport.bound[0]!.port, value };
    }

    function client(address = CLIENT_V4) {
      const socket = clientSocket(pair, address);
      cleanups.push(() => void socket.close());
      const inbox: Buffer[] = [];
      socket.on('message', (bytes) => inbox.push(bytes));
      const ask = (id: number, port: number, to: string = SERVER_V4[0]) =>
        new Promise<void>((sent) => socket.send(question(id, 'x.example'), port, to, () => sent()));
      const got = (id: number) => until(() => inbox.some((bytes) => bytes.readUInt16BE(0) === id));
      return { socket, ask, got };
    }

    it('takes queries at the interface and none at the socket', async () => {
      const { port, value, bySocket } = await start();
      const { ask, got } = client();
      for (let id = 1; id <= 100; id++) await ask(id, port);
      await got(100);
      expect(value('sekisho_xdp_frames_total')).toBe(100);
      expect(bySocket()).toBe(0);
    });

    it('leaves the socket what it does not take: no queue open, nothing attached, no program', async () => {
      const { port, card, bySocket, value } = await start();
      const { ask, got } = client();
      card.shut(card.sockets[0]!);
      await ask(1, port);
      await got(1);
      expect([bySocket(), value('sekisho_xdp_frames_total')]).toEqual([1, 0]);
      card.admit(card.sockets[0]!);
      await ask(2, port);
      await got(2);
      expect([bySocket(), value('sekisho_xdp_frames_total')]).toEqual([1, 1]);
      expect(card.attached).toBe(true);
      card.detach();
      expect(card.attached).toBe(false);
      await ask(3, port);
      await got(3);
      expect([bySocket(), value('sekisho_xdp_frames_total')]).toEqual([2, 1]);
    });

    /** Frames as they are, from the client's interface. */
    function rawSender() {
      const c = libc();
      const fd = pair.inside('client', () => {
        const made = c.socket(AF_PACKET, SOCK_RAW, 0);
        const name = new Uint8Array(20);
        const view = new DataView(name.buffer);
        view.setUint16(0, AF_PACKET, true);
        view.setUint32(4, c.interfaceIndex('eth0'), true);
        if (c.bind(made, name, name.length) < 0) throw new Error(`bind: error ${c.errno()}`);
        return made;
      });
      cleanups.push(() => void c.close(fd));
      const memory = c.allocate(4096);
      const macs = pair.inside('client', () => interfaceFacts('eth0')!.mac);
      return (spec: Omit<FrameSpec, 'macTo' | 'macFrom'>, change: (bytes: Uint8Array) => void = () => {}) => {
        const serverMac = pair.inside('server', () => interfaceFacts('eth0')!.mac);
        const bytes = frame({ ...spec, macTo: [...serverMac], macFrom: [...macs] });
        change(bytes);
        memory.bytes.set(bytes);
        expect(c.send(fd, memory.address, bytes.length, 0)).toBe(bytes.length);
      };
    }

    it('takes what has the tag of its VLAN, and leaves what has another to the kernel', async () => {
      const metrics = new Metrics();
      const setup = { addresses: [{ address: SERVER_V4[0], port: 0 }], clock: new ManualClock(), metrics };
      const asked: number[] = [];
      const handle = (query: Query) => {
        asked.push(query.message[query.start + 1]!);
        return false;
      };
      const opened = await open({ ...setup, handle }, 77);
      cleanups.push(opened.stop);
      const { port } = opened.transport.bound[0]!;
      const send = rawSender();
      const query = (id: number) => ({ from: CLIENT_V4, to: SERVER_V4[0], port, payload: question(id, 'x.example') });
      send({ ...query(1), vlan: 78 });
      send(query(2));
      send({ ...query(3), vlan: 77 });
      await until(() => asked.includes(3) && asked.includes(2));
      // The second came by the socket: without its tag it is none of the places at the interface.
      expect(asked.toSorted()).toEqual([2, 3]);
      expect([metrics.values[metrics.counter('sekisho_xdp_frames_total', '')], opened.bySocket()]).toEqual([1, 1]);
    });

    it('leaves odd packets to the kernel, and drops what is broken, counted', async () => {
      const { port, value, bySocket } = await start();
      const send = rawSender();
      const { ask, got } = client();
      const query = { from: CLIENT_V4, to: SERVER_V4[0], port, payload: question(9, 'x.example') };
      send(query, (bytes) => bytes.fill(bytes[60]! ^ 255, 60, 61));
      send(query, (bytes) => bytes.set([0, 0], 38));
      send(query, (bytes) => bytes.set([0xff, 0xff], 16));
      send({ ...query, to: '255.255.255.255' });
      send({ ...query, to: '224.0.0.1' });
      send(query, (bytes) => bytes.set([0x46], 14));
      send(query, (bytes) => bytes.set([0x20, 0], 20));
      send({ ...query, port: port ^ 1 });
      send({ ...query, from: '127.0.0.1' });
      await ask(10, port);
      await got(10);
      const bad = (each: string) => value('sekisho_xdp_bad_frames_total', { reason: each });
      expect(['checksum', 'length', 'source', 'short', 'header'].map(bad)).toEqual([1, 2, 1, 0, 0]);
      expect(value('sekisho_xdp_frames_total')).toBe(5);
      expect(bySocket()).toBe(0);
    });

    it('has the program drop a host, or a network, until it ends, and counts by reason', async () => {
      const { port, table, value } = await start([SERVER_V4[0], SERVER_V6]);
      const one = client();
      const other = client(CLIENT_V6);
      const term = { termMs: 3_600_000, passPerSecond: 0 };
      const dropped = (reason: DropReason) => table.dropped(reason).reduce((sum, each) => sum + each, 0);
      const expectDropped = async (reason: DropReason, ask: () => Promise<void>) => {
        const before = dropped(reason);
        const frames = value('sekisho_xdp_frames_total');
        await ask();
        await until(() => dropped(reason) === before + 1);
        expect(value('sekisho_xdp_frames_total')).toBe(frames);
      };
      table.dropHost(addressWords(CLIENT_V4), { ...term, reason: 'host-share' });
      await expectDropped('host-share', () => one.ask(1, port));
      expect(table.entries(10)).toEqual([
        { source: CLIENT_V4, reason: 'host-share', endsInMs: expect.any(Number), passPerSecond: 0 },
      ]);
      table.removeHost(addressWords(CLIENT_V4));
      await one.ask(2, port);
      await one.got(2);
      const v4 = parsePrefix('10.99.0.0/24');
      table.dropNetwork(v4, 4, { ...term, reason: 'network-share' });
      await expectDropped('network-share', () => one.ask(3, port));
      // The longer prefix decides, and what it says may be that nothing is dropped.
      table.dropNetwork(parsePrefix(`${CLIENT_V4}/32`), 4, { ...term, reason: 'let-pass' });
      await one.ask(4, port);
      await one.got(4);
      // ::/0 holds no IPv4 address.
      const everybody = { reason: 'outsider', termMs: Number.POSITIVE_INFINITY, passPerSecond: 0 } as const;
      table.dropNetwork(parsePrefix('::/0'), 6, everybody);
      const v6Port = port6();
      await expectDropped('outsider', () => other.ask(5, v6Port, SERVER_V6));
      await one.ask(6, port);
      await one.got(6);
      table.removeNetwork(parsePrefix('::/0'), 6);
      // Of an IPv6 host the /64 counts.
      table.dropHost(addressWords('fd00:99::abcd'), { ...term, reason: 'host-share' });
      await expectDropped('host-share', () => other.ask(7, v6Port, SERVER_V6));
      // What has ended is inert, and swept later.
      table.dropHost(addressWords('fd00:99::abcd'), { reason: 'host-share', termMs: 0.001, passPerSecond: 0 });
      // The program's clock ticks every few milliseconds.
      let answered = false;
      void other.got(8).then(() => {
        answered = true;
      });
      while (!answered) {
        await other.ask(8, v6Port, SERVER_V6);
        await new Promise((resolve) => setImmediate(resolve));
      }
      expect(table.entries(10).some(({ source }) => source.startsWith('fd00'))).toBe(false);
      expect(table.sweep(10)).toBe(1);

      function port6(): number {
        return last!.transport.bound[1]!.port;
      }
    });

    it('lets a rate pass, and a full table refuses what is new', async () => {
      const { port, table, value } = await start();
      const { ask, got } = client();
      // One in an hour: the first, and what its tolerance lets through, which is nothing.
      table.dropHost(addressWords(CLIENT_V4), { reason: 'host-share', termMs: 3_600_000, passPerSecond: 1 / 3600 });
      for (let id = 1; id <= 5; id++) await ask(id, port);
      await until(() => table.dropped('host-share').reduce((sum, each) => sum + each, 0) === 4);
      await got(1);
      expect(value('sekisho_xdp_frames_total')).toBe(1);
      const term = { reason: 'host-share', termMs: 3_600_000, passPerSecond: 0 } as const;
      let made = 0;
      while (made < 20_000 && table.dropHost(Int32Array.of(0, 0, 0xffff, 0x0b000000 + made), term)) made++;
      expect(made).toBe(16_383);
    });

    it('drops at the socket as at the interface, where there is no program', async () => {
      const { port, table, card, bySocket } = await start([SERVER_V4[0], SERVER_V6]);
      card.shut(card.sockets[0]!);
      card.detach();
      const v6Port = last!.transport.bound[1]!.port;
      const fds = last!.sockets;
      const filters = [4, 6].map((family) =>
        bpf.loadProgram(PROGRAM_SOCKET_FILTER, socketFilter(family as 4 | 6, table.maps).assemble(), 'test'),
      );
      for (const [i, { fd }] of fds.entries()) {
        const value = new Uint8Array(new Int32Array([filters[i]!]).buffer);
        expect(libc().setsockopt(fd, SOL_SOCKET, SO_ATTACH_BPF, value, 4)).toBe(0);
      }
      const term = { reason: 'network-share', termMs: 3_600_000, passPerSecond: 0 } as const;
      const one = client();
      const other = client(CLIENT_V6);
      for (const [family, asking, to, at] of [
        [4, one, SERVER_V4[0], port],
        [6, other, SERVER_V6, v6Port],
      ] as const) {
        const network = parsePrefix(family === 4 ? '10.99.0.128/25' : 'fd00:99::80/121');
        await asking.ask(1, at, to);
        await asking.got(1);
        table.dropNetwork(network, family, term);
        const before = bySocket();
        await asking.ask(2, at, to);
        await until(
          () => table.dropped('network-share').reduce((sum, each) => sum + each, 0) === (family === 4 ? 1 : 2),
        );
        expect(bySocket()).toBe(before);
        table.removeNetwork(network, family);
        await asking.ask(3, at, to);
        await asking.got(3);
      }
      for (const fd of filters) libc().close(fd);
    });

    it('goes on with a queue where a dead worker left it, a thousand times, and loses no descriptor', async () => {
      const { port, card, transport } = await start();
      const { ask, got } = client();
      const send = rawSender();
      const open = () => readdirSync('/proc/self/fd').length;
      const before = open();
      const [memory] = card.sockets;
      let [rings] = transport.attach({ queues: [memory!], places: last!.places });
      for (let deaths = 1; deaths <= 1000; deaths++) {
        if (deaths % 50 === 0) {
          await ask(deaths, port);
          await got(deaths);
        }
        // A frame and a chunk for its answer are in hand; the successor knows nothing of them but what the rings show.
        if (deaths % 50 === 1) {
          send({ from: CLIENT_V4, to: SERVER_V4[0], port, payload: question(1, 'x.example') });
          while (rings!.waiting(1) === 0) libc().usleep(100);
          rings!.take(1);
          rings!.takeChunk();
          expect(rings!.accounted).toEqual({ receive: RECEIVE_CHUNKS - 1, send: SEND_CHUNKS - 1 });
        }
        transport.forget();
        [rings] = transport.attach({ queues: [memory!], places: last!.places });
        expect(rings!.accounted).toEqual({ receive: RECEIVE_CHUNKS, send: SEND_CHUNKS });
      }
      await ask(2000, port);
      await got(2000);
      expect(open()).toBe(before);
    });
  });
});
