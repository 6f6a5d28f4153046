import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
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
import { addressWords, isWildcard } from '../../address/address.ts';
import { Bpf } from '../../bpf/bpf.ts';
import { createDropMaps, DropTable } from '../../drops/drop-table.ts';
import { Metrics } from '../../metrics/registry.ts';
import { libc } from '../../system/libc.ts';
import { ManualClock, RoundClock, systemClock } from '../../time/clock.ts';
import { NativeLoop } from '../loop.ts';
import { boundPort, openUdpListener } from '../sockets.ts';
import { MmsgListener } from '../udp/mmsg-listener.ts';
import { FastPathInterface } from './fast-path-interface.ts';
import { interfaceFacts } from './interface-facts.ts';
import type { OwnPlace } from './own-places.ts';
import { XdpListener } from './xdp-listener.ts';

const reason = fastPathUnavailable();
if (reason !== undefined) console.warn(`AF_XDP is not tested here: ${reason}`);

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
    loop,
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
    afterEach(async () => {
      for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
    });

    async function start(addresses: readonly string[] = [SERVER_V4[0]]) {
      const metrics = new Metrics();
      const setup = { addresses: addresses.map((address) => ({ address, port: 0 })), handle: answer };
      const opened = await open({ ...setup, clock: new ManualClock(), metrics });
      cleanups.push(opened.stop);
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
  });
});
