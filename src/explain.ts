/**
 * `sekisho explain`: which stage would decide a query, and why, without sending, counting or recording anything.
 *
 * It runs in the main thread on hooks of its own (`explain` only), looks into the shared cache without touching it, and
 * walks the same order as chain.ts.
 */
import type { ExplainQuestion, ExplainResult } from './admin/status.ts';
import { AnswerCache } from './cache/cache.ts';
import type { Clock } from './clock.ts';
import type { Generation } from './generation.ts';
import { Metrics } from './metrics/registry.ts';
import { addressWords, endpointText, isMapped } from './net/address.ts';
import { OwnNames } from './own-names.ts';
import { ANSWER, CONTINUE, type Hooks, type Plugin, VERDICTS, type Verdict } from './plugin.ts';
import { mountPlugins } from './plugins.ts';
import { Query } from './query.ts';
import { FLAG_RD, rcodeName, typeName } from './wire/constants.ts';
import { textToName } from './wire/name.ts';
import { readQuery } from './wire/reader.ts';

type Step = ExplainResult['steps'][number];

/** Answers `explain` for one generation. */
export class Explainer {
  readonly #generation: Generation;
  readonly #clock: Clock;
  readonly #hashKey: readonly [number, number];
  readonly #plugins: readonly { plugin: Plugin; hooks: Hooks }[];
  readonly #ownNames: OwnNames;
  readonly #cache: AnswerCache;

  private constructor(
    generation: Generation,
    clock: Clock,
    hashKey: readonly [number, number],
    plugins: readonly { plugin: Plugin; hooks: Hooks }[],
  ) {
    const { cache, server } = generation.config;
    this.#generation = generation;
    this.#clock = clock;
    this.#hashKey = hashKey;
    this.#plugins = plugins;
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
    const plugins = await mountPlugins(generation.config.plugins, {
      server: { access: generation.config.server.access, workers: generation.config.server.workers },
      shared: generation.shared,
      worker: -1,
      clock,
      hashKey,
      random32: () => 0,
      // Counters of its own, which nobody reads.
      metrics: new Metrics(),
      defer: () => undefined,
      resume: () => false,
    });
    return new Explainer(generation, clock, hashKey, plugins);
  }

  explain(question: ExplainQuestion): ExplainResult {
    const query = this.#queryOf(question);
    const steps: Step[] = [];
    const result = (decidedBy: string | null, outcome: string): ExplainResult => ({
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
      const verdict = explainWith(plugin, hooks, query, steps);
      if (verdict !== CONTINUE) return result(plugin.name, OUTCOMES[verdict]);
    }
    if (this.#ownNames.decide(query) === ANSWER) {
      const rcode = rcodeName(query.rcode);
      steps.push({ place: 'own names', who: 'server', verdict: 'answer', reason: 'the server answers this by itself' });
      return result('server', `answered ${rcode} by the server itself`);
    }
    for (const { plugin, hooks } of others) {
      const verdict = explainWith(plugin, hooks, query, steps);
      if (verdict !== CONTINUE) return result(plugin.name, OUTCOMES[verdict]);
    }
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
};

function explainWith(plugin: Plugin, hooks: Hooks, query: Query, steps: Step[]): Verdict {
  if (!hooks.explain) {
    const acts = hooks.packet !== undefined || hooks.query !== undefined || hooks.miss || hooks.answer !== undefined;
    const reason = acts ? 'this plugin does not explain itself; it may decide otherwise' : 'only observes';
    steps.push({ place: plugin.stage, who: plugin.name, verdict: 'unknown', reason });
    return CONTINUE;
  }
  const { verdict, reason } = hooks.explain(query);
  steps.push({ place: plugin.stage, who: plugin.name, verdict: VERDICTS[verdict], reason });
  return verdict;
}
