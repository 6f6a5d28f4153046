/**
 * Ordinary traffic of an ISP's resolver: names and subscribers with Zipf's frequencies, types as stubs ask for them, a
 * diurnal curve, most answers from the cache. And the event, the unit that scenarios are made of.
 */
import { CACHE_HIT, CACHE_MISS, RCODE } from '../../src/contract/plugin.ts';
import type { Random } from './random.ts';

export interface Event {
  readonly name: string;
  readonly type: string;
  readonly client: string;
  readonly transport: 'udp' | 'tcp';
  readonly rcode: number;
  readonly cacheResult: number;
  readonly replyLength: number;
  readonly latencyMs: number;
  /** It is dropped unread: index of DROP_REASONS. */
  readonly dropReason?: number;
  /** Which part of the ground truth it belongs to; undefined for ordinary traffic. */
  readonly part?: string | undefined;
}

const SITES = 3000;
const HOMES = 4000;
const HOSTS = ['www', '', 'api', 'cdn', 'img', 'login', 'm'];
const SUFFIXES = ['com', 'co.jp', 'net', 'ne.jp', 'jp', 'org', 'or.jp', 'io'];

/** The world of one seed: who is popular in it, and where its subscribers are. */
export class World {
  /** What comes next; another one gives other traffic in the same world. */
  random: Random;
  /** What comes on top of the ordinary rate, as a factor of it: least and most. */
  strength: readonly [least: number, most: number] = [1.2, 6];
  readonly #sites: readonly string[];

  constructor(random: Random) {
    this.random = random;
    this.#sites = Array.from({ length: SITES }, (_, i) => `${word(random)}${i}.${random.pick(SUFFIXES)}`);
  }

  /** The site of a rank, 0 = the most popular. */
  site(rank: number): string {
    return this.#sites[rank] ?? 'example.com';
  }

  /** A subscriber: most are IPv4 homes in 32 networks, some have IPv6. */
  client(rank = this.random.zipf(HOMES)): string {
    if (rank % 5 === 4)
      return `2001:db8:${(rank % 64).toString(16)}:${((rank * 7) % 256).toString(16)}00::${rank.toString(16)}`;
    return `10.${20 + (rank % 4)}.${(rank * 13) % 64}.${1 + ((rank * 29) % 250)}`;
  }

  ordinary(): Event {
    const { random } = this;
    const site = this.site(random.zipf(SITES));
    const host = random.pick(HOSTS);
    const hit = random.next() < 0.85;
    const gone = random.next() < 0.03;
    const type = random.next();
    return {
      name: host === '' ? site : `${host}.${site}`,
      type: type < 0.55 ? 'A' : type < 0.8 ? 'AAAA' : type < 0.95 ? 'HTTPS' : type < 0.97 ? 'PTR' : 'TXT',
      client: this.client(),
      transport: random.next() < 0.02 ? 'tcp' : 'udp',
      rcode: gone ? RCODE.NXDOMAIN : random.next() < 0.004 ? RCODE.SERVFAIL : RCODE.NOERROR,
      cacheResult: hit ? CACHE_HIT : CACHE_MISS,
      replyLength: 60 + random.below(200),
      latencyMs: hit ? 0 : random.between(5, 120),
    };
  }

  /** One second of ordinary traffic at about `rate` queries. */
  *second(rate: number): Generator<Event> {
    for (let left = this.random.poisson(rate); left > 0; left--) yield this.ordinary();
  }
}

/** Queries a second at an hour of the day (0–24, local): lowest at four in the morning, highest in the evening. */
export function diurnal(peak: number, hour: number): number {
  return peak * (0.55 + 0.45 * Math.sin(((hour - 10) / 24) * 2 * Math.PI));
}

const SYLLABLES = 'ka ki ko sa shi su ta to na ni no ha hi ma mi mo ya yu ra ri ro wa bu de go'.split(' ');

export function word(random: Random): string {
  return Array.from({ length: 2 + random.below(3) }, () => random.pick(SYLLABLES)).join('');
}
