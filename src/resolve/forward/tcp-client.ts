/**
 * TCP or TLS to one upstream (RFC 7766 and RFC 7858 as a client): one connection, opened when it is needed, shared by all
 * queries, answers in any order, closed after a while without use. What is sent before it is ready waits: nothing leaves before it is
 * known who is at the other end. Not the packet path: it may allocate, within its bounds.
 *
 * Time is told by `tick`; there are no timers of its own.
 */
import type { Socket } from 'node:net';
import { type Dialer, type DialFailure, dialFailure } from './dialer.ts';

/** Called by the connection; `message` and `gone` never from inside `send`. */
export interface TcpHandler {
  /** One message. Bytes are borrowed. */
  message(bytes: Uint8Array, start: number, length: number): void;
  /**
   * The connection is gone, and with it all queries on it. `worked`: it had carried an answer, so the server may just have
   * closed it for being idle, and asking again is worth it (RFC 7766 §6.2.4). Else `failure` says what kept it from working.
   */
  gone(worked: boolean, failure: DialFailure): void;
  /** A connection or a write was begun, which libuv carries on: whoever holds its thread has to give it a turn. */
  begun(): void;
}

export interface TcpLimits {
  /** Queries on the connection that wait for an answer. */
  readonly inFlight: number;
  /** Bytes that were sent and that the other side has not taken yet. */
  readonly unsentBytes: number;
  readonly connectMs: number;
  /** Silence while queries wait, after which the connection is given up. */
  readonly answerMs: number;
  /** How long it is kept without use (RFC 7766 §6.2.3: of the order of seconds). */
  readonly idleMs: number;
  /** What is sent leaves at `flush`, together; else at once. */
  readonly batches: boolean;
}

export const TCP_LIMITS: TcpLimits = {
  inFlight: 256,
  unsentBytes: 256 * 1024,
  connectMs: 1500,
  answerMs: 4000,
  idleMs: 8000,
  batches: false,
};

/** Where every question goes over it: as many as there may be, and kept for longer, since a new connection is dear. */
export const DOT_LIMITS: TcpLimits = { ...TCP_LIMITS, inFlight: 65_535, idleMs: 60_000, batches: true };

const PREFIX_BYTES = 2;
/** Room for the longest message with its prefix, and as much again so that few bytes are moved. */
const BUFFER_BYTES = 2 * (65535 + PREFIX_BYTES);

export class TcpClient {
  readonly #dialer: Dialer;
  readonly #handler: TcpHandler;
  readonly #limits: TcpLimits;
  #socket: Socket | undefined;
  #ready = false;
  #worked = false;
  /** What kept the connection from working, as far as it is known. */
  #failure: DialFailure = 'closed';
  /** Sent before it was ready. */
  #early: Uint8Array[] = [];
  #earlyBytes = 0;
  /** Writes are held together until `flush`. */
  #corked = false;
  #openedMs = 0;
  #usedMs = 0;
  /** The first and the last query sent since something came; the first is -1 where there was none. */
  #silentSinceMs = -1;
  #sentMs = 0;
  #nowMs = 0;
  #inFlight = 0;
  #buffer: Uint8Array | undefined;
  #filled = 0;

  constructor(dialer: Dialer, handler: TcpHandler, limits = TCP_LIMITS) {
    this.#dialer = dialer;
    this.#handler = handler;
    this.#limits = limits;
  }

  /** Send a message. Returns false where too many are waiting on the connection. The bytes are copied. */
  send(bytes: Uint8Array, start: number, length: number, nowMs: number): boolean {
    if (this.#inFlight >= this.#limits.inFlight) return false;
    this.#nowMs = nowMs;
    const socket = this.#socket ?? this.#open();
    if (socket.writableLength + this.#earlyBytes > this.#limits.unsentBytes) return false;
    // RFC 7766 §8: length and message in one segment.
    const frame = new Uint8Array(PREFIX_BYTES + length);
    frame[0] = length >>> 8;
    frame[1] = length & 255;
    frame.set(bytes.subarray(start, start + length), PREFIX_BYTES);
    if (this.#ready) {
      if (this.#limits.batches && !this.#corked) {
        this.#corked = true;
        socket.cork();
      }
      socket.write(frame);
    } else {
      this.#early.push(frame);
      this.#earlyBytes += frame.length;
    }
    this.#handler.begun();
    this.#inFlight++;
    if (this.#silentSinceMs < 0) this.#silentSinceMs = nowMs;
    this.#sentMs = nowMs;
    this.#usedMs = nowMs;
    return true;
  }

  /** Open the connection where there is none, so that it is there when it is needed. */
  open(nowMs: number): void {
    this.#nowMs = nowMs;
    this.#usedMs = nowMs;
    if (this.#socket) return;
    this.#open();
    this.#handler.begun();
  }

  /** Whether what is sent now leaves at once. */
  get isReady(): boolean {
    return this.#ready;
  }

  /** What was sent since the last time leaves together. */
  flush(): void {
    if (!this.#corked) return;
    this.#corked = false;
    this.#socket?.uncork();
  }

  /** Closes what does not connect in time and what nobody uses. */
  tick(nowMs: number): void {
    this.#nowMs = nowMs;
    const socket = this.#socket;
    if (!socket) return;
    const { connectMs, answerMs, idleMs } = this.#limits;
    if (!this.#ready && nowMs - this.#openedMs > connectMs) this.#drop(socket, 'timeout');
    // A query that is never answered says nothing about those sent after it: all of them have had their time.
    else if (this.#isSilent(nowMs, answerMs)) this.#drop(socket, 'timeout');
    // RFC 7766 §6.2.3: an idle client closes first.
    else if (nowMs - this.#usedMs > idleMs) this.#drop(socket);
  }

  /** Nobody waits for one of the queries any more. */
  gaveUp(): void {
    if (this.#inFlight > 0) this.#inFlight--;
  }

  #isSilent(nowMs: number, answerMs: number): boolean {
    const since = this.#silentSinceMs;
    return since >= 0 && nowMs - since > answerMs && nowMs - this.#sentMs > answerMs / 2;
  }

  close(): void {
    const socket = this.#socket;
    this.#socket = undefined;
    this.#forget();
    socket?.destroy();
  }

  #open(): Socket {
    this.#buffer ??= new Uint8Array(BUFFER_BYTES);
    this.#filled = 0;
    this.#worked = false;
    this.#failure = 'closed';
    this.#forget();
    this.#silentSinceMs = -1;
    this.#openedMs = this.#nowMs;
    const socket = this.#dialer.dial();
    this.#socket = socket;
    socket.on(this.#dialer.ready, () => {
      if (this.#socket !== socket) return;
      const failure = this.#dialer.check(socket);
      if (failure !== undefined) this.#drop(socket, failure);
      else this.#start(socket);
    });
    socket.on('data', (chunk: Uint8Array) => {
      if (this.#socket === socket) this.#take(socket, chunk);
    });
    // 'close' follows and tells.
    socket.on('error', (error) => {
      if (this.#socket === socket) this.#failure = dialFailure(error);
    });
    socket.on('close', () => this.#drop(socket));
    socket.on('end', () => this.#drop(socket));
    return socket;
  }

  #start(socket: Socket): void {
    this.#ready = true;
    this.#usedMs = this.#nowMs;
    socket.cork();
    for (const frame of this.#early) socket.write(frame);
    socket.uncork();
    this.#early = [];
    this.#earlyBytes = 0;
  }

  #drop(socket: Socket, failure = this.#failure): void {
    if (this.#socket !== socket) return;
    this.#socket = undefined;
    this.#forget();
    socket.destroy();
    this.#handler.gone(this.#worked, failure);
  }

  /** Nothing is under way on the connection that was, or is about to be. */
  #forget(): void {
    this.#ready = false;
    this.#corked = false;
    this.#early = [];
    this.#earlyBytes = 0;
    this.#inFlight = 0;
  }

  #take(socket: Socket, chunk: Uint8Array): void {
    const buffer = this.#buffer!;
    this.#usedMs = this.#nowMs;
    this.#silentSinceMs = -1;
    for (let from = 0; from < chunk.length; ) {
      const part = Math.min(chunk.length - from, buffer.length - this.#filled);
      buffer.set(chunk.subarray(from, from + part), this.#filled);
      this.#filled += part;
      from += part;
      let at = 0;
      while (at + PREFIX_BYTES <= this.#filled) {
        const length = (buffer[at]! << 8) | buffer[at + 1]!;
        if (at + PREFIX_BYTES + length > this.#filled) break;
        if (this.#inFlight > 0) this.#inFlight--;
        this.#worked = true;
        this.#handler.message(buffer, at + PREFIX_BYTES, length);
        // The handler may have closed the connection, or opened another, which uses the buffer again.
        if (this.#socket !== socket) return;
        at += PREFIX_BYTES + length;
      }
      buffer.copyWithin(0, at, this.#filled);
      this.#filled -= at;
    }
  }
}
