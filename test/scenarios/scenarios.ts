/**
 * The library of scenarios: generators of a second of traffic, each with the truth about it. What varies with the seed is
 * what an attacker or an accident would vary: strength, name, how labels are made, who asks.
 */
import type { CauseName } from '../../plugins/query-history/cause.ts';
import type { HistoryDesk, Surroundings } from '../../plugins/query-history/desk.ts';
import { CACHE_FAILURE, CACHE_HIT, CACHE_MISS, RCODE } from '../../src/contract/plugin.ts';
import { CACHE_NOT_ASKED, DROP_RESPONSE } from '../../src/wire/query.ts';
import { type Event, type World, word } from './traffic.ts';

export interface Scenario {
  readonly name: string;
  /** What the diagnosis has to say first. */
  readonly truth: CauseName;
  /** The part of the events that the first proposal has to match; undefined where no rule helps. */
  readonly part?: string;
  /** Counters of the server so many seconds into it, where they are part of it; `rate` is the ordinary rate. */
  surroundings?(second: number, rate: number): Surroundings;
  /** What somebody does to the server as it begins. */
  happens?(desk: HistoryDesk): void;
  /** A generator for each second of the incident; `rate` is the ordinary rate at this hour. */
  prepare(world: World, rate: number): () => Generator<Event>;
}

/** Ordinary traffic, and something on top of it. */
function beside(world: World, rate: number, count: number, make: () => Event): () => Generator<Event> {
  return function* () {
    yield* world.second(rate);
    for (let left = world.random.poisson(count); left > 0; left--) yield make();
  };
}

function randomSubdomain(world: World, part: string): () => Event {
  const { random } = world;
  const zone = `${word(random)}-shop.${random.pick(['com', 'co.jp', 'example.net', 'jp'])}`;
  const style = random.below(4);
  const label = () =>
    style === 0
      ? random.letters(8 + random.below(8))
      : style === 1
        ? random.letters(12, 'abcdefghijklmnopqrstuvwxyz')
        : style === 2
          ? `${word(random)}${word(random)}${word(random)}`
          : `${random.letters(8)}.${random.letters(6, '0123456789abcdef')}`;
  const bots = 20 + random.below(400);
  const dead = random.next() < 0.5;
  return () => ({
    name: `${label()}.${zone}`,
    type: 'A',
    client: world.client(random.below(bots) * 7),
    transport: 'udp',
    rcode: dead && random.next() < 0.8 ? RCODE.SERVFAIL : RCODE.NXDOMAIN,
    cacheResult: CACHE_MISS,
    replyLength: 110,
    latencyMs: dead ? random.between(500, 4000) : random.between(10, 300),
    part,
  });
}

function crowd(world: World, part: string): () => Event {
  const { random } = world;
  const name = `live.${word(random)}-tv.${random.pick(['jp', 'com', 'co.jp'])}`;
  return () => ({
    name,
    type: random.pick(['A', 'AAAA', 'HTTPS']),
    client: world.client(),
    transport: 'udp',
    rcode: RCODE.NOERROR,
    cacheResult: random.next() < 0.99 ? CACHE_HIT : CACHE_MISS,
    replyLength: 130,
    latencyMs: 0,
    part,
  });
}

/** Queries a second that come on top of the ordinary ones. */
const strength = (world: World, rate: number) => rate * world.random.between(...world.strength);

export const SCENARIOS: readonly Scenario[] = [
  {
    name: 'normal day',
    truth: 'nothing-unusual',
    prepare: (world, rate) => () => world.second(rate * world.random.between(0.95, 1.08)),
  },
  {
    name: 'flash crowd',
    truth: 'popular-event',
    prepare: (world, rate) => beside(world, rate, strength(world, rate), crowd(world, 'crowd')),
  },
  {
    name: 'random-subdomain attack',
    truth: 'random-subdomain',
    part: 'attack',
    prepare: (world, rate) => beside(world, rate, strength(world, rate), randomSubdomain(world, 'attack')),
  },
  {
    name: 'amplification attempt',
    truth: 'amplification',
    part: 'attack',
    prepare(world, rate) {
      const { random } = world;
      const name = `${word(random)}.${random.pick(['gov.example', 'example', 'org'])}`;
      const type = random.pick(['ANY', 'TXT', 'DNSKEY', 'ANY']);
      const victims = random.pick([1, 1, 30]);
      return beside(world, rate, strength(world, rate), () => ({
        name,
        type,
        client: `10.22.9.${10 + random.below(victims)}`,
        transport: 'udp',
        rcode: RCODE.NOERROR,
        cacheResult: type === 'ANY' ? 0 : CACHE_HIT,
        replyLength: type === 'ANY' ? 90 : 1200,
        latencyMs: 0,
        part: 'attack',
      }));
    },
  },
  {
    name: 'broken client in a loop',
    truth: 'broken-client',
    part: 'loop',
    prepare(world, rate) {
      const { random } = world;
      const client = world.client(2000 + random.below(1500));
      const name = `www.${world.site(random.below(500))}`;
      const failing = random.next() < 0.3;
      return beside(world, rate, strength(world, rate), () => ({
        name: failing ? `update.${word(random).slice(0, 2)}.internal.corp` : name,
        type: random.pick(['A', 'AAAA']),
        client,
        transport: 'udp',
        rcode: failing ? RCODE.NXDOMAIN : RCODE.NOERROR,
        cacheResult: CACHE_HIT,
        replyLength: 100,
        latencyMs: 0,
        part: 'loop',
      }));
    },
  },
  {
    name: 'upstream death',
    truth: 'dead-upstream',
    prepare(world, rate) {
      const { random } = world;
      const retries = random.between(1.5, 3);
      return function* () {
        for (const event of world.second(rate)) {
          if (event.cacheResult === CACHE_HIT) yield event;
          // Who gets no answer asks again, and is told so from memory.
          else
            for (let left = random.poisson(retries * 20) / 20; left > 0; left--)
              yield {
                ...event,
                rcode: RCODE.SERVFAIL,
                cacheResult: random.next() < 0.4 ? CACHE_FAILURE : CACHE_MISS,
                latencyMs: random.next() < 0.4 ? 0 : 4000,
              };
        }
      };
    },
  },
  {
    name: 'slow authority, and a retry storm',
    truth: 'failing-authority',
    prepare(world, rate) {
      const { random } = world;
      const site = world.site(random.below(6));
      const hosts = Array.from({ length: 8 }, (_, i) => (i < 2 ? `www.${site}` : `api${i}.${site}`));
      return beside(world, rate, strength(world, rate) / 2, () => ({
        name: random.pick(hosts),
        type: random.pick(['A', 'AAAA']),
        client: world.client(),
        transport: 'udp',
        rcode: random.next() < 0.8 ? RCODE.SERVFAIL : RCODE.NOERROR,
        cacheResult: random.next() < 0.3 ? CACHE_FAILURE : CACHE_MISS,
        replyLength: 80,
        latencyMs: random.between(800, 4000),
      }));
    },
  },
  {
    name: 'retry storm after SERVFAIL',
    truth: 'retry-storm',
    prepare(world, rate) {
      const { random } = world;
      // A broken zone of some popularity: whoever is told SERVFAIL asks again at once, and is told so from memory.
      const site = world.site(random.below(40));
      const names = Array.from({ length: 1 + random.below(6) }, (_, i) => (i === 0 ? site : `h${i}.${site}`));
      const patience = random.between(0.02, 0.15);
      return beside(world, rate, strength(world, rate), () => {
        const asked = random.next() < patience;
        return {
          name: random.pick(names),
          type: random.pick(['A', 'AAAA']),
          client: world.client(),
          transport: 'udp',
          rcode: RCODE.SERVFAIL,
          cacheResult: asked ? CACHE_MISS : CACHE_FAILURE,
          replyLength: 60,
          latencyMs: asked ? random.between(20, 3000) : 0,
        };
      });
    },
  },
  {
    name: 'TCP flood',
    truth: 'tcp-flood',
    prepare: (world, rate) =>
      beside(world, rate, strength(world, rate), () => ({ ...world.ordinary(), transport: 'tcp' })),
  },
  {
    name: 'domains made up by malware',
    truth: 'generated-domains',
    prepare(world, rate) {
      const { random } = world;
      return beside(world, rate, strength(world, rate), () => ({
        name: `${random.letters(10 + random.below(8), 'abcdefghijklmnopqrstuvwxyz')}.${random.pick(['com', 'net', 'info', 'org'])}`,
        type: 'A',
        client: world.client(),
        transport: 'udp',
        rcode: RCODE.NXDOMAIN,
        cacheResult: CACHE_MISS,
        replyLength: 110,
        latencyMs: random.between(10, 200),
      }));
    },
  },
  {
    name: 'random subdomains below many zones in turn',
    truth: 'rotating-subdomains',
    prepare(world, rate) {
      const { random } = world;
      const zones = Array.from({ length: 30 + random.below(30) }, (_, i) => `${word(random)}${i}-shop.com`);
      return beside(world, rate, strength(world, rate), () => ({
        name: `${random.letters(10)}.${random.pick(zones)}`,
        type: 'A',
        client: world.client(),
        transport: 'udp',
        rcode: random.next() < 0.5 ? RCODE.SERVFAIL : RCODE.NXDOMAIN,
        cacheResult: CACHE_MISS,
        replyLength: 110,
        latencyMs: random.between(10, 4000),
      }));
    },
  },
  {
    name: 'tunnel',
    truth: 'tunnel',
    part: 'tunnel',
    prepare(world, rate) {
      const { random } = world;
      const zone = `t.${word(random)}.net`;
      const client = world.client(2000 + random.below(1500));
      return beside(world, rate, strength(world, rate), () => ({
        name: `${random.letters(40, 'abcdefghijklmnopqrstuvwxyz234567')}.${zone}`,
        type: random.next() < 0.8 ? 'TXT' : 'A',
        client,
        transport: 'udp',
        rcode: RCODE.NOERROR,
        cacheResult: CACHE_MISS,
        replyLength: 250,
        latencyMs: random.between(10, 80),
        part: 'tunnel',
      }));
    },
  },
  {
    name: 'users behind one address come back after an outage',
    truth: 'shared-address',
    prepare: (world, rate) =>
      beside(world, rate, strength(world, rate), () => ({ ...world.ordinary(), client: '10.21.9.7' })),
  },
  {
    name: 'a morning',
    truth: 'more-of-everything',
    prepare: (world, rate) => {
      const times = 1 + world.random.between(...world.strength);
      return () => world.second(rate * times);
    },
  },
  {
    name: 'slow upstream',
    truth: 'slow-upstream',
    prepare(world, rate) {
      const late = world.random.between(1100, 1900);
      return function* () {
        for (const event of world.second(rate))
          yield event.cacheResult === CACHE_MISS ? { ...event, latencyMs: late + event.latencyMs } : event;
      };
    },
  },
  {
    name: 'lossy upstream',
    truth: 'lossy-upstream',
    surroundings: (second, rate) => ({
      cpuSeconds: 0,
      kernelDrops: 0,
      upstreams: {
        '192.0.2.53:53': Math.round(second * rate * 0.2),
        '192.0.2.53:53 timed out': Math.round(second * rate * 0.05),
      },
    }),
    prepare(world, rate) {
      return function* () {
        for (const event of world.second(rate))
          yield event.cacheResult === CACHE_MISS && world.random.next() < 0.3
            ? { ...event, latencyMs: 250 + event.latencyMs }
            : event;
      };
    },
  },
  {
    name: 'the machine is too busy',
    truth: 'own-limits',
    surroundings: (second) => ({ cpuSeconds: 2 * second, kernelDrops: 500 * second, upstreams: {} }),
    prepare: (world, rate) => () => world.second(rate),
  },
  {
    name: 'responses reflected at us',
    truth: 'reflected-responses',
    prepare: (world, rate) =>
      beside(world, rate, strength(world, rate), () => ({
        ...world.ordinary(),
        client: `198.51.${world.random.below(100)}.${1 + world.random.below(250)}`,
        dropReason: DROP_RESPONSE,
        replyLength: 0,
        latencyMs: 0,
      })),
  },
  {
    name: 'restart with an empty cache',
    truth: 'restart',
    prepare: (world, rate) => {
      const missing = world.random.between(0.45, 0.8);
      return function* () {
        for (const event of world.second(rate))
          yield world.random.next() < missing
            ? { ...event, cacheResult: CACHE_MISS, latencyMs: world.random.between(10, 200) }
            : event;
      };
    },
  },
  {
    name: 'a configuration with a wrong upstream',
    truth: 'configuration-change',
    happens: (desk) => desk.changed('configuration'),
    prepare: (world, rate) => {
      const rcode = world.random.pick([RCODE.SERVFAIL, RCODE.REFUSED]);
      return function* () {
        for (const event of world.second(rate))
          yield event.cacheResult === CACHE_HIT ? event : { ...event, rcode, latencyMs: 2000 };
      };
    },
  },
  {
    name: 'a list that blocks what people use',
    truth: 'list-change',
    happens: (desk) => desk.changed('list', ['malware']),
    prepare: (world, rate) => {
      const sites = new Set(Array.from({ length: 3 }, (_, i) => world.site(i)));
      const asks = 1 + world.random.below(3);
      return function* () {
        for (const event of world.second(rate)) {
          const blocked = [...sites].some((site) => event.name.endsWith(site));
          // Who is refused asks again.
          for (let left = blocked ? asks : 1; left > 0; left--)
            yield blocked ? { ...event, rcode: RCODE.NXDOMAIN, cacheResult: CACHE_NOT_ASKED, latencyMs: 0 } : event;
        }
      };
    },
  },
  {
    name: 'random names below a zone with a wildcard',
    truth: 'random-subdomain',
    part: 'attack',
    prepare(world, rate) {
      const { random } = world;
      const zone = `${random.pick(['cust', 'a', 'img'])}.${word(random)}-cdn.${random.pick(['net', 'co.jp'])}`;
      const networks = 1 + random.below(20);
      return beside(world, rate, strength(world, rate), () => ({
        name: `${random.letters(6 + random.below(10))}.${zone}`,
        type: random.pick(['A', 'AAAA']),
        client: `2001:db8:${random.below(networks).toString(16)}:${random.below(256).toString(16)}00::${random.below(9)}`,
        transport: 'udp',
        rcode: RCODE.NOERROR,
        cacheResult: CACHE_MISS,
        replyLength: 120,
        latencyMs: random.between(10, 120),
        part: 'attack',
      }));
    },
  },
  {
    name: 'an app with many names becomes popular',
    truth: 'popular-event',
    prepare(world, rate) {
      const { random } = world;
      const site = `${word(random)}-game.${random.pick(['com', 'jp'])}`;
      const hosts = Array.from({ length: 2 + random.below(12) }, (_, i) => `s${i}.${site}`);
      return beside(world, rate, strength(world, rate), () => ({
        ...world.ordinary(),
        name: random.pick(hosts),
        type: random.pick(['A', 'AAAA', 'HTTPS']),
        rcode: RCODE.NOERROR,
        cacheResult: random.next() < 0.95 ? CACHE_HIT : CACHE_MISS,
        latencyMs: 0,
      }));
    },
  },
  {
    name: 'everybody comes back after an outage, behind a few addresses of a CG-NAT',
    truth: 'shared-address',
    prepare(world, rate) {
      const { random } = world;
      const addresses = 1 + random.below(2);
      return beside(world, rate, strength(world, rate), () => ({
        ...world.ordinary(),
        client: `100.64.7.${1 + random.below(addresses)}`,
      }));
    },
  },
  {
    name: 'mixed: a random-subdomain attack during a flash crowd',
    truth: 'random-subdomain',
    part: 'attack',
    prepare(world, rate) {
      const both = strength(world, rate);
      const attack = beside(world, rate, both * 0.65, randomSubdomain(world, 'attack'));
      const event = crowd(world, 'crowd');
      return function* () {
        yield* attack();
        for (let left = world.random.poisson(both * 0.35); left > 0; left--) yield event();
      };
    },
  },
];
