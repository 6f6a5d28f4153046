/**
 * What `explain` says is compared with what the server then does: a worker's chain with the real plugins, the real cache and
 * the real forwarding source over simulated servers, in random configurations and through random histories.
 */
import { encode } from 'dns-packet';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createBudgetMemory } from '../../plugins/amp-shaper/budget-table.ts';
import { builtInPlugins } from '../../plugins/index.ts';
import { createKnownMemory } from '../../plugins/random-subdomain/known-names.ts';
import { createZoneMemory } from '../../plugins/random-subdomain/zone-table.ts';
import { listsInForce, type TestList } from '../../test/support/lists-in-force.ts';
import { addressWords, isMapped, parsePrefix } from '../address/address.ts';
import { AnswerCache } from '../cache/cache.ts';
import { createFailureMemory, FailureTable, NETWORK_FAILURE_SECONDS, SERVFAIL_SECONDS } from '../cache/failures.ts';
import { createCacheMemory } from '../cache/memory.ts';
import {
  DEFER,
  definePlugin,
  RESOLVED_FAILURE,
  RESOLVED_TIMEOUT,
  RESOLVED_UNREACHABLE,
  VERDICTS,
  z,
} from '../contract/plugin.ts';
import { inChainOrder, mountPlugin } from '../loading/plugins.ts';
import { Metrics } from '../metrics/registry.ts';
import { FAILED_ANSWERED, FAILED_TIMEOUT, ForwardSource } from '../resolve/forward/forward.ts';
import { purposeBit } from '../subscribers/consent/purposes.ts';
import { SubscribersInForce } from '../subscribers/in-force.ts';
import { AddressTable } from '../subscribers/table/address-table.ts';
import { NEVER } from '../subscribers/table/prefix-table.ts';
import { queryMessage } from '../testing/testing.ts';
import { ManualClock } from '../time/clock.ts';
import { FLAG_TC } from '../wire/constants.ts';
import { textToName } from '../wire/name.ts';
import { CACHE_STALE, DROP_REASONS, Query, TCP, UDP } from '../wire/query.ts';
import { specialUseZones } from '../zones/special-use.ts';
import { Ways } from '../zones/ways.ts';
import type { ZoneConfig } from '../zones/zone-config.ts';
import { readZoneFile } from '../zones/zone-file.ts';
import { Chain } from './chain.ts';
import { OwnNames } from './own-names.ts';
import { type Rehearsed, rehearse } from './rehearsal.ts';
import type { DatagramSink, UpstreamSockets } from './routes.ts';
import { SuspendedQueries } from './suspended.ts';

const HASH_KEY = [0x01234567, 0x09abcdef] as const;
const GROUND = {
  kind: 'self-defence',
  effect: 'the resolvers fail',
  evidence: 'ticket 4711',
  approver: 'shift lead',
  expires: '2099-01-01',
};
const POLICY = `$ORIGIN rpz.example.
@ 900 SOA ns.rpz.example. admin.rpz.example. 7 60 60 3600 120
nx.test CNAME .
gone.test CNAME *.
drop.test CNAME rpz-drop.
tcp.test CNAME rpz-tcp-only.
spared.test CNAME rpz-passthru.
garden.test CNAME www.victim.test.
walled.test CNAME printer.lab.test.
wander.test CNAME away.lab.test.
local.test A 192.0.2.80
32.66.100.51.198.rpz-ip CNAME .
24.0.0.51.198.rpz-client-ip CNAME .
`;
const LISTS: readonly TestList[] = [
  { name: 'policy', text: POLICY },
  { name: 'c2', category: 'c2', tier: 'confirmed', format: 'domains', text: 'c2.test\n' },
  { name: 'suspected', category: 'c2', tier: 'suspected', format: 'domains', text: 'maybe.test\n' },
];
/** Records that are here; one alias leads away, one policy rule leads to them. */
const ZONES: readonly ZoneConfig[] = [
  {
    zone: 'lab.test',
    apex: textToName('lab.test'),
    way: {
      kind: 'records',
      specialUse: false,
      dsAbove: false,
      records: readZoneFile(new TextEncoder().encode('printer A 192.0.2.5\naway CNAME www.victim.test.\n'), 'lab.test')
        .records,
    },
  },
  ...specialUseZones({}, new Set()),
];
const SERVERS = ['192.0.2.53', '192.0.2.54'];

/** Names that something is about, and what the servers say to them. */
const NAMES = [
  'nx.test',
  'gone.test',
  'drop.test',
  'tcp.test',
  'spared.test',
  'garden.test',
  'walled.test',
  'wander.test',
  'local.test',
  'c2.test',
  'maybe.test',
  'sunk.test',
  'dry.test',
  'who.test',
  'www.victim.test',
  'listed-address.test',
  'alias.test',
  'silent.test',
  'a.silent.test',
  ...Array.from({ length: 12 }, (_, i) => `r${i}.refused.test`),
  'version.bind',
  'localhost',
  'x.onion',
  'printer.lab.test',
  'none.lab.test',
  'away.lab.test',
  'held.test',
  'throws.test',
];
/** Mostly what was asked before. */
const TYPES = ['A', 'A', 'A', 'A', 'TXT', 'TXT', 'AAAA', 'ANY', 'AXFR'] as const;
const CLIENTS = ['127.0.0.1', '203.0.113.7', '203.0.113.9', '51.198.0.9', '2001:db8::5'] as const;

/** Everything that a configuration may leave out. */
const configuration = fc.record({
  plugins: fc.subarray(['amp-shaper', 'sinkhole', 'c2-block', 'rpz', 'random-subdomain', 'whoami', 'dns64', 'odd']),
  outsiders: fc.constantFrom('refuse', 'drop'),
  budget: fc.constantFrom('1KiB', '64KiB'),
  serveStale: fc.constantFrom(0, 3600),
  ttl: fc.constantFrom(1, 60),
});
type Configuration = typeof configuration extends fc.Arbitrary<infer Value> ? Value : never;

/** One thing that happens: time passes, servers come and go, then somebody asks. */
const happening = fc.record({
  passMs: fc.constantFrom<number[]>(0, 0, 0, 0, 10, 10, 700, 2100, 70_000),
  down: fc.oneof({ weight: 3, arbitrary: fc.constant<number[]>([]) }, fc.subarray<number>([0, 1])),
  name: fc.oneof(
    fc.constantFrom(...NAMES),
    fc.constantFrom('www.victim.test', 'dry.test', 'alias.test'),
    fc.constantFrom(...NAMES.filter((name) => name.endsWith('.refused.test'))),
  ),
  type: fc.constantFrom(...TYPES),
  client: fc.constantFrom(...CLIENTS),
});

const step = (name: string, type: (typeof TYPES)[number] = 'A', passMs = 0, down: number[] = []) =>
  ({ passMs, down, name, type, client: '127.0.0.1' }) as const;
/** Histories that chance leads to seldom: both servers die under what has expired, a budget is spent, a zone is in trouble. */
const EXAMPLES: [Configuration, ReturnType<typeof step>[]][] = [
  [
    { plugins: [], outsiders: 'refuse', budget: '64KiB', serveStale: 3600, ttl: 1 },
    [
      step('www.victim.test'),
      ...Array.from({ length: 4 }, () => step('alias.test', 'A', 2100, [0, 1])),
      step('www.victim.test', 'A', 700, [0, 1]),
    ],
  ],
  [
    { plugins: ['amp-shaper'], outsiders: 'refuse', budget: '1KiB', serveStale: 0, ttl: 60 },
    Array.from({ length: 8 }, () => step('www.victim.test', 'TXT')),
  ],
  [
    { plugins: ['random-subdomain'], outsiders: 'refuse', budget: '64KiB', serveStale: 0, ttl: 60 },
    [
      ...Array.from({ length: 12 }, (_, i) => step(`r${i}.refused.test`)),
      step('r0.refused.test', 'TXT'),
      step('r1.refused.test', 'TXT'),
    ],
  ],
  [
    { plugins: ['dns64', 'c2-block'], outsiders: 'refuse', budget: '64KiB', serveStale: 0, ttl: 60 },
    [step('ipv4only.arpa'), step('c2.test'), step('c2.test', 'AAAA'), step('who.test', 'AAAA')],
  ],
];

describe('what explain says is what the server does', () => {
  test('over random configurations and histories', async () => {
    const fates = new Map<string, number>();
    await fc.assert(
      fc.asyncProperty(
        configuration,
        fc.array(happening, { minLength: 20, maxLength: 60 }),
        async (configured, all) => {
          const world = new World(configured);
          for (const { passMs, down, name, type, client } of all) {
            world.down = down;
            await world.pass(passMs);
            const before = world.state();
            const said = world.rehearse(name, type, client);
            expect(world.changedSince(before)).toEqual([]);
            const done = await world.ask(name, type, client);
            expect(done, `${name} ${type} from ${client}: ${JSON.stringify(said.steps, null, 1)}`).toEqual(
              summary(said),
            );
            fates.set(kindOf(said), (fates.get(kindOf(said)) ?? 0) + 1);
          }
        },
      ),
      { numRuns: 60, seed: 20261128, endOnFailure: true, examples: EXAMPLES },
    );
    // The histories lead everywhere: else the comparison would say little.
    const all = [
      'asked',
      'dropped',
      'held',
      'cache',
      'failures',
      'upstream',
      'stale',
      'server',
      'zones',
      ...EVERY_PLUGIN,
    ];
    expect(all.filter((kind) => !fates.has(kind))).toEqual([]);
  }, 120_000);
});

const EVERY_PLUGIN = [
  'access',
  'amp-shaper',
  'sinkhole',
  'c2-block',
  'rpz',
  'random-subdomain',
  'whoami',
  'dns64',
  'odd',
];

function kindOf({ fate, decidedBy, reply }: Rehearsed): string {
  if (fate !== 'answered') return decidedBy !== null && fate === 'dropped' ? 'dropped' : fate;
  return decidedBy === 'cache' && reply?.stale ? 'stale' : (decidedBy ?? 'server');
}

/** What both can tell. */
function summary({ fate, reply, dropReason, steps }: Rehearsed) {
  const verdicts = steps.filter(({ who, verdict }) => EVERY_PLUGIN.includes(who) && verdict !== 'continue');
  return {
    fate,
    reply,
    dropReason,
    verdicts: verdicts
      .filter(({ place, verdict }) => verdict !== 'unknown' && place !== 'fault')
      .map(({ who, verdict }) => `${who} ${verdict}`)
      .sort(),
    faults: steps.filter(({ place }) => place === 'fault').map(({ who }) => who),
  };
}

/** A plugin from outside: holds what it has to think about, and fails now and then. */
const odd = definePlugin({
  name: 'odd',
  stage: 'policy',
  summary: 'holds one name and fails on another',
  options: z.strictObject({}),
  data({ defer }) {
    return {
      query(query) {
        const text = String.fromCharCode(...query.question.name.subarray(1, 5));
        if (text === 'thro') throw new Error('odd indeed');
        if (text !== 'held') return 0;
        return defer(query, 50) === undefined ? 5 : DEFER;
      },
      explain: () => ({ reason: 'it is odd' }),
    };
  },
});

class World {
  down: readonly number[] = [];
  readonly #clock = new ManualClock(1_000_000);
  readonly #metrics = new Metrics();
  readonly #chain: Chain;
  readonly #source: ForwardSource;
  readonly #suspended = new SuspendedQueries(64);
  readonly #cache: AnswerCache;
  readonly #rehearsal: Parameters<typeof rehearse>[1];
  readonly #network: Network;
  #late: Query | undefined;
  #abandoned: Query | undefined;

  constructor({ plugins, outsiders, budget, serveStale, ttl }: Configuration) {
    const memory = createCacheMemory({ bytes: 1 << 20 });
    const settings = { worker: 1, minTtl: 0, maxTtl: 86_400, serveStale };
    const failures = new FailureTable(createFailureMemory());
    const ownNames = new OwnNames({ version: 'one' });
    const ways = new Ways(ZONES);
    this.#cache = new AnswerCache(memory, settings);
    const options: Record<string, object> = {
      access: { outsiders },
      'amp-shaper': { ipv4: [{ prefix: 32, budget }], burst: '200ms', 'free-ratio': 1, drop: 0, rules: [] },
      sinkhole: {
        ipv4: '192.0.2.1',
        rules: [
          { name: 'sunk.test', ground: GROUND },
          { name: 'dry.test', ground: GROUND, 'dry-run': true },
        ],
      },
      'c2-block': {},
      rpz: {},
      'random-subdomain': { limit: 1, least: 3 },
      whoami: { name: 'who.test' },
      dns64: {},
      odd: {},
    };
    const shared: Record<string, unknown> = {
      'amp-shaper': { memory: createBudgetMemory(1 << 16) },
      'random-subdomain': { zones: [createZoneMemory(64)], known: createKnownMemory(1 << 16, 0, () => 7) },
    };
    let chain: Chain | undefined;
    const random32 = fc.sample(fc.nat(), { numRuns: 1, seed: 1 })[0]!;
    let random = random32;
    const mounted = (worker: number) =>
      inChainOrder(
        [...builtInPlugins, odd]
          .filter(({ name }) => name === 'access' || plugins.includes(name))
          .map((plugin) => ({
            plugin,
            hooks: mountPlugin(plugin, plugin.options.parse(options[plugin.name]), shared[plugin.name], {
              server: {
                access: CLIENTS.slice(0, -2)
                  .map((one) => `${one}/32`)
                  .concat('51.198.0.0/24'),
                workers: 1,
                notice: {},
              },
              lists: listsInForce(...LISTS),
              subscribers: subscribers(),
              describeSubscriber: () => ({ who: 'somebody', consents: {}, terms: undefined }) as never,
              worker,
              clock: this.#clock,
              hashKey: HASH_KEY,
              random32: () => (random = (Math.imul(random, 1664525) + 1013904223) >>> 0),
              metrics: worker < 0 ? new Metrics() : this.#metrics,
              defer: worker < 0 ? () => ({ token: -1, generation: -1 }) : (query, ms) => chain?.defer(query, ms),
              resume: () => false,
              refresh: worker < 0 ? () => {} : (question) => this.#source.refresh(question, this.#clock.nowMs()),
            }),
          })),
      );
    chain = new Chain({
      plugins: mounted(0),
      ownNames,
      cache: this.#cache,
      failures,
      localZones: ways,
      suspended: this.#suspended,
      metrics: this.#metrics,
      clock: this.#clock,
      hashKey: HASH_KEY,
      log: { error: () => {} },
    });
    this.#chain = chain;
    this.#network = new Network(ttl, () => this.down);
    const source = new ForwardSource({
      servers: SERVERS.map((address) => ({ address, port: 53, trusted: false })),
      sockets: (sink) => this.#network.open(sink),
      waiters: chain,
      suspendedNext: this.#suspended.next,
      onAnswer: (question, answer, nowMs, effort) => {
        this.#cache.insert(question, answer, nowMs);
        failures.forget(question, nowMs);
        chain?.resolved(question, answer.kind, effort, nowMs);
      },
      onFailure: (question, ede, nowMs, kind, effort) => {
        const outcomes = [RESOLVED_FAILURE, RESOLVED_TIMEOUT, RESOLVED_UNREACHABLE, RESOLVED_TIMEOUT];
        chain?.resolved(question, outcomes[kind]!, effort, nowMs);
        if (kind === FAILED_ANSWERED) failures.record(question, ede, nowMs, SERVFAIL_SECONDS);
        else if (kind === FAILED_TIMEOUT) failures.record(question, ede, nowMs, NETWORK_FAILURE_SECONDS);
      },
      mayRepeat: (question) => chain?.mayAskAgain(question) ?? true,
      clock: this.#clock,
      random32: () => (random = (Math.imul(random, 1664525) + 1013904223) >>> 0),
      metrics: this.#metrics,
      limits: { tasks: 64 },
    });
    this.#source = source;
    chain.source = source;
    const route = {
      prepare: (query: Query) => prepare(query),
      send: (query: Query) => {
        this.#late = query;
      },
      abandon: (query: Query) => {
        this.#abandoned = query;
      },
    };
    chain.routes[UDP] = route;
    chain.routes[TCP] = route;
    this.#rehearsal = {
      plugins: mounted(-1),
      ownNames,
      cache: new AnswerCache(memory, { ...settings, untouched: true }),
      failures,
      ways,
      upstreams: {
        way: () => ({
          name: 'upstream',
          servers: source.servers.list.map(({ label, upGauge }) => ({
            label,
            up: this.#metrics.values[upGauge] === 1,
          })),
        }),
      },
      clock: this.#clock,
      hashKey: HASH_KEY,
    };
  }

  rehearse(name: string, type: string, client: string): Rehearsed {
    return rehearse(this.#queryOf(name, type, client), this.#rehearsal);
  }

  /** Everything that a rehearsal must leave alone. */
  state() {
    const { cells, values } = this.#metrics;
    return [...values.subarray(0, cells.length), ...Object.values(this.#cache.stats()), this.#network.sent];
  }

  changedSince(before: readonly number[]): (string | undefined)[] {
    return this.state().flatMap((value, i) => (value === before[i] ? [] : [this.#metrics.cells[i]?.name]));
  }

  async ask(name: string, type: string, client: string) {
    const before = this.#metrics.values.slice(0, this.#metrics.cells.length);
    const outstanding = this.#source.outstanding;
    const query = this.#queryOf(name, type, client);
    this.#late = undefined;
    this.#abandoned = undefined;
    const ready = this.#chain.handle(query);
    const replied = ready ? query : this.#late;
    const asked = this.#source.outstanding > outstanding;
    const cell = (i: number) => this.#metrics.values[i]! - before[i]!;
    const verdicts: string[] = [];
    const faults: string[] = [];
    this.#metrics.cells.forEach(({ name, labels }, i) => {
      if (name === 'sekisho_plugin_verdicts_total')
        for (let times = cell(i); times > 0; times--) verdicts.push(`${labels['plugin']} ${labels['verdict']}`);
      if (name === 'sekisho_plugin_faults_total' && cell(i) > 0) faults.push(labels['plugin']!);
    });
    const dropped = ready ? undefined : query.dropReason >= 0 ? query : this.#abandoned;
    const done = {
      fate: replied ? 'answered' : dropped ? 'dropped' : asked ? 'asked' : 'held',
      reply: replied ? replyOf(replied) : null,
      dropReason: dropped ? DROP_REASONS[dropped.dropReason] : null,
      verdicts: verdicts.filter((one) => !one.endsWith(VERDICTS[0])).sort(),
      faults,
    };
    await this.#settle();
    return done;
  }

  async pass(ms: number): Promise<void> {
    // In steps, as a worker's loop goes.
    for (let left = ms; left > 0; left -= 100) {
      this.#clock.advance(Math.min(left, 100));
      this.#tick();
    }
    await turn();
  }

  /** Until nobody waits any more: what the next one asks is joined to nothing. */
  async #settle(): Promise<void> {
    this.#network.deliver();
    const probes = () => this.#source.servers.list.filter(({ doubted }) => doubted).length;
    for (let i = 0; i < 80 && (this.#suspended.size > 0 || this.#source.outstanding > probes()); i++) {
      this.#clock.advance(100);
      this.#tick();
    }
    await turn();
  }

  #tick(): void {
    this.#source.tick(this.#clock.nowMs());
    this.#chain.tick(this.#clock.nowMs());
    this.#network.deliver();
  }

  #queryOf(name: string, type: string, client: string): Query {
    const query = new Query();
    query.clientWords.set(addressWords(client));
    query.family = isMapped(query.clientWords) ? 4 : 6;
    query.port = 53_001;
    query.message = queryMessage({ name, type, udpSize: 0 });
    if (name === 'version.bind') query.message[query.message.length - 1] = 3;
    query.length = query.message.length;
    query.nowMs = this.#clock.nowMs();
    query.receivedMs = query.nowMs;
    prepare(query);
    return query;
  }
}

function prepare(query: Query): boolean {
  const memory = new ArrayBuffer(1232);
  query.reply = new Uint8Array(memory);
  query.replyWords = new Int32Array(memory);
  query.replyStart = 0;
  query.replyCapacity = memory.byteLength;
  return true;
}

function replyOf({ reply, rcode, ede, cacheResult }: Query) {
  return {
    rcode,
    truncated: (((reply[2]! << 8) | reply[3]!) & FLAG_TC) !== 0,
    answers: (reply[6]! << 8) | reply[7]!,
    ede,
    stale: cacheResult === CACHE_STALE,
  };
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

/** The first client consents to everything, the second to nothing, the others are unknown. */
function subscribers(): SubscribersInForce {
  const ranges = new AddressTable();
  const consents = new Uint8Array(new SharedArrayBuffer(16));
  CLIENTS.slice(0, 2).forEach((address, holder) => {
    ranges.set({ ...parsePrefix(address), port: 0, portBits: 0 }, holder, NEVER);
  });
  consents[0] = purposeBit('c2');
  const known = new SubscribersInForce();
  known.take({
    leases: new AddressTable().memory,
    ranges: ranges.memory,
    consents: consents.buffer as SharedArrayBuffer,
    unfiltered: [false],
  });
  return known;
}

/** Two servers, each of which may be down. */
class Network {
  sent = 0;
  readonly #ttl: number;
  readonly #down: () => readonly number[];
  readonly #queued: { bytes: Uint8Array; socket: number; address: Int32Array }[] = [];
  #sink: DatagramSink | undefined;

  constructor(ttl: number, down: () => readonly number[]) {
    this.#ttl = ttl;
    this.#down = down;
  }

  open(sink: DatagramSink): UpstreamSockets {
    this.#sink = sink;
    return {
      send: (bytes, start, length, address) => {
        this.#queued.push({ bytes: bytes.slice(start, start + length), socket: ++this.sent, address: address.slice() });
        return this.sent;
      },
      flush() {},
      tick() {},
      close() {},
    };
  }

  deliver(): void {
    for (const { bytes, socket, address } of this.#queued.splice(0)) {
      const server = SERVERS.findIndex((one) => addressWords(one)[3] === address[3]);
      const reply = this.#down().includes(server) ? undefined : this.#replyTo(bytes);
      if (reply) this.#sink?.datagram(socket, reply, 0, reply.length, address, 53);
    }
  }

  /** What the servers say. The question is given back as it came, letter case included. */
  #replyTo(query: Uint8Array): Uint8Array | undefined {
    let end = 12;
    while (query[end] !== 0) end += query[end]! + 1;
    const name = text(query.subarray(12, end)).toLowerCase();
    const type = (query[end + 1]! << 8) | query[end + 2]!;
    if (name.endsWith('silent.test')) return undefined;
    const rcode = name.endsWith('refused.test') ? 5 : /\.(bind|.*gone)$/.test(name) ? 3 : 0;
    const address = name === 'listed-address.test' ? '198.51.100.66' : '192.0.2.99';
    const ttl = this.#ttl;
    const answers: object[] = [];
    if (rcode === 0 && name === 'alias.test') {
      answers.push({ name, type: 'CNAME', ttl, data: 'nx.test' });
      if (type === 1) answers.push({ name: 'nx.test', type: 'A', ttl, data: address });
    } else if (rcode === 0 && type === 1) answers.push({ name, type: 'A', ttl, data: address });
    else if (rcode === 0 && type === 16)
      for (let i = 0; i < 3; i++) answers.push({ name, type: 'TXT', ttl, data: `${i}`.repeat(130) });
    const authorities =
      answers.length > 0 || rcode === 5
        ? []
        : [
            {
              name: 'test',
              type: 'SOA',
              ttl,
              data: { mname: 'a.test', rname: 'b.test', serial: 1, refresh: 1, retry: 1, expire: 1, minimum: ttl },
            },
          ];
    const message = encode({
      id: (query[0]! << 8) | query[1]!,
      type: 'response',
      flags: 0x0180 | rcode,
      questions: [{ name: name || '.', type: 'A' }],
      answers: answers as never,
      authorities: authorities as never,
    });
    const bytes = Uint8Array.from(message);
    bytes.set(query.subarray(12, end + 5), 12);
    return bytes;
  }
}

function text(wire: Uint8Array): string {
  const labels: string[] = [];
  for (let at = 0; at < wire.length && wire[at]! > 0; at += wire[at]! + 1)
    labels.push(String.fromCharCode(...wire.subarray(at + 1, at + 1 + wire[at]!)));
  return labels.join('.');
}
