/**
 * DNS over HTTPS for one worker (RFC 8484), on HTTP/2 as Node.js speaks it. A connection has its place among the others of the worker
 * (tcp-table.ts), with their limits and deadlines; each request is a stream that carries one query.
 *
 *     TLS ready ─▶ HTTP/2 session ─▶ stream ─▶ GET: the message is in the path ─────▶ handle ─▶ respond
 *         └─ HTTP/1.1: told that       └─ POST: body, bounded in bytes and time ─▶──┘
 *            HTTP/2 is needed
 *
 * Of a request nothing is kept but the message: no path, agent or cookie is read, and none is logged.
 */
import {
  constants,
  type IncomingHttpHeaders,
  performServerHandshake,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2';
import type { TLSSocket } from 'node:tls';
import type { PacketHandler, ReplyRoute } from '../../chain/routes.ts';
import type { Metrics } from '../../metrics/registry.ts';
import type { Clock } from '../../time/clock.ts';
import { MAX_MESSAGE_BYTES } from '../../wire/constants.ts';
import { HTTPS, Query } from '../../wire/query.ts';
import type { Carrier, TcpConnection } from '../tcp/tcp-connection.ts';
import { CLOSED_ERROR, CLOSED_FLOOD, CLOSED_GARBAGE, CLOSED_HANDSHAKE, type TcpLimits } from '../tcp/tcp-limits.ts';
import type { TcpTable } from '../tcp/tcp-table.ts';
import { MESSAGE_TYPE, type Refusal, readRequest, TOO_LARGE } from './doh-request.ts';
import { freshSeconds, maxAge } from './http-lifetime.ts';
import { politeRefusal } from './http1.ts';

/** Copying by words may touch a few bytes behind the reply. */
const SLACK_BYTES = 60;
/** Streams of one worker at once; beyond, the client is told to try again (RFC 9113 §8.7: REFUSED_STREAM). */
const MOST_STREAMS = 16_384;
/** Frames that ask nothing (PING, SETTINGS) and streams that are given up: so many at once, and so many a second. */
const IDLE_FRAMES = { burst: 100, perSecond: 10 };

/** Why a request ended, as the label of sekisho_doh_requests_total. */
const OUTCOMES = ['answered', 'refused', 'dropped', 'cancelled', 'timeout', 'full'] as const;
const ANSWERED = 0;
const REFUSED = 1;
const DROPPED = 2;
const CANCELLED = 3;
const TIMED_OUT = 4;
const FULL = 5;

export interface DohServerParts {
  readonly handle: PacketHandler;
  readonly table: TcpTable;
  readonly limits: TcpLimits;
  readonly clock: Clock;
  readonly metrics: Metrics;
  readonly nudge: () => void;
}

/** A place for a stream; used again, with another generation, when the stream is gone. */
class Place {
  readonly index: number;
  generation = 0;
  stream: ServerHttp2Stream | undefined = undefined;
  session: Session | undefined = undefined;
  /** Of the body, so far. */
  chunks: Buffer[] = [];
  length = 0;
  sinceMs = 0;
  /** The query is with the chain. */
  outstanding = false;
  /** Bytes of the answer that the stream holds. */
  unsent = 0;
  constructor(index: number) {
    this.index = index;
  }
}

class Session implements Carrier {
  readonly connection: TcpConnection;
  readonly http: ServerHttp2Session;
  readonly generation: number;
  unsentBytes = 0;
  /** Of IDLE_FRAMES. */
  tokens = IDLE_FRAMES.burst;
  tokensAtMs: number;

  constructor(connection: TcpConnection, http: ServerHttp2Session, nowMs: number) {
    this.connection = connection;
    this.http = http;
    this.generation = connection.generation;
    this.tokensAtMs = nowMs;
  }

  get open(): boolean {
    return this.connection.generation === this.generation && this.connection.socket !== undefined;
  }

  finish(): void {
    // RFC 9113 §6.8: GOAWAY; streams that were begun are finished.
    if (!this.http.closed && !this.http.destroyed) this.http.close();
  }
}

export class DohServer implements ReplyRoute {
  readonly #parts: DohServerParts;
  readonly #query = new Query();
  readonly #reply: Uint8Array;
  readonly #replyWords: Int32Array;
  readonly #message: Uint8Array;
  readonly #places: Place[] = [];
  readonly #vacant: Place[] = [];
  readonly #values: Float64Array;
  readonly #outcomes: number;

  constructor(parts: DohServerParts) {
    this.#parts = parts;
    const memory = new ArrayBuffer(MAX_MESSAGE_BYTES + 1 + SLACK_BYTES);
    this.#reply = new Uint8Array(memory);
    this.#replyWords = new Int32Array(memory);
    this.#message = new Uint8Array(parts.limits.maxQueryBytes + SLACK_BYTES);
    this.#values = parts.metrics.values;
    const help = 'Requests of DNS over HTTPS, by how they ended.';
    this.#outcomes = parts.metrics.counters('sekisho_doh_requests_total', help, 'outcome', OUTCOMES);
  }

  /** Serve what TLS has made of the connection. `path`: of the URI template. */
  begin(connection: TcpConnection, secure: TLSSocket, path: string): void {
    const { table, limits, clock, nudge } = this.#parts;
    connection.socket = secure;
    secure.on('error', () => {
      if (connection.socket === secure) connection.failed = true;
    });
    secure.on('close', () => {
      if (connection.socket !== secure) return;
      const reason = connection.closing >= 0 ? connection.closing : connection.failed ? CLOSED_ERROR : 0;
      table.release(connection, reason);
    });
    if (secure.alpnProtocol !== 'h2') {
      politeRefusal(secure);
      table.finish(connection, CLOSED_HANDSHAKE);
      return;
    }
    const http = performServerHandshake(secure, {
      maxSessionMemory: 4,
      maxHeaderListPairs: 64,
      maxOutstandingPings: 4,
      maxSettings: 16,
      maxSessionInvalidFrames: 16,
      maxSessionRejectedStreams: 16,
      maxSendHeaderBlockLength: 4096,
      settings: {
        enablePush: false,
        maxConcurrentStreams: limits.maxInFlight,
        maxHeaderListSize: 16_384,
        initialWindowSize: 65_535,
      },
    } as never) as ServerHttp2Session;
    const session = new Session(connection, http, clock.nowMs());
    connection.carrier = session;
    http.on('stream', (stream, headers) => this.#open(session, stream, headers, path));
    http.on('ping', () => this.#idleFrame(session));
    http.on('remoteSettings', () => this.#idleFrame(session));
    // The peer was told by GOAWAY (RFC 9113 §5.4.1). Node.js would wait for it to close in its turn, which such a peer need not do.
    http.on('error', () => {
      if (session.open) setImmediate(() => session.open && table.destroy(connection, CLOSED_GARBAGE));
      nudge();
    });
    http.on('close', () => {
      if (session.open) secure.destroy();
    });
    nudge();
  }

  prepare(query: Query): boolean {
    query.reply = this.#reply;
    query.replyWords = this.#replyWords;
    query.replyStart = 0;
    query.replyCapacity = MAX_MESSAGE_BYTES;
    return this.#find(query) !== undefined;
  }

  send(query: Query): void {
    const place = this.#find(query);
    if (place?.stream === undefined || place.session === undefined) return;
    const { stream, session } = place;
    const { reply, replyStart, replyLength } = query;
    place.outstanding = false;
    place.unsent = replyLength;
    session.unsentBytes += replyLength;
    const seconds = freshSeconds(reply, replyStart, replyLength);
    stream.respond({
      'content-type': MESSAGE_TYPE,
      'content-length': replyLength,
      'cache-control': maxAge(seconds),
    });
    stream.end(Buffer.from(reply.subarray(replyStart, replyStart + replyLength)));
    this.#values[this.#outcomes + ANSWERED]! += 1;
    this.#parts.table.settle(session.connection);
    this.#parts.table.noteUnsent(session.connection);
    this.#parts.nudge();
  }

  abandon(query: Query): void {
    const place = this.#find(query);
    if (place?.stream === undefined || place.session === undefined) return;
    const { stream, session } = place;
    place.outstanding = false;
    this.#values[this.#outcomes + DROPPED]! += 1;
    stream.close(constants.NGHTTP2_CANCEL);
    this.#parts.table.settle(session.connection);
    this.#parts.nudge();
  }

  /** Give up requests whose body does not come, and answers that are not taken; to be called about every 100 ms. */
  tick(nowMs: number): void {
    const { messageMs, stallMs } = this.#parts.limits;
    for (const place of this.#places) {
      const { stream, session } = place;
      if (stream === undefined || session === undefined || place.outstanding) continue;
      if (place.unsent > 0) {
        if (nowMs - place.sinceMs >= stallMs + messageMs) stream.close(constants.NGHTTP2_CANCEL);
      } else if (nowMs - place.sinceMs >= messageMs && !stream.headersSent) {
        this.#values[this.#outcomes + TIMED_OUT]! += 1;
        stream.close(constants.NGHTTP2_CANCEL);
      }
    }
  }

  #find({ connection, connectionGeneration }: Query): Place | undefined {
    const place = connection >= 0 ? this.#places[connection] : undefined;
    if (place?.generation !== connectionGeneration || place.session?.open !== true) return undefined;
    return place.stream !== undefined && !place.stream.destroyed ? place : undefined;
  }

  #open(session: Session, stream: ServerHttp2Stream, headers: IncomingHttpHeaders, path: string): void {
    stream.on('error', () => {});
    if (!session.open) return void stream.close(constants.NGHTTP2_REFUSED_STREAM);
    const { limits, clock } = this.#parts;
    const place = this.#vacant.pop() ?? this.#newPlace();
    if (place === undefined) {
      this.#values[this.#outcomes + FULL]! += 1;
      return void stream.close(constants.NGHTTP2_REFUSED_STREAM);
    }
    place.stream = stream;
    place.session = session;
    place.sinceMs = clock.nowMs();
    stream.on('close', () => this.#closed(place, stream));
    const found = readRequest(headers, path, this.#message, limits.maxQueryBytes);
    if (typeof found !== 'number') return void this.#refuse(stream, found);
    if (found > 0) return void this.#take(place, this.#message, found);
    stream.on('data', (chunk: Buffer) => {
      if (place.stream !== stream || stream.headersSent) return;
      place.length += chunk.length;
      if (place.length > limits.maxQueryBytes) return void this.#refuse(stream, TOO_LARGE);
      place.chunks.push(chunk);
    });
    stream.on('end', () => {
      if (place.stream !== stream || stream.headersSent) return;
      const body = place.chunks.length === 1 ? place.chunks[0]! : Buffer.concat(place.chunks);
      place.chunks = [];
      this.#take(place, body, body.length);
    });
  }

  /** The message has come. */
  #take(place: Place, message: Uint8Array, length: number): void {
    const { session, stream } = place;
    if (session === undefined || stream === undefined || stream.destroyed || !session.open) return;
    const { connection } = session;
    const { handle, table, clock } = this.#parts;
    const query = this.#query;
    const nowMs = clock.nowMs();
    query.transport = HTTPS;
    query.listener = connection.listener;
    query.family = connection.family;
    for (let i = 0; i < 4; i++) query.clientWords[i] = connection.clientWords[i]!;
    query.port = connection.port;
    query.connection = place.index;
    query.connectionGeneration = place.generation;
    query.message = message;
    query.start = 0;
    query.length = length;
    query.receivedMs = nowMs;
    query.nowMs = nowMs;
    query.dropReason = -1;
    query.unreadable = false;
    place.sinceMs = nowMs;
    place.outstanding = true;
    table.begin(connection);
    this.prepare(query);
    if (handle(query)) return void this.send(query);
    // Without a reason it waits for its answer.
    if (query.dropReason < 0) return;
    if (!query.unreadable) return void this.abandon(query);
    // RFC 8484 §4.2.1: what is no query is the request's fault.
    place.outstanding = false;
    table.settle(connection);
    this.#refuse(stream, { status: 400 });
  }

  #refuse(stream: ServerHttp2Stream, { status, headers }: Refusal): void {
    this.#values[this.#outcomes + REFUSED]! += 1;
    if (stream.destroyed || stream.headersSent) return;
    stream.respond({ ':status': status, 'content-length': 0, ...headers }, { endStream: true });
    // What is still to come of its body is not wanted.
    if (!stream.readableEnded) stream.close(constants.NGHTTP2_NO_ERROR);
    this.#parts.nudge();
  }

  #closed(place: Place, stream: ServerHttp2Stream): void {
    const { session } = place;
    if (place.stream !== stream || session === undefined) return;
    if (session.open) {
      session.unsentBytes -= place.unsent;
      if (place.outstanding) {
        this.#values[this.#outcomes + CANCELLED]! += 1;
        this.#parts.table.settle(session.connection);
        // CVE-2023-44487: asking and not waiting costs the client nothing, and the server all.
        this.#idleFrame(session);
      }
      if (session.open && session.connection.stalledSinceMs >= 0 && session.unsentBytes === 0) {
        session.connection.stalledSinceMs = -1;
        session.connection.paused = false;
      }
    }
    place.generation = (place.generation + 1) | 0;
    place.stream = undefined;
    place.session = undefined;
    place.chunks = [];
    place.length = 0;
    place.outstanding = false;
    place.unsent = 0;
    this.#vacant.push(place);
  }

  /** A frame that asks nothing. */
  #idleFrame(session: Session): void {
    const nowMs = this.#parts.clock.nowMs();
    const grown = session.tokens + ((nowMs - session.tokensAtMs) / 1000) * IDLE_FRAMES.perSecond;
    session.tokens = Math.min(IDLE_FRAMES.burst, grown) - 1;
    session.tokensAtMs = nowMs;
    if (session.tokens < 0 && session.open) this.#parts.table.destroy(session.connection, CLOSED_FLOOD);
  }

  #newPlace(): Place | undefined {
    if (this.#places.length >= MOST_STREAMS) return undefined;
    const place = new Place(this.#places.length);
    this.#places.push(place);
    return place;
  }
}
