/** What the chain counts about queries, as a whole: transports, response codes, cache, drops, latency. */
import type { Histogram, Metrics } from '../metrics/registry.ts';
import { FLAG_TC, RCODE, rcodeName } from '../wire/constants.ts';
import { CACHE_RESULTS, COOKIE_STATES, DROP_REASONS, type Query, TRANSPORTS } from '../wire/query.ts';
import { transportOf } from '../wire/transports.ts';

/** Upper bounds of the latency histogram, in seconds. */
const LATENCY_BOUNDS = [0.00005, 0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5];
const RCODES = Array.from({ length: 24 }, (_, i) => rcodeName(i));

export class QueryCounters {
  readonly #values: Float64Array;
  readonly #queries: number;
  readonly #responses: number;
  readonly #cacheResults: number;
  readonly #drops: number;
  readonly #truncated: number;
  readonly #shed: number;
  readonly #cookies: number;
  readonly #latency: Histogram;
  /** UDP queries answered at once since `recordBatch` was last called. */
  #immediate = 0;

  constructor(metrics: Metrics) {
    this.#values = metrics.values;
    this.#queries = metrics.counters('sekisho_queries_total', 'Queries received.', 'transport', TRANSPORTS);
    this.#responses = metrics.counters('sekisho_responses_total', 'Answers sent, by response code.', 'rcode', RCODES);
    const lookups = 'Queries by what the cache had.';
    this.#cacheResults = metrics.counters('sekisho_cache_lookups_total', lookups, 'result', CACHE_RESULTS);
    this.#drops = metrics.counters('sekisho_drops_total', 'Packets dropped without an answer.', 'reason', DROP_REASONS);
    this.#truncated = metrics.counter('sekisho_truncated_total', 'UDP answers sent with TC because they did not fit.');
    this.#shed = metrics.counter('sekisho_shed_total', 'Queries failed because too many were waiting for upstreams.');
    const cookies = 'Queries with a cookie (RFC 7873), by what it was worth.';
    this.#cookies = metrics.counters('sekisho_cookies_total', cookies, 'result', COOKIE_STATES);
    this.#latency = metrics.histogram(
      'sekisho_query_duration_seconds',
      'Time from reading the query off the socket to handing its answer to the kernel.',
      LATENCY_BOUNDS,
    );
  }

  received(query: Query): void {
    this.#values[this.#queries + query.transport]! += 1;
  }

  dropped(reason: number): void {
    this.#values[this.#drops + reason]! += 1;
  }

  /** A query came with a cookie: COOKIE_…. */
  cookie(state: number): void {
    this.#values[this.#cookies + state]! += 1;
  }

  shed(): void {
    this.#values[this.#shed]! += 1;
  }

  /** The finished reply stands in `query`. `clockMs` is asked only where the latency is not that of the batch. */
  answered(query: Query, clockMs: () => number): void {
    const values = this.#values;
    values[this.#responses + (query.rcode < RCODES.length ? query.rcode : RCODE.SERVFAIL)]! += 1;
    values[this.#cacheResults + query.cacheResult]! += 1;
    if ((query.reply[query.replyStart + 2]! & (FLAG_TC >>> 8)) !== 0) values[this.#truncated]! += 1;
    if (!transportOf(query).stream && query.nowMs === query.receivedMs) this.#immediate++;
    else this.#latency.record(clockMs() - query.receivedMs);
  }

  /** A hook failed, or the server itself, and the query was answered SERVFAIL outside the usual way. */
  failed(): void {
    this.#values[this.#responses + RCODE.SERVFAIL]! += 1;
  }

  /** The UDP answers given at once since the last call took at most `elapsedMs`. */
  recordBatch(elapsedMs: number): void {
    if (this.#immediate > 0) this.#latency.record(elapsedMs, this.#immediate);
    this.#immediate = 0;
  }
}
