/**
 * The source that forwards: asks one of the configured servers, and another where that one fails.
 *
 *   resolve ─▶ joined to the task of an identical question, or a new task
 *   task    ─▶ try 1 ─ timeout ─▶ try 2 ─ … ─ deadline ─▶ failed
 *               │ reply that matches ──▶ TC, case or cookie lost ─▶ the same server over TCP
 *               │ many wrong ids ──────▶ the same server over TCP, and nothing over UDP is believed any more
 *               │ TLS broke ───────────▶ over a new connection; in the clear, where that is allowed; or another server
 *               │                        FORMERR without OPT ─▶ the same server without EDNS
 *               │                        FORMERR with OPT ─▶ the same server without our cookie
 *               │                        failure, garbage ─▶ another server, once
 *               ▼
 *             normalised answer ─▶ cache ─▶ everyone who waits
 *
 * A reply may come to any try of its task, however late: a server that is slow to find out is not asked in vain. What
 * does not match a query in every respect is counted, and waiting goes on (RFC 5452 §9).
 *
 * Whoever calls `resolve`, `refresh` or `datagram` calls `flush` of the sockets afterwards; `tick` does it itself.
 */

import type { UpstreamTls } from '../../address/upstream-server.ts';
import { STUB_LAME, STUB_REFERRAL } from '../../chain/failure-reasons.ts';
import type { DatagramSink, UpstreamSockets } from '../../chain/routes.ts';
import { type Effort, NO_ROOM, RESOLVING, type Source, type Waiters } from '../../chain/source.ts';
import type { Metrics } from '../../metrics/registry.ts';
import type { Clock } from '../../time/clock.ts';
import { Answer, FAILURE } from '../../wire/answer.ts';
import { CLASS, EDE, FLAG_AD, FLAG_TC, HEADER_BYTES, RCODE, TYPE } from '../../wire/constants.ts';
import { textToName } from '../../wire/name.ts';
import { Normalizer } from '../../wire/normalize.ts';
import type { Question } from '../../wire/question.ts';
import { DIAL_FAILURES, type DialFailure, tcpDialer, tlsDialer } from './dialer.ts';
import { ForwardCounters } from './forward-counters.ts';
import { NearMisses } from './near-misses.ts';
import {
  compareReply,
  REPLY_BARE,
  REPLY_IS_QUERY,
  REPLY_MATCHES,
  REPLY_OTHER_CASE,
  REPLY_OTHER_OPCODE,
  setEdns,
  writeQuery,
} from './query-message.ts';
import { RetryBudget } from './retry-budget.ts';
import { MOSTLY_REFUSES, type Server, type ServerConfig, UpstreamServers } from './servers.ts';
import { AUTHORITATIVE, REFERRAL, StubAnswers } from './stub-answer.ts';
import { MAX_TRIES, type Task, TaskPool, type Try } from './tasks.ts';
import { DOT_LIMITS, TcpClient } from './tcp-client.ts';
import { COOKIE_ACCEPTED, COOKIE_FORGED, COOKIE_RETRY, UpstreamCookie } from './upstream-cookie.ts';
import { WaitingList } from './waiting.ts';

/** Kinds of failure. The servers answered, but with failures or garbage. */
export const FAILED_ANSWERED = 0;
/** No answer came before the deadline. */
export const FAILED_TIMEOUT = 1;
/** Every server is down; said at once, and not worth remembering: probes find out when one is back. */
export const FAILED_UNREACHABLE = 2;
/** Given up for a newer question when there was no more room; not worth remembering either. */
export const FAILED_SHED = 3;

export interface ForwardLimits {
  /** Questions outstanding at once, 1–32768. */
  readonly tasks: number;
  /** Queries that wait for the same question. */
  readonly waiters: number;
  /** Milliseconds after which a question has failed. */
  readonly deadlineMs: number;
  /** Milliseconds after which those who wait may be served something stale (RFC 8767 §5). */
  readonly slowMs: number;
  /** When there is no more room a question that has been outstanding for so long may be given up for a new one. */
  readonly shedAfterMs: number;
}

export const FORWARD_LIMITS: ForwardLimits = {
  tasks: 4096,
  waiters: 512,
  deadlineMs: 4000,
  slowMs: 1800,
  shedAfterMs: 400,
};

export interface ForwardParts {
  readonly servers: readonly ServerConfig[];
  /** Makes the sockets, given where their datagrams are to go. */
  readonly sockets: (sink: DatagramSink) => UpstreamSockets;
  readonly waiters: Waiters;
  /** Chains the tokens of those who wait (`SuspendedQueries.next`). */
  readonly suspendedNext: Int32Array;
  /** A new answer, before those who wait get it: for the cache. All are borrowed. */
  onAnswer(question: Question, answer: Answer, nowMs: number, effort: Effort): void;
  /** An answer to `question` is about to be looked at, unless it is a forgery: it is likely to be kept. Borrowed. */
  onForeseen?(question: Question): void;
  /** There is no answer, and why: an info code (RFC 8914) and FAILED_…. Question and effort are borrowed. */
  onFailure(question: Question, ede: number, nowMs: number, kind: number, effort: Effort): void;
  /** May `question` be sent once more, or to another server? Where it may not, waiting goes on. Borrowed. */
  mayRepeat?(question: Question): boolean;
  readonly clock: Clock;
  /** A CSPRNG (upstream/random.ts). */
  readonly random32: () => number;
  readonly metrics: Metrics;
  readonly limits?: Partial<ForwardLimits>;
  /** The zone or view that these servers are for, as labels of metrics; without them they are those of `upstream`. */
  readonly labels?: Readonly<Record<string, string>>;
  /** A policy looks at the name servers of zones: they are kept in answers. */
  readonly nameServers?: boolean;
  /** These are authorities of the zone with this apex (wire form, lower case): asked without recursion, believed below it alone. */
  readonly stub?: Uint8Array;
  /** Certificates (PEM) of those who may vouch for servers that are spoken to over TLS; Node.js's own unless given. */
  readonly authorities?: string | undefined;
  /** Send cookies (RFC 7873) and hold servers that know them to it; without it none. */
  readonly cookies?: boolean;
  /** false: every name goes out in lower case. Default: in random case (0x20). */
  readonly mixedCase?: boolean;
  /** Zones whose names go out in lower case all the same. */
  readonly lowerCaseZones?: readonly string[];
  /** Called when something was begun that libuv must carry on (TCP): the loop of a worker gives it a turn then. */
  readonly nudge?: () => void;
}

/** A server that is down is probed this often. */
const PROBE_INTERVAL_MS = 500;
/** Probes that share an id: an answer may come that much later. */
const PROBE_TRIES = 3;
/** How long TCP may take, connecting included. */
const TCP_TIMEOUT_MS = 2000;
/** RFC 7766 §6.2.4: a connection that closed under a query is opened once more. */
const MAX_TCP_TRIES = 2;
/** Failures by different servers that make a question fail. */
const MAX_REFUSALS = 2;
/** Questions looked at to find an old one. */
const SHED_SAMPLE = 16;
/** All servers are down: nothing was sent. */
const NO_EFFORT: Effort = { startedMs: 0, tryCount: 0, background: false };

export class ForwardSource implements Source, DatagramSink {
  /** The servers, for status reports. */
  readonly servers: UpstreamServers;
  readonly #parts: ForwardParts;
  readonly #limits: ForwardLimits;
  readonly #sockets: UpstreamSockets;
  readonly #pool: TaskPool;
  readonly #tcp: readonly TcpClient[];
  /** Of those servers that are spoken to over TLS. */
  readonly #tls: readonly (TcpClient | undefined)[];
  /** What is known of each server's cookies; empty where none are sent. */
  readonly #cookies: readonly UpstreamCookie[];
  /** The probe of each server, where one is under way. */
  readonly #probes: (Task | undefined)[];
  readonly #waiting: WaitingList;
  readonly #retries = new RetryBudget();
  readonly #nearMisses = new NearMisses();
  readonly #normalizer: Normalizer;
  readonly #stub: StubAnswers | undefined;
  readonly #answer = new Answer();
  readonly #counters: ForwardCounters;
  readonly #values: Float64Array;
  /** Names of zones, in wire form. */
  readonly #exempt: readonly Uint8Array[];
  /** `#answer` is in the hands of those who waited. */
  #delivering = false;

  constructor(parts: ForwardParts) {
    const { stub, nameServers = false } = parts;
    this.#normalizer = new Normalizer({ nameServers, ...(stub && { within: stub }) });
    this.#stub = stub && new StubAnswers(stub);
    this.#parts = parts;
    this.#limits = { ...FORWARD_LIMITS, ...parts.limits };
    const labels = parts.labels ?? {};
    this.servers = new UpstreamServers(parts.servers, parts.metrics, labels);
    this.#counters = new ForwardCounters(parts.metrics, labels);
    this.#values = parts.metrics.values;
    this.#exempt = (parts.lowerCaseZones ?? []).map((zone) => textToName(zone));
    // One task more for each server, so that probes go out however full it is.
    this.#pool = new TaskPool(this.#limits.tasks + this.servers.list.length);
    this.#probes = this.servers.list.map(() => undefined);
    const tls = (server: Server, how: UpstreamTls) => tlsDialer(server.address, how, parts.authorities);
    this.#tcp = this.servers.list.map(
      (server) =>
        // Of a server that must not be spoken to in the clear, this too is TLS.
        new TcpClient(
          server.tls?.mode === 'strict' ? tls(server, server.tls) : tcpDialer(server.address, server.port),
          {
            message: (bytes, start, length) => this.#tcpMessage(server, bytes, start, length),
            gone: (worked) => this.#tcpGone(server, worked),
            begun: () => parts.nudge?.(),
          },
        ),
    );
    this.#tls = this.servers.list.map((server) => {
      if (server.tls === undefined) return undefined;
      const handler = {
        message: (bytes: Uint8Array, start: number, length: number) => this.#tlsMessage(server, bytes, start, length),
        gone: (worked: boolean, failure: DialFailure) => this.#tlsGone(server, worked, failure),
        begun: () => parts.nudge?.(),
      };
      return new TcpClient(tls(server, server.tls), handler, DOT_LIMITS);
    });
    this.#cookies = parts.cookies ? this.servers.list.map(() => new UpstreamCookie(parts.random32)) : [];
    this.#waiting = new WaitingList(parts.waiters, parts.suspendedNext);
    this.#sockets = parts.sockets(this);
  }

  get outstanding(): number {
    return this.#pool.active;
  }

  /** Questions that can still be taken. */
  get room(): number {
    return Math.max(0, this.#pool.free - this.servers.list.length);
  }

  has(question: Question): boolean {
    return this.#pool.find(question) !== undefined;
  }

  resolve(question: Question, token: number, nowMs: number): number {
    const joined = this.#pool.find(question);
    if (joined) return this.#join(joined, token);
    if (this.servers.up === 0) {
      this.#counters.failure(FAILED_UNREACHABLE);
      this.#parts.onFailure(question, EDE.NO_REACHABLE_AUTHORITY, nowMs, FAILED_UNREACHABLE, NO_EFFORT);
      this.#parts.waiters.failed(token, EDE.NO_REACHABLE_AUTHORITY);
      return RESOLVING;
    }
    if (this.#pool.free <= this.servers.list.length && !this.#shedOldest(nowMs)) {
      this.#counters.noRoom('questions');
      return NO_ROOM;
    }
    const task = this.#open(question, nowMs);
    this.#waiting.append(task, token);
    this.#tryNext(task, nowMs);
    return RESOLVING;
  }

  /**
   * Newest first: give up a question that has been outstanding for long, so that a new one gets its place. Whoever asked
   * the old one has mostly given up as well. Of a few drawn at random the oldest goes: looking at all would cost more than
   * an answer. Returns false where all of these are young.
   */
  #shedOldest(nowMs: number): boolean {
    const pool = this.#pool;
    let oldest: Task | undefined;
    for (let i = 0; i < SHED_SAMPLE; i++) {
      const task = pool.at(pool.activeSlots[this.#parts.random32() % pool.active]!);
      if (task.probe < 0 && (oldest === undefined || task.startedMs < oldest.startedMs)) oldest = task;
    }
    if (oldest === undefined || nowMs - oldest.startedMs < this.#limits.shedAfterMs) return false;
    this.#fail(oldest, FAILED_SHED, nowMs);
    return pool.free > this.servers.list.length;
  }

  refresh(question: Question, nowMs: number): void {
    // A luxury: it leaves a quarter of the room to those who wait.
    if (this.servers.up === 0 || this.#pool.free <= this.#pool.capacity >>> 2 || this.#pool.find(question)) return;
    this.#values[this.#counters.refreshes]! += 1;
    const task = this.#open(question, nowMs);
    task.background = true;
    this.#tryNext(task, nowMs);
  }

  tick(nowMs: number): void {
    this.#sockets.tick(nowMs);
    for (const client of this.#tcp) client.tick(nowMs);
    for (const client of this.#tls) client?.tick(nowMs);
    const pool = this.#pool;
    // Backwards: a task that ends is replaced by the last one, which was seen already or is new.
    for (let i = pool.active - 1; i >= 0; i--) {
      if (i >= pool.active) continue;
      const task = pool.at(pool.activeSlots[i]!);
      if (nowMs < task.wakeMs) continue;
      if (task.probe >= 0) this.#probeAgain(task, nowMs);
      else this.#wake(task, nowMs);
    }
    this.#values[this.#counters.outstanding] = pool.active;
    this.flush();
  }

  /** Everyone who waits is failed, so close the source before the transports that carry the replies. */
  close(): void {
    const pool = this.#pool;
    for (const client of this.#tcp) client.close();
    for (const client of this.#tls) client?.close();
    for (let i = pool.active - 1; i >= 0; i--) {
      const task = pool.at(pool.activeSlots[i]!);
      const first = this.#waiting.detach(task);
      pool.release(task);
      this.#waiting.failed(first, EDE.NOT_READY);
    }
    this.#sockets.close();
  }

  /** Hand over to the network what was sent since the last turn. */
  flush(): void {
    this.#sockets.flush();
    for (const client of this.#tls) client?.flush();
  }

  // ── replies ───────────────────────────────────────────────────────────────────────────────────────────────────────

  foresee(bytes: Uint8Array, start: number, length: number): void {
    if (length < HEADER_BYTES) return;
    const task = this.#pool.byId((bytes[start]! << 8) | bytes[start + 1]!);
    if (task) this.#parts.onForeseen?.(task.question);
  }

  datagram(socket: number, bytes: Uint8Array, start: number, length: number, address: Int32Array, port: number): void {
    const task = this.#taskOf(bytes, start, length);
    if (!task) {
      if (length >= HEADER_BYTES && !this.#delivering) this.#wrongId(socket, address, port);
      return;
    }
    // RFC 5452 §9.1: address and port it came from, address and port it came to.
    let found = -1;
    let matches = 0;
    let sourceKnown = false;
    for (let i = task.tryCount - 1; i >= 0; i--) {
      const attempt = task.tries[i]!;
      if (!isFrom(this.servers.list[attempt.server]!, address, port)) continue;
      sourceKnown = true;
      if (attempt.socket !== socket) continue;
      found = i;
      matches++;
    }
    if (found < 0) {
      this.#counters.mismatch(sourceKnown ? 'socket' : 'source');
      if (sourceKnown) this.#wrongId(socket, address, port);
      return;
    }
    if (task.onlyTcp) {
      this.#counters.mismatch('id');
      return;
    }
    const attempt = task.tries[found]!;
    const server = this.servers.list[attempt.server]!;
    const nowMs = this.#parts.clock.nowMs();
    const match = this.#match(task, server, bytes, start, length, attempt.plain);
    if (match < 0) return;
    if (match === REPLY_OTHER_CASE && !attempt.plain && !server.losesCase(nowMs)) {
      this.#counters.mismatch('case');
      this.#values[server.caseMismatches]! += 1;
      // Forged, or a server that loses the case: over TCP nobody can forge it.
      if (task.tcpServer < 0) this.#askTcp(task, server, nowMs);
      return;
    }
    const cookie = this.#checkCookie(task, server, match, bytes, start, length, false);
    if (cookie === COOKIE_FORGED) {
      this.#counters.mismatch('cookie');
      if (task.tcpServer < 0) this.#askTcp(task, server, nowMs);
      return;
    }
    if (match === REPLY_MATCHES && !attempt.plain && task.probe < 0) server.caseSeenMs = nowMs;
    // RFC 6298 §3 (Karn): where two tries look the same, nobody knows which one was answered.
    this.servers.answered(server, matches === 1 ? nowMs - attempt.sentMs : -1, nowMs);
    if (task.probe >= 0) {
      this.#endProbe(task);
    } else if (match === REPLY_BARE) {
      this.#askWithoutEdns(task, server, nowMs);
    } else if (cookie === COOKIE_RETRY) {
      // RFC 7873 §5.3: once more with the cookie it gave; over TCP where that is not enough.
      if (task.tryCount < MAX_TRIES) this.#send(task, server, nowMs);
      else if (task.tcpServer < 0) this.#askTcp(task, server, nowMs);
    } else if (isTruncated(bytes, start)) {
      this.#values[this.#counters.truncated]! += 1;
      if (task.tcpServer < 0) this.#askTcp(task, server, nowMs);
    } else {
      this.#accept(task, server, bytes, start, length, nowMs);
    }
  }

  /**
   * A reply came to `socket` whose id is that of no question asked from there. Somebody who found the port may be trying all
   * ids; over TCP he has to guess much more.
   */
  #wrongId(socket: number, address: Int32Array, port: number): void {
    const nowMs = this.#parts.clock.nowMs();
    if (!this.servers.list.some((server) => isFrom(server, address, port))) return;
    if (!this.#nearMisses.add(socket, nowMs)) return;
    const pool = this.#pool;
    for (let i = pool.active - 1; i >= 0; i--) {
      if (i >= pool.active) continue;
      const task = pool.at(pool.activeSlots[i]!);
      const attempt = task.probe >= 0 || task.onlyTcp ? undefined : task.tries.find(isAskedFrom, { task, socket });
      if (attempt === undefined) continue;
      task.onlyTcp = true;
      this.#values[this.#counters.wrongIds]! += 1;
      if (task.tcpServer < 0) this.#askTcp(task, this.servers.list[attempt.server]!, nowMs);
    }
  }

  #tcpMessage(server: Server, bytes: Uint8Array, start: number, length: number): void {
    const task = this.#taskOf(bytes, start, length);
    if (!task) return;
    if (task.tcpServer !== server.index) {
      this.#counters.mismatch('id');
      return;
    }
    const nowMs = this.#parts.clock.nowMs();
    const match = this.#match(task, server, bytes, start, length, task.lowerCase || server.losesCase(nowMs));
    if (match < 0) return;
    if (match === REPLY_OTHER_CASE) server.forgoCase(nowMs);
    this.#checkCookie(task, server, match, bytes, start, length, true);
    this.servers.answered(server, -1, nowMs);
    if (match === REPLY_BARE) this.#askWithoutEdns(task, server, nowMs);
    // RFC 2181 §9: truncated even here, so it is broken.
    else if (isTruncated(bytes, start)) this.#refused(task, server, EDE.NONE, nowMs);
    else this.#accept(task, server, bytes, start, length, nowMs);
    this.flush();
  }

  /** Nobody can forge it, and the case of the name proves nothing more. */
  #tlsMessage(server: Server, bytes: Uint8Array, start: number, length: number): void {
    const task = this.#taskOf(bytes, start, length);
    if (!task) return;
    const first = task.tries.findIndex(isEncryptedTo, { task, server });
    if (first < 0) {
      this.#counters.mismatch('id');
      return;
    }
    const attempt = task.tries[first]!;
    const nowMs = this.#parts.clock.nowMs();
    const match = this.#match(task, server, bytes, start, length, attempt.plain);
    if (match < 0) return;
    // Where there are two tries, or the connection had to be opened for it, how long the server took is not known.
    const once =
      attempt.timed && !task.tries.some((other, i) => i > first && isEncryptedTo.call({ task, server }, other, i));
    this.servers.answered(server, once ? nowMs - attempt.sentMs : -1, nowMs);
    this.#values[server.tlsGauge] = 1;
    if (task.probe >= 0) this.#endProbe(task);
    else if (match === REPLY_BARE) this.#askWithoutEdns(task, server, nowMs);
    // RFC 2181 §9: truncated even here, so it is broken.
    else if (isTruncated(bytes, start)) this.#refused(task, server, EDE.NONE, nowMs);
    else this.#accept(task, server, bytes, start, length, nowMs);
    this.flush();
  }

  /** RFC 8310 §5: what must be private fails here, the rest goes in the clear, for a while. */
  #tlsGone(server: Server, worked: boolean, failure: DialFailure): void {
    const nowMs = this.#parts.clock.nowMs();
    if (!worked) {
      this.#values[server.tlsFailures[DIAL_FAILURES.indexOf(failure)]!]! += 1;
      this.#values[server.tlsGauge] = 0;
      if (server.tls?.mode === 'opportunistic') server.forgoTls(nowMs);
    }
    const pool = this.#pool;
    for (let i = pool.active - 1; i >= 0; i--) {
      if (i >= pool.active) continue;
      const task = pool.at(pool.activeSlots[i]!);
      const attempt = task.tries[task.tryCount - 1];
      if (attempt === undefined || !attempt.encrypted || attempt.server !== server.index) continue;
      // RFC 7766 §6.2.4: a connection that closed under a query is opened once more.
      const again = (worked && attempt.timed) || !server.usesTls(nowMs);
      if (again && task.tryCount < MAX_TRIES) this.#send(task, server, nowMs);
      // A probe finds out by not being answered.
      else if (task.probe < 0) {
        if (!worked) this.#timedOut(task, nowMs);
        this.#refused(task, server, EDE.NETWORK_ERROR, nowMs);
      }
    }
    this.flush();
  }

  #tcpGone(server: Server, worked: boolean): void {
    const pool = this.#pool;
    const nowMs = this.#parts.clock.nowMs();
    for (let i = pool.active - 1; i >= 0; i--) {
      if (i >= pool.active) continue;
      const task = pool.at(pool.activeSlots[i]!);
      if (task.tcpServer !== server.index) continue;
      task.tcpServer = -1;
      if (worked && task.tcpTries < MAX_TCP_TRIES) this.#askTcp(task, server, nowMs);
      else this.#refused(task, server, EDE.NETWORK_ERROR, nowMs);
    }
    this.flush();
  }

  /** The task that the reply's id belongs to. */
  #taskOf(bytes: Uint8Array, start: number, length: number): Task | undefined {
    let reason: 'busy' | 'short' | 'id' = 'id';
    // Only a transport that delivers from inside `send` can be early; the query's own timeout takes care of it.
    if (this.#delivering) reason = 'busy';
    else if (length < HEADER_BYTES) reason = 'short';
    else {
      const task = this.#pool.byId((bytes[start]! << 8) | bytes[start + 1]!);
      if (task) return task;
    }
    this.#counters.mismatch(reason);
    return undefined;
  }

  /** Compare the reply with what was asked: REPLY_MATCHES, REPLY_OTHER_CASE, REPLY_BARE, or -1, counted. */
  #match(task: Task, server: Server, bytes: Uint8Array, start: number, length: number, plain: boolean): number {
    const match = compareReply(bytes, start, length, plain ? task.plainQuery : task.query, 0, task.question);
    if (match === REPLY_MATCHES || match === REPLY_OTHER_CASE) return match;
    // RFC 6891 §7: a server that could not read the query at all may send back no more than a header.
    if (match === REPLY_BARE && this.#saysNoEdns(task, server, bytes[start + 3]! & 15)) return match;
    this.#counters.mismatch(match === REPLY_IS_QUERY ? 'query' : match === REPLY_OTHER_OPCODE ? 'opcode' : 'question');
    return -1;
  }

  /** COOKIE_…; whatever else is wrong with the reply is found out later. */
  #checkCookie(
    task: Task,
    server: Server,
    match: number,
    bytes: Uint8Array,
    start: number,
    length: number,
    overTcp: boolean,
  ): number {
    const cookie = this.#cookies[server.index];
    const bit = 1 << server.index;
    if (cookie === undefined || ((task.withoutEdns | task.withoutCookie) & bit) !== 0) return COOKIE_ACCEPTED;
    // A bare header has no room for one; only a server that does not know EDNS sends it.
    if (match === REPLY_BARE) return cookie.expected && !overTcp ? COOKIE_FORGED : COOKIE_ACCEPTED;
    return cookie.check(bytes, start, length, overTcp);
  }

  /** A reply that matches in every respect. */
  #accept(task: Task, server: Server, bytes: Uint8Array, start: number, length: number, nowMs: number): void {
    const answer = this.#answer;
    if (!this.#normalizer.normalize(bytes, start, length, task.question, answer)) {
      this.#counters.mismatch('malformed');
      this.#refused(task, server, EDE.NONE, nowMs);
      return;
    }
    const stubKind = this.#stub?.kind(bytes, start, length) ?? AUTHORITATIVE;
    if (answer.kind === FAILURE || stubKind !== AUTHORITATIVE) {
      if (!this.#normalizer.hasEdns && this.#saysNoEdns(task, server, answer.rcode))
        this.#askWithoutEdns(task, server, nowMs);
      else if (this.#normalizer.hasEdns && this.#objectsToCookie(task, server, answer.rcode))
        this.#askWithoutCookie(task, server, nowMs);
      else this.#refused(task, server, this.#whyRefused(stubKind, answer.ede), nowMs, answer.rcode);
      return;
    }
    this.servers.judged(server, true);
    this.#retries.answered();
    this.#noteAbilities(task, server, nowMs);
    // RFC 6891 §6.2.2: it answers without EDNS what it did not understand with it.
    if ((task.withoutEdns & (1 << server.index)) !== 0 && server.usesEdns(nowMs)) server.forgoEdns(nowMs);
    if ((task.withoutCookie & (1 << server.index)) !== 0 && server.usesCookie(nowMs)) server.forgoCookie(nowMs);
    // RFC 4035 §3.2.3: AD is worth as much as the server and the way to it.
    answer.authenticData = server.trusted && (bytes[start + 3]! & FLAG_AD) !== 0;

    this.#parts.onAnswer(task.question, answer, nowMs, task);
    const first = this.#waiting.detach(task);
    this.#pool.release(task);
    this.#delivering = true;
    try {
      this.#waiting.answered(first, answer);
    } finally {
      this.#delivering = false;
    }
  }

  /** The extended error of a failure: the server's own, or what is known of a stub zone's servers. */
  #whyRefused(stubKind: number, ede: number): number {
    if (this.#stub === undefined) return ede;
    return stubKind === REFERRAL ? STUB_REFERRAL : STUB_LAME;
  }

  /** A good answer shows what the server can do: one bad reply does not take that away from all questions. */
  #noteAbilities(task: Task, server: Server, nowMs: number): void {
    if (!this.#normalizer.hasEdns) return;
    const bit = 1 << server.index;
    server.ednsSeenMs = nowMs;
    if (((task.withoutEdns | task.withoutCookie) & bit) === 0) server.cookieSeenMs = nowMs;
  }

  /** FORMERR or NOTIMP, without OPT, to a query that had one (RFC 6891 §7). */
  #saysNoEdns(task: Task, server: Server, rcode: number): boolean {
    if (rcode !== RCODE.FORMERR && rcode !== RCODE.NOTIMP) return false;
    return (task.withoutEdns & (1 << server.index)) === 0;
  }

  /**
   * FORMERR from a server that knows EDNS, to a query that carried our cookie, and none of its own ever came: it may take
   * the option for an error, although it should ignore what it does not know (RFC 6891 §6.1.2).
   */
  #objectsToCookie(task: Task, server: Server, rcode: number): boolean {
    const cookie = this.#cookies[server.index];
    if (rcode !== RCODE.FORMERR || cookie === undefined || cookie.expected) return false;
    return (task.withoutCookie & (1 << server.index)) === 0;
  }

  // ── asking ────────────────────────────────────────────────────────────────────────────────────────────────────────

  #open(question: Question, nowMs: number): Task {
    const task = this.#pool.take(this.#parts.random32)!;
    task.question.copyFrom(question);
    writeQuery(task.query, 0, task.id, task.question, this.#parts.random32, this.#stub === undefined);
    task.lowerCase = this.#parts.mixedCase === false || this.#isExempt(task.question);
    task.startedMs = nowMs;
    this.#pool.publish(task);
    return task;
  }

  /** In or below a zone whose names are asked for in lower case. */
  #isExempt({ name, nameLength }: Question): boolean {
    for (const zone of this.#exempt) {
      const from = nameLength - zone.length;
      if (from < 0 || !zone.every((byte, i) => name[from + i] === byte)) continue;
      let at = 0;
      while (at < from) at += name[at]! + 1;
      if (at === from) return true;
    }
    return false;
  }

  /** Ask the best server that was not asked yet, or else any that did not refuse. Fails the task where there is none. */
  #tryNext(task: Task, nowMs: number): void {
    const random = this.#parts.random32() & 0xffff;
    const server = this.servers.choose(nowMs, task.tried, random) ?? this.servers.choose(nowMs, task.refusedBy, random);
    if (server) this.#send(task, server, nowMs);
    else this.#fail(task, FAILED_UNREACHABLE, nowMs);
  }

  #send(task: Task, server: Server, nowMs: number): void {
    const bit = 1 << server.index;
    const encrypted = this.#isEncrypted(server, nowMs);
    if (task.onlyTcp && !encrypted) {
      task.tried |= bit;
      this.#askTcp(task, server, nowMs);
      return;
    }
    const attempt = task.tries[task.tryCount++]!;
    if (!server.usesEdns(nowMs)) task.withoutEdns |= bit;
    if (!encrypted && !server.usesCookie(nowMs)) task.withoutCookie |= bit;
    attempt.server = server.index;
    attempt.sentMs = nowMs;
    attempt.encrypted = encrypted;
    // Two tries without an answer: its authority may know the name in lower case only.
    if (task.tryCount > 2) task.lowerCase = true;
    attempt.plain = task.lowerCase || server.losesCase(nowMs);
    const query = this.#queryFor(task, attempt.plain);
    const edns = (task.withoutEdns & bit) === 0;
    // RFC 7873 §1: a cookie is for what can be forged.
    const cookie = encrypted ? undefined : this.#cookieFor(task, server);
    const length = setEdns(query, 0, task.question, edns, cookie, encrypted);
    if (encrypted) this.#sendOverTls(attempt, server, query, length, nowMs);
    else attempt.socket = this.#sockets.send(query, 0, length, server.words, server.port);
    task.tried |= bit;
    server.lastSentMs = nowMs;
    this.#values[encrypted ? server.tlsQueries : server.queries]! += 1;
    if (task.probe >= 0) {
      task.wakeMs = nowMs + (server.down ? PROBE_INTERVAL_MS : server.timeoutMs);
      return;
    }
    if (task.tryCount > 1) this.#values[this.#counters.retries]! += 1;
    // Each try waits twice as long as the one before; the last one to the end.
    const patience = Math.min(server.timeoutMs * 2 ** (task.tryCount - 1), this.#limits.deadlineMs);
    this.#waitUntil(task, task.tryCount < MAX_TRIES ? nowMs + patience : Number.POSITIVE_INFINITY);
  }

  /** After TLS has failed, a server that need not be spoken to by it is asked in the clear until it works again. */
  #isEncrypted(server: Server, nowMs: number): boolean {
    if (!server.usesTls(nowMs)) return false;
    const client = this.#tls[server.index]!;
    if (server.tls?.mode === 'strict' || client.isReady || server.withoutTlsUntilMs === Number.NEGATIVE_INFINITY)
      return true;
    client.open(nowMs);
    return false;
  }

  #sendOverTls(attempt: Try, server: Server, query: Uint8Array, length: number, nowMs: number): void {
    const client = this.#tls[server.index]!;
    attempt.socket = -1;
    attempt.timed = client.isReady;
    client.send(query, 0, length, nowMs);
  }

  #cookieFor(task: Task, server: Server): UpstreamCookie | undefined {
    return (task.withoutCookie & (1 << server.index)) === 0 ? this.#cookies[server.index] : undefined;
  }

  #askWithoutEdns(task: Task, server: Server, nowMs: number): void {
    task.withoutEdns |= 1 << server.index;
    this.#values[this.#counters.ednsFallbacks]! += 1;
    this.#askPlainly(task, server, nowMs);
  }

  #askWithoutCookie(task: Task, server: Server, nowMs: number): void {
    task.withoutCookie |= 1 << server.index;
    this.#values[this.#counters.cookieFallbacks]! += 1;
    this.#askPlainly(task, server, nowMs);
  }

  /** The same server once more, with less in the query, the way it was asked. */
  #askPlainly(task: Task, server: Server, nowMs: number): void {
    if (task.tcpServer === server.index) {
      task.tcpServer = -1;
      this.#askTcp(task, server, nowMs);
    } else if (task.tryCount < MAX_TRIES) this.#send(task, server, nowMs);
    else this.#refused(task, server, EDE.NONE, nowMs);
  }

  #askTcp(task: Task, server: Server, nowMs: number): void {
    const query = this.#queryFor(task, task.lowerCase || server.losesCase(nowMs));
    const edns = (task.withoutEdns & (1 << server.index)) === 0;
    const length = setEdns(query, 0, task.question, edns, this.#cookieFor(task, server));
    if (task.tcpTries >= MAX_TCP_TRIES || !this.#tcp[server.index]!.send(query, 0, length, nowMs)) {
      this.#refused(task, server, EDE.NONE, nowMs);
      return;
    }
    this.#values[server.tcpQueries]! += 1;
    task.tcpServer = server.index;
    task.tcpTries++;
    this.#waitUntil(task, nowMs + TCP_TIMEOUT_MS);
  }

  #queryFor(task: Task, plain: boolean): Uint8Array {
    if (!plain) return task.query;
    if (!task.plainWritten) writeQuery(task.plainQuery, 0, task.id, task.question, undefined, this.#stub === undefined);
    task.plainWritten = true;
    return task.plainQuery;
  }

  #waitUntil(task: Task, untilMs: number): void {
    const { deadlineMs, slowMs } = this.#limits;
    task.tryUntilMs = Math.min(untilMs, task.startedMs + deadlineMs);
    const slowAtMs = task.startedMs + slowMs;
    task.wakeMs = task.slowTold ? task.tryUntilMs : Math.min(task.tryUntilMs, slowAtMs);
  }

  /** `server` answered with a failure or garbage, or cannot be reached over TCP: ask another one, once. */
  #refused(task: Task, server: Server, ede: number, nowMs: number, rcode: number = RCODE.SERVFAIL): void {
    const bit = 1 << server.index;
    if (task.tcpServer === server.index) task.tcpServer = -1;
    if ((task.refusedBy & bit) !== 0) return;
    this.servers.judged(server, false);
    task.refusedBy |= bit;
    task.refusals++;
    if (ede !== EDE.NONE) task.ede = ede;
    const last = task.tries[task.tryCount - 1]!.server;
    const enough = task.refusals >= MAX_REFUSALS;
    // Another one is being asked already.
    if (!enough && (task.tcpServer >= 0 || (task.refusedBy & (1 << last)) === 0)) return;
    const spent = enough || task.tryCount >= MAX_TRIES;
    const other = spent ? undefined : this.servers.choose(nowMs, task.tried, 1);
    if (other && this.#mayRepeat(task, server, nowMs)) this.#send(task, other, nowMs);
    else if (isAboutName(rcode, ede) && this.#mayLowerCase(task, server) && this.#mayRepeat(task, server, nowMs)) {
      // An authority may answer only to lower case, and a resolver on the way may pass the case on to it.
      task.lowerCase = true;
      task.refusedBy &= ~bit;
      task.refusals--;
      this.#send(task, server, nowMs);
    } else this.#fail(task, FAILED_ANSWERED, nowMs);
  }

  /** The question was asked in mixed case, and once more in lower case is possible. */
  #mayLowerCase(task: Task, server: Server): boolean {
    if (task.lowerCase || task.onlyTcp || task.tryCount >= MAX_TRIES) return false;
    const { name, nameLength } = task.question;
    const mixed = task.tries.some((attempt, i) => i < task.tryCount && !attempt.plain);
    if (!mixed || server.down) return false;
    for (let i = 0; i < nameLength; i++) if (task.query[HEADER_BYTES + i] !== name[i]) return true;
    return false;
  }

  // ── time ──────────────────────────────────────────────────────────────────────────────────────────────────────────

  #wake(task: Task, nowMs: number): void {
    if (!task.slowTold && nowMs >= task.startedMs + this.#limits.slowMs) {
      this.#waiting.tellSlow(task);
      task.wakeMs = task.tryUntilMs;
    }
    if (nowMs < task.tryUntilMs) return;
    if (task.tcpServer >= 0) {
      this.#tcp[task.tcpServer]!.gaveUp();
      task.tcpServer = -1;
    } else this.#timedOut(task, nowMs);
    if (task.refusals > 0) this.#fail(task, FAILED_ANSWERED, nowMs);
    else if (nowMs >= task.startedMs + this.#limits.deadlineMs) this.#fail(task, FAILED_TIMEOUT, nowMs);
    else if (task.tryCount < MAX_TRIES && this.#mayRepeat(task, this.#lastAsked(task), nowMs))
      this.#tryNext(task, nowMs);
    else this.#waitUntil(task, Number.POSITIVE_INFINITY);
  }

  /** `server` did not answer, or with a failure. Where it does so to everybody it is to blame, and not the question. */
  #mayRepeat(task: Task, server: Server, nowMs: number): boolean {
    if (!server.doubted && server.refusals <= MOSTLY_REFUSES && !this.#retries.take(nowMs)) {
      this.#values[this.#counters.retriesWithheld]! += 1;
      return false;
    }
    return this.#parts.mayRepeat?.(task.question) ?? true;
  }

  #lastAsked(task: Task): Server {
    return this.servers.list[task.tries[task.tryCount - 1]!.server]!;
  }

  #timedOut(task: Task, nowMs: number): void {
    const attempt = task.tries[task.tryCount - 1]!;
    const server = this.servers.list[attempt.server]!;
    this.servers.timedOut(server, attempt.sentMs, task.probe >= 0);
    if (server.doubted && !this.#probes[server.index]) this.#startProbe(server, nowMs);
  }

  // ── probes ────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Ask `server` for the root's name servers, which every resolver knows. */
  #startProbe(server: Server, nowMs: number): void {
    const task = this.#pool.take(this.#parts.random32);
    if (!task) return;
    task.probe = server.index;
    const { question } = task;
    question.clear();
    question.name[0] = 0;
    question.nameLength = 1;
    question.type = TYPE.NS;
    question.class = CLASS.IN;
    writeQuery(task.query, 0, task.id, question, this.#parts.random32, this.#stub === undefined);
    this.#probes[server.index] = task;
    this.#values[server.probes]! += 1;
    this.#send(task, server, nowMs);
  }

  #probeAgain(task: Task, nowMs: number): void {
    const server = this.servers.list[task.probe]!;
    this.#timedOut(task, nowMs);
    if (server.doubted && task.tryCount < PROBE_TRIES) {
      this.#values[server.probes]! += 1;
      this.#send(task, server, nowMs);
      return;
    }
    this.#endProbe(task);
    if (server.doubted) this.#startProbe(server, nowMs);
  }

  #endProbe(task: Task): void {
    this.#probes[task.probe] = undefined;
    this.#pool.release(task);
  }

  // ── those who wait ────────────────────────────────────────────────────────────────────────────────────────────────

  #join(task: Task, token: number): number {
    if (task.waiters >= this.#limits.waiters) {
      this.#counters.noRoom('waiters');
      return NO_ROOM;
    }
    this.#values[this.#counters.coalesced]! += 1;
    if (task.slowTold) {
      // It has been taking long already: the same holds for who comes now.
      const generation = task.generation;
      if (this.#waiting.slow(token)) return RESOLVING;
      if (task.generation !== generation) return NO_ROOM;
    }
    this.#waiting.append(task, token);
    return RESOLVING;
  }

  #fail(task: Task, kind: number, nowMs: number): void {
    // RFC 8914 §4.23, §4.24: a server that answers with a failure of its own was reached; if it says why, that is passed on.
    const ede = task.ede !== EDE.NONE ? task.ede : unexplained(kind);
    this.#counters.failure(kind);
    this.#parts.onFailure(task.question, ede, nowMs, kind, task);
    const first = this.#waiting.detach(task);
    this.#pool.release(task);
    this.#waiting.failed(first, ede);
  }
}

/** For `tries.find`: this one of the task's tries left `socket`. Tries that were not made are an earlier question's. */
function isAskedFrom(this: { task: Task; socket: number }, attempt: Try, index: number): boolean {
  return index < this.task.tryCount && attempt.socket === this.socket;
}

/** For `tries.findIndex`: this one of the task's tries went to the server over TLS. */
function isEncryptedTo(this: { task: Task; server: Server }, attempt: Try, index: number): boolean {
  return index < this.task.tryCount && attempt.encrypted && attempt.server === this.server.index;
}

function isFrom(server: Server, address: Int32Array, port: number): boolean {
  const words = server.words;
  if (server.port !== port || words[3] !== address[3]) return false;
  return words[0] === address[0] && words[1] === address[1] && words[2] === address[2];
}

/** Why there is no answer where no server said so: an answer of its own is no outage; RFC 8914 §4.15, §4.23. */
function unexplained(kind: number): number {
  if (kind === FAILED_ANSWERED) return EDE.OTHER;
  return kind === FAILED_SHED ? EDE.NOT_READY : EDE.NO_REACHABLE_AUTHORITY;
}

/** A failure that another spelling of the name may mend: not one of form, nor one that names a cause of another kind. */
function isAboutName(rcode: number, ede: number): boolean {
  if (rcode === RCODE.FORMERR) return false;
  return ede === EDE.NONE || ede === EDE.OTHER || ede === EDE.NO_REACHABLE_AUTHORITY || ede === EDE.NETWORK_ERROR;
}

function isTruncated(bytes: Uint8Array, start: number): boolean {
  return (((bytes[start + 2]! << 8) | bytes[start + 3]!) & FLAG_TC) !== 0;
}
