/**
 * Which view a query is in: the first whose networks hold the client's address and whose listeners hold the one that it came
 * by. Looked at once a packet, before anything else is decided, and again where a query that waited goes on.
 *
 *   client, listener ─▶ view 1? ─▶ view 2? ─▶ … ─▶ none: the top level of the configuration
 *
 * The address is the one that the chain sees. Without views nobody asks.
 */
import { parsePrefix } from '../address/address.ts';
import { PrefixSet } from '../address/prefix-set.ts';
import type { Metrics } from '../metrics/registry.ts';
import { rcodeName } from '../wire/constants.ts';
import type { Query } from '../wire/query.ts';
import type { ViewConfig, ViewPluginMode } from './view-config.ts';

interface View {
  readonly config: ViewConfig;
  /** Undefined: every client. */
  readonly clients: PrefixSet | undefined;
  /** By place in `server.listen`; undefined: every one. */
  readonly listeners: readonly boolean[] | undefined;
  /** Its number in keys of the cache (`Question.partition`). */
  readonly partition: number;
}

const RCODES = Array.from({ length: 24 }, (_, i) => rcodeName(i));

export class ViewTable {
  /** In the order of the configuration; view `n` of a query is `configs[n - 1]`. */
  readonly configs: readonly ViewConfig[];
  readonly #views: readonly View[];
  readonly #values: Float64Array;
  readonly #queries: readonly number[];
  readonly #responses: readonly number[];

  /** `partitionKeys`: by place of the partition less one, its number in keys of the cache. */
  constructor(configs: readonly ViewConfig[], partitionKeys: readonly number[], metrics: Metrics) {
    this.configs = configs;
    this.#views = configs.map((config) => ({
      config,
      clients: config.clients.length > 0 ? new PrefixSet(config.clients.map(parsePrefix)) : undefined,
      listeners: config.listeners.length > 0 ? inside(config.listeners) : undefined,
      partition: config.partition === 0 ? 0 : partitionKeys[config.partition - 1]!,
    }));
    this.#values = metrics.values;
    this.#queries = configs.map(({ name }) =>
      metrics.counter('sekisho_view_queries_total', 'Queries received, by view.', { view: name }),
    );
    const responses = 'Answers sent, by view and response code.';
    this.#responses = configs.map(({ name }) =>
      metrics.counters('sekisho_view_responses_total', responses, 'rcode', RCODES, { view: name }),
    );
  }

  /** Number of the view that client and listener of `query` are in, from 1; 0 = none. */
  find(query: Query): number {
    const views = this.#views;
    for (let i = 0; i < views.length; i++) {
      const { clients, listeners } = views[i]!;
      if (listeners !== undefined && listeners[query.listener] !== true) continue;
      if (clients === undefined || clients.has(query.clientWords)) return i + 1;
    }
    return 0;
  }

  /** Put `query`, just reset or restored, into its view. */
  enter(query: Query): void {
    const number = this.find(query);
    query.view = number;
    if (number === 0) return;
    const { config, partition } = this.#views[number - 1]!;
    query.lists = config.lists;
    query.mayBeStale = config.serveStale;
    query.question.partition = partition;
  }

  received(query: Query): void {
    if (query.view !== 0) this.#values[this.#queries[query.view - 1]!]! += 1;
  }

  /** The reply of `query` is finished. */
  answered(query: Query): void {
    if (query.view !== 0)
      this.#values[this.#responses[query.view - 1]! + Math.min(query.rcode, RCODES.length - 1)]! += 1;
  }

  /** Seconds that TTLs are cut to for this query; Infinity where they are not. */
  maxTtl(query: Query): number {
    if (query.view === 0) return Number.POSITIVE_INFINITY;
    return this.configs[query.view - 1]!.maxTtlSeconds ?? Number.POSITIVE_INFINITY;
  }

  /** How the plugin acts in view `number`; undefined: as everywhere. */
  modeOf(number: number, plugin: string): ViewPluginMode | undefined {
    return number === 0 ? undefined : this.configs[number - 1]!.plugins[plugin];
  }
}

function inside(places: readonly number[]): boolean[] {
  const listeners: boolean[] = [];
  for (let i = 0; i <= Math.max(...places); i++) listeners.push(places.includes(i));
  return listeners;
}
