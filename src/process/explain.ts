/**
 * `sekisho explain`: which stage would decide a query, and why, without sending, counting or recording anything.
 *
 * It runs in the main thread on hooks of its own (worker -1) and looks into the shared cache without touching it. The way
 * that the query goes is not written down here: it is the chain's own (rehearsal.ts).
 */
import { networkInterfaces } from 'node:os';
import { addressWords, endpointText, isMapped } from '../address/address.ts';
import type { ExplainQuestion, ExplainResult } from '../admin/status.ts';
import { AnswerCache } from '../cache/cache.ts';
import { FailureTable } from '../cache/failures.ts';
import type { MountedPlugin } from '../chain/hooks.ts';
import { OwnAddresses } from '../chain/own-addresses.ts';
import { OwnNames } from '../chain/own-names.ts';
import { type Match, type Rehearsed, rehearse, type Upstreams } from '../chain/rehearsal.ts';
import { serverFacts } from '../config/config.ts';
import { DataHalves } from '../feature/data-halves.ts';
import { type Publication, pluginTopic } from '../feature/publications.ts';
import { LISTS } from '../lists/feature.ts';
import type { ListsInForce } from '../lists/in-force.ts';
import type { PolicyIndex } from '../lists/index/policy-index.ts';
import { lentByFeatures } from '../loading/lent-by-features.ts';
import { mountPlugins } from '../loading/plugins.ts';
import { Metrics } from '../metrics/registry.ts';
import type { ServerConfig } from '../resolve/forward/servers.ts';
import { describeSubscriber } from '../subscribers/describe.ts';
import { SUBSCRIBERS } from '../subscribers/feature.ts';
import { ViewTable } from '../views/view-table.ts';
import { FLAG_RD, rcodeName, typeName } from '../wire/constants.ts';
import { nameToText, textToName } from '../wire/name.ts';
import { Query } from '../wire/query.ts';
import { readQuery } from '../wire/reader.ts';
import { Partitions } from '../zones/partitions.ts';
import type { Generation } from './generation.ts';
import type { ProcessParts } from './process-parts.ts';

/** The client's port: any that is none of ours. */
const CLIENT_PORT = 61_003;

/** Answers `explain` for one generation. */
export class Explainer {
  readonly #generation: Generation;
  readonly #process: ProcessParts;
  readonly #plugins: readonly MountedPlugin[];
  readonly #ownNames: OwnNames;
  readonly #cache: AnswerCache;
  readonly #failures: FailureTable;
  readonly #partitions: Partitions;
  readonly #views: ViewTable | undefined;
  readonly #lists: ListsInForce;

  private constructor(
    generation: Generation,
    process: ProcessParts,
    plugins: readonly MountedPlugin[],
    lists: ListsInForce,
  ) {
    const { cache, server } = generation.config;
    this.#generation = generation;
    this.#process = process;
    this.#plugins = plugins;
    this.#lists = lists;
    this.#ownNames = new OwnNames(server.identity);
    this.#failures = new FailureTable(process.failures);
    const { zones, partitions, views } = generation.config;
    this.#partitions = new Partitions(zones, partitions, generation.partitionKeys);
    // Counters of its own, which nobody reads.
    this.#views = views.length > 0 ? new ViewTable(views, generation.partitionKeys, new Metrics()) : undefined;
    this.#cache = new AnswerCache(generation.cache, {
      // Never writes, so never locks: the number is that of no worker.
      worker: 0x7fffffff,
      minTtl: cache.minTtlSeconds,
      maxTtl: cache.maxTtlSeconds,
      serveStale: cache.serveStaleSeconds,
      untouched: true,
    });
  }

  static async create(generation: Generation, process: ProcessParts): Promise<Explainer> {
    const { config } = generation;
    // Counters of its own, which nobody reads.
    const metrics = new Metrics();
    const features = new DataHalves(process.features, { config, workers: config.server.workers, worker: -1, metrics });
    const lent = lentByFeatures(features);
    const { desk } = generation.features.desk(SUBSCRIBERS);
    const plugins = await mountPlugins(config.plugins, {
      server: serverFacts(config.server, config.notice, config.views),
      ...lent,
      describeSubscriber: (query) => describeSubscriber(query, lent.subscribers, desk?.state),
      shared: generation.shared,
      worker: -1,
      clock: process.clock,
      hashKey: process.hashKey,
      // The highest number: what is done to a share of the queries alone is not done here.
      random32: () => 0xffffffff,
      metrics,
      defer: () => ({ token: -1, generation: -1 }),
      resume: () => false,
      refresh: () => {},
    });
    features.follow(generation.publications);
    const take = ({ topic, value }: Publication): void => {
      for (const { plugin, hooks } of plugins) if (topic === pluginTopic(plugin.name)) hooks.update?.(value);
    };
    generation.publications.addReader(async (publication) => take(publication));
    for (const publication of generation.publications.latest()) take(publication);
    return new Explainer(generation, process, plugins, lent.lists);
  }

  async explain(question: ExplainQuestion): Promise<ExplainResult> {
    const { config } = this.#generation;
    const { clock, hashKey } = this.#process;
    const query = this.#queryOf(question);
    const rehearsed = rehearse(query, {
      plugins: this.#plugins,
      ownNames: this.#ownNames,
      ownAddresses: new OwnAddresses(config.server.listen, networkInterfaces()),
      cache: this.#cache,
      failures: this.#failures,
      upstreams: this.#upstreams(),
      ways: this.#partitions,
      views: this.#views,
      clock,
      hashKey,
    });
    // Rules on the name in lists that no plugin acts on: read again, because the chain may not have come that far.
    const matches = [...rehearsed.matches, ...this.#unattended(this.#readQueryOf(question))];
    const { steps, decidedBy, fate, reply } = rehearsed;
    return {
      name: question.name,
      type: typeName(question.type),
      client: question.client,
      view: this.#views?.configs[this.#views.find(query) - 1]?.name ?? null,
      steps: [...steps],
      lists: await this.#located(matches),
      decidedBy,
      outcome: outcomeText(rehearsed),
      fate,
      reply: reply && { ...reply, rcode: rcodeName(reply.rcode), ede: reply.ede < 0 ? null : reply.ede },
    };
  }

  /** The servers, and which of them no worker gets answers from. */
  #upstreams(): Upstreams {
    const up = new Map<string, number>();
    for (const { labels, value } of this.#process.samples('sekisho_upstream_up')) {
      const server = placeText(labels['server'], labels['zone'], labels['view']);
      up.set(server, Math.max(up.get(server) ?? 0, value));
    }
    const described = (servers: readonly ServerConfig[], zone?: string, view?: string) =>
      servers.map((server) => {
        const label = endpointText(server);
        // A worker that has not told yet takes every server for good.
        return { label, up: up.get(placeText(label, zone, view)) !== 0 };
      });
    return {
      way: (question) => {
        const group = this.#partitions.groups[this.#partitions.groupOf(question) - 1];
        if (group === undefined && this.#generation.iterateDesk)
          return {
            name: 'resolve',
            servers: [],
            path: this.#generation.iterateDesk.path(question, this.#process.clock.nowMs()),
          };
        if (group === undefined)
          return { name: 'upstream', servers: described(this.#generation.config.upstream.servers), stub: false };
        const zone = this.#partitions.configOf(question)?.zone;
        return {
          name: zone === undefined ? `upstream of view ${group.view}` : `zone ${zone}`,
          servers: described(group.servers, group.zone, group.view),
          stub: group.kind === 'stub',
        };
      },
    };
  }

  /** Rules on the name in lists that no plugin of the chain acts on. */
  #unattended(query: Query): Match[] {
    const attended = new Set(this.#plugins.flatMap(({ plugin }) => plugin.listCategories ?? []));
    const { current, facts } = this.#lists;
    if (!current) return [];
    this.#views?.enter(query);
    const mask = this.#lists.mask(({ category }) => !attended.has(category)) & query.lists;
    const found = current.names.lookup(query.question, mask);
    return facts.flatMap(({ category }, list): Match[] => {
      if ((found & (1 << list)) === 0 || !current.names.matchOf(list)) return [];
      const reason = `nothing acts on it: no plugin of the chain acts on lists of category ${category}`;
      return [{ list, trigger: 'qname', rule: ruleText(query, current.names), who: null, reason }];
    });
  }

  async #located(matches: readonly Match[]): Promise<ExplainResult['lists']> {
    const { desk } = this.#generation.features.desk(LISTS);
    return Promise.all(
      matches.map(async ({ list, trigger, rule, who, reason }) => {
        const { name, category, tier } = this.#lists.facts[list]!;
        const found = await desk.locate(desk.named(name), [{ trigger, rule }]);
        const first = found[0];
        return {
          list: name,
          category,
          tier,
          trigger,
          rule,
          line: first?.line ?? null,
          text: first?.text ?? null,
          who,
          reason,
        };
      }),
    );
  }

  /** The query as it would arrive over UDP, in memory of its own. */
  #queryOf(question: ExplainQuestion): Query {
    const name = textToName(question.name);
    const { type } = question;
    const query = new Query();
    query.message = Uint8Array.from([
      0,
      0,
      FLAG_RD >> 8,
      0,
      0,
      1,
      0,
      0,
      0,
      0,
      0,
      0,
      ...name,
      type >> 8,
      type & 255,
      0,
      1,
    ]);
    query.length = query.message.length;
    query.clientWords.set(addressWords(question.client));
    query.family = isMapped(query.clientWords) ? 4 : 6;
    query.port = CLIENT_PORT;
    query.listener = question.listener;
    query.nowMs = this.#process.clock.nowMs();
    query.receivedMs = query.nowMs;
    const memory = new ArrayBuffer(1232);
    query.reply = new Uint8Array(memory);
    query.replyWords = new Int32Array(memory);
    query.replyCapacity = memory.byteLength;
    return query;
  }

  #readQueryOf(question: ExplainQuestion): Query {
    const query = this.#queryOf(question);
    readQuery(query, ...this.#process.hashKey);
    return query;
  }
}

/** A server and what it is asked for, as one text. */
function placeText(server = '', zone = '', view = ''): string {
  return `${server} ${zone} ${view}`;
}

/** What the client would get, in one sentence. */
function outcomeText({ fate, decidedBy, reply, steps }: Rehearsed): string {
  const by = decidedBy === 'server' || decidedBy === 'zones' ? 'the server itself' : `${decidedBy}`;
  if (fate === 'dropped') return `dropped by ${by} without an answer`;
  if (fate === 'held') return `held by ${by} until it decides`;
  if (fate === 'asked') {
    if (steps.some(({ place, who }) => place === 'source' && who === 'resolve')) {
      const what = decidedBy === null ? 'to be found' : `sent by ${by} to another name, which is to be found`;
      return `${what} from the root down; nothing was sent, so what the authorities answer is not known`;
    }
    const where = decidedBy === null ? 'forwarded to an upstream' : `sent by ${by} to another name, which is forwarded`;
    return `${where}; what the upstream answers is not known before it is asked`;
  }
  if (reply === null) return 'unknown';
  const rcode = rcodeName(reply.rcode);
  if (decidedBy === 'cache') return `answered ${rcode} from the cache${reply.stale ? ', although it has expired' : ''}`;
  if (decidedBy === 'failures') return `answered ${rcode}: it failed a moment ago`;
  const text = reply.truncated ? `told by ${by} to come back over TCP` : `answered ${rcode} by ${by}`;
  return `${text}${reply.stale ? ', with what has expired in the cache' : ''}`;
}

/** The rule that `matchOf` found, as text. */
function ruleText({ question }: Query, { wildcard, labels }: PolicyIndex): string {
  const name = nameToText(question.name, question.labelStarts[question.labelCount - labels]);
  return wildcard ? `*.${name}` : name;
}
