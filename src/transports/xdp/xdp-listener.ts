/**
 * The UDP side of a worker past the sockets: frames straight from the network interface's receive queues, answers straight back.
 *
 *     frame ─▶ frame-reader ─▶ chain ─▶ answer in a chunk ─▶ frame-writer ─▶ send ring     hits
 *                                 └──▶ waits for an upstream … ─▶ the socket               everything that had to wait
 *     what the program leaves to the kernel ─▶ the socket ─▶ mmsg-listener.ts
 *
 * The sockets of `mmsg` are always there beside it and watched: fragments, odd packets and other interfaces come by them, and so does
 * everything while no queue is attached. Whatever happens to the fast path, nobody goes without an answer. An answer that had
 * to wait leaves by the socket, because routes, neighbours and the queue itself may have changed meanwhile, and because what
 * is spent on it is little beside what the waiting cost.
 */
import type { PacketHandler } from '../../chain/routes.ts';
import type { Metrics } from '../../metrics/registry.ts';
import type { Shedder } from '../../overload/shedder.ts';
import type { Clock } from '../../time/clock.ts';
import { MAX_UDP_BYTES } from '../../wire/constants.ts';
import { Query, UDP } from '../../wire/query.ts';
import type { DatagramListener } from '../udp/datagram-listener.ts';
import type { Foresight, MmsgListener } from '../udp/mmsg-listener.ts';
import { PAYLOAD_AT } from './frame.ts';
import { BAD_FRAMES, FRAME_OK, FrameReader } from './frame-reader.ts';
import { FrameWriter } from './frame-writer.ts';
import { type OwnPlace, OwnPlaces } from './own-places.ts';
import { XskRings } from './xsk-rings.ts';
import { RECEIVE_CHUNKS, type XskMemory } from './xsk-socket.ts';

/** Frames that are taken together. */
const BATCH = 64;
/** Fewer packets' waits overlap too little to be worth a second look at each. */
const LEAST_FORESEEN = 4;

/** What a worker serves beside its sockets; plain data. */
export interface FastPathShare {
  readonly queues: readonly XskMemory[];
  readonly places: readonly OwnPlace[];
}

export interface XdpListenerParts {
  /** Takes what comes by the sockets, and sends what does not leave by a queue. */
  readonly sockets: MmsgListener;
  readonly handle: PacketHandler;
  readonly clock: Clock;
  readonly metrics: Metrics;
  readonly shedder?: Shedder | undefined;
  readonly foresight?: Foresight | undefined;
  readonly random32: () => number;
}

export class XdpListener implements DatagramListener {
  readonly kind = 'xdp';
  readonly #parts: XdpListenerParts;
  /** What comes by them is received there. */
  readonly sockets: MmsgListener;
  readonly #handle: PacketHandler;
  readonly #query = new Query();
  readonly #reader = new FrameReader();
  readonly #writer: FrameWriter;
  #queues: readonly XskRings[] = [];
  #places = new OwnPlaces([]);
  /** Of the frames at hand: where they lie and how long they are. */
  readonly #offsets = new Int32Array(BATCH);
  readonly #lengths = new Int32Array(BATCH);
  readonly #values: Float64Array;
  readonly #frames: number;
  readonly #bad: number;
  readonly #foreign: number;
  readonly #bySocket: number;
  readonly #sendErrors: number;

  constructor(parts: XdpListenerParts) {
    this.#parts = parts;
    this.sockets = parts.sockets;
    this.#handle = parts.handle;
    this.#writer = new FrameWriter(parts.random32());
    this.#query.transport = UDP;
    const { metrics } = parts;
    this.#values = metrics.values;
    this.#frames = metrics.counter('sekisho_xdp_frames_total', 'Queries taken straight from a network interface.');
    this.#bad = metrics.counters(
      'sekisho_xdp_bad_frames_total',
      'Frames dropped because they are no sound packets.',
      'reason',
      BAD_FRAMES,
    );
    this.#foreign = metrics.counter(
      'sekisho_xdp_foreign_frames_total',
      'Frames for an address that is not served any more, dropped.',
    );
    this.#bySocket = metrics.counter(
      'sekisho_xdp_answers_by_socket_total',
      'Answers to frames that left by a socket: no room in the queue, or too long for the interface.',
    );
    this.#sendErrors = metrics.counter('sekisho_udp_send_errors_total', 'UDP answers that the kernel refused to send.');
  }

  get bound(): readonly { address: string; port: number }[] {
    return this.sockets.bound;
  }

  /** Serve these queues from now on, in place of those before; the caller watches their descriptors. */
  attach(share: FastPathShare): readonly XskRings[] {
    this.flush();
    this.#places = new OwnPlaces(share.places);
    const before = this.#queues;
    // Those that stay know which of their chunks are on their way.
    this.#queues = share.queues.map((memory) => before.find((rings) => rings.isOf(memory)) ?? new XskRings(memory));
    return this.#queues;
  }

  /** The queues are left as they are, as by a worker that dies: nothing is sent or given back. */
  forget(): void {
    this.#queues = [];
  }

  /** Take one batch of frames and answer what can be answered. Returns how many came. */
  receive(queue: number): number {
    const rings = this.#queues[queue];
    if (rings === undefined) return 0;
    const count = rings.waiting(BATCH);
    if (count === 0) return 0;
    for (let i = 0; i < count; i++) {
      this.#offsets[i] = rings.frameAt(i);
      this.#lengths[i] = rings.frameBytes(i);
    }
    // Before the first is handled: what kills this worker must not kill its successor too.
    rings.take(count);
    const nowMs = this.#parts.clock.nowMs();
    const given = this.#parts.shedder;
    const shedder = given?.frames(queue, rings.fullness, nowMs) ? given : undefined;
    if (this.#parts.foresight && count >= LEAST_FORESEEN && !shedder) this.#foresee(rings, count);
    for (let i = 0; i < count; i++) this.#receiveFrame(rings, i, nowMs, shedder);
    this.#values[this.#frames]! += count;
    rings.giveBack(this.#offsets, count);
    this.flush();
    return count;
  }

  /** For answers that had to wait. */
  prepare(query: Query): boolean {
    return this.sockets.prepare(query);
  }

  send(query: Query): void {
    this.sockets.send(query);
  }

  flush(): void {
    this.sockets.flush();
    for (let i = 0; i < this.#queues.length; i++) {
      const rings = this.#queues[i]!;
      const before = rings.failures;
      rings.kick();
      // EAGAIN is no failure; what stays in the ring is: the interface is down.
      if (rings.failures !== before && rings.unsent > 0) this.#values[this.#sendErrors]! += 1;
    }
  }

  stopReceiving(leaving: readonly number[]): void {
    // What has come so far is answered; then the queues are nobody's until the main thread gives them to a successor.
    for (let i = 0; i < this.#queues.length; i++)
      for (let rounds = RECEIVE_CHUNKS / BATCH; rounds > 0 && this.receive(i) > 0; rounds--);
    this.onDetach();
    this.attach({ queues: [], places: [] });
    this.sockets.stopReceiving(leaving);
  }

  /** Set by whoever watches the queues' descriptors. */
  onDetach: () => void = () => {};

  close(): void {
    this.sockets.close();
  }

  #receiveFrame(rings: XskRings, i: number, nowMs: number, shedder: Shedder | undefined): void {
    const { bytes } = rings;
    const reader = this.#reader;
    const found = reader.read(bytes, this.#offsets[i]!, this.#lengths[i]!);
    if (found !== FRAME_OK) {
      this.#values[this.#bad - 1 - found]! += 1;
      return;
    }
    const place = this.#places.find(bytes, reader);
    if (place === undefined) {
      this.#values[this.#foreign]! += 1;
      return;
    }
    const query = this.#query;
    reader.describe(bytes, query, place.wildcard);
    query.listener = place.listener;
    if (shedder?.sheds(query)) return;
    query.message = bytes;
    query.start = reader.payload;
    query.length = reader.payloadBytes;
    query.nowMs = nowMs;
    query.receivedMs = nowMs;
    const chunk = rings.takeChunk();
    if (chunk < 0) {
      this.#values[this.#bySocket]! += 1;
      if (this.sockets.prepare(query) && this.#handle(query)) this.sockets.send(query);
      return;
    }
    query.reply = bytes;
    query.replyWords = rings.words;
    query.replyStart = chunk + PAYLOAD_AT;
    query.replyCapacity = MAX_UDP_BYTES;
    if (!this.#handle(query)) rings.returnChunk(chunk);
    else if (FrameWriter.packetBytes(reader.family, query.replyLength) > rings.mtu) {
      this.#sendBySocket(query, bytes);
      rings.returnChunk(chunk);
    } else {
      this.#writer.write(reader, bytes, bytes, chunk + PAYLOAD_AT, query.replyLength);
      rings.send(this.#writer.frame, this.#writer.frameBytes);
    }
  }

  /** The answer lies in a chunk, and is longer than the interface takes: the kernel cuts it up. */
  #sendBySocket(query: Query, bytes: Uint8Array): void {
    const from = query.replyStart;
    const length = query.replyLength;
    this.#values[this.#bySocket]! += 1;
    if (!this.sockets.prepare(query)) return;
    for (let i = 0; i < length; i++) query.reply[query.replyStart + i] = bytes[from + i]!;
    this.sockets.send(query);
  }

  #foresee(rings: XskRings, count: number): void {
    const { foresight } = this.#parts;
    for (let i = 0; i < count; i++) {
      if (this.#reader.read(rings.bytes, this.#offsets[i]!, this.#lengths[i]!) !== FRAME_OK) continue;
      const place = this.#places.find(rings.bytes, this.#reader);
      if (place === undefined) continue;
      this.#query.listener = place.listener;
      this.#reader.describe(rings.bytes, this.#query, place.wildcard);
      foresight?.foresee(this.#query);
    }
    foresight?.fetch();
  }
}
