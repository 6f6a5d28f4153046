/**
 * A worker's packet I/O, whichever of the two kinds: the UDP listener, the sockets towards the upstreams and the loop that
 * drives both. Nothing above this file knows which kind it is.
 */

import { parsePrefix } from '../address/address.ts';
import { PrefixSet } from '../address/prefix-set.ts';
import { Bpf } from '../bpf/bpf.ts';
import type { Chain } from '../chain/chain.ts';
import type { DatagramSink, UpstreamSockets } from '../chain/routes.ts';
import { DropTable } from '../drops/drop-table.ts';
import type { Metrics } from '../metrics/registry.ts';
import { Shedder } from '../overload/shedder.ts';
import { reportAllocations } from '../system/libc.ts';
import { reservedPorts } from '../system/reserved-ports.ts';
import type { RoundClock } from '../time/clock.ts';
import { threadClock } from '../time/turned-clock.ts';
import { NativeLoop, TICK_MS } from '../transports/loop.ts';
import type { DatagramListener } from '../transports/udp/datagram-listener.ts';
import { DgramListener } from '../transports/udp/dgram-listener.ts';
import { DgramUpstream } from '../transports/udp/dgram-upstream.ts';
import { MmsgListener } from '../transports/udp/mmsg-listener.ts';
import { MmsgUpstream } from '../transports/udp/mmsg-upstream.ts';
import { SocketBudget } from '../transports/udp/source-ports.ts';
import { type FastPathShare, XdpListener } from '../transports/xdp/xdp-listener.ts';
import type { Query } from '../wire/query.ts';
import { lastDescriptor, sourcePortsOf } from './open-files.ts';
import type { WorkerSetup } from './worker-messages.ts';

export interface WorkerIo {
  readonly listener: DatagramListener;
  /** Take frames from these queues of network interfaces from now on, and from no others. */
  attach(share: FastPathShare): void;
  /** Make sockets towards upstreams; answers go to `sink`. Once for each group of servers. */
  openUpstream(sink: DatagramSink): UpstreamSockets;
  /** Something was begun that libuv must carry on. */
  readonly nudge: () => void;
  /** Longest time in milliseconds for which packets had to wait because the thread was busy; 0 where that is not known. */
  readonly longestBusyMs: () => number;
  /** Runs until `stop`; rejects with whatever was thrown in the loop. */
  run(): Promise<void>;
  stop(): void;
  close(): void;
}

export interface WorkerIoParts {
  readonly setup: WorkerSetup;
  readonly chain: Chain;
  /** Time of the current round, for everything that a packet passes through. */
  readonly clock: RoundClock;
  readonly metrics: Metrics;
  readonly random32: () => number;
  /** Called about every 10 ms while busy, at least every 50 ms. */
  readonly tick: (nowMs: number) => void;
  readonly busy: () => boolean;
}

/** Queues of network interfaces that overload control tells apart in one worker. */
const MAX_QUEUES = 64;
/** Microseconds that `udp.pause: auto` lets packets gather at most when traffic is brisk (bench/README.md says why). */
const AUTO_PAUSE_MICROSECONDS = 200;

export function openIo(parts: WorkerIoParts): Promise<WorkerIo> {
  return parts.setup.io === 'mmsg' ? openMmsg(parts) : openDgram(parts);
}

async function openMmsg(parts: WorkerIoParts): Promise<WorkerIo> {
  const { setup, chain, clock, metrics, random32 } = parts;
  const { udp } = setup.config.server;
  const descriptors = new DescriptorNotes(setup.descriptors);
  const allocations = new Float64Array(setup.allocations);
  reportAllocations((address) => {
    const free = allocations.indexOf(0);
    if (free >= 0) allocations[free] = address;
  });
  const shedder = openShedder(parts);
  const handle = (query: Query) => chain.handle(query);
  const foresight = chain.foresees ? chain : undefined;
  const sockets = new MmsgListener({ sockets: setup.udp, handle, clock, metrics, shedder, foresight });
  const frames = setup.fastPath
    ? new XdpListener({ sockets, handle, clock, metrics, shedder, foresight, random32 })
    : undefined;
  const listener = frames ?? sockets;
  const upstreams: UpstreamSockets[] = [];
  const loop = new NativeLoop({
    clock,
    tick: (nowMs) => {
      shedder?.tick(nowMs);
      parts.tick(nowMs);
    },
    busy: parts.busy,
    longestPause: udp.pause === 'auto' ? AUTO_PAUSE_MICROSECONDS : udp.pause === 'off' ? 0 : udp.pause,
    roundEnded: (elapsedMs) => {
      chain.recordBatch(elapsedMs);
      for (let i = 0; i < upstreams.length; i++) upstreams[i]!.flush();
      listener.flush();
    },
  });
  descriptors.opened(loop.descriptor);
  const ports = sourcePortParts(setup);
  const slots = setup.udp.map(({ fd }, i) => loop.watch(fd, () => sockets.receive(i)));
  let receiving = true;
  const stopReceiving = () => {
    if (receiving) for (const [i, { fd }] of setup.udp.entries()) loop.unwatch(slots[i]!, fd);
    receiving = false;
  };
  sockets.onStopReceiving = stopReceiving;
  let queues: { readonly slot: number; readonly fd: number }[] = [];
  const unwatchQueues = () => {
    for (const { slot, fd } of queues.splice(0)) loop.unwatch(slot, fd);
  };
  if (frames) frames.onDetach = unwatchQueues;
  return {
    listener,
    attach: (share) => {
      if (frames === undefined || !receiving) return;
      unwatchQueues();
      queues = frames.attach(share).map(({ fd }, i) => ({ fd, slot: loop.watch(fd, () => frames.receive(i)) }));
    },
    openUpstream: (sink) => {
      const upstream = new MmsgUpstream({
        loop,
        sink,
        ...ports,
        lastDescriptor: lastDescriptor(setup.config.server.tcp.maxConnections),
        segments: setup.segments,
        random32,
        metrics,
        nowMs: () => clock.nowMs(),
        opened: descriptors.opened,
        closed: descriptors.closed,
      });
      upstreams.push(upstream);
      return upstream;
    },
    nudge: () => loop.nudge(),
    longestBusyMs: () => loop.longestBusyMs,
    run: () => loop.run(),
    stop: () => loop.stop(),
    close: () => {
      for (const upstream of upstreams) upstream.close();
      loop.close();
      descriptors.closed(loop.descriptor);
    },
  };
}

/** Undefined where `server.overload` is switched off. */
function openShedder({ setup, clock, metrics }: WorkerIoParts): Shedder | undefined {
  const { enabled, exempt, ...options } = setup.config.server.overload;
  if (!enabled) return undefined;
  return new Shedder({
    ...options,
    exempt: exempt.length > 0 ? new PrefixSet(exempt.map(parsePrefix)) : undefined,
    sockets: setup.udp.length,
    queues: setup.fastPath ? MAX_QUEUES : 0,
    drops: setup.drops && new DropTable(new Bpf(), setup.drops),
    key: setup.hashKey,
    clock,
    metrics,
  });
}

async function openDgram(parts: WorkerIoParts): Promise<WorkerIo> {
  const { setup, chain, clock, metrics, random32 } = parts;
  const upstreams: UpstreamSockets[] = [];
  const ports = sourcePortParts(setup);
  const monotonic = threadClock();
  const listener = await DgramListener.open({
    addresses: setup.config.server.listen,
    handle: (query) => {
      clock.refresh();
      const ready = chain.handle(query);
      chain.recordBatch(monotonic.nowMs() - query.receivedMs);
      return ready;
    },
    clock: monotonic,
    metrics,
  });
  let ticking: NodeJS.Timeout | undefined;
  let finish: (() => void) | undefined;
  return {
    listener,
    attach: () => {},
    openUpstream: (sink) => {
      const upstream = new DgramUpstream({
        sink,
        ...ports,
        random32,
        metrics,
        nowMs: () => clock.nowMs(),
      });
      upstreams.push(upstream);
      return upstream;
    },
    // libuv's own loop carries everything here.
    nudge: () => {},
    longestBusyMs: () => 0,
    run: () =>
      new Promise((resolve) => {
        finish = resolve;
        ticking = setInterval(() => parts.tick(clock.refresh()), TICK_MS);
      }),
    stop: () => {
      clearInterval(ticking);
      finish?.();
    },
    close: () => {
      for (const upstream of upstreams) upstream.close();
      listener.close();
    },
  };
}

/** One budget for the worker: what is configured holds for all groups of servers together. */
function sourcePortParts({ config }: WorkerSetup): { sourcePorts: SocketBudget; reserved: Uint8Array } {
  const { server, upstream, admin, notice, subscribers } = config;
  const own = [server.listen, admin.listen, notice.listen, subscribers?.radius?.listen ?? []].flat();
  return {
    sourcePorts: new SocketBudget(sourcePortsOf(upstream.sourcePorts, server.workers, server.tcp.maxConnections)),
    reserved: reservedPorts(own.map(({ port }) => port)),
  };
}

/** Which descriptors this thread has open, in memory that the main thread reads should this one die. */
class DescriptorNotes {
  readonly #shared: Int32Array;
  readonly #places = new Map<number, number>();
  readonly #free: number[];

  constructor(memory: SharedArrayBuffer) {
    this.#shared = new Int32Array(memory);
    this.#free = Array.from(this.#shared, (_, place) => this.#shared.length - 1 - place);
  }

  readonly opened = (fd: number): void => {
    const place = this.#free.pop();
    if (place === undefined) return;
    this.#shared[place] = fd + 1;
    this.#places.set(fd, place);
  };

  readonly closed = (fd: number): void => {
    const place = this.#places.get(fd);
    if (place === undefined) return;
    this.#shared[place] = 0;
    this.#places.delete(fd);
    this.#free.push(place);
  };
}
