/**
 * The upstream servers as we know them: how fast they answer, whether they answer at all, what they cannot do.
 *
 *               answer                     2 timeouts in a row: probes begin
 *     UP ◀──────────────── UP, doubted ◀─────────────────────────────────── UP
 *      ▲                        │  a probe times out as well
 *      └── answer ──  DOWN  ◀───┘  (so 3 in a row at least; a probe every 500 ms)
 *
 * A server goes down only on the evidence of a probe that any resolver answers from memory: one slow name asked again
 * and again must not take down a server that answers everything else.
 */

import { addressWords, endpointText } from '../../address/address.ts';
import type { UpstreamServer, UpstreamTls } from '../../address/upstream-server.ts';
import type { Metrics } from '../../metrics/registry.ts';
import { DIAL_FAILURES } from './dialer.ts';

export type ServerConfig = UpstreamServer;

/** Servers that can be told apart in a bit mask. */
export const MAX_SERVERS = 30;
/** How long a query waits before it is sent again: from the server's latency, within these bounds. */
export const MIN_TIMEOUT_MS = 200;
export const MAX_TIMEOUT_MS = 1500;
/** The same, as long as the latency is not known. */
export const FIRST_TIMEOUT_MS = 400;

const TIMEOUTS_TO_DOUBT = 2;
const TIMEOUTS_TO_DOWN = 3;
/** A server not asked for so long is asked once, while there is traffic, so that its latency stays known. */
const STALE_MEASUREMENT_MS = 10_000;
/** One query in so many goes to a server drawn at random. */
const EXPLORED_SHARE = 64;
/** What an unanswered query adds to the latency by which servers are compared. */
const TIMEOUT_PENALTY_MS = 200;
/** What it adds that a server refuses or fails most of what it is asked. */
const REFUSAL_PENALTY_MS = 1000;
/** … which is so, above this share. */
export const MOSTLY_REFUSES = 0.5;
/** RFC 6891 §6.2.2: what is learnt about a server's EDNS, or its view of our cookie, is forgotten after a while. */
const WITHOUT_EDNS_MS = 15 * 60_000;
const WITHOUT_COOKIE_MS = 15 * 60_000;
/** The same for servers that do not keep the case of the question. */
const CASE_LOST_MS = 60 * 60_000;

/** Where TLS was not available of a server that is asked in the clear too, it is tried again after so long (RFC 7858 §3.1). */
const WITHOUT_TLS_MS = 5 * 60_000;
/** How long what a server has shown to be able to do is held against a single answer that says otherwise. */
const ABILITY_MS = 60 * 60_000;

export class Server {
  readonly index: number;
  /** `address:port`, as in metrics and logs. */
  readonly label: string;
  readonly address: string;
  readonly words: Int32Array;
  readonly port: number;
  readonly trusted: boolean;
  readonly tls: UpstreamTls | undefined;

  /** Smoothed round trip and its mean deviation (RFC 6298 §2); meaningful once `measured`. */
  srttMs = 0.1;
  deviationMs = 0.1;
  measured = false;
  down = false;
  /** Queries unanswered since the last answer, of those sent after it. */
  timeoutsInRow = 0;
  /** Instants of the last query and the last answer. */
  lastSentMs = Number.NEGATIVE_INFINITY;
  lastAnswerMs = Number.NEGATIVE_INFINITY;
  /** Share of its answers that were refusals or failures, smoothed, 0–1. */
  refusals = 0.1;
  withoutEdnsUntilMs = Number.NEGATIVE_INFINITY;
  withoutCookieUntilMs = Number.NEGATIVE_INFINITY;
  caseLostUntilMs = Number.NEGATIVE_INFINITY;
  withoutTlsUntilMs = Number.NEGATIVE_INFINITY;
  /** When it last showed that it knows EDNS, takes a query with a cookie, keeps the case. */
  ednsSeenMs = Number.NEGATIVE_INFINITY;
  cookieSeenMs = Number.NEGATIVE_INFINITY;
  caseSeenMs = Number.NEGATIVE_INFINITY;

  readonly queries: number;
  readonly responses: number;
  readonly timeouts: number;
  readonly tcpQueries: number;
  readonly probes: number;
  readonly caseMismatches: number;
  readonly tlsQueries: number;
  readonly tlsFailures: readonly number[];
  readonly tlsGauge: number;
  readonly rttGauge: number;
  readonly upGauge: number;

  constructor(config: ServerConfig, index: number, metrics: Metrics, labels: Readonly<Record<string, string>> = {}) {
    this.index = index;
    this.label = endpointText(config);
    this.address = config.address;
    this.words = addressWords(config.address);
    this.port = config.port;
    this.trusted = config.trusted;
    this.tls = config.tls;
    this.refusals = 0;
    const server = { server: this.label, ...labels };
    this.queries = metrics.counter(
      'sekisho_upstream_queries_total',
      'Queries sent to an upstream over UDP, retries included.',
      server,
    );
    this.responses = metrics.counter(
      'sekisho_upstream_responses_total',
      'Answers of an upstream that matched a query.',
      server,
    );
    this.timeouts = metrics.counter(
      'sekisho_upstream_timeouts_total',
      'Queries that an upstream left unanswered.',
      server,
    );
    this.tcpQueries = metrics.counter(
      'sekisho_upstream_tcp_queries_total',
      'Queries sent to an upstream over TCP.',
      server,
    );
    this.probes = metrics.counter(
      'sekisho_upstream_probes_total',
      'Probes sent to an upstream that does not answer.',
      server,
    );
    this.caseMismatches = metrics.counter(
      'sekisho_upstream_case_mismatches_total',
      'Answers that matched but for the case of the name (0x20).',
      server,
    );
    const encrypted = this.tls === undefined ? undefined : { ...server, mode: this.tls.mode };
    this.tlsQueries =
      encrypted === undefined
        ? -1
        : metrics.counter('sekisho_upstream_tls_queries_total', 'Queries sent to an upstream over TLS.', server);
    this.tlsFailures =
      encrypted === undefined
        ? []
        : DIAL_FAILURES.map((reason) =>
            metrics.counter(
              'sekisho_upstream_tls_failures_total',
              'TLS connections to an upstream that did not work, by reason.',
              {
                ...server,
                reason,
              },
            ),
          );
    this.tlsGauge =
      encrypted === undefined
        ? -1
        : metrics.gauge(
            'sekisho_upstream_tls',
            'Whether an upstream is spoken to over TLS (1), or for the moment in the clear or not at all (0).',
            encrypted,
            true,
          );
    this.rttGauge = metrics.gauge('sekisho_upstream_rtt_seconds', 'Smoothed round trip to an upstream.', server, true);
    this.upGauge = metrics.gauge(
      'sekisho_upstream_up',
      'Whether an upstream answers (1) or is down (0).',
      server,
      true,
    );
    metrics.values[this.upGauge] = 1;
  }

  /** How long to wait for an answer (RFC 6298 §2.3, with bounds of our own). */
  get timeoutMs(): number {
    if (!this.measured) return FIRST_TIMEOUT_MS;
    return Math.min(MAX_TIMEOUT_MS, Math.max(MIN_TIMEOUT_MS, this.srttMs + 4 * this.deviationMs));
  }

  /** It stopped answering: find out by probes whether it is down, or up again. */
  get doubted(): boolean {
    return this.down || this.timeoutsInRow >= TIMEOUTS_TO_DOUBT;
  }

  /** Whether a query goes to it over TLS. */
  usesTls(nowMs: number): boolean {
    return this.tls !== undefined && (this.tls.mode === 'strict' || nowMs >= this.withoutTlsUntilMs);
  }

  /** TLS was not available. Where it need not be, it is asked in the clear for a while. */
  forgoTls(nowMs: number): void {
    this.withoutTlsUntilMs = nowMs + WITHOUT_TLS_MS;
  }

  usesEdns(nowMs: number): boolean {
    return nowMs >= this.withoutEdnsUntilMs;
  }

  /** An answer was found to lack EDNS support (RFC 6891 §6.2.2); of a server that has shown it, that is about the question. */
  forgoEdns(nowMs: number): void {
    if (nowMs - this.ednsSeenMs >= ABILITY_MS) this.withoutEdnsUntilMs = nowMs + WITHOUT_EDNS_MS;
  }

  usesCookie(nowMs: number): boolean {
    return nowMs >= this.withoutCookieUntilMs;
  }

  /** It knows EDNS, but called a query with a COOKIE option malformed; if it has taken such ones, that is about the question. */
  forgoCookie(nowMs: number): void {
    if (nowMs - this.cookieSeenMs >= ABILITY_MS) this.withoutCookieUntilMs = nowMs + WITHOUT_COOKIE_MS;
  }

  losesCase(nowMs: number): boolean {
    return nowMs < this.caseLostUntilMs;
  }

  /** An answer was found, also over TCP, to lose the case of the question; if others kept it, that is about the name. */
  forgoCase(nowMs: number): void {
    if (nowMs - this.caseSeenMs >= ABILITY_MS) this.caseLostUntilMs = nowMs + CASE_LOST_MS;
  }
}

export class UpstreamServers {
  readonly list: readonly Server[];
  /** Servers that are not down. */
  up: number;
  readonly #values: Float64Array;

  /** Throws RangeError for no servers or more than MAX_SERVERS, AddressError for what is no address. */
  constructor(configs: readonly ServerConfig[], metrics: Metrics, labels: Readonly<Record<string, string>> = {}) {
    if (configs.length < 1 || configs.length > MAX_SERVERS) {
      throw new RangeError(`${configs.length} upstream servers: 1–${MAX_SERVERS} are possible`);
    }
    this.list = configs.map((config, index) => new Server(config, index, metrics, labels));
    this.up = this.list.length;
    this.#values = metrics.values;
  }

  /**
   * The server to ask next: the fastest that is up and not in the bit mask `tried`, or one whose latency is to be
   * measured again. Undefined where none is left. `random`: 16 random bits.
   */
  choose(nowMs: number, tried: number, random: number): Server | undefined {
    const list = this.list;
    // A query that was unlucky once is no longer the one to explore with.
    const explore =
      tried === 0 && random % EXPLORED_SHARE === 0 ? Math.floor(random / EXPLORED_SHARE) % list.length : -1;
    let best: Server | undefined;
    let bestScore = Number.POSITIVE_INFINITY;
    for (let i = 0; i < list.length; i++) {
      const server = list[i]!;
      if (server.down || (tried & (1 << i)) !== 0) continue;
      if (tried === 0 && (i === explore || nowMs - server.lastSentMs > STALE_MEASUREMENT_MS)) return server;
      const score = latencyScore(server);
      if (score < bestScore) {
        best = server;
        bestScore = score;
      }
    }
    return best;
  }

  /** The server answered, `rttMs` after it was asked; a negative `rttMs` means that this cannot be told (RFC 6298 §3). */
  answered(server: Server, rttMs: number, nowMs: number): void {
    this.#values[server.responses]! += 1;
    server.lastAnswerMs = nowMs;
    server.timeoutsInRow = 0;
    if (server.down) {
      server.down = false;
      server.measured = false;
      this.up++;
      this.#values[server.upGauge] = 1;
    }
    if (rttMs < 0) return;
    if (server.measured) {
      // RFC 6298 §2.3: the deviation first, with alpha 1/8 and beta 1/4.
      server.deviationMs += (Math.abs(server.srttMs - rttMs) - server.deviationMs) / 4;
      server.srttMs += (rttMs - server.srttMs) / 8;
    } else {
      server.measured = true;
      server.srttMs = rttMs;
      server.deviationMs = rttMs / 2;
    }
    this.#values[server.rttGauge] = server.srttMs / 1000;
  }

  /** What it answered was of use, or a refusal or failure of its own. */
  judged(server: Server, useful: boolean): void {
    server.refusals += ((useful ? 0 : 1) - server.refusals) / 8;
  }

  /** The server left unanswered what was sent at `sentMs`; `probe`: what any resolver answers from memory. */
  timedOut(server: Server, sentMs: number, probe: boolean): void {
    this.#values[server.timeouts]! += 1;
    // It has answered something since: this one was lost, or is slow.
    if (sentMs < server.lastAnswerMs) return;
    server.timeoutsInRow++;
    if (!probe || server.down || server.timeoutsInRow < TIMEOUTS_TO_DOWN) return;
    server.down = true;
    this.up--;
    this.#values[server.upGauge] = 0;
  }
}

function latencyScore(server: Server): number {
  const latency = server.measured ? server.srttMs : FIRST_TIMEOUT_MS;
  return (
    latency + server.timeoutsInRow * TIMEOUT_PENALTY_MS + (server.refusals > MOSTLY_REFUSES ? REFUSAL_PENALTY_MS : 0)
  );
}
