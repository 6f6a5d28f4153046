/**
 * Questions to authorities that are under way: one query to one server each, from a port of its own, with a random id and
 * random letter case, until an answer that matches in every respect, or time, ends it.
 *
 *   ask ─▶ UDP ─ reply that matches ──▶ TC, case or cookie lost ─▶ the same server over TCP
 *           │                           FORMERR, NOTIMP, BADVERS  ─▶ once without EDNS, or without our cookie
 *           │ nothing within the server's usual time ─▶ `unanswered`; a late reply still counts
 *           ▼
 *          `replied` (any rcode) or `failed` (malformed, TCP refused)
 *
 * What one costs draws on its owner's budget (`mayAsk`). Not forged: RFC 5452 §9; what does not match is counted, and waiting goes on.
 */
import { addressText } from '../../address/address.ts';
import type { DatagramSink, UpstreamSockets } from '../../chain/routes.ts';
import type { Clock } from '../../time/clock.ts';
import { FLAG_QR, FLAG_TC, HEADER_BYTES, RCODE } from '../../wire/constants.ts';
import { LOWER } from '../../wire/reader.ts';
import { tcpDialer } from '../forward/dialer.ts';
import { NearMisses } from '../forward/near-misses.ts';
import { TcpClient } from '../forward/tcp-client.ts';
import { COOKIE_FINE, COOKIE_FORGED, COOKIE_RENEWED, checkCookie } from './authority-cookie.ts';
import type { AuthorityServer } from './authority-server.ts';
import type { IterateCounters } from './iterate-counters.ts';
import type { WireName } from './name-text.ts';
import { type Reply, readReply } from './reply.ts';
import type { ServerTable } from './server-memory.ts';
import { queryBytes } from './upstream-query.ts';

/** Who asks. */
export interface ExchangeOwner {
  /** May one query more be sent for this? Draws on the budget. */
  mayAsk(nowMs: number): boolean;
  /** A reply that matches; the exchange is over. `bytes`: of the message. */
  replied(exchange: Exchange, reply: Reply, bytes: number, nowMs: number): void;
  /** No reply within the server's usual time; one may still come. Told once. */
  unanswered(exchange: Exchange, nowMs: number): void;
  /** What came cannot be read, or TCP does not work; the exchange is over. */
  failed(exchange: Exchange, nowMs: number): void;
}

export class Exchange {
  readonly owner: ExchangeOwner;
  readonly server: AuthorityServer;
  readonly name: WireName;
  readonly type: number;
  id = -1;
  query: Uint8Array = new Uint8Array(0);
  socket = -1;
  /** As fractions from the start, so that the fields hold doubles. */
  sentMs = 0.1;
  waitUntilMs = 0.1;
  edns = true;
  cookie = true;
  /** The name went out in lower case. */
  plain = false;
  overTcp = false;
  /** Fallbacks taken. */
  again = 0;
  told = false;
  done = false;
  /** Place among those under way. */
  at = -1;

  constructor(owner: ExchangeOwner, server: AuthorityServer, name: WireName, type: number) {
    this.owner = owner;
    this.server = server;
    this.name = name;
    this.type = type;
  }
}

export interface ExchangesParts {
  readonly sockets: (sink: DatagramSink) => UpstreamSockets;
  readonly servers: ServerTable;
  readonly clock: Clock;
  readonly random32: () => number;
  readonly counters: IterateCounters;
  /** Set DO in every query: what comes is validated, or a client may want it. */
  readonly dnssecOk: boolean;
  readonly cookies: boolean;
  readonly mixedCase: boolean;
  readonly nudge: () => void;
}

/** Exchanges under way in one worker. */
const MAX_UNDER_WAY = 16_384;
/** TCP connections to authorities of one worker. */
const MAX_CONNECTIONS = 64;
const TCP_TIMEOUT_MS = 1500;
/** Ways of asking the same server once more: without EDNS, without cookie, with a new cookie, over TCP. */
const MAX_AGAIN = 3;

interface Connection {
  readonly client: TcpClient;
  readonly waiting: Set<Exchange>;
  usedMs: number;
}

export class Exchanges implements DatagramSink {
  readonly #parts: ExchangesParts;
  readonly #sockets: UpstreamSockets;
  readonly #byId: (Exchange | undefined)[] = new Array(65536).fill(undefined);
  readonly #active: Exchange[] = [];
  readonly #connections = new Map<string, Connection>();
  readonly #nearMisses = new NearMisses();

  constructor(parts: ExchangesParts) {
    this.#parts = parts;
    this.#sockets = parts.sockets(this);
  }

  get underWay(): number {
    return this.#active.length;
  }

  /** Ask `server`, which was asked the same `tries` times already. Undefined where the budget, or the room here, is used up, or nothing can be sent there. */
  ask(
    owner: ExchangeOwner,
    server: AuthorityServer,
    name: WireName,
    type: number,
    tries: number,
    nowMs: number,
  ): Exchange | undefined {
    if (this.#active.length >= MAX_UNDER_WAY || !owner.mayAsk(nowMs)) return undefined;
    const { servers, cookies, mixedCase } = this.#parts;
    const exchange = new Exchange(owner, server, name, type);
    exchange.id = this.#freeId();
    exchange.edns = servers.usesEdns(server.place, nowMs);
    exchange.cookie = cookies && servers.usesCookie(server.place, nowMs);
    exchange.plain = !mixedCase || !servers.keepsCase(server.place, nowMs);
    this.#byId[exchange.id] = exchange;
    exchange.at = this.#active.push(exchange) - 1;
    this.#send(exchange, nowMs);
    // RFC 6298 §5.5: twice as long each time.
    exchange.waitUntilMs += (exchange.waitUntilMs - nowMs) * (2 ** tries - 1);
    if (exchange.socket >= 0) return exchange;
    this.cancel(exchange);
    return undefined;
  }

  /** Its owner has what it needs: nothing that comes is looked at any more. */
  cancel(exchange: Exchange): void {
    if (exchange.done) return;
    exchange.done = true;
    this.#byId[exchange.id] = undefined;
    const last = this.#active.pop()!;
    if (last !== exchange) {
      this.#active[exchange.at] = last;
      last.at = exchange.at;
    }
    if (exchange.overTcp) this.#connections.get(keyOf(exchange.server))?.waiting.delete(exchange);
  }

  tick(nowMs: number): void {
    this.#sockets.tick(nowMs);
    for (let i = this.#active.length - 1; i >= 0; i--) {
      const exchange = this.#active[i];
      if (exchange === undefined || nowMs < exchange.waitUntilMs || exchange.told) continue;
      exchange.told = true;
      this.#parts.counters.timedOut();
      if (exchange.overTcp) {
        this.#connections.get(keyOf(exchange.server))?.client.gaveUp();
        this.#fail(exchange, nowMs);
      } else {
        this.#parts.servers.timedOut(exchange.server.place, nowMs);
        exchange.owner.unanswered(exchange, nowMs);
      }
    }
    for (const [key, { client, waiting, usedMs }] of this.#connections) {
      client.tick(nowMs);
      if (waiting.size === 0 && nowMs - usedMs > 10_000) {
        client.close();
        this.#connections.delete(key);
      }
    }
    this.#sockets.flush();
  }

  flush(): void {
    this.#sockets.flush();
  }

  close(): void {
    for (const { client } of this.#connections.values()) client.close();
    this.#sockets.close();
  }

  // ── replies ───────────────────────────────────────────────────────────────────────────────────────────────────────

  datagram(socket: number, bytes: Uint8Array, start: number, length: number, address: Int32Array, port: number): void {
    const { counters, clock } = this.#parts;
    if (length < HEADER_BYTES) {
      counters.mismatch('short');
      return;
    }
    const exchange = this.#byId[(bytes[start]! << 8) | bytes[start + 1]!];
    if (exchange === undefined) {
      counters.mismatch('id');
      this.#wrongId(socket, clock.nowMs());
      return;
    }
    const { server } = exchange;
    // RFC 5452 §9.1: address and port it came from, address and port it came to.
    if (server.port !== port || !isSame(server.address, address)) {
      counters.mismatch('source');
      return;
    }
    if (exchange.socket !== socket || exchange.overTcp) {
      counters.mismatch('socket');
      this.#wrongId(socket, clock.nowMs());
      return;
    }
    this.#take(exchange, bytes, start, length, clock.nowMs());
  }

  /** A message of the right server, port and id. */
  #take(exchange: Exchange, bytes: Uint8Array, start: number, length: number, nowMs: number): void {
    const { counters, servers } = this.#parts;
    const { server, overTcp } = exchange;
    const flags = (bytes[start + 2]! << 8) | bytes[start + 3]!;
    if ((flags & FLAG_QR) === 0) {
      counters.mismatch('query');
      return;
    }
    if ((flags & 0x7800) !== 0) {
      counters.mismatch('opcode');
      return;
    }
    const rcode = flags & 15;
    // RFC 6891 §7: a server that could not read the query at all may send back no more than a header.
    const bare = length === HEADER_BYTES && bytes[start + 4] === 0 && bytes[start + 5] === 0;
    if (bare && exchange.edns && (rcode === RCODE.FORMERR || rcode === RCODE.NOTIMP)) {
      servers.answered(server.place, nowMs - exchange.sentMs);
      this.#again(exchange, nowMs, 'without-edns');
      return;
    }
    const match = compare(exchange, bytes, start, length);
    if (match === OTHER) {
      counters.mismatch('question');
      return;
    }
    if (match === OTHER_CASE && !exchange.plain) {
      if (!overTcp) {
        counters.mismatch('case');
        // Forged, or a server that loses the case: over TCP nobody can forge it.
        this.#again(exchange, nowMs, 'tcp');
        return;
      }
      servers.losesCase(server.place, nowMs);
    } else if (!exchange.plain) servers.showsCase(server.place, nowMs);
    const cookie =
      exchange.cookie && exchange.edns ? checkCookie(servers, server, bytes, start, length, overTcp) : COOKIE_FINE;
    if (cookie === COOKIE_FORGED) {
      counters.mismatch('cookie');
      if (overTcp) this.#fail(exchange, nowMs);
      else this.#again(exchange, nowMs, 'tcp');
      return;
    }
    servers.answered(server.place, exchange.told ? -1 : nowMs - exchange.sentMs);
    if (cookie === COOKIE_RENEWED) {
      this.#again(exchange, nowMs, 'same');
      return;
    }
    if ((flags & FLAG_TC) !== 0 && !overTcp) {
      counters.truncated();
      this.#again(exchange, nowMs, 'tcp');
      return;
    }
    const reply = readReply(bytes, start, length);
    if (reply === undefined) {
      counters.mismatch('malformed');
      this.#fail(exchange, nowMs);
      return;
    }
    if (this.#fallsBack(exchange, reply, nowMs)) return;
    this.#learn(exchange, reply, nowMs);
    this.cancel(exchange);
    exchange.owner.replied(exchange, reply, length, nowMs);
  }

  /** RFC 6891 §7, RFC 7873 §5.3: what the server says is about the form of the query; once more in another one. */
  #fallsBack(exchange: Exchange, reply: Reply, nowMs: number): boolean {
    if (!exchange.edns) return false;
    const { rcode } = reply;
    const form = rcode === RCODE.FORMERR || rcode === RCODE.NOTIMP;
    if (rcode === RCODE.BADVERS || (form && !reply.edns)) {
      this.#again(exchange, nowMs, 'without-edns');
      return true;
    }
    if (form && exchange.cookie && !this.#parts.servers.expectsCookie(exchange.server.place)) {
      this.#again(exchange, nowMs, 'without-cookie');
      return true;
    }
    return false;
  }

  #learn(exchange: Exchange, reply: Reply, nowMs: number): void {
    const { servers } = this.#parts;
    const { place } = exchange.server;
    const useful = reply.rcode === RCODE.NOERROR || reply.rcode === RCODE.NXDOMAIN;
    if (!useful) return;
    if (reply.edns) servers.showsEdns(place, nowMs);
    else if (!exchange.edns && servers.usesEdns(place, nowMs)) servers.lacksEdns(place, nowMs);
    if (exchange.edns && !exchange.cookie && this.#parts.cookies && servers.usesCookie(place, nowMs))
      servers.lacksCookie(place, nowMs);
  }

  /** Somebody who found the port may be trying all ids: what was asked from there is asked over TCP. */
  #wrongId(socket: number, nowMs: number): void {
    if (!this.#nearMisses.add(socket, nowMs)) return;
    for (let i = this.#active.length - 1; i >= 0; i--) {
      const exchange = this.#active[i];
      if (exchange?.socket === socket && !exchange.overTcp) this.#again(exchange, nowMs, 'tcp');
    }
  }

  // ── asking ────────────────────────────────────────────────────────────────────────────────────────────────────────

  #again(exchange: Exchange, nowMs: number, how: 'tcp' | 'without-edns' | 'without-cookie' | 'same'): void {
    const { overTcp } = exchange;
    if (how === 'without-edns') exchange.edns = false;
    if (how === 'without-cookie') exchange.cookie = false;
    if (++exchange.again > MAX_AGAIN || !exchange.owner.mayAsk(nowMs)) {
      this.#fail(exchange, nowMs);
      return;
    }
    if (how !== 'tcp') this.#parts.counters.fallback(how);
    if (how === 'tcp' || overTcp) this.#sendTcp(exchange, nowMs);
    else {
      this.#send(exchange, nowMs);
      if (exchange.socket < 0) this.#fail(exchange, nowMs);
    }
  }

  #write(exchange: Exchange): void {
    const { servers, random32, dnssecOk } = this.#parts;
    const { place, address } = exchange.server;
    exchange.query = queryBytes({
      id: exchange.id,
      name: exchange.name,
      type: exchange.type,
      random32: exchange.plain ? undefined : random32,
      edns: exchange.edns,
      dnssecOk,
      cookie: exchange.cookie ? { table: servers, place, address } : undefined,
    });
  }

  #send(exchange: Exchange, nowMs: number): void {
    const { servers, counters } = this.#parts;
    const { server } = exchange;
    this.#write(exchange);
    const { query } = exchange;
    exchange.socket = this.#sockets.send(query, 0, query.length, server.address, server.port);
    exchange.sentMs = nowMs;
    exchange.told = false;
    exchange.waitUntilMs = nowMs + servers.timeoutMs(server.place);
    servers.sent(server.place, nowMs);
    counters.sent(server.address);
  }

  #sendTcp(exchange: Exchange, nowMs: number): void {
    const connection = this.#connectionTo(exchange.server, nowMs);
    exchange.overTcp = true;
    exchange.told = false;
    exchange.sentMs = nowMs;
    exchange.waitUntilMs = nowMs + TCP_TIMEOUT_MS;
    this.#write(exchange);
    if (connection === undefined || !connection.client.send(exchange.query, 0, exchange.query.length, nowMs)) {
      this.#fail(exchange, nowMs);
      return;
    }
    this.#parts.counters.sentTcp();
    connection.waiting.add(exchange);
    connection.usedMs = nowMs;
  }

  #connectionTo(server: AuthorityServer, nowMs: number): Connection | undefined {
    const key = keyOf(server);
    const known = this.#connections.get(key);
    if (known) return known;
    if (this.#connections.size >= MAX_CONNECTIONS && !this.#closeIdle()) return undefined;
    const waiting = new Set<Exchange>();
    const client = new TcpClient(tcpDialer(addressText(server.address), server.port), {
      message: (bytes, start, length) => this.#tcpMessage(waiting, bytes, start, length),
      gone: () => this.#tcpGone(key, waiting),
      begun: this.#parts.nudge,
    });
    const connection = { client, waiting, usedMs: nowMs };
    this.#connections.set(key, connection);
    return connection;
  }

  #closeIdle(): boolean {
    for (const [key, { client, waiting }] of this.#connections) {
      if (waiting.size > 0) continue;
      client.close();
      this.#connections.delete(key);
      return true;
    }
    return false;
  }

  #tcpMessage(waiting: Set<Exchange>, bytes: Uint8Array, start: number, length: number): void {
    if (length < HEADER_BYTES) {
      this.#parts.counters.mismatch('short');
      return;
    }
    const exchange = this.#byId[(bytes[start]! << 8) | bytes[start + 1]!];
    if (exchange === undefined || !waiting.has(exchange)) {
      this.#parts.counters.mismatch('id');
      return;
    }
    this.#take(exchange, bytes, start, length, this.#parts.clock.nowMs());
    this.#sockets.flush();
  }

  #tcpGone(key: string, waiting: Set<Exchange>): void {
    this.#connections.delete(key);
    const nowMs = this.#parts.clock.nowMs();
    for (const exchange of [...waiting]) this.#fail(exchange, nowMs);
    this.#sockets.flush();
  }

  #fail(exchange: Exchange, nowMs: number): void {
    if (exchange.done) return;
    this.cancel(exchange);
    exchange.owner.failed(exchange, nowMs);
  }

  #freeId(): number {
    const { random32 } = this.#parts;
    let id = random32() & 0xffff;
    // A quarter of the range is in use at most. A generator that is stuck must not stop us.
    for (let draws = 0; this.#byId[id] !== undefined; draws++)
      id = draws < 64 ? random32() & 0xffff : (id + 1) & 0xffff;
    return id;
  }
}

const SAME = 0;
const OTHER_CASE = 1;
const OTHER = 2;

/** Compare the question of a message with what was asked (RFC 5452 §9.1). */
function compare({ query, name }: Exchange, bytes: Uint8Array, start: number, length: number): number {
  const end = HEADER_BYTES + name.length + 4;
  if (length < end || bytes[start + 4] !== 0 || bytes[start + 5] !== 1) return OTHER;
  let match = SAME;
  for (let i = HEADER_BYTES; i < end; i++) {
    const byte = bytes[start + i]!;
    if (byte === query[i]) continue;
    if (i >= end - 4 || LOWER[byte] !== LOWER[query[i]!]) return OTHER;
    match = OTHER_CASE;
  }
  return match;
}

function isSame(a: Int32Array, b: Int32Array): boolean {
  return a[3] === b[3] && a[2] === b[2] && a[1] === b[1] && a[0] === b[0];
}

function keyOf({ address, port }: AuthorityServer): string {
  return `${address[0]},${address[1]},${address[2]},${address[3]},${port}`;
}
