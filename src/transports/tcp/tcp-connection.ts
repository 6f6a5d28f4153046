/** One TCP client's state, and the lists that keep connections in the order in which they fell quiet. */
import type { Socket } from 'node:net';
import { TCP } from '../../wire/query.ts';
import { FrameReader } from './tcp-frames.ts';

/** What carries queries on a connection: HTTP/2. */
export interface Carrier {
  /** Bytes of answers handed to it that the client has not taken. */
  readonly unsentBytes: number;
  /** Take no more queries, and close once what was begun is over. */
  finish(): void;
}

/** A place for a connection; used again, with another generation, when the connection is gone. */
export class TcpConnection {
  readonly index: number;
  /** Changes when the connection is over, so that late answers do not reach its successor. */
  generation = 0;
  /** Undefined while the place is empty. Once TLS is spoken, its socket. */
  socket: Socket | undefined = undefined;
  /** Set where queries are no frames of its own socket. */
  carrier: Carrier | undefined = undefined;
  readonly frames: FrameReader;
  listener = 0;
  /** Number of the transport (wire/transports.ts). */
  transport = TCP;
  family = 4;
  readonly clientWords = new Int32Array(4);
  port = 0;
  /** Its place in the table that all workers share (tcp-shares.ts); -1 = it is not counted there. */
  share = -1;
  /** Queries taken and neither answered nor dropped. */
  inFlight = 0;
  /** Bytes handed to the socket that the kernel has not taken, as of the last look. */
  unsentBytes = 0;
  /** Nothing is read: too many queries in flight, too much unsent, or about to close. */
  paused = false;
  /** A continuation of reading is on its way. */
  waking = false;
  /** Index of the reason for which the connection closes once its answers are out; -1 = it stays. */
  closing = -1;
  /** The socket reported an error. */
  failed = false;
  /** Instants of the monotonic clock; -1 = not so. */
  openedMs = 0;
  quietSinceMs = 0;
  messageSinceMs = -1;
  stalledSinceMs = -1;
  closingSinceMs = -1;
  list: ConnectionList | undefined = undefined;
  previous: TcpConnection | undefined = undefined;
  next: TcpConnection | undefined = undefined;

  constructor(index: number, maxQueryBytes: number) {
    this.index = index;
    this.frames = new FrameReader(maxQueryBytes);
  }

  open(socket: Socket, nowMs: number): void {
    this.socket = socket;
    this.inFlight = 0;
    this.unsentBytes = 0;
    this.paused = false;
    this.waking = false;
    this.closing = -1;
    this.failed = false;
    this.openedMs = nowMs;
    this.quietSinceMs = nowMs;
    this.messageSinceMs = -1;
    this.stalledSinceMs = -1;
    this.closingSinceMs = -1;
  }

  /** Read nothing more for now. */
  pause(): void {
    this.paused = true;
    // A carrier that read nothing would not hear that its client takes more.
    if (this.carrier === undefined) this.socket?.pause();
  }

  /** Give the place up. */
  vacate(): void {
    this.socket = undefined;
    this.carrier = undefined;
    this.share = -1;
    this.generation = (this.generation + 1) | 0;
    this.frames.clear();
  }
}

/** A doubly linked list through the connections themselves; each is in one list at most. */
export class ConnectionList {
  first: TcpConnection | undefined = undefined;
  #last: TcpConnection | undefined = undefined;

  /** Put `connection` at the end, out of whatever list it is in. */
  append(connection: TcpConnection): void {
    connection.list?.remove(connection);
    connection.list = this;
    connection.previous = this.#last;
    connection.next = undefined;
    if (this.#last === undefined) this.first = connection;
    else this.#last.next = connection;
    this.#last = connection;
  }

  remove(connection: TcpConnection): void {
    if (connection.previous === undefined) this.first = connection.next;
    else connection.previous.next = connection.next;
    if (connection.next === undefined) this.#last = connection.previous;
    else connection.next.previous = connection.previous;
    connection.list = undefined;
    connection.previous = undefined;
    connection.next = undefined;
  }
}
