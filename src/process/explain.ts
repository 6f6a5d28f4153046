/**
 * `sekisho explain`: which stage would decide a query, and why, without sending, counting or recording anything.
 *
 * It runs in the main thread on hooks of its own (`explain` only), looks into the shared cache without touching it, and
 * walks the same order as chain.ts.
 */

import { addressWords, endpointText, isMapped } from '../address/address.ts';
import type { ExplainQuestion, ExplainResult } from '../admin/status.ts';
import { AnswerCache } from '../cache/cache.ts';
import { minimalAny, OwnNames } from '../chain/own-names.ts';
import { serverFacts } from '../config/config.ts';
import {
  ANSWER,
  CONTINUE,
  type Hooks,
  type Plugin,
  type RuleMatch,
  VERDICTS,
  type Verdict,
} from '../contract/plugin.ts';
import {
  LISTS_TOPIC,
  MEASURES_TOPIC,
  type Publication,
  pluginTopic,
  SUBSCRIBERS_TOPIC,
} from '../contract/publications.ts';
import { type CompiledLists, ListsInForce } from '../lists/in-force.ts';
import type { PolicyIndex } from '../lists/index/policy-index.ts';
import { listFacts } from '../lists/list-config.ts';
import { mountPlugins } from '../loading/plugins.ts';
import { Metrics } from '../metrics/registry.ts';
import { MeasuresInForce, type PublishedMeasures } from '../rules/in-force.ts';
import { describeSubscriber } from '../subscribers/describe.ts';
import { type PublishedSubscribers, SubscribersInForce } from '../subscribers/in-force.ts';
import type { Clock } from '../time/clock.ts';
import { FLAG_RD, rcodeName, TYPE, typeName } from '../wire/constants.ts';
import { nameToText, textToName } from '../wire/name.ts';
import { Query } from '../wire/query.ts';
import { readQuery } from '../wire/reader.ts';
import type { Generation } from './generation.ts';

type Step = ExplainResult['steps'][number];

interface Match extends RuleMatch {
  readonly reason: string;
  /** The plugin that acts on the list. */
  readonly who: string | null;
}

/** Answers `explain` for one generation. */
export class Explainer {
  readonly #generation: Generation;
  readonly #clock: Clock;
  readonly #hashKey: readonly [number, number];
  readonly #plugins: readonly { plugin: Plugin; hooks: Hooks }[];
  readonly #ownNames: OwnNames;
  readonly #cache: AnswerCache;
  readonly #lists: ListsInForce;

  private constructor(
    generation: Generation,
    clock: Clock,
    hashKey: readonly [number, number],
    plugins: readonly { plugin: Plugin; hooks: Hooks }[],
    lists: ListsInForce,
  ) {
    const { cache, server } = generation.config;
    this.#generation = generation;
    this.#clock = clock;
    this.#hashKey = hashKey;
    this.#plugins = plugins;
    this.#lists = lists;
    this.#ownNames = new OwnNames(server.identity);
    this.#cache = new AnswerCache(generation.cache, {
      // Never writes, so never locks: the number is that of no worker.
      worker: 0x7fffffff,
      minTtl: cache.minTtlSeconds,
      maxTtl: cache.maxTtlSeconds,
      serveStale: cache.serveStaleSeconds,
    });
  }

  static async create(generation: Generation, clock: Clock, hashKey: readonly [number, number]): Promise<Explainer> {
    const lists = new ListsInForce(generation.config.lists.map(listFacts));
    const subscribers = new SubscribersInForce();
    const measures = new MeasuresInForce(generation.config.server.workers);
    const plugins = await mountPlugins(generation.config.plugins, {
      server: serverFacts(generation.config.server, generation.config.notice),
      lists,
      subscribers,
      measures,
      describeSubscriber: (query) => describeSubscriber(query, subscribers, generation.subscribers?.state.register),
      shared: generation.shared,
      worker: -1,
      clock,
      hashKey,
      random32: () => 0,
      // Counters of its own, which nobody reads.
      metrics: new Metrics(),
      defer: () => undefined,
      resume: () => false,
      refresh: () => {},
    });
    const take = ({ topic, value }: Publication): void => {
      if (topic === LISTS_TOPIC) lists.take(value as CompiledLists);
      if (topic === MEASURES_TOPIC) measures.take(value as PublishedMeasures);
      if (topic === SUBSCRIBERS_TOPIC) subscribers.take(value as PublishedSubscribers);
      for (const { plugin, hooks } of plugins) if (topic === pluginTopic(plugin.name)) hooks.update?.(value);
    };
    generation.publications.addReader(async (publication) => take(publication));
    for (const publication of generation.publications.latest()) take(publication);
    return new Explainer(generation, clock, hashKey, plugins, lists);
  }

  async explain(question: ExplainQuestion): Promise<ExplainResult> {
    const query = this.#queryOf(question);
    const matches: Match[] = [];
    const walked = this.#walk(question, query, matches);
    matches.push(...this.#unattended(query));
    return { ...walked, lists: await this.#located(matches) };
  }

  /** Rules on the name in lists that no plugin of the chain acts on. */
  #unattended(query: Query): Match[] {
    const attended = new Set(this.#plugins.flatMap(({ plugin }) => plugin.listCategories ?? []));
    const { current, facts } = this.#lists;
    if (!current) return [];
    const mask = this.#lists.mask(({ category }) => !attended.has(category));
    const found = current.names.lookup(query.question, mask);
    return facts.flatMap(({ category }, list): Match[] => {
      if ((found & (1 << list)) === 0 || !current.names.matchOf(list)) return [];
      const reason = `nothing acts on it: no plugin of the chain acts on lists of category ${category}`;
      return [{ list, trigger: 'qname', rule: ruleText(query, current.names), who: null, reason }];
    });
  }

  async #located(matches: readonly Match[]): Promise<ExplainResult['lists']> {
    const { desk } = this.#generation;
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

  #walk(question: ExplainQuestion, query: Query, matches: Match[]): Omit<ExplainResult, 'lists'> {
    const steps: Step[] = [];
    const result = (decidedBy: string | null, outcome: string): Omit<ExplainResult, 'lists'> => ({
      name: question.name,
      type: typeName(question.type),
      client: question.client,
      steps,
      decidedBy,
      outcome,
    });
    const guards = this.#plugins.filter(({ plugin }) => plugin.stage === 'guard');
    const others = this.#plugins.filter(({ plugin }) => plugin.stage !== 'guard');
    for (const { plugin, hooks } of guards) {
      const verdict = explainWith(plugin, hooks, query, steps, matches);
      if (verdict !== CONTINUE) return result(plugin.name, OUTCOMES[verdict]);
    }
    const byItself = () => {
      const rcode = rcodeName(query.rcode);
      steps.push({ place: 'own names', who: 'server', verdict: 'answer', reason: 'the server answers this by itself' });
      return result('server', `answered ${rcode} by the server itself`);
    };
    if (this.#ownNames.decide(query) === ANSWER) return byItself();
    for (const { plugin, hooks } of others) {
      const verdict = explainWith(plugin, hooks, query, steps, matches);
      if (verdict !== CONTINUE) return result(plugin.name, OUTCOMES[verdict]);
    }
    if (query.question.type === TYPE.ANY && minimalAny(query) === ANSWER) return byItself();
    const held = this.#cache.peek(query.question, this.#clock.nowMs());
    if (held && !held.stale && held.ttlLeft > 0) {
      const reason = `${rcodeName(held.rcode)} stored ${held.age} s ago, ${held.ttlLeft} s left`;
      steps.push({ place: 'cache', who: 'cache', verdict: 'answer', reason });
      return result('cache', `answered ${rcodeName(held.rcode)} from the cache`);
    }
    const kept = held?.stale
      ? `expired ${-held.ttlLeft} s ago; served only if no upstream answers`
      : 'nothing held under this name, type, DO and CD';
    steps.push({ place: 'cache', who: 'cache', verdict: 'continue', reason: kept });
    const servers = this.#generation.config.upstream.servers.map(endpointText).join(', ');
    steps.push({ place: 'source', who: 'upstream', verdict: 'answer', reason: `forwarded to one of ${servers}` });
    return result(null, 'forwarded to an upstream; what it answers is not known before it is asked');
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
    query.port = 53;
    query.nowMs = this.#clock.nowMs();
    query.receivedMs = query.nowMs;
    const memory = new ArrayBuffer(1232);
    query.reply = new Uint8Array(memory);
    query.replyWords = new Int32Array(memory);
    query.replyCapacity = memory.byteLength;
    readQuery(query, this.#hashKey[0], this.#hashKey[1]);
    return query;
  }
}

const OUTCOMES: Readonly<Record<Verdict, string>> = {
  0: 'goes on',
  1: 'answered by the plugin',
  2: 'dropped without an answer',
  3: 'told to come back over TCP',
  4: 'answered REFUSED',
  5: 'answered SERVFAIL',
  6: 'held by the plugin until it decides',
  7: 'answered by the plugin with another name, whose records the server adds',
};

/** The rule that `matchOf` found, as text. */
function ruleText({ question }: Query, { wildcard, labels }: PolicyIndex): string {
  const name = nameToText(question.name, question.labelStarts[question.labelCount - labels]);
  return wildcard ? `*.${name}` : name;
}

function explainWith(plugin: Plugin, hooks: Hooks, query: Query, steps: Step[], matches: Match[]): Verdict {
  if (!hooks.explain) {
    const acts = hooks.packet !== undefined || hooks.query !== undefined || hooks.miss || hooks.answer !== undefined;
    const reason = acts ? 'this plugin does not explain itself; it may decide otherwise' : 'only observes';
    steps.push({ place: plugin.stage, who: plugin.name, verdict: 'unknown', reason });
    return CONTINUE;
  }
  const { verdict, reason, matches: found = [] } = hooks.explain(query);
  for (const match of found) matches.push({ ...match, reason, who: plugin.name });
  steps.push({ place: plugin.stage, who: plugin.name, verdict: VERDICTS[verdict], reason });
  return verdict;
}
