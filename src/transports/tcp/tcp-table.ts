/**
 * All TCP connections of a worker: who may have one, which of them must go, and what their deadlines are.
 *
 *     admit ─▶ quiet ◀────────────▶ busy            quiet: no query outstanding, longest quiet first
 *                │  query / last answer │            busy: queries outstanding
 *                └─▶ closed by reason ◀─┘
 *
 * Deadlines are looked after by one sweep over both lists instead of a timer per connection: they need no precision, and
 * a timer would have to be moved with every query.
 */
import type { Socket } from 'node:net';
import { isMapped } from '../../address/address.ts';
import type { Metrics } from '../../metrics/registry.ts';
import type { Clock } from '../../time/clock.ts';
import { ConnectionList, TcpConnection } from './tcp-connection.ts';
import {
  CLOSE_REASONS,
  CLOSED_CLIENT_LIMIT,
  CLOSED_EVICTED,
  CLOSED_FULL,
  CLOSED_IDLE,
  CLOSED_LIFETIME,
  CLOSED_MESSAGE_TIMEOUT,
  CLOSED_STALLED,
  CLOSED_UNSENT,
  type TcpLimits,
} from './tcp-limits.ts';
import { CONDEMNED_BY_CLIENT, ENTER_CLIENT_LIMIT, ENTER_FULL, ENTER_UNCOUNTED, type TcpShares } from './tcp-shares.ts';

export class TcpTable {
  readonly #limits: TcpLimits;
  readonly #clock: Clock;
  readonly #nudge: () => void;
  /** All places made so far, by index; those in `#vacant` are empty. */
  readonly #places: TcpConnection[] = [];
  readonly #vacant: TcpConnection[] = [];
  readonly #quiet = new ConnectionList();
  readonly #busy = new ConnectionList();
  readonly #shares: TcpShares;
  /** Connections by their places in `#shares`. */
  readonly #sharing: (TcpConnection | undefined)[] = [];
  /** There are connections without a place in `#shares`. */
  #uncounted = false;
  #size = 0;
  #unsentBytes = 0;
  readonly #values: Float64Array;
  readonly #gauge: number;
  readonly #accepted: number;
  readonly #closed: number;

  constructor(limits: TcpLimits, shares: TcpShares, clock: Clock, metrics: Metrics, nudge: () => void) {
    this.#limits = limits;
    this.#shares = shares;
    this.#clock = clock;
    this.#nudge = nudge;
    this.#values = metrics.values;
    this.#gauge = metrics.gauge('sekisho_tcp_connections', 'Open TCP connections of clients.');
    this.#accepted = metrics.counter('sekisho_tcp_accepted_total', 'TCP connections accepted.');
    const help = 'TCP connections closed, by reason.';
    this.#closed = metrics.counters('sekisho_tcp_closed_total', help, 'reason', CLOSE_REASONS);
  }

  /** Open connections, those about to close included. */
  get size(): number {
    return this.#size;
  }

  /** The connection that a query came from, unless it is over. */
  find(index: number, generation: number): TcpConnection | undefined {
    const connection = index >= 0 ? this.#places[index] : undefined;
    return connection?.generation === generation && connection.socket !== undefined ? connection : undefined;
  }

  /** A place for a newcomer of the client at `words` and `port`, or undefined where it was turned away. */
  admit(socket: Socket, words: Int32Array, port: number): TcpConnection | undefined {
    const nowMs = this.#clock.nowMs();
    // RFC 7766 §6.2.3: under pressure a server may close idle connections; those with outstanding queries are kept.
    const share = this.#shares.enter(words, nowMs, this.#quiet.first?.share ?? -1);
    if (share === ENTER_CLIENT_LIMIT) return this.turnAway(socket, CLOSED_CLIENT_LIMIT);
    if (share === ENTER_FULL) return this.turnAway(socket, CLOSED_FULL);
    const madeRoom = this.#sharing[this.#shares.condemned];
    if (madeRoom !== undefined) this.#endCondemned(madeRoom);
    this.#values[this.#accepted]! += 1;
    const connection = this.#vacant.pop() ?? this.#newPlace();
    connection.open(socket, nowMs);
    connection.family = isMapped(words) ? 4 : 6;
    connection.clientWords.set(words);
    connection.port = port;
    connection.share = share;
    if (share >= 0) this.#sharing[share] = connection;
    else this.#uncounted = true;
    this.#quiet.append(connection);
    this.#values[this.#gauge] = ++this.#size;
    return connection;
  }

  /** Refuse a newcomer. */
  turnAway(socket: Socket, reason: number): undefined {
    socket.on('error', () => {});
    socket.destroy();
    this.#values[this.#accepted]! += 1;
    this.#values[this.#closed + reason]! += 1;
    return undefined;
  }

  /** One query more is outstanding. */
  begin(connection: TcpConnection): void {
    if (connection.inFlight++ > 0) return;
    this.#busy.append(connection);
    this.#shares.busy(connection.share);
  }

  /** One query fewer is outstanding. */
  settle(connection: TcpConnection): void {
    if (--connection.inFlight > 0) return;
    connection.quietSinceMs = this.#clock.nowMs();
    this.#quiet.append(connection);
    this.#shares.quiet(connection.share, connection.quietSinceMs);
    if (connection.closing >= 0) this.#closeSoon(connection);
  }

  /**
   * Back-pressure: note how much of what was written the client has not taken, and stop reading or give up where it is
   * too much. Returns false where the connection was given up.
   */
  noteUnsent(connection: TcpConnection): boolean {
    const { socket, carrier } = connection;
    if (socket === undefined) return false;
    const unsent = carrier?.unsentBytes ?? socket.writableLength;
    this.#unsentBytes += unsent - connection.unsentBytes;
    connection.unsentBytes = unsent;
    if (unsent === 0) return true;
    this.#nudge();
    const { maxUnsentBytes, maxTotalUnsentBytes, pauseBytes } = this.#limits;
    if (unsent > maxUnsentBytes || this.#unsentBytes > maxTotalUnsentBytes) {
      this.destroy(connection, CLOSED_UNSENT);
      return false;
    }
    // Corked bytes are about to be written; the client has not refused them.
    if (unsent >= pauseBytes && connection.stalledSinceMs < 0 && socket.writableCorked === 0) {
      connection.stalledSinceMs = this.#clock.nowMs();
      connection.pause();
    }
    return true;
  }

  /** Close what made room for connections that other workers have taken; to be called at every tick. */
  makeRoom(): void {
    if (this.#uncounted) {
      this.#uncounted = false;
      this.visit((connection) => this.#count(connection));
    }
    if (this.#shares.look()) this.visit((connection) => this.#endCondemned(connection));
  }

  /** Close what is past one of its deadlines. */
  sweep(nowMs: number): void {
    this.visit((connection) => {
      if (connection.unsentBytes === 0 || this.noteUnsent(connection)) this.#enforceDeadlines(connection, nowMs);
    });
  }

  /** Close once the outstanding queries are answered and the answers are out. */
  finish(connection: TcpConnection, reason: number): void {
    const { socket } = connection;
    if (socket === undefined || connection.closing >= 0) return;
    connection.closing = reason;
    connection.closingSinceMs = this.#clock.nowMs();
    connection.pause();
    if (connection.inFlight === 0) this.#closeSoon(connection);
  }

  #closeSoon(connection: TcpConnection): void {
    if (connection.carrier) connection.carrier.finish();
    else connection.socket?.destroySoon();
    this.#nudge();
  }

  /** Close at once. */
  destroy(connection: TcpConnection, reason: number): void {
    const { socket } = connection;
    this.release(connection, reason);
    socket?.destroy();
    this.#nudge();
  }

  /** The connection is over: its place is free for another. */
  release(connection: TcpConnection, reason: number): void {
    connection.list?.remove(connection);
    this.#unsentBytes -= connection.unsentBytes;
    if (connection.share >= 0) this.#sharing[connection.share] = undefined;
    this.#shares.leave(connection.share);
    connection.vacate();
    this.#vacant.push(connection);
    this.#values[this.#closed + reason]! += 1;
    this.#values[this.#gauge] = --this.#size;
  }

  /** Call `each` for every open connection; it may close the one that it is given. */
  visit(each: (connection: TcpConnection) => void): void {
    for (const list of [this.#quiet, this.#busy]) {
      for (let connection = list.first; connection !== undefined; ) {
        const { next } = connection;
        each(connection);
        connection = next;
      }
    }
  }

  /** For one that was taken while the shares could not be asked. */
  #count(connection: TcpConnection): void {
    if (connection.share >= 0) return;
    const nowMs = this.#clock.nowMs();
    const share = this.#shares.enter(connection.clientWords, nowMs, this.#quiet.first?.share ?? -1);
    if (share === ENTER_UNCOUNTED) this.#uncounted = true;
    else if (share < 0) this.destroy(connection, share === ENTER_FULL ? CLOSED_FULL : CLOSED_CLIENT_LIMIT);
    if (share < 0) return;
    connection.share = share;
    this.#sharing[share] = connection;
    if (connection.inFlight > 0) this.#shares.busy(share);
    const madeRoom = this.#sharing[this.#shares.condemned];
    // Not at once: it may be the next one that is visited.
    if (madeRoom !== undefined) this.#shares.remind();
  }

  #endCondemned(connection: TcpConnection): void {
    const sentence = this.#shares.sentence(connection.share);
    if (sentence === 0) return;
    this.destroy(connection, sentence === CONDEMNED_BY_CLIENT ? CLOSED_CLIENT_LIMIT : CLOSED_EVICTED);
  }

  #enforceDeadlines(connection: TcpConnection, nowMs: number): void {
    const { idleMs, messageMs, lifetimeMs, stallMs } = this.#limits;
    const { closing, inFlight, stalledSinceMs, messageSinceMs } = connection;
    if (closing >= 0) {
      // Outstanding queries have deadlines of their own; the lifetime is for a chain that forgot one.
      const allowedMs = inFlight === 0 ? stallMs : lifetimeMs;
      if (nowMs - connection.closingSinceMs >= allowedMs) this.destroy(connection, closing);
    } else if (stalledSinceMs >= 0 && nowMs - stalledSinceMs >= stallMs) {
      this.destroy(connection, CLOSED_STALLED);
    } else if (messageSinceMs >= 0 && nowMs - messageSinceMs >= messageMs) {
      this.destroy(connection, CLOSED_MESSAGE_TIMEOUT);
    } else if (nowMs - connection.openedMs >= lifetimeMs) {
      this.finish(connection, CLOSED_LIFETIME);
    } else if (inFlight === 0 && messageSinceMs < 0 && nowMs - connection.quietSinceMs >= idleMs) {
      this.destroy(connection, CLOSED_IDLE);
    }
  }

  #newPlace(): TcpConnection {
    const connection = new TcpConnection(this.#places.length, this.#limits.maxQueryBytes);
    this.#places.push(connection);
    return connection;
  }
}
