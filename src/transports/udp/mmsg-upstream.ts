/**
 * UDP towards the upstream servers on Linux, in batches, from many random source ports (RFC 5452 §9.2).
 *
 * Queries leave by sendmmsg from one socket drawn from the pool by the CSPRNG, those of one length as one message that the
 * kernel cuts up (segment-batch.ts). Under load the socket is kept for up to 64 queries or 10 ms, so that the answers that
 * come in one turn of the loop are on few sockets, and few calls take them: whoever forges an answer has to guess port,
 * id and letter case of a question all the same. A port is retired after a while and stays open a little longer for late
 * answers, so that an outsider who learns a port cannot use it for long. Sockets are unconnected: the sender is compared
 * by the source, which counts what does not match.
 */

import type { DatagramSink, UpstreamSockets } from '../../chain/routes.ts';
import type { Metrics } from '../../metrics/registry.ts';
import { AF_INET, AF_INET6, type Libc, libc, MSG_DONTWAIT, MSG_TRUNC } from '../../system/libc.ts';
import type { NativeLoop } from '../loop.ts';
import { openUdpClient, SocketError } from '../sockets.ts';
import { BATCH, MmsgBatch, NAME_STRIDE } from './mmsg-batch.ts';
import { SegmentBatch } from './segment-batch.ts';

/** Announced to upstreams is 1232; some send a little more than they should. */
const RECEIVE_STRIDE = 4096 + 64 + 64;
/** A query is header, name, type, class, OPT: at most 282 bytes. */
const SEND_STRIDE = 512 + 64 + 64;
/** How long a port is drawn for new queries, and how long it then still listens. */
const LIFETIME_MS = 10_000;
const GRACE_MS = 5_000;

export interface MmsgUpstreamParts {
  readonly loop: NativeLoop;
  readonly sink: DatagramSink;
  /** Sockets per address family that are in use at a time, 1–1024. */
  readonly sourcePorts: number;
  /** Whether the kernel cuts messages up into datagrams (self-test.ts). */
  readonly segments: boolean;
  readonly random32: () => number;
  readonly metrics: Metrics;
  readonly nowMs: () => number;
  /** Tells the main thread which descriptors to close should this thread die. */
  readonly opened: (fd: number) => void;
  readonly closed: (fd: number) => void;
}

/** Queries in one turn of the loop from which on their socket is kept for the next. */
const WORTH_KEEPING = 8;

interface SourcePort {
  readonly number: number;
  readonly fd: number;
  readonly slot: number;
  /** When it is drawn no more; from then on, when it is closed. */
  endsMs: number;
}

export class MmsgUpstream implements UpstreamSockets {
  readonly #parts: MmsgUpstreamParts;
  readonly #libc: Libc = libc();
  readonly #rx = new MmsgBatch(RECEIVE_STRIDE);
  readonly #tx: SegmentBatch;
  readonly #address = new Int32Array(4);
  /** Ports in use per family (0: IPv4, 1: IPv6) and those that only listen any more. */
  readonly #pools: [SourcePort[], SourcePort[]] = [[], []];
  readonly #retired: SourcePort[] = [];
  #closed = false;
  #nextNumber = 0;
  /** Socket of the batch being gathered, its family, and how many queries it has been used for in a row. */
  #current: SourcePort | undefined;
  #currentFamily = 0;
  #drawnFor = 0;
  readonly #values: Float64Array;
  readonly #sendErrors: number;

  constructor(parts: MmsgUpstreamParts) {
    this.#parts = parts;
    this.#tx = new SegmentBatch(SEND_STRIDE, parts.segments);
    this.#values = parts.metrics.values;
    this.#sendErrors = parts.metrics.counter(
      'sekisho_upstream_send_errors_total',
      'Queries to upstreams that the kernel refused to send.',
    );
    for (let i = 0; i < BATCH; i++) this.#rx.rearm(i, 0);
  }

  send(bytes: Uint8Array, start: number, length: number, address: Int32Array, port: number): number {
    const family = address[0] === 0 && address[1] === 0 && address[2] === 0xffff ? 0 : 1;
    if (this.#tx.queued > 0 && this.#currentFamily !== family) this.flush();
    if (this.#currentFamily !== family) this.#current = undefined;
    if (!this.#current) {
      this.#current = this.#draw(family);
      this.#currentFamily = family;
      this.#drawnFor = 0;
    }
    if (!this.#current) return -1;
    this.#drawnFor++;
    const tx = this.#tx;
    const i = tx.queued;
    const payload = i * SEND_STRIDE;
    for (let b = 0; b < length; b++) tx.payload[payload + b] = bytes[start + b]!;
    const name = i * NAME_STRIDE;
    const { names, nameWords } = tx;
    for (let w = 0; w < 7; w++) nameWords[(name >>> 2) + w] = 0;
    names[name] = family === 0 ? AF_INET : AF_INET6;
    names[name + 2] = port >>> 8;
    names[name + 3] = port & 255;
    if (family === 0) putBigEndian(names, name + 4, address[3]!);
    else for (let w = 0; w < 4; w++) putBigEndian(names, name + 8 + w * 4, address[w]!);
    tx.add(family === 0 ? 16 : 28, length);
    const socket = this.#current.number;
    if (tx.queued === BATCH) this.flush();
    return socket;
  }

  flush(): void {
    const tx = this.#tx;
    const queued = tx.queued;
    // An unreachable network or a full buffer: the query's own timeout takes care of it.
    if (queued > 0 && this.#current) this.#values[this.#sendErrors]! += tx.send(this.#current.fd);
    // Where there is little to gain from batches, every turn of the loop has a port of its own.
    if (queued < WORTH_KEEPING || this.#drawnFor >= BATCH) this.#current = undefined;
  }

  tick(nowMs: number): void {
    if (this.#tx.queued === 0) this.#current = undefined;
    for (const pool of this.#pools) {
      // At most one port a tick is replaced, so that a pool does not turn over at once.
      const old = pool.findIndex((port) => nowMs >= port.endsMs && port !== this.#current);
      if (old < 0) continue;
      const [retired] = pool.splice(old, 1);
      retired!.endsMs = nowMs + GRACE_MS;
      this.#retired.push(retired!);
    }
    while (this.#retired.length > 0 && nowMs >= this.#retired[0]!.endsMs) this.#close(this.#retired.shift()!);
  }

  close(): void {
    for (const port of [...this.#pools[0], ...this.#pools[1], ...this.#retired]) this.#close(port);
    this.#pools[0].length = 0;
    this.#pools[1].length = 0;
    this.#retired.length = 0;
    this.#current = undefined;
    this.#closed = true;
  }

  /** A socket of the pool, drawn at random; the pool is filled one by one as queries come. */
  #draw(family: number): SourcePort | undefined {
    if (this.#closed) return undefined;
    const pool = this.#pools[family as 0 | 1];
    if (pool.length < this.#parts.sourcePorts) {
      const opened = this.#open(family === 0 ? 4 : 6);
      if (opened) pool.push(opened);
    }
    return pool[this.#parts.random32() % pool.length];
  }

  #open(family: 4 | 6): SourcePort | undefined {
    // RFC 5452 §9.2: the whole range of ports above the well-known ones. Taken ones are drawn again.
    for (let attempt = 0; attempt < 16; attempt++) {
      const port = 1024 + (this.#parts.random32() % (65536 - 1024));
      try {
        const fd = openUdpClient(family, port);
        this.#parts.opened(fd);
        const number = this.#nextNumber++;
        const slot = this.#parts.loop.watch(fd, () => this.#receive(number, fd));
        // Spread, so that ports opened together do not retire together.
        const lifetimeMs = LIFETIME_MS / 2 + (this.#parts.random32() % LIFETIME_MS);
        return { number, fd, slot, endsMs: this.#parts.nowMs() + lifetimeMs };
      } catch (error) {
        if (!(error instanceof SocketError)) throw error;
      }
    }
    this.#values[this.#sendErrors]! += 1;
    return undefined;
  }

  #receive(number: number, fd: number): number {
    const rx = this.#rx;
    const count = this.#libc.recvmmsg(fd, rx.address, BATCH, MSG_DONTWAIT, 0);
    const { names } = rx;
    const address = this.#address;
    const { sink } = this.#parts;
    if (count > 1 && sink.foresee)
      for (let i = 0; i < count; i++) sink.foresee(rx.payload, i * RECEIVE_STRIDE, rx.received(i));
    for (let i = 0; i < count; i++) {
      const at = i * NAME_STRIDE;
      if (names[at] === AF_INET) {
        address[0] = 0;
        address[1] = 0;
        address[2] = 0xffff;
        address[3] = bigEndian(names, at + 4);
      } else {
        for (let w = 0; w < 4; w++) address[w] = bigEndian(names, at + 8 + w * 4);
      }
      // A datagram cut by the kernel is handed on as it is: it will not parse, and is counted there.
      const length = (rx.flags(i) & MSG_TRUNC) !== 0 ? 0 : rx.received(i);
      sink.datagram(number, rx.payload, i * RECEIVE_STRIDE, length, address, (names[at + 2]! << 8) | names[at + 3]!);
      rx.rearm(i, 0);
    }
    return Math.max(count, 0);
  }

  #close(port: SourcePort): void {
    this.#parts.loop.unwatch(port.slot, port.fd);
    this.#libc.close(port.fd);
    this.#parts.closed(port.fd);
  }
}

function bigEndian(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!;
}

function putBigEndian(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 24;
  bytes[at + 1] = value >>> 16;
  bytes[at + 2] = value >>> 8;
  bytes[at + 3] = value;
}
