/**
 * Tests of plugins without a socket: `mount` puts one plugin into a real chain with a real cache, and `ask` sends it a
 * query, of which it returns the reply as the client would see it.
 *
 *     const whoami = await mount(plugin, { name: 'who.example' });
 *     const reply = await whoami.ask({ name: 'who.example', type: 'A', client: '192.0.2.7' });
 *     expect(reply.rcode).toBe('NOERROR');
 *
 * `mountBoth` mounts the control half too: its admin routes behind the roles, the audit log, files, timers by the test's clock, and
 * what it publishes reaches the hooks.
 *
 *     const sinkhole = await mountBoth(plugin, {});
 *     const { status } = await sinkhole.request('security', 'POST', '/v1/sinkhole/rules', rule);
 */
import { decode, encode, type Answer as PacketAnswer, type RecordType } from 'dns-packet';
import type { z } from 'zod';
import { addressWords, isMapped } from '../address/address.ts';
import { AnswerCache } from '../cache/cache.ts';
import { createFailureMemory, FailureTable } from '../cache/failures.ts';
import { createCacheMemory } from '../cache/memory.ts';
import { Chain } from '../chain/chain.ts';
import { OwnNames } from '../chain/own-names.ts';
import { rehearse } from '../chain/rehearsal.ts';
import { RESOLVING, type Source } from '../chain/source.ts';
import { SuspendedQueries } from '../chain/suspended.ts';
import {
  CONTINUE,
  type Plugin,
  RESOLVED_FAILURE,
  RESOLVED_TIMEOUT,
  VERDICTS,
  type Verdict,
} from '../contract/plugin.ts';
import { ListsInForce } from '../lists/in-force.ts';
import { mountPlugin } from '../loading/plugins.ts';
import { Metrics } from '../metrics/registry.ts';
import { type ListedRule, published as publishedMeasure } from '../rules/compile.ts';
import { MeasuresInForce } from '../rules/in-force.ts';
import { SubscribersInForce } from '../subscribers/in-force.ts';
import { ManualClock } from '../time/clock.ts';
import { Answer } from '../wire/answer.ts';
import { EDE, EDNS_OPTION, RCODE, rcodeName, TYPE, typeName } from '../wire/constants.ts';
import { nameToText } from '../wire/name.ts';
import { Normalizer } from '../wire/normalize.ts';
import { Query, TRANSPORTS } from '../wire/query.ts';
import { Question } from '../wire/question.ts';
import { ServerCookies } from '../wire/server-cookies.ts';
import { transportOf } from '../wire/transports.ts';
import type { BothOptions, MountedBoth } from './both.ts';
import type { Ask, LentToHooks, Mounted, MountOptions, Reply, UpstreamReply } from './mounted.ts';

export { ManualClock } from '../time/clock.ts';
export type { ApiAnswer, BothOptions, CommandResult, MountedBoth } from './both.ts';
export type { Ask, Mounted, MountOptions, Reply, UpstreamReply, UpstreamSays } from './mounted.ts';

/**
 * Set the data half of `plugin` up as a worker would; `mountBoth` also its control half. `options` are parsed by its schema;
 * throws where they are wrong.
 */
export function mount<Schema extends z.ZodObject>(
  plugin: Plugin<Schema>,
  options: z.input<Schema>,
  settings: MountOptions = {},
  lent: Partial<LentToHooks> = {},
): Mounted {
  const clock = settings.clock ?? new ManualClock();
  const metrics = new Metrics();
  const server = { access: ['127.0.0.0/8', '::1/128'], workers: 1, notice: {}, ...settings.server };
  const parsed = plugin.options.parse(options);
  const problems = plugin.check?.(parsed, server) ?? [];
  if (problems.length > 0)
    throw new Error(problems.map(({ path, message }) => `${path.join('.')}: ${message}`).join('\n'));
  const hashKey = [0x01234567, 0x09abcdef] as const;
  const cacheMemory = createCacheMemory({ bytes: 1 << 20 });
  const cacheSettings = { worker: 1, minTtl: 0, maxTtl: 86400, serveStale: 86400 };
  const cache = new AnswerCache(cacheMemory, cacheSettings);
  const failures = new FailureTable(createFailureMemory());
  const suspended = new SuspendedQueries(64);
  const measures = lent.measures ?? new MeasuresInForce(server.workers);
  let random = 1;
  let chain: Chain | undefined;
  const facts = {
    server,
    lists: lent.lists ?? settings.lists ?? new ListsInForce([]),
    subscribers: lent.subscribers ?? settings.subscribers ?? new SubscribersInForce(),
    clock,
    hashKey,
  };
  const hooks = mountPlugin(plugin, parsed, settings.shared, {
    ...facts,
    measures,
    worker: 0,
    random32: () => (random = (Math.imul(random, 1664525) + 1013904223) >>> 0),
    metrics,
    defer: (query, deadlineMs) => chain?.defer(query, deadlineMs),
    resume: (ticket, verdict, write) => chain?.resume(ticket, verdict, write) ?? false,
    refresh: (question) => chain?.source?.refresh(question, clock.nowMs()),
  });
  const rehearsedMeasures = new MeasuresInForce(server.workers, true);
  // What does not explain itself is not rehearsed.
  const rehearsed = !hooks.explain
    ? {}
    : mountPlugin(plugin, parsed, settings.shared, {
        ...facts,
        measures: rehearsedMeasures,
        worker: -1,
        random32: () => 0xffffffff,
        metrics: new Metrics(),
        defer: () => ({ token: -1, generation: -1 }),
        resume: () => false,
        refresh: () => {},
      });
  const log = { error: () => {} };
  chain = new Chain({
    plugins: [{ plugin, hooks }],
    ownNames: new OwnNames({}),
    cache,
    failures,
    suspended,
    metrics,
    clock,
    hashKey,
    log,
    cookies: new ServerCookies([new Uint8Array(16)], () => clock.wallMs()),
  });
  const theChain = chain;
  const refreshed: string[] = [];
  chain.source = scriptedSource(theChain, cache, clock, settings.upstream ?? defaultUpstream, refreshed);

  const memory = new ArrayBuffer(65536 + 64);
  const bytes = new Uint8Array(memory);
  const words = new Int32Array(memory);
  /** The reply to a query that had to wait ends up here. */
  let late: ((query: Query | undefined) => void) | undefined;
  const prepare = (query: Query) => {
    query.reply = bytes;
    query.replyWords = words;
    query.replyStart = 0;
    query.replyCapacity = transportOf(query).largestReply;
    return true;
  };
  const route = {
    prepare,
    send: (query: Query) => late?.(query),
    abandon: () => late?.(undefined),
  };
  for (const transport of TRANSPORTS.keys()) chain.routes[transport] = route;

  return {
    clock,
    refreshed,
    ask: async (ask) => {
      const query = queryOf(ask, clock);
      prepare(query);
      const waited = new Promise<Query | undefined>((resolve) => {
        late = resolve;
      });
      // As of a batch with this one packet in it.
      theChain.foresee(query);
      theChain.fetch();
      if (theChain.handle(query)) return replyOf(query);
      if (query.dropReason >= 0) return noReply(query.dropReason);
      const answered = await waited;
      return answered ? replyOf(answered) : noReply(-1);
    },
    explain: (ask, hook) => {
      const query = queryOf(ask, clock);
      prepare(query);
      const { steps, matches } = rehearse(query, {
        plugins: [{ plugin, hooks: hooks.explain ? rehearsed : hooks }],
        ownNames: new OwnNames({}),
        cache: new AnswerCache(cacheMemory, { ...cacheSettings, untouched: true }),
        failures,
        upstreams: { way: () => ({ name: 'upstream', servers: [{ label: '192.0.2.53:53', up: true }] }) },
        clock,
        hashKey,
      });
      const mine = steps.filter(({ who }) => who === plugin.name);
      const at = hook === 'packet' || hook === 'query' ? plugin.stage : hook;
      const verdictOf = (verdict: string) => Math.max(0, VERDICTS.indexOf(verdict as never)) as Verdict;
      const step =
        at === undefined
          ? (mine.find(({ verdict }) => verdictOf(verdict) !== CONTINUE) ?? mine[0])
          : mine.find(({ place }) => place === at);
      if (step === undefined) return undefined;
      const { verdict, reason } = step;
      return {
        verdict: verdictOf(verdict),
        reason,
        ...(matches.length > 0 && { matches: matches.map(({ reason: _, who: __, ...match }) => match) }),
      };
    },
    counter: (name, labels = {}) =>
      metrics.cells.reduce((sum, cell, i) => {
        const matches =
          cell.name === name && Object.entries(labels).every(([key, value]) => cell.labels[key] === value);
        return matches ? sum + metrics.values[i]! : sum;
      }, 0),
    publish: (value) => {
      hooks.update?.(structuredClone(value));
      rehearsed.update?.(structuredClone(value));
    },
    measures: (given) => {
      const counters = new SharedArrayBuffer(8 * given.length);
      const endsMs = ({ endsAtMs = Number.POSITIVE_INFINITY }: ListedRule) => clock.nowMs() + endsAtMs - clock.wallMs();
      const published = given.map((measure, i) => publishedMeasure(measure, endsMs(measure), i));
      for (const each of [measures, rehearsedMeasures]) each.take({ measures: published, counters });
      const counted = new Int32Array(counters);
      return () => given.map((_, i) => ({ matched: counted[2 * i]!, limited: counted[2 * i + 1]! }));
    },
    advance: (ms) => {
      clock.advance(ms);
      theChain.tick(clock.nowMs());
    },
  };
}

/**
 * Both halves of `plugin`, as in a server of which it is the only plugin; without a socket. Rejects with every problem of the
 * configuration where the options are wrong. Close it at the end of the test.
 */
export async function mountBoth<Schema extends z.ZodObject>(
  plugin: Plugin<Schema>,
  options: z.input<Schema>,
  settings: BothOptions = {},
): Promise<MountedBoth> {
  // Loaded only where it is used: a test of hooks alone needs no web server and no database.
  const { openBoth } = await import('./both.ts');
  return openBoth(plugin as unknown as Plugin, options, settings, mount);
}

/** A query message as a stub resolver writes it. */
export function queryMessage(ask: Ask): Uint8Array {
  if (ask.bytes) return ask.bytes;
  const size = ask.udpSize ?? 1232;
  const flags = ask.dnssecOk ? 0x8000 : 0;
  const options = ask.cookie ? [{ code: EDNS_OPTION.COOKIE, data: Buffer.from(ask.cookie) }] : [];
  const opt = { name: '.', type: 'OPT', udpPayloadSize: size, extendedRcode: 0, ednsVersion: 0, flags, options };
  const message = encode({
    id: 0x1234,
    type: 'query',
    flags: 0x0100,
    questions: [{ name: ask.name, type: (ask.type ?? 'A') as RecordType }],
    additionals: size > 0 ? [opt as unknown as PacketAnswer] : [],
  });
  return Uint8Array.from(message);
}

function queryOf(ask: Ask, clock: ManualClock): Query {
  const query = new Query();
  query.transport = TRANSPORTS.indexOf(ask.transport ?? 'udp');
  query.clientWords.set(addressWords(ask.client ?? '127.0.0.1'));
  query.family = isMapped(query.clientWords) ? 4 : 6;
  query.port = ask.port ?? 53001;
  query.message = queryMessage(ask);
  query.length = query.message.length;
  query.nowMs = clock.nowMs();
  query.receivedMs = query.nowMs;
  return query;
}

function replyOf(query: Query): Reply {
  const bytes = query.reply.slice(query.replyStart, query.replyStart + query.replyLength);
  const message = decode(Buffer.from(bytes));
  return {
    sent: true,
    dropReason: -1,
    rcode: rcodeName(query.rcode),
    truncated: (bytes[2]! & 2) !== 0,
    authenticData: (bytes[3]! & 0x20) !== 0,
    ede: query.ede,
    cookie: query.answersCookie ? query.cookieReply.slice() : new Uint8Array(0),
    answers: message.answers ?? [],
    authorities: message.authorities ?? [],
    additionals: (message.additionals ?? []).filter((record) => record.type !== 'OPT'),
    bytes,
  };
}

function noReply(dropReason: number): Reply {
  return {
    sent: false,
    dropReason,
    rcode: '',
    truncated: false,
    authenticData: false,
    ede: EDE.NONE,
    cookie: new Uint8Array(0),
    answers: [],
    authorities: [],
    additionals: [],
    bytes: new Uint8Array(0),
  };
}

function defaultUpstream(name: string, type: string): readonly PacketAnswer[] {
  return type === 'A' ? [{ name, type: 'A', ttl: 300, data: '192.0.2.99' }] : [];
}

/** A source that answers on the next turn of the event loop, through the real normaliser and cache. */
function scriptedSource(
  chain: Chain,
  cache: AnswerCache,
  clock: ManualClock,
  upstream: NonNullable<MountOptions['upstream']>,
  refreshed: string[],
): Source {
  const normalizer = new Normalizer({ nameServers: true });
  const answer = new Answer();
  return {
    outstanding: 0,
    has: () => false,
    resolve(question, token, startedMs) {
      // The question is borrowed: the next query overwrites it.
      const asked = new Question();
      asked.copyFrom(question);
      setImmediate(() => {
        const name = nameToText(asked.name);
        const type = typeName(asked.type);
        const says = upstream(name, type);
        if (says === undefined) return chain.failed(token, EDE.NETWORK_ERROR);
        const effort = { startedMs, tryCount: 1, background: false };
        if (says === 'timeout' || says === 'servfail') {
          const outcome = says === 'timeout' ? RESOLVED_TIMEOUT : RESOLVED_FAILURE;
          chain.resolved(asked, outcome, effort, clock.nowMs());
          return chain.failed(token, EDE.NO_REACHABLE_AUTHORITY);
        }
        const reply: UpstreamReply =
          says === 'nxdomain' ? { rcode: RCODE.NXDOMAIN } : 'length' in says ? { answers: says } : says;
        const message = encode({
          type: 'response',
          flags: 0x0180 | (reply.rcode ?? 0),
          // Types that the codec does not know by name: HTTPS, SVCB.
          questions: [
            {
              name,
              type: (asked.type === TYPE.HTTPS || asked.type === TYPE.SVCB
                ? `UNKNOWN_${asked.type}`
                : type) as RecordType,
            },
          ],
          answers: [...(reply.answers ?? [])],
          authorities: [...(reply.authorities ?? [])],
          additionals: [...(reply.additionals ?? [])],
        });
        if (!normalizer.normalize(Uint8Array.from(message), 0, message.length, asked, answer))
          return chain.failed(token, EDE.OTHER);
        answer.authenticData = reply.authenticData ?? false;
        cache.insert(asked, answer, clock.nowMs());
        chain.resolved(asked, answer.kind, effort, clock.nowMs(), answer);
        chain.answered(token, answer);
      });
      return RESOLVING;
    },
    refresh(question) {
      refreshed.push(nameToText(question.name));
    },
    tick() {},
    close() {},
  };
}
