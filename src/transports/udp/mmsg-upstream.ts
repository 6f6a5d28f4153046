/**
 * UDP towards the upstream servers on Linux, from very many random source ports (source-ports.ts, RFC 5452 §9.2).
 *
 * Each query has a port of its own, until so many come in one turn of the loop that the kernel's work for a datagram counts:
 * then a few of one length share a port and leave as one message (group-batch.ts). Answers of all ports that have some are
 * read in one go before the first is handled, so that memory can be fetched ahead for all of them.
 */

import type { DatagramSink, UpstreamSockets } from '../../chain/routes.ts';
import type { Metrics } from '../../metrics/registry.ts';
import { EAGAIN, type Libc, libc, MSG_DONTWAIT, MSG_TRUNC } from '../../system/libc.ts';
import type { NativeLoop, WatchedGroup } from '../loop.ts';
import { openUdpClient } from '../sockets.ts';
import { GroupBatch } from './group-batch.ts';
import { BATCH, MmsgBatch } from './mmsg-batch.ts';
import { type SocketBudget, type SourcePort, SourcePorts } from './source-ports.ts';

/** Announced to upstreams is 1232; some send a little more than they should. */
const RECEIVE_STRIDE = 4096 + 64 + 64;
/** A query is header, name, type, class, OPT: at most 282 bytes. */
const SEND_STRIDE = 512 + 64 + 64;
/**
 * A datagram that leaves alone costs some 3 µs more than one of a message (bench/README.md), so ports of their own come out of
 * an allowance: so many a millisecond, and so many saved up. Without any left one socket takes this many of a turn's queries.
 */
const ALONE_PER_MS = 1.5;
const ALONE_AT_ONCE = 20_000;
const SHARING = 16;

export interface MmsgUpstreamParts {
  readonly loop: NativeLoop;
  readonly sink: DatagramSink;
  /** Sockets that are open at a time, with all that share this. */
  readonly sourcePorts: SocketBudget;
  /** No descriptor of this number or above is kept (open-files.ts). */
  readonly lastDescriptor?: number;
  /** Ports that no query leaves from (reserved-ports.ts). */
  readonly reserved?: Uint8Array;
  /** Whether the kernel cuts messages up into datagrams (self-test.ts). */
  readonly segments: boolean;
  readonly random32: () => number;
  readonly metrics: Metrics;
  readonly nowMs: () => number;
  /** Tells the main thread which descriptors to close should this thread die. */
  readonly opened: (fd: number) => void;
  readonly closed: (fd: number) => void;
}

/** Errors read from one socket in a row before it is left until something comes again. */
const ERRORS = 4;

/** One connected socket. */
interface Connected {
  readonly fd: number;
  /** Its place among `#sockets`, and its number in the loop's group. */
  readonly member: number;
  readonly number: number;
  readonly address: Int32Array;
  readonly port: number;
}

export class MmsgUpstream implements UpstreamSockets {
  readonly #parts: MmsgUpstreamParts;
  readonly #libc: Libc = libc();
  /** Without senders' addresses: a connected socket has but one. */
  readonly #rx = new MmsgBatch(RECEIVE_STRIDE, false);
  readonly #tx: GroupBatch;
  /** These sockets, as the loop knows them. */
  readonly #watched: WatchedGroup;
  readonly #ports: SourcePorts<Connected>;
  /** By member; `undefined` where it is free. */
  readonly #sockets: (Connected | undefined)[] = [];
  readonly #free: number[] = [];
  /** Port of each group of the batch being gathered. */
  readonly #groupPorts: (SourcePort<Connected> | undefined)[] = Array.from({ length: BATCH }, () => undefined);
  /** Socket that each received datagram came to. */
  readonly #receivers: (Connected | undefined)[] = Array.from({ length: BATCH }, () => undefined);
  /** Queries of a turn of the loop, smoothed; those of this one. */
  #perTurn = 0.1;
  #inTurn = 0;
  /** Queries that may have a port of their own beyond what their number calls for; when that was last added to. */
  #allowance = ALONE_AT_ONCE + 0.1;
  #allowedMs: number;
  #lastGroup = 0;
  readonly #values: Float64Array;
  readonly #sendErrors: number;

  constructor(parts: MmsgUpstreamParts) {
    this.#parts = parts;
    this.#allowedMs = parts.nowMs();
    this.#tx = new GroupBatch(SEND_STRIDE, parts.segments);
    this.#values = parts.metrics.values;
    this.#sendErrors = parts.metrics.counter(
      'sekisho_upstream_send_errors_total',
      'Queries to upstreams that the kernel refused to send.',
    );
    this.#ports = new SourcePorts<Connected>({
      budget: parts.sourcePorts,
      random32: parts.random32,
      nowMs: parts.nowMs,
      ...(parts.reserved && { reserved: parts.reserved }),
      open: (address, destinationPort, port, number) => this.#open(address, destinationPort, port, number),
      close: (socket) => this.#close(socket),
    });
    this.#watched = parts.loop.watchGroup((members, count) => this.#receive(members, count));
    for (let i = 0; i < BATCH; i++) this.#rx.rearm(i, 0);
  }

  send(bytes: Uint8Array, start: number, length: number, address: Int32Array, port: number): number {
    const tx = this.#tx;
    const group = this.#group(address, port);
    if (group < 0) {
      this.#values[this.#sendErrors]! += 1;
      return -1;
    }
    const payload = tx.queued * SEND_STRIDE;
    for (let b = 0; b < length; b++) tx.payload[payload + b] = bytes[start + b]!;
    tx.add(group, length);
    this.#inTurn++;
    const { number } = this.#groupPorts[group]!;
    if (tx.queued === BATCH) this.#sendAll();
    return number;
  }

  flush(): void {
    if (this.#inTurn > 0) this.#perTurn += (this.#inTurn - this.#perTurn) / 4;
    this.#inTurn = 0;
    if (this.#tx.queued > 0) this.#sendAll();
  }

  tick(nowMs: number): void {
    this.#allowance = Math.min(ALONE_AT_ONCE, this.#allowance + Math.max(0, nowMs - this.#allowedMs) * ALONE_PER_MS);
    this.#allowedMs = nowMs;
    this.#ports.tick(nowMs);
  }

  close(): void {
    this.#ports.close();
  }

  /** The group that a query joins; -1 where no socket can be opened. */
  #group(address: Int32Array, port: number): number {
    const tx = this.#tx;
    if (tx.groups > 0) {
      const enough = tx.groups > this.#perTurn / SHARING;
      if (enough && this.#allowance < 1) {
        // By turns, so that queries that follow each other share a port only where there is but one.
        for (let n = 0; n < 2; n++) {
          const group = ++this.#lastGroup % tx.groups;
          if (isTo(this.#groupPorts[group]!.socket, address, port)) return group;
        }
      } else if (enough) this.#allowance--;
    }
    const drawn = this.#ports.draw(address, port);
    if (drawn === undefined) return -1;
    const group = tx.begin(drawn.socket.fd);
    this.#groupPorts[group] = drawn;
    return group;
  }

  #sendAll(): void {
    // An unreachable network or a full buffer: the query's own timeout takes care of it.
    this.#values[this.#sendErrors]! += this.#tx.send();
  }

  #open(address: Int32Array, destinationPort: number, port: number, number: number): Connected | undefined {
    const fd = openUdpClient(address, destinationPort, port);
    if (fd < 0) return undefined;
    if (fd >= (this.#parts.lastDescriptor ?? Number.MAX_SAFE_INTEGER)) {
      this.#libc.close(fd);
      return undefined;
    }
    const member = this.#free.pop() ?? this.#sockets.length;
    const socket = { fd, member, number, address, port: destinationPort };
    this.#sockets[member] = socket;
    this.#parts.opened(fd);
    this.#parts.loop.join(this.#watched, fd, member);
    return socket;
  }

  #close(socket: Connected): void {
    this.#sockets[socket.member] = undefined;
    this.#free.push(socket.member);
    this.#libc.close(socket.fd);
    this.#parts.closed(socket.fd);
  }

  /** Read what has come to these sockets, a batch at a time. Returns how many datagrams that was. */
  #receive(members: Int32Array, count: number): number {
    let taken = 0;
    let filled = 0;
    let errors = 0;
    for (let i = 0; i < count; ) {
      const socket = this.#sockets[members[i]!];
      const room = BATCH - filled;
      const received = socket ? this.#libc.recvmmsg(socket.fd, this.#rx.addressOf(filled), room, MSG_DONTWAIT, 0) : 0;
      if (received > 0) {
        for (let n = 0; n < received; n++) this.#receivers[filled + n] = socket;
        filled += received;
      }
      // What became of an earlier query (an ICMP error) is told first, and what has come stands behind it.
      const again = received < 0 && this.#libc.errno() !== EAGAIN && ++errors < ERRORS;
      if (received < room && !again) {
        i++;
        errors = 0;
      }
      if (filled === BATCH) {
        this.#deliver(filled);
        taken += filled;
        filled = 0;
      }
    }
    this.#deliver(filled);
    return taken + filled;
  }

  #deliver(count: number): void {
    const rx = this.#rx;
    const { sink } = this.#parts;
    if (count > 1 && sink.foresee)
      for (let i = 0; i < count; i++) sink.foresee(rx.payload, i * RECEIVE_STRIDE, rx.received(i));
    for (let i = 0; i < count; i++) {
      const { number, address, port } = this.#receivers[i]!;
      // A datagram cut by the kernel is handed on as it is: it will not parse, and is counted there.
      const length = (rx.flags(i) & MSG_TRUNC) !== 0 ? 0 : rx.received(i);
      sink.datagram(number, rx.payload, i * RECEIVE_STRIDE, length, address, port);
      rx.rearm(i, 0);
    }
  }
}

function isTo(socket: Connected, address: Int32Array, port: number): boolean {
  return (
    socket.port === port &&
    socket.address[3] === address[3] &&
    socket.address[2] === address[2] &&
    socket.address[1] === address[1] &&
    socket.address[0] === address[0]
  );
}
