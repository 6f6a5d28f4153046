/**
 * UDP towards the upstream servers on node:dgram, from many random source ports (RFC 5452 §9.2): for each query a socket
 * drawn from a pool by the CSPRNG, each port retired after a while and open a little longer for late answers.
 */
import type { Socket } from 'node:dgram';
import { isMapped } from '../../address/address.ts';
import type { DatagramSink, UpstreamSockets } from '../../chain/routes.ts';
import type { Metrics } from '../../metrics/registry.ts';
import { createNumericSocket, plainAddressText, readAddress } from './dgram-address.ts';

/** How long a port is drawn for new queries at least and on average, and how long it then still listens. */
const MIN_LIFETIME_MS = 5_000;
const LIFETIME_MS = 10_000;
const GRACE_MS = 5_000;
/** Ports from here up to 65535 are drawn: the whole range above the well-known ones. */
const FIRST_PORT = 1024;
const BIND_ATTEMPTS = 16;
/** Bytes of queries that one socket may hold back when the kernel takes no more. */
const MAX_QUEUED_BYTES = 1 << 20;

export interface DgramUpstreamParts {
  readonly sink: DatagramSink;
  /** Sockets per address family that are in use at a time, 1–1024. */
  readonly sourcePorts: number;
  /** A CSPRNG: a 32-bit unsigned integer. */
  readonly random32: () => number;
  readonly metrics: Metrics;
  readonly nowMs: () => number;
}

interface SourcePort {
  readonly number: number;
  readonly socket: Socket;
  readonly retireAtMs: number;
}

export class DgramUpstream implements UpstreamSockets {
  readonly #parts: DgramUpstreamParts;
  /** Ports in use per family, and those that only listen any more, in the order of their retirement. */
  readonly #pools: { readonly 4: SourcePort[]; readonly 6: SourcePort[] } = { 4: [], 6: [] };
  readonly #retired: SourcePort[] = [];
  readonly #address = new Int32Array(4);
  #nextNumber = 0;
  #closed = false;
  readonly #values: Float64Array;
  readonly #sendErrors: number;

  constructor(parts: DgramUpstreamParts) {
    this.#parts = parts;
    const { metrics } = parts;
    this.#values = metrics.values;
    const help = 'Queries to upstreams that the kernel refused to send.';
    this.#sendErrors = metrics.counter('sekisho_upstream_send_errors_total', help);
  }

  send(bytes: Uint8Array, start: number, length: number, address: Int32Array, port: number): number {
    const source = this.#closed ? undefined : this.#draw(isMapped(address) ? 4 : 6);
    if (source === undefined || port === 0 || source.socket.getSendQueueSize() > MAX_QUEUED_BYTES) {
      this.#values[this.#sendErrors]! += 1;
      return -1;
    }
    // A copy: what the kernel cannot take at once waits in the socket.
    const query = Buffer.from(bytes.subarray(start, start + length));
    source.socket.send(query, port, plainAddressText(address), this.#sent);
    return source.number;
  }

  /** Nothing is gathered: each query leaves at once. */
  flush(): void {}

  tick(nowMs: number): void {
    for (const pool of [this.#pools[4], this.#pools[6]]) {
      // One at a time, so that a pool does not turn over at once. Its successor is opened when it is needed.
      const old = pool.findIndex((port) => nowMs >= port.retireAtMs);
      if (old >= 0) this.#retired.push(...pool.splice(old, 1).map((port) => ({ ...port, retireAtMs: nowMs })));
    }
    while (this.#retired[0] !== undefined && nowMs >= this.#retired[0].retireAtMs + GRACE_MS) {
      this.#retired.shift()?.socket.close();
    }
  }

  close(): void {
    this.#closed = true;
    for (const list of [this.#pools[4], this.#pools[6], this.#retired]) {
      for (const { socket } of list.splice(0)) socket.close();
    }
  }

  readonly #sent = (error: Error | null): void => {
    // Unreachable network or the like: the query's own timeout takes care of it.
    if (error) this.#values[this.#sendErrors]! += 1;
  };

  /** A socket of the pool, drawn at random; the pool fills up by one with each draw. */
  #draw(family: 4 | 6): SourcePort | undefined {
    const pool = this.#pools[family];
    if (pool.length < this.#parts.sourcePorts) {
      const opened = this.#open(family);
      if (opened !== undefined) pool.push(opened);
    }
    return pool[this.#random(pool.length)];
  }

  /** A socket on a random port; taken ones are drawn again. */
  #open(family: 4 | 6): SourcePort | undefined {
    for (let attempt = 0; attempt < BIND_ATTEMPTS; attempt++) {
      const socket = bindNow(family, FIRST_PORT + this.#random(65536 - FIRST_PORT));
      if (socket === undefined) continue;
      const number = this.#nextNumber++;
      // Spread, so that ports opened together do not retire together.
      const lifetimeMs = MIN_LIFETIME_MS + this.#random(2 * (LIFETIME_MS - MIN_LIFETIME_MS));
      socket.on('message', (message, sender) => {
        if (this.#closed || !readAddress(sender.address, this.#address)) return;
        const bytes = new Uint8Array(message.buffer, message.byteOffset, message.length);
        this.#parts.sink.datagram(number, bytes, 0, bytes.length, this.#address, sender.port);
      });
      socket.on('error', this.#sent);
      return { number, socket, retireAtMs: this.#parts.nowMs() + lifetimeMs };
    }
    return undefined;
  }

  /** 0 … below-1. The bias of a remainder would be below 2⁻¹⁶ too, but this costs nothing. */
  #random(below: number): number {
    return Math.floor(((this.#parts.random32() >>> 0) / 0x1_0000_0000) * below);
  }
}

/** node:dgram binds within the call when it need not look a name up. Undefined where the port is taken. */
function bindNow(family: 4 | 6, port: number): Socket | undefined {
  const socket = createNumericSocket(family);
  let bound = false;
  socket.once('listening', () => {
    bound = true;
  });
  socket.once('error', () => {});
  socket.bind({ address: family === 4 ? '0.0.0.0' : '::', port, exclusive: true });
  if (bound) {
    socket.removeAllListeners('error');
    return socket;
  }
  socket.close();
  return undefined;
}
