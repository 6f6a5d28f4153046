/**
 * DNS over TCP for one worker (RFC 7766): queries pipelined, answers in whatever order they come, and every resource
 * that a client can hold bounded in number and in time (tcp-table.ts).
 *
 *     chunk ─▶ tcp-frames.ts ─▶ handle ─▶ send ─▶ one write per chunk
 *                                  └─ waits … ─▶ prepare, send ─▶ a write of its own
 */
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import type { PacketHandler, ReplyRoute } from '../../chain/routes.ts';
import type { Metrics } from '../../metrics/registry.ts';
import type { Clock } from '../../time/clock.ts';
import { MAX_MESSAGE_BYTES } from '../../wire/constants.ts';
import { Query, TCP } from '../../wire/query.ts';
import { announceKeepalive, put16 } from '../../wire/writer.ts';
import type { ProxiedClients } from '../proxy/proxied-clients.ts';
import { ProxyIntake } from '../proxy/proxy-intake.ts';
import { readAddress } from '../udp/dgram-address.ts';
import type { TcpConnection } from './tcp-connection.ts';
import { FRAME_EMPTY, FRAME_MESSAGE, FRAME_TOO_LONG } from './tcp-frames.ts';
import {
  CLOSED_CLIENT,
  CLOSED_EMPTY,
  CLOSED_ERROR,
  CLOSED_GARBAGE,
  CLOSED_OVERSIZED,
  CLOSED_SHUTDOWN,
  DEFAULT_TCP_LIMITS,
  type TcpLimits,
} from './tcp-limits.ts';
import { createTcpShares, TcpShares } from './tcp-shares.ts';
import { TcpTable } from './tcp-table.ts';

/** Where the reply begins in its buffer, a multiple of 4; its length prefix stands in the two bytes before. */
const REPLY_AT = 4;
/** Copying by words may touch a few bytes behind the reply. */
const SLACK_BYTES = 60;

export interface TcpServerParts {
  readonly handle: PacketHandler;
  readonly clock: Clock;
  readonly metrics: Metrics;
  readonly limits?: Partial<TcpLimits>;
  /** Connections of all workers together; without it those of this server alone are counted. */
  readonly shares?: TcpShares;
  /**
   * Called when something was begun that libuv must carry on: the loop of a worker that waits for packets itself gives
   * it a turn then.
   */
  readonly nudge?: () => void;
}

/** Where to listen: a listening socket made elsewhere (closed with the server), or an address. */
export type TcpListenTarget = { readonly fd: number } | { readonly host: string; readonly port: number };

/** What is spoken on the connections of an address. */
export interface Spoken {
  /** Number of the transport (wire/transports.ts). */
  readonly transport: number;
  /** Set where proxies say who the client is. */
  readonly proxied?: ProxiedClients | undefined;
  /** What becomes of an admitted connection; without it, queries are read from it. */
  readonly begin?: ((connection: TcpConnection, socket: Socket) => void) | undefined;
}

const PLAIN: Spoken = { transport: TCP };

export class TcpServer implements ReplyRoute {
  readonly #handle: PacketHandler;
  readonly #clock: Clock;
  readonly #limits: TcpLimits;
  readonly #nudge: () => void;
  readonly #table: TcpTable;
  readonly #servers: Server[] = [];
  readonly #query = new Query();
  readonly #words = new Int32Array(4);
  readonly #intake = new ProxyIntake();
  readonly #reply: Uint8Array;
  readonly #replyWords: Int32Array;
  #draining = false;
  readonly #values: Float64Array;
  readonly #acceptErrors: number;

  constructor(parts: TcpServerParts) {
    const { metrics } = parts;
    this.#handle = parts.handle;
    this.#clock = parts.clock;
    this.#limits = { ...DEFAULT_TCP_LIMITS, ...parts.limits };
    this.#nudge = parts.nudge ?? (() => {});
    const shares = parts.shares ?? new TcpShares(createTcpShares(this.#limits), 1, 0, [1, 2]);
    this.#table = new TcpTable(this.#limits, shares, parts.clock, metrics, this.#nudge);
    const memory = new ArrayBuffer(REPLY_AT + MAX_MESSAGE_BYTES + 1 + SLACK_BYTES);
    this.#reply = new Uint8Array(memory);
    this.#replyWords = new Int32Array(memory);
    this.#values = metrics.values;
    this.#acceptErrors = metrics.counter('sekisho_tcp_accept_errors_total', 'Failed attempts to accept a connection.');
    announceKeepalive(this.#limits.idleMs);
  }

  /** Connections of all stream transports. */
  get table(): TcpTable {
    return this.#table;
  }

  /** Open connections, those about to close included. */
  get connections(): number {
    return this.#table.size;
  }

  /** Listen; `listener` is the address' index in `server.listen`. Resolves with what was bound, rejects where it cannot. */
  listen(where: TcpListenTarget, listener: number, spoken: Spoken = PLAIN): Promise<AddressInfo> {
    const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) =>
      this.#accept(socket, listener, spoken),
    );
    return new Promise((resolve, reject) => {
      server.once('error', reject);
      server.listen({ ...where, backlog: 1024, ipv6Only: true, exclusive: true }, () => {
        server.off('error', reject);
        // Out of descriptors, most likely: the connections there are go on, and accepting is retried.
        server.on('error', () => {
          this.#values[this.#acceptErrors]! += 1;
        });
        this.#servers.push(server);
        resolve(server.address() as AddressInfo);
      });
    });
  }

  prepare(query: Query): boolean {
    query.reply = this.#reply;
    query.replyWords = this.#replyWords;
    query.replyStart = REPLY_AT;
    query.replyCapacity = MAX_MESSAGE_BYTES;
    return this.#table.find(query.connection, query.connectionGeneration) !== undefined;
  }

  send(query: Query): void {
    const connection = this.#table.find(query.connection, query.connectionGeneration);
    if (connection?.socket === undefined) return;
    const { reply, replyStart, replyLength } = query;
    // RFC 7766 §8: length and message in one write.
    put16(reply, replyStart - 2, replyLength);
    connection.socket.write(Buffer.from(reply.subarray(replyStart - 2, replyStart + replyLength)));
    if (this.#table.noteUnsent(connection)) this.#settle(connection);
  }

  /** To be called for a query that waited and ends without an answer; otherwise it counts as outstanding for ever. */
  abandon(query: Query): void {
    const connection = this.#table.find(query.connection, query.connectionGeneration);
    if (connection !== undefined) this.#settle(connection);
  }

  /** Close what made room for connections that other workers took; to be called about every 10 ms. */
  makeRoom(): void {
    this.#table.makeRoom();
  }

  /** Enforce the deadlines; to be called about every 100 ms. */
  tick(nowMs: number): void {
    this.#table.sweep(nowMs);
    this.#intake.sweep(nowMs, this.#limits.messageMs);
  }

  /** Accept nothing more, close what is idle, let outstanding queries be answered. `connections` falls to 0. */
  drain(): void {
    this.#draining = true;
    for (const server of this.#servers.splice(0)) server.close();
    this.#intake.close();
    this.#table.visit((connection) => this.#table.finish(connection, CLOSED_SHUTDOWN));
  }

  /** Stop at once; outstanding queries are not answered. */
  close(): void {
    this.drain();
    this.#table.visit((connection) => this.#table.destroy(connection, CLOSED_SHUTDOWN));
  }

  #accept(socket: Socket, listener: number, spoken: Spoken): void {
    const table = this.#table;
    const words = this.#words;
    if (this.#draining) return void table.turnAway(socket, CLOSED_SHUTDOWN);
    // A client that is gone already has no address any more.
    if (!readAddress(socket.remoteAddress ?? '', words)) return void table.turnAway(socket, CLOSED_ERROR);
    const port = socket.remotePort ?? 0;
    const { proxied } = spoken;
    if (proxied === undefined) return void this.#admit(socket, listener, spoken, words, port);
    this.#intake.take(socket, proxied, { words, port }, this.#clock.nowMs(), (client, clientPort) =>
      this.#admit(socket, listener, spoken, client, clientPort),
    );
  }

  /** The client at `words` and `port` has the connection. */
  #admit(socket: Socket, listener: number, { transport, begin }: Spoken, words: Int32Array, port: number): void {
    const connection = this.#table.admit(socket, words, port);
    if (connection === undefined) return;
    connection.listener = listener;
    connection.transport = transport;
    if (begin) begin(connection, socket);
    else this.serve(connection, socket);
  }

  /**
   * Read queries from `socket`, which is the connection's from now on: its own, or what TLS made of it. A place outlives its socket,
   * so each handler asks first whether the place is still this socket's.
   */
  serve(connection: TcpConnection, socket: Socket): void {
    const table = this.#table;
    connection.socket = socket;
    socket.on('data', (chunk: Buffer) => {
      if (connection.socket !== socket || connection.closing >= 0) return;
      connection.frames.feed(new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.length));
      this.#read(connection, socket);
    });
    // The client will ask nothing more, but may still wait for answers.
    socket.on('end', () => {
      if (connection.socket === socket) table.finish(connection, CLOSED_CLIENT);
    });
    socket.on('drain', () => {
      if (connection.socket !== socket) return;
      connection.stalledSinceMs = -1;
      if (table.noteUnsent(connection)) this.#wakeIfFree(connection);
    });
    // ECONNRESET, EPIPE: clients and networks do this all day. 'close' follows.
    socket.on('error', () => {
      if (connection.socket === socket) connection.failed = true;
    });
    socket.on('close', () => {
      if (connection.socket !== socket) return;
      const reason = connection.closing >= 0 ? connection.closing : CLOSED_CLIENT;
      table.release(connection, connection.failed ? CLOSED_ERROR : reason);
    });
    // Behind a header of the PROXY protocol it was paused.
    socket.resume();
  }

  /** Handle the messages that have come, until there is none or the connection has to wait. */
  #read(connection: TcpConnection, socket: Socket): void {
    const { frames } = connection;
    const nowMs = this.#clock.nowMs();
    // Answers to what came in one piece leave in one piece.
    socket.cork();
    let found = frames.next();
    let whole = false;
    while (found === FRAME_MESSAGE) {
      whole = true;
      this.#takeMessage(connection, nowMs);
      if (connection.socket !== socket) return;
      if (socket.writableLength >= this.#limits.pauseBytes) {
        socket.uncork();
        if (!this.#table.noteUnsent(connection)) return;
        socket.cork();
      }
      if (connection.inFlight >= this.#limits.maxInFlight) connection.pause();
      if (connection.paused) break;
      found = frames.next();
    }
    socket.uncork();
    if (!this.#table.noteUnsent(connection)) return;
    if (found === FRAME_EMPTY) this.#table.destroy(connection, CLOSED_EMPTY);
    else if (found === FRAME_TOO_LONG) this.#table.destroy(connection, CLOSED_OVERSIZED);
    else if (!frames.begun) connection.messageSinceMs = -1;
    else if (whole || connection.messageSinceMs < 0) connection.messageSinceMs = nowMs;
  }

  #takeMessage(connection: TcpConnection, nowMs: number): void {
    const query = this.#query;
    const { frames } = connection;
    query.transport = connection.transport;
    query.listener = connection.listener;
    query.family = connection.family;
    for (let i = 0; i < 4; i++) query.clientWords[i] = connection.clientWords[i]!;
    query.port = connection.port;
    query.connection = connection.index;
    query.connectionGeneration = connection.generation;
    query.message = frames.message;
    query.start = frames.start;
    query.length = frames.length;
    query.receivedMs = nowMs;
    query.nowMs = nowMs;
    query.dropReason = -1;
    query.unreadable = false;
    this.#table.begin(connection);
    this.prepare(query);
    if (this.#handle(query)) this.send(query);
    // Without a reason it waits for its answer, and is outstanding until `send` or `abandon`.
    else if (query.dropReason >= 0) this.abandon(query);
    // Whoever sends what is no query, or has lost the beginning of the messages, will not find it again on this connection.
    // What was asked before it is answered still.
    if (query.unreadable) this.#table.finish(connection, CLOSED_GARBAGE);
  }

  #settle(connection: TcpConnection): void {
    this.#table.settle(connection);
    this.#wakeIfFree(connection);
  }

  /** Read on, where nothing speaks against it. Half of the allowance must be free, so that reading does not stutter. */
  #wakeIfFree(connection: TcpConnection): void {
    const { paused, waking, closing, stalledSinceMs, inFlight, generation } = connection;
    if (!paused || waking || closing >= 0 || stalledSinceMs >= 0 || inFlight > this.#limits.maxInFlight >>> 1) return;
    connection.waking = true;
    // Not at once: the caller may be in the middle of handing one answer to many waiters.
    queueMicrotask(() => {
      if (connection.generation !== generation) return;
      connection.waking = false;
      if (connection.closing < 0) this.#resume(connection);
    });
  }

  #resume(connection: TcpConnection): void {
    const { socket } = connection;
    if (socket === undefined) return;
    connection.paused = false;
    if (connection.frames.pending) this.#read(connection, socket);
    if (connection.socket === socket && !connection.paused) socket.resume();
    this.#nudge();
  }
}
