/**
 * UDP towards the upstream servers on node:dgram, from very many random source ports (source-ports.ts, RFC 5452 §9.2): each
 * query from a port of its own.
 */
import type { Socket } from 'node:dgram';
import { isMapped } from '../../address/address.ts';
import type { DatagramSink, UpstreamSockets } from '../../chain/routes.ts';
import type { Metrics } from '../../metrics/registry.ts';
import { createNumericSocket, plainAddressText } from './dgram-address.ts';
import { type SocketBudget, SourcePorts } from './source-ports.ts';

/** Bytes of queries that one socket may hold back when the kernel takes no more. */
const MAX_QUEUED_BYTES = 1 << 20;

export interface DgramUpstreamParts {
  readonly sink: DatagramSink;
  /** Sockets that are open at a time, with all that share this. */
  readonly sourcePorts: SocketBudget;
  /** Ports that no query leaves from (reserved-ports.ts). */
  readonly reserved?: Uint8Array;
  /** A CSPRNG: a 32-bit unsigned integer. */
  readonly random32: () => number;
  readonly metrics: Metrics;
  readonly nowMs: () => number;
}

export class DgramUpstream implements UpstreamSockets {
  readonly #parts: DgramUpstreamParts;
  readonly #ports: SourcePorts<Socket>;
  #closed = false;
  readonly #values: Float64Array;
  readonly #sendErrors: number;

  constructor(parts: DgramUpstreamParts) {
    this.#parts = parts;
    const { metrics, sourcePorts, random32, nowMs, reserved } = parts;
    this.#values = metrics.values;
    const help = 'Queries to upstreams that the kernel refused to send.';
    this.#sendErrors = metrics.counter('sekisho_upstream_send_errors_total', help);
    this.#ports = new SourcePorts<Socket>({
      budget: sourcePorts,
      random32,
      nowMs,
      ...(reserved && { reserved }),
      open: (address, destinationPort, port, number) => this.#open(address, destinationPort, port, number),
      close: (socket) => socket.close(),
    });
  }

  send(bytes: Uint8Array, start: number, length: number, address: Int32Array, port: number): number {
    const source = this.#closed || port === 0 ? undefined : this.#ports.draw(address, port);
    if (source === undefined || source.socket.getSendQueueSize() > MAX_QUEUED_BYTES) {
      this.#values[this.#sendErrors]! += 1;
      return -1;
    }
    // A copy: what the kernel cannot take at once waits in the socket.
    const query = Buffer.from(bytes.subarray(start, start + length));
    source.socket.send(query, (error) => {
      // What became of an earlier query is told instead of sending this one.
      if ((error as NodeJS.ErrnoException | null)?.code === 'ECONNREFUSED' && !this.#closed) {
        source.socket.send(query, this.#sent);
      } else this.#sent(error);
    });
    return source.number;
  }

  /** Nothing is gathered: each query leaves at once. */
  flush(): void {}

  tick(nowMs: number): void {
    this.#ports.tick(nowMs);
  }

  close(): void {
    this.#closed = true;
    this.#ports.close();
  }

  readonly #sent = (error: Error | null): void => {
    // Unreachable network or the like: the query's own timeout takes care of it.
    if (error) this.#values[this.#sendErrors]! += 1;
  };

  #open(address: Int32Array, destinationPort: number, port: number, number: number): Socket | undefined {
    const socket = openNow(address, destinationPort, port);
    if (socket === undefined) return undefined;
    const from = Int32Array.from(address);
    socket.on('message', (message) => {
      if (this.#closed) return;
      const bytes = new Uint8Array(message.buffer, message.byteOffset, message.length);
      this.#parts.sink.datagram(number, bytes, 0, bytes.length, from, destinationPort);
    });
    // An ICMP error of an earlier query, which anybody can forge: it says nothing about the server.
    socket.on('error', this.#sent);
    return socket;
  }
}

/** node:dgram binds and connects within the call when it need not look a name up. Undefined where the port is taken. */
function openNow(address: Int32Array, destinationPort: number, port: number): Socket | undefined {
  const family = isMapped(address) ? 4 : 6;
  const socket = createNumericSocket(family);
  let bound = false;
  let failed = false;
  socket.once('listening', () => {
    bound = true;
  });
  socket.once('error', () => {
    failed = true;
  });
  socket.bind({ address: family === 4 ? '0.0.0.0' : '::', port, exclusive: true });
  if (bound) {
    socket.connect(destinationPort, plainAddressText(address));
    if (isConnected(socket) && !failed) {
      socket.removeAllListeners('error');
      return socket;
    }
  }
  socket.on('error', () => {});
  socket.close();
  return undefined;
}

function isConnected(socket: Socket): boolean {
  try {
    socket.remoteAddress();
    return true;
  } catch {
    return false;
  }
}
