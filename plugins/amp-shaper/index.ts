/**
 * Keeps the server from being an amplifier (guideline (カ)): answers to sources that may be forged are charged to the
 * network they go to, by how much they amplify; a network over its budget is told to come back over TCP, or with a
 * cookie, which whoever forges its address cannot do. Options, metrics and an example: README.md.
 */
import {
  AddressError,
  ANSWER,
  beginReply,
  CONTINUE,
  COOKIE_NONE,
  DROP,
  definePlugin,
  durationMs,
  EDE,
  PrefixSet,
  type Problem,
  PURPOSE,
  parsePrefix,
  prefixText,
  type Query,
  RCODE,
  readOf,
  sizeBytes,
  TRUNCATE,
  typeFromName,
  z,
} from '../../src/contract/plugin.ts';
import { BudgetTable, createBudgetMemory, type Level, MAX_LEVELS, tableTime } from './budget-table.ts';
import { measureHook } from './measures.ts';
import { OUTCOMES, Pricing } from './pricing.ts';

const budget = () => sizeBytes({ min: '1KiB', max: '64MiB' });

const levels = (most: number, defaults: readonly { prefix: number; budget: string }[]) =>
  z
    .array(
      z.strictObject({
        prefix: z.int().min(1).max(most).describe('Bits of the network.'),
        budget: budget().describe('Bytes of amplification a second that such a network may get.'),
      }),
    )
    .min(1)
    .max(MAX_LEVELS / 2)
    .prefault([...defaults]);

const options = z.strictObject({
  ipv4: levels(32, [
    { prefix: 32, budget: '8KiB' },
    { prefix: 24, budget: '16KiB' },
  ]).describe(
    'Levels for IPv4, finest first. What a finer level keeps back is not charged to the wider ones, so one host’s flood does not use up its neighbours’ budget.',
  ),
  ipv6: levels(64, [
    { prefix: 64, budget: '8KiB' },
    { prefix: 56, budget: '16KiB' },
  ]).describe('The same for IPv6.'),
  burst: durationMs({ min: '10ms', max: '10s' })
    .prefault('500ms')
    .describe('How much budget may be used at once: so many seconds’ worth.'),
  window: durationMs({ min: '100ms', max: '1m' })
    .prefault('10s')
    .describe('A network that went on over its budget stays limited for up to this long after it stopped.'),
  'free-ratio': z
    .number()
    .min(1)
    .max(100)
    .default(5)
    .describe('Answers of up to so many times the bytes of their query cost nothing.'),
  earned: z
    .int()
    .min(0)
    .max(1024)
    .default(48)
    .describe(
      'Bytes that an answer which costs nothing earns its network: it may amplify by so many more. What thousands of subscribers behind one address ask for in ordinary use is paid by what they ask besides.',
    ),
  rules: z
    .array(
      z.strictObject({
        types: z.array(z.string()).min(1).optional().describe('Types of the question, e.g. DNSKEY; all if left out.'),
        outcomes: z.array(z.enum(OUTCOMES)).min(1).optional().describe('Kinds of answer; all if left out.'),
        weight: z.number().min(0).max(100).default(1).describe('Factor of the bytes charged; 0 = free.'),
        least: z.int().min(0).max(65535).default(0).describe('Bytes charged at least for each answer.'),
        'free-ratio': z.number().min(1).max(100).optional().describe('Instead of the ratio above.'),
      }),
    )
    .max(100)
    .default([
      { types: ['ANY', 'DNSKEY', 'RRSIG', 'TXT'], outcomes: ['answer'], weight: 1, least: 0, 'free-ratio': 1 },
      { outcomes: ['nxdomain', 'error'], weight: 1, least: 2 },
    ])
    .describe('What costs more or less; the first that fits counts.'),
  drop: z
    .number()
    .min(0)
    .max(1)
    .default(0.1)
    .describe(
      'Share of the answers over budget that is not sent at all; the others leave truncated. Half, until what left before shaping began is made up for.',
    ),
  'bad-cookie': z
    .boolean()
    .default(true)
    .describe('Tell a client that knows cookies BADCOOKIE instead of TC: it comes back over UDP, with its cookie.'),
  exempt: z.array(z.string()).default([]).describe('Networks that are never charged nor shaped.'),
  'dry-run': z.boolean().default(false).describe('Only count what would be shaped.'),
  memory: sizeBytes({ min: '64KiB', max: '1GiB' })
    .prefault('16MiB')
    .describe('Table of the networks, 20 bytes for each at each level; the least indebted are forgotten first.'),
});

type Options = z.infer<typeof options>;

/** Networks in the admin route's answer. */
const SHOWN = 100;
/** One ordinary answer in so many is looked at, and earns for all. */
const EARNING_SAMPLE = 16;
/** Share of the answers over budget that is not sent while the network has had more than it sent. */
const PAYING_SHARE = 0.5;
/** An OPT record without options, and a COOKIE option with both cookies (RFC 7873 §4). */
const OPT_BYTES = 11;
const COOKIE_BYTES = 28;

export default definePlugin({
  name: 'amp-shaper',
  stage: 'guard',
  carriesMeasures: true,
  summary: 'truncates what amplifies towards sources that may be forged, above a budget per network',
  options,
  check({ ipv4, ipv6, rules, exempt }) {
    const problems: Problem[] = [];
    for (const [key, list] of [
      ['ipv4', ipv4],
      ['ipv6', ipv6],
    ] as const) {
      list.forEach(({ prefix }, i) => {
        if (i > 0 && prefix >= list[i - 1]!.prefix)
          problems.push({ path: [key, i, 'prefix'], message: 'must be shorter than the level before it' });
      });
    }
    rules.forEach(({ types = [] }, i) => {
      types.forEach((type, t) => {
        if (typeFromName(type) === undefined)
          problems.push({ path: ['rules', i, 'types', t], message: `'${type}' is not a record type` });
      });
    });
    exempt.forEach((text, i) => {
      try {
        parsePrefix(text);
      } catch (error) {
        if (!(error instanceof AddressError)) throw error;
        problems.push({ path: ['exempt', i], message: error.message });
      }
    });
    return problems;
  },
  control({ options, routes, clock, audit }) {
    const memory = createBudgetMemory(options.memory);
    // The key decides only where an entry lies, so reading needs none: the whole table is walked.
    const table = tableOf(options, memory, [0, 0]);
    const all = levelsOf(options);
    routes((app) => {
      app.get(
        '/networks',
        {
          config: { roles: ['operator', 'security'], audit: { of: 'read', actions: ['amp-shaper.networks'] } },
          schema: {
            summary: 'Networks that owe the most now; kept in memory only. Audited',
            querystring: z.strictObject({ limit: z.int().min(1).max(SHOWN).default(20), reason: PURPOSE }),
          },
        },
        async ({ query: { limit, reason }, identity }) => {
          audit.record(readOf(identity, 'amp-shaper.networks', reason, { limit }));
          return { networks: table.heaviest(limit, tableTime(clock.nowMs())).map((entry) => described(entry, all)) };
        },
      );
    });
    return { shared: { memory } };
  },
  data({ options, shared, worker, hashKey, random32, counter, counters, measures }) {
    const { memory } = (shared as { memory: SharedArrayBuffer } | undefined) ?? {
      memory: createBudgetMemory(options.memory),
    };
    const table = tableOf(options, memory, hashKey);
    const pricing = pricingOf(options);
    const all = levelsOf(options);
    const exempt = options.exempt.length > 0 ? new PrefixSet(options.exempt.map(parsePrefix)) : undefined;
    const earned = options.earned * EARNING_SAMPLE;
    let untilEarning = EARNING_SAMPLE;
    // A rehearsal owes nothing. Chosen once, so that a packet thread only ever knows one of them.
    const budgets: Pick<BudgetTable, 'charge' | 'earn'> =
      worker < 0
        ? { charge: (level, words, price, time) => table.wouldBeOver(level, words, price, time), earn: () => {} }
        : table;
    const first = { 4: 0, 6: options.ipv4.length };
    const end = { 4: options.ipv4.length, 6: all.length };
    const charged = counter('charged', 'Answers that were charged to a network.');
    const chargedBytes = counter('charged_bytes', 'Bytes that were charged to networks.');
    const exempted = counter('exempted', 'Answers that would have been charged, to networks that are exempt.');
    const displaced = counter('displaced', 'Networks forgotten for others while they owed something.');
    const shaped = all.map(({ family, bits }) => {
      const limit = `ipv${family}/${bits}`;
      const help = 'Answers shaped, by the level that was over its budget.';
      const one = (result: string) => counter('shaped', help, { limit, result });
      return {
        truncated: one('truncated'),
        badCookie: one('bad-cookie'),
        dropped: one('dropped'),
        dry: one('dry-run'),
      };
    });

    return {
      query: measureHook(measures, counter, counters),
      answer(query) {
        // TCP, or a cookie that only the owner of the address can have.
        if (query.verified) return CONTINUE;
        const price = pricing.priceOf(query);
        if (price === 0) {
          if (--untilEarning <= 0) earn(query);
          return CONTINUE;
        }
        if (exempt?.has(query.clientWords)) {
          counters[exempted]! += 1;
          return CONTINUE;
        }
        counters[charged]! += 1;
        counters[chargedBytes]! += price;
        const family = query.family === 4 ? 4 : 6;
        const stop = end[family];
        const time = tableTime(query.nowMs);
        for (let level = first[family]; level < stop; level++) {
          if (!budgets.charge(level, query.clientWords, price, time)) continue;
          counters[displaced] = table.displaced;
          return shape(query, level);
        }
        counters[displaced] = table.displaced;
        return CONTINUE;
      },
      explain(query, hook) {
        if (hook === 'query')
          return { reason: measures.explain(query) ?? 'no measure of the operator is about this query' };
        if (query.verified) return { reason: 'the source is verified: never shaped' };
        if (exempt?.has(query.clientWords)) return { reason: 'the network is exempt' };
        for (let level = first[query.family === 4 ? 4 : 6]; level < end[query.family === 4 ? 4 : 6]; level++) {
          const owed = table.owed(level, query.clientWords, tableTime(query.nowMs));
          if (!table.isOver(level, owed)) continue;
          const what = options['dry-run'] ? 'would be truncated (dry run)' : 'are truncated';
          const { family, bits } = all[level]!;
          const reason = `its IPv${family} /${bits} owes ${Math.round(owed / 1024)} KiB: answers that amplify ${what} over UDP without a cookie`;
          return { reason };
        }
        return { reason: 'its networks are within their budgets' };
      },
    };

    function earn(query: Query): void {
      untilEarning = EARNING_SAMPLE;
      if (earned === 0) return;
      const family = query.family === 4 ? 4 : 6;
      const time = tableTime(query.nowMs);
      for (let level = first[family]; level < end[family]; level++)
        budgets.earn(level, query.clientWords, earned, time);
    }

    function shape(query: Query, level: number) {
      const count = shaped[level]!;
      if (options['dry-run']) {
        counters[count.dry]! += 1;
        return CONTINUE;
      }
      if (random32() < withheld(query, level) * 2 ** 32) {
        counters[count.dropped]! += 1;
        pay(query);
        return DROP;
      }
      // RFC 7873 §5.2.3: a client that knows cookies is told to come back with the one it gets here.
      if (options['bad-cookie'] && query.cookie !== COOKIE_NONE) {
        counters[count.badCookie]! += 1;
        beginReply(query, RCODE.BADCOOKIE);
        query.ede = EDE.NONE;
        return ANSWER;
      }
      counters[count.truncated]! += 1;
      // Small: whatever else the reply would have said is for whom we know.
      query.ede = EDE.NONE;
      return TRUNCATE;
    }

    /** Share of such answers that is not sent at all, so that on the whole no more leaves than came in. */
    function withheld(query: Query, level: number): number {
      if (options.drop > 0 && options.drop < PAYING_SHARE) {
        if (table.unpaid(level, query.clientWords, tableTime(query.nowMs)) > 0) return PAYING_SHARE;
      }
      // With a cookie of ours on it, even an empty reply is larger than its query.
      const bytes = query.questionEnd + (query.edns ? OPT_BYTES : 0) + (query.answersCookie ? COOKIE_BYTES : 0);
      return options.drop > 0 && bytes > query.length ? 1 - ((1 - options.drop) * query.length) / bytes : options.drop;
    }

    function pay(query: Query): void {
      const family = query.family === 4 ? 4 : 6;
      for (let level = first[family]; level < end[family]; level++) table.pay(level, query.clientWords, query.length);
    }
  },
});

function levelsOf({ ipv4, ipv6 }: Options): Level[] {
  return [
    ...ipv4.map(({ prefix, budget }) => ({ family: 4 as const, bits: prefix, budget })),
    ...ipv6.map(({ prefix, budget }) => ({ family: 6 as const, bits: prefix, budget })),
  ];
}

function tableOf(options: Options, memory: SharedArrayBuffer, key: readonly [number, number]): BudgetTable {
  return new BudgetTable(memory, levelsOf(options), { burstMs: options.burst, windowMs: options.window }, key);
}

function pricingOf({ rules, 'free-ratio': freeRatio }: Options): Pricing {
  return new Pricing(
    freeRatio,
    rules.map(({ types, outcomes, weight, least, 'free-ratio': own }) => ({
      types: types?.flatMap((type) => typeFromName(type) ?? []),
      outcomes,
      weight,
      least,
      freeRatio: own,
    })),
  );
}

function described(entry: ReturnType<BudgetTable['heaviest']>[number], all: readonly Level[]) {
  const { family, bits, budget } = all[entry.level]!;
  const network = prefixText({ words: entry.words, bits: family === 4 ? bits + 96 : bits });
  return { network, owedBytes: entry.owed, budgetBytesPerSecond: budget, over: entry.over };
}
