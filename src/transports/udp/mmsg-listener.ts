/**
 * The UDP side of a worker on Linux: up to 64 datagrams in with one recvmmsg, their answers out with one sendmmsg.
 *
 * Answers are written straight into the send batch. A query that must wait gives its place up; its answer later takes
 * the next free one, through `prepare` and `send`, and leaves with whatever batch is flushed then.
 */

import { addressWords } from '../../address/address.ts';
import type { PacketHandler } from '../../chain/routes.ts';
import type { Metrics } from '../../metrics/registry.ts';
import type { Shedder } from '../../overload/shedder.ts';
import {
  AF_INET,
  EAGAIN,
  EINTR,
  IP_PKTINFO,
  IPPROTO_IP,
  IPPROTO_IPV6,
  IPV6_PKTINFO,
  type Libc,
  libc,
  MSG_DONTWAIT,
  MSG_TRUNC,
} from '../../system/libc.ts';
import type { Clock } from '../../time/clock.ts';
import { HEADER_BYTES, MAX_UDP_BYTES } from '../../wire/constants.ts';
import { Query, UDP } from '../../wire/query.ts';
import { ProxiedClients } from '../proxy/proxied-clients.ts';
import { boundPort, stopTaking } from '../sockets.ts';
import type { DatagramListener } from './datagram-listener.ts';
import { BATCH, CONTROL_STRIDE, MmsgBatch, NAME_STRIDE } from './mmsg-batch.ts';

/** Longest query taken over UDP; real ones stay below 600 bytes, padding included (RFC 8467 §4.1). */
const MAX_QUERY_BYTES = 2048;
const RECEIVE_STRIDE = MAX_QUERY_BYTES + 64;
/** Room for the largest answer; the excess over 1232 keeps strides apart from powers of two. */
const SEND_STRIDE = MAX_UDP_BYTES + 112;

/** A socket opened elsewhere (sockets.ts). */
export interface ListenerSocket {
  readonly fd: number;
  /** Index in `server.listen`. */
  readonly listener: number;
  readonly address: string;
  /** Bound to 0.0.0.0 or ::, so every packet says which address it was for. */
  readonly wildcard: boolean;
  /** Networks of the proxies that name the client (PROXY protocol); absent = clients speak for themselves. */
  readonly proxies?: readonly string[];
}

export interface MmsgListenerParts {
  readonly sockets: readonly ListenerSocket[];
  readonly handle: PacketHandler;
  readonly clock: Clock;
  readonly metrics: Metrics;
  /** Drops packets unread when the worker is behind. */
  readonly shedder?: Shedder | undefined;
  /** Told of all senders of a batch before its first packet is handled. */
  readonly foresight?: Foresight | undefined;
}

/** Asks the memory for what packets of these senders will need. */
export interface Foresight {
  /** Of the query only the sender is known: client, port and listener. */
  foresee(query: Query): void;
  fetch(): void;
}

/** Waits of fewer packets overlap too little to be worth a second look at each. */
const LEAST_FORESEEN = 4;

export class MmsgListener implements DatagramListener {
  readonly kind = 'mmsg';
  readonly bound: readonly { address: string; port: number }[];
  readonly #sockets: readonly ListenerSocket[];
  readonly #fdOfListener: Int32Array;
  /** By socket; undefined where clients speak for themselves. */
  readonly #proxied: readonly (ProxiedClients | undefined)[];
  readonly #handle: PacketHandler;
  readonly #clock: Clock;
  readonly #libc: Libc = libc();
  readonly #rx = new MmsgBatch(RECEIVE_STRIDE);
  readonly #tx = new MmsgBatch(SEND_STRIDE);
  readonly #query = new Query();
  readonly #shedder: Shedder | undefined;
  readonly #foresight: Foresight | undefined;
  /** Listener of each queued answer; a batch may mix them. */
  readonly #txListener = new Int32Array(BATCH);
  #queued = 0;
  /** Bytes of control messages that the receive batch is armed for. */
  #armedFor = 0;
  readonly #values: Float64Array;
  readonly #oversized: number;
  readonly #sendErrors: number;
  readonly #receiveErrors: number;

  constructor(parts: MmsgListenerParts) {
    this.#sockets = parts.sockets;
    this.#handle = parts.handle;
    this.#clock = parts.clock;
    this.#shedder = parts.shedder;
    this.#foresight = parts.foresight;
    this.#fdOfListener = new Int32Array(Math.max(1, ...parts.sockets.map((socket) => socket.listener + 1))).fill(-1);
    for (const socket of parts.sockets) this.#fdOfListener[socket.listener] = socket.fd;
    this.bound = parts.sockets.map((socket) => ({ address: socket.address, port: boundPort(socket.fd) }));
    const { metrics } = parts;
    this.#proxied = parts.sockets.map(({ proxies }) => proxies && new ProxiedClients(proxies, metrics));
    this.#values = metrics.values;
    this.#oversized = metrics.counter(
      'sekisho_udp_oversized_total',
      'Datagrams longer than any query, answered FORMERR by their header.',
    );
    this.#receiveErrors = metrics.counter('sekisho_udp_receive_errors_total', 'Failed calls to receive UDP datagrams.');
    this.#sendErrors = metrics.counter('sekisho_udp_send_errors_total', 'UDP answers that the kernel refused to send.');
    for (let i = 0; i < BATCH; i++) this.#rx.rearm(i, 0);
    this.#query.transport = UDP;
    this.#query.reply = this.#tx.payload;
    this.#query.replyWords = this.#tx.payloadWords;
    this.#query.replyCapacity = MAX_UDP_BYTES;
  }

  /** Sockets for the loop to watch; `receive(i)` is to be called when the i-th is readable. */
  get sockets(): readonly ListenerSocket[] {
    return this.#sockets;
  }

  /** Take one batch from the i-th socket and answer what can be answered. Returns the number of datagrams. */
  receive(index: number): number {
    const socket = this.#sockets[index]!;
    const rx = this.#rx;
    const controlBytes = socket.wildcard ? CONTROL_STRIDE : 0;
    if (controlBytes !== this.#armedFor) this.#rearmAll(controlBytes);
    const count = this.#libc.recvmmsg(socket.fd, rx.address, BATCH, MSG_DONTWAIT, 0);
    if (count <= 0) {
      const errno = this.#libc.errno();
      if (count < 0 && errno !== EAGAIN && errno !== EINTR) this.#values[this.#receiveErrors]! += 1;
      return 0;
    }
    const nowMs = this.#clock.nowMs();
    const query = this.#query;
    query.listener = socket.listener;
    const shedder = this.#shedder?.batch(index, socket.fd, count === BATCH, nowMs) ? this.#shedder : undefined;
    // Behind, some are dropped unread: nothing is to be done for those.
    // What a proxy says is read once.
    const proxied = this.#proxied[index];
    if (this.#foresight && count >= LEAST_FORESEEN && !shedder && !proxied) this.#foresee(this.#foresight, count);
    for (let i = 0; i < count; i++) {
      const oversized = (rx.flags(i) & MSG_TRUNC) !== 0;
      if (oversized) this.#values[this.#oversized]! += 1;
      this.#describeSender(query, i);
      const from = i * RECEIVE_STRIDE;
      const header = proxied ? proxied.readDatagram(query, rx.payload, from, from + rx.received(i)) : 0;
      if (header < 0 || shedder?.sheds(query)) {
        rx.rearm(i, controlBytes);
        continue;
      }
      if (socket.wildcard) this.#describeLocal(query, i);
      else query.localWords[0] = 0;
      query.message = rx.payload;
      query.start = from + header;
      // A header alone is malformed (RFC 1035 §4.1.1: FORMERR), and so is what no query needs.
      query.length = oversized ? HEADER_BYTES : rx.received(i) - header;
      query.nowMs = nowMs;
      query.receivedMs = nowMs;
      query.replyStart = this.#queued * SEND_STRIDE;
      if (this.#handle(query)) this.send(query);
      rx.rearm(i, controlBytes);
    }
    this.flush();
    return count;
  }

  prepare(query: Query): boolean {
    query.reply = this.#tx.payload;
    query.replyWords = this.#tx.payloadWords;
    query.replyCapacity = MAX_UDP_BYTES;
    query.replyStart = this.#queued * SEND_STRIDE;
    return this.#fdOfListener[query.listener]! >= 0;
  }

  send(query: Query): void {
    const i = this.#queued;
    const tx = this.#tx;
    const name = (i * NAME_STRIDE) >>> 2;
    for (let w = 0; w < 7; w++) tx.nameWords[name + w] = query.peerWords[w]!;
    const control = (query.localWords[0]! & 0xffff) === 0 ? 0 : this.#putLocal(query, i);
    tx.describe(i, query.peer[0] === AF_INET ? 16 : 28, control, query.replyLength);
    this.#txListener[i] = query.listener;
    this.#queued = i + 1;
    if (this.#queued === BATCH) this.flush();
  }

  flush(): void {
    let from = 0;
    const queued = this.#queued;
    while (from < queued) {
      const listener = this.#txListener[from]!;
      let to = from + 1;
      while (to < queued && this.#txListener[to] === listener) to++;
      this.#sendRun(this.#fdOfListener[listener]!, from, to);
      from = to;
    }
    this.#queued = 0;
  }

  /** Set by whoever watches the sockets. */
  onStopReceiving: () => void = () => {};

  stopReceiving(leaving: readonly number[]): void {
    this.#sockets.forEach(({ fd, listener, address }, i) => {
      if (!leaving.includes(listener)) return;
      stopTaking(fd, addressWords(address));
      // What came before that is still queued, and nobody else can answer it.
      while (this.receive(i) > 0);
    });
    this.onStopReceiving();
  }

  close(): void {}

  #sendRun(fd: number, from: number, to: number): void {
    while (from < to) {
      const sent = this.#libc.sendmmsg(fd, this.#tx.addressOf(from), to - from, MSG_DONTWAIT);
      if (sent > 0) {
        from += sent;
        continue;
      }
      const errno = this.#libc.errno();
      if (errno === EINTR) continue;
      // The first message of the run is the one that failed (unreachable client, full buffer): the others may yet go.
      this.#values[this.#sendErrors]! += 1;
      from++;
    }
  }

  /** Sockets share the batch; only wildcard ones get control messages. */
  #rearmAll(controlBytes: number): void {
    for (let i = 0; i < BATCH; i++) this.#rx.rearm(i, controlBytes);
    this.#armedFor = controlBytes;
  }

  #foresee(foresight: Foresight, count: number): void {
    for (let i = 0; i < count; i++) {
      this.#describeSender(this.#query, i);
      foresight.foresee(this.#query);
    }
    foresight.fetch();
  }

  #describeSender(query: Query, i: number): void {
    const names = this.#rx.names;
    const at = i * NAME_STRIDE;
    const words = at >>> 2;
    for (let w = 0; w < 7; w++) query.peerWords[w] = this.#rx.nameWords[words + w]!;
    query.port = (names[at + 2]! << 8) | names[at + 3]!;
    const client = query.clientWords;
    if (names[at] === AF_INET) {
      query.family = 4;
      client[0] = 0;
      client[1] = 0;
      client[2] = 0xffff;
      client[3] = bigEndian(names, at + 4);
    } else {
      query.family = 6;
      client[0] = bigEndian(names, at + 8);
      client[1] = bigEndian(names, at + 12);
      client[2] = bigEndian(names, at + 16);
      client[3] = bigEndian(names, at + 20);
    }
  }

  /** Find the packet info among the control messages: the address that the client asked. */
  #describeLocal(query: Query, i: number): void {
    const controls = this.#rx.controls;
    const words = this.#rx.controlWords;
    query.localWords[0] = 0;
    let at = i * CONTROL_STRIDE;
    const end = at + Math.min(this.#rx.controlLength(i), CONTROL_STRIDE);
    // struct cmsghdr: length (8 bytes), level, type, then the data; aligned to 8 (RFC 3542 §20.2).
    while (at + 16 <= end) {
      const size = words[at >>> 2]!;
      const level = words[(at >>> 2) + 2]!;
      const type = words[(at >>> 2) + 3]!;
      if (size < 16 || at + size > end) return;
      if (level === IPPROTO_IP && type === IP_PKTINFO && size >= 28) {
        // struct in_pktinfo: interface, address the packet came to (ipi_spec_dst), address in its header.
        query.localWords[0] = AF_INET;
        query.localWords[1] = words[(at >>> 2) + 5]!;
        return;
      }
      if (level === IPPROTO_IPV6 && type === IPV6_PKTINFO && size >= 36) {
        query.local[0] = 10;
        query.local[1] = 0;
        for (let b = 0; b < 16; b++) query.local[4 + b] = controls[at + 16 + b]!;
        return;
      }
      at += (size + 7) & ~7;
    }
  }

  /** Write the control message that sends answer `i` from the address asked. Returns its length. */
  #putLocal(query: Query, i: number): number {
    const words = this.#tx.controlWords;
    const at = (i * CONTROL_STRIDE) >>> 2;
    words[at + 1] = 0;
    if (query.local[0] === AF_INET) {
      words[at] = 28;
      words[at + 2] = IPPROTO_IP;
      words[at + 3] = IP_PKTINFO;
      words[at + 4] = 0;
      words[at + 5] = query.localWords[1]!;
      words[at + 6] = 0;
      return 32;
    }
    words[at] = 36;
    words[at + 2] = IPPROTO_IPV6;
    words[at + 3] = IPV6_PKTINFO;
    for (let w = 0; w < 4; w++) words[at + 4 + w] = query.localWords[1 + w]!;
    words[at + 8] = 0;
    return 40;
  }
}

function bigEndian(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!;
}
