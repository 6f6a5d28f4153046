/** Random views, clients and fates: every client gets what a naive reading of the configuration says, and nothing crosses. */
import { encode, type Packet } from 'dns-packet';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { addressWords } from '../address/address.ts';
import { AnswerCache } from '../cache/cache.ts';
import { createFailureMemory, FailureTable, SERVFAIL_SECONDS } from '../cache/failures.ts';
import { createCacheMemory } from '../cache/memory.ts';
import { Metrics } from '../metrics/registry.ts';
import { queryMessage } from '../testing/testing.ts';
import { ManualClock } from '../time/clock.ts';
import type { ViewConfig } from '../views/view-config.ts';
import { ViewTable } from '../views/view-table.ts';
import { Answer } from '../wire/answer.ts';
import { EDE, RCODE } from '../wire/constants.ts';
import { nameToText, textToName } from '../wire/name.ts';
import { Normalizer } from '../wire/normalize.ts';
import { Query, TCP, UDP } from '../wire/query.ts';
import { Question } from '../wire/question.ts';
import { Partitions } from '../zones/partitions.ts';
import type { ZoneConfig } from '../zones/zone-config.ts';
import { Chain } from './chain.ts';
import { OwnNames } from './own-names.ts';
import { RESOLVING } from './source.ts';
import { SuspendedQueries } from './suspended.ts';

const server = (last: number) => [{ address: `192.0.2.${last}`, port: 53, trusted: false }];
const zone = (name: string, last: number): ZoneConfig => ({
  zone: name,
  apex: textToName(name),
  way: { kind: 'forward', servers: server(last) },
});
/** Alias of each name that begins so, to lead from zone to zone. */
const ALIAS = /^alias-(.*)$/;
const NAMES = ['a.corp.test', 'b.test', 'alias-a.corp.test', 'corp.test', 'alias-b.test'];

const partition = fc.record({
  upstream: fc.option(fc.integer({ min: 1, max: 3 }), { nil: undefined }),
  corp: fc.option(fc.integer({ min: 1, max: 3 }), { nil: undefined }),
  own: fc.boolean(),
});
const view = fc.record({ network: fc.integer({ min: 0, max: 3 }), partition: fc.nat(3), stale: fc.boolean() });
const step = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constant('ask' as const),
      net: fc.nat(4),
      name: fc.nat(NAMES.length - 1),
      tcp: fc.boolean(),
    }),
  },
  { weight: 5, arbitrary: fc.record({ kind: fc.constant('answer' as const), which: fc.nat(50) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('fail' as const), which: fc.nat(50) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('wait' as const), seconds: fc.constantFrom(1, 10, 400) }) },
);

test('nobody is answered by servers that are not of the own view', () => {
  let answered = 0;
  let stale = 0;
  fc.assert(
    fc.property(
      fc.array(partition, { minLength: 1, maxLength: 3 }),
      fc.array(view, { minLength: 1, maxLength: 4 }),
      fc.array(step, { minLength: 40, maxLength: 80 }),
      (parts, views, steps) => {
        const world = open(parts, views);
        for (const one of steps) {
          if (one.kind === 'ask') world.ask(`10.${one.net}.0.1`, NAMES[one.name]!, one.tcp);
          else if (one.kind === 'answer') world.answer(one.which);
          else if (one.kind === 'fail') world.fail(one.which);
          else world.clock.advance(one.seconds * 1000);
        }
        for (const { client, name, addresses, ede } of world.replies) {
          const expected = world.expected(client, name);
          expect(addresses, `${name} for ${client}`).toEqual(addresses.map(() => expected));
          answered += addresses.length;
          if (ede === EDE.STALE_ANSWER) {
            stale++;
            expect(world.mayBeStale(client)).toBe(true);
          }
        }
      },
    ),
    { numRuns: 300, seed: 5 },
  );
  // It was tried, not only promised.
  expect(answered).toBeGreaterThan(2000);
  expect(stale).toBeGreaterThan(20);
});

/** A chain whose servers answer with their own address. */
function open(
  parts: readonly { upstream: number | undefined; corp: number | undefined; own: boolean }[],
  viewParts: readonly { network: number; partition: number; stale: boolean }[],
) {
  const clock = new ManualClock();
  const metrics = new Metrics();
  const top = [zone('corp.test', 9)];
  const configs = parts.map(({ upstream, corp, own }, i) => ({
    view: `v${i}`,
    ...(upstream !== undefined && { servers: server(upstream) }),
    zones: corp === undefined ? top : [zone('corp.test', corp)],
    own,
  }));
  const keys = configs.map((_, i) => 100 + i);
  const partitions = new Partitions(top, configs, keys);
  const views = viewParts.map(
    ({ network, partition: which, stale }, i): ViewConfig => ({
      name: `v${i}`,
      clients: [`10.${network}.0.0/16`],
      listeners: [],
      lists: -1,
      plugins: {},
      serveStale: stale,
      partition: Math.min(which, configs.length),
    }),
  );
  const cache = new AnswerCache(createCacheMemory({ bytes: 1 << 20 }), {
    worker: 1,
    minTtl: 0,
    maxTtl: 86400,
    serveStale: 86400,
  });
  const failures = new FailureTable(createFailureMemory());
  const chain = new Chain({
    plugins: [],
    ownNames: new OwnNames({}),
    cache,
    failures,
    localZones: partitions,
    views: views.length > 0 ? new ViewTable(views, keys, metrics) : undefined,
    suspended: new SuspendedQueries(256),
    metrics,
    clock,
    hashKey: [1, 2],
    log: { error: (fields) => expect(fields).toBeUndefined() },
  });
  const pending: { question: Question; tokens: number[]; group: number }[] = [];
  chain.source = {
    outstanding: 0,
    has: (question) => pending.some((one) => one.question.equals(question)),
    resolve(question, token) {
      const joined = pending.find((one) => one.question.equals(question));
      if (joined) joined.tokens.push(token);
      else {
        const own = new Question();
        own.copyFrom(question);
        pending.push({ question: own, tokens: [token], group: partitions.groupOf(question) });
      }
      return RESOLVING;
    },
    refresh() {},
    tick() {},
    close() {},
  };
  const replies: { client: string; name: string; addresses: string[]; ede: number }[] = [];
  const clients = new Map<number, { client: string; name: string }>();
  const memory = new ArrayBuffer(65536);
  const prepare = (query: Query) => {
    query.reply = new Uint8Array(memory);
    query.replyWords = new Int32Array(memory);
    query.replyStart = 0;
    query.replyCapacity = 65535;
    return true;
  };
  const take = (query: Query) => {
    const { client, name } = clients.get(query.port)!;
    replies.push({ client, name, addresses: addressesIn(query), ede: query.ede });
  };
  chain.routes[UDP] = { prepare, send: take };
  chain.routes[TCP] = { prepare, send: take };
  let port = 1000;
  const naiveView = (client: string) => viewParts.find(({ network }) => client.startsWith(`10.${network}.`));
  return {
    clock,
    replies,
    ask(client: string, name: string, tcp: boolean) {
      const query = new Query();
      query.transport = tcp ? TCP : UDP;
      query.clientWords.set(addressWords(client));
      query.port = ++port;
      clients.set(port, { client, name });
      query.message = queryMessage({ name });
      query.length = query.message.length;
      query.nowMs = clock.nowMs();
      query.receivedMs = query.nowMs;
      prepare(query);
      if (chain.handle(query)) take(query);
    },
    answer(which: number) {
      const [one] = pending.splice(which % Math.max(1, pending.length), 1);
      if (!one) return;
      const answer = answerOf(one.question, lastOf(partitions, one.group));
      cache.insert(one.question, answer, clock.nowMs());
      failures.forget(one.question, clock.nowMs());
      for (const token of one.tokens) chain.answered(token, answer);
    },
    fail(which: number) {
      const [one] = pending.splice(which % Math.max(1, pending.length), 1);
      if (!one) return;
      failures.record(one.question, EDE.NONE, clock.nowMs(), SERVFAIL_SECONDS);
      for (const token of one.tokens) chain.failed(token, EDE.OTHER);
    },
    /** The address that the client's own servers give for the name. */
    expected(client: string, name: string): string {
      const part = parts[Math.min(naiveView(client)?.partition ?? 0, parts.length) - 1];
      const target = ALIAS.exec(name)?.[1] ?? name;
      const upstream = part?.upstream ?? 0;
      return `198.51.100.${target === 'corp.test' || target.endsWith('.corp.test') ? (part?.corp ?? 9) : upstream}`;
    },
    mayBeStale: (client: string) => naiveView(client)?.stale ?? true,
  };
}

/** Last byte of the address of a group's server; 0 for `upstream`. */
function lastOf({ groups }: Partitions, group: number): number {
  const address = groups[group - 1]?.servers[0]?.address ?? '192.0.2.0';
  return Number(address.split('.')[3]);
}

function answerOf(question: Question, last: number): Answer {
  const name = nameToText(question.name);
  const target = ALIAS.exec(name)?.[1];
  const packet: Packet = {
    type: 'response',
    id: 1,
    flags: 0x0180,
    questions: [{ type: 'A', name }],
    answers: [
      target === undefined
        ? { type: 'A', name, ttl: 60, data: `198.51.100.${last}` }
        : { type: 'CNAME', name, ttl: 60, data: target },
    ],
  };
  const bytes = encode(packet);
  const answer = new Answer();
  expect(new Normalizer().normalize(bytes, 0, bytes.length, question, answer)).toBe(true);
  return answer;
}

/** A records of the reply; none where it is a failure. */
function addressesIn({ reply, replyLength, rcode }: Query): string[] {
  if (rcode !== RCODE.NOERROR) return [];
  const found: string[] = [];
  // Addresses of servers are 198.51.100.x, and nothing else in these replies is.
  for (let i = 12; i + 4 <= replyLength; i++)
    if (reply[i] === 198 && reply[i + 1] === 51 && reply[i + 2] === 100) found.push(`198.51.100.${reply[i + 3]}`);
  return found;
}
