/**
 * What rose against the normal, and what of it which key explains. Every share is one of the rise, not of the load: that
 * half of all queries are A records explains nothing, that all of the new ones are ANY does.
 */
import { addressWords, parsePrefix, prefixContains } from '../../src/contract/plugin.ts';
import type { Baseline } from './baseline.ts';
import { rateOf } from './baseline.ts';
import type { Kind } from './layout.ts';
import { attribute, byKind, type Entry, type Slice } from './slice.ts';

/** Other things that the rise is split by, each the sum of its values. */
export const SPLITS = ['types', 'rcodes', 'transports', 'cache', 'upstreams'] as const;
export type Split = (typeof SPLITS)[number];

export interface Part {
  readonly key: string;
  /** Queries a second. */
  readonly now: number;
  readonly normal: number;
  /** Share of the rise, 0–1; more than 1 where something else fell. */
  readonly share: number;
  /** Of a network: how many lines asked at once, at least. */
  readonly lines?: number;
}

export interface HeavyPart extends Part {
  readonly entry: Entry;
}

export interface Rise {
  readonly now: number;
  readonly normal: number;
  /** Queries a second more than normal; 0 where there are not. */
  readonly rise: number;
  /** The rise is beyond what chance and ordinary days explain. */
  readonly risen: boolean;
  readonly heavy: Readonly<Record<Kind, readonly HeavyPart[]>>;
  readonly splits: Readonly<Record<Split, readonly Part[]>>;
}

/** A rise below this share of the normal is an ordinary day. */
const LEAST_FACTOR = 0.25;
/** Queries a second: a handful of devices that wake up. */
const LEAST_RISE = 5;
/** Standard deviations of a count (Poisson) that a rise has to reach: short windows of little traffic rise by chance. */
const CHANCE = 5;
/** Ordinary days rise everywhere alike; where one key makes so much of it, it is not one of them. */
const ONE_KEY = 0.7;
/** Parts below this share are left out. */
const LEAST_SHARE = 0.02;

export function riseOf(now: Slice, normal: Baseline): Rise {
  const rate = rateOf(now);
  const usual = normal.rate.median;
  const rise = Math.max(0, rate - usual);
  const share = (more: number) => (rise > 0 ? more / rise : 0);
  const seconds = Math.max(1, now.seconds);
  const grown = byKind((kind) =>
    now.tops[kind]
      .map((entry): HeavyPart => {
        const before = normal.keys[kind].get(entry.key) ?? 0;
        const rateNow = entry.count / seconds;
        return { key: entry.key, now: rateNow, normal: before, share: share(rateNow - before), entry };
      })
      .sort((one, other) => other.share - one.share),
  );
  const heavy = byKind((kind) =>
    (kind === 'address' ? boundedByNetworks(grown.address, grown.network) : grown[kind]).filter(
      (part) => part.share >= LEAST_SHARE,
    ),
  );
  const large = rise >= Math.max(LEAST_RISE, usual * LEAST_FACTOR, CHANCE * Math.sqrt(usual / seconds));
  const oneKey = Object.values(heavy).some(([first]) => (first?.share ?? 0) >= ONE_KEY);
  const risen = large && (rise >= 3 * normal.rate.spread || oneKey);
  const splits = Object.fromEntries(
    SPLITS.map((split) => {
      const parts = Object.entries(now.totals[split] ?? {})
        .map(([key, count]): Part => {
          const before = normal[split].get(key) ?? 0;
          return { key, now: count / seconds, normal: before, share: share(count / seconds - before) };
        })
        .filter((part) => part.share >= LEAST_SHARE)
        .sort((one, other) => other.share - one.share);
      return [split, parts];
    }),
  ) as unknown as Rise['splits'];
  return { now: rate, normal: usual, rise, risen, heavy, splits };
}

/** Of all queries, and a second: what comes on top of one zone has to be so much, hour after hour, to be anything. */
const SUSTAINED_SHARE = 0.005;
const SUSTAINED_RATE = 0.5;
/** Different names in the hours that were looked at. */
const SUSTAINED_NAMES = 300;

/**
 * What rose too little to show in the sum, and went on for hours: one zone with names that are new and in no cache. The rise is that
 * of the zone alone, and nothing else of the load is in it. Undefined where there is none. `now`: of an hour or more.
 */
export function sustainedRise(now: Slice, normal: Baseline): Rise | undefined {
  if (normal.basis !== 'hour of the week' && normal.basis !== 'hour of the day') return undefined;
  const seconds = Math.max(1, now.seconds);
  const grown = now.tops.domain.map((entry): HeavyPart => {
    const before = normal.keys.domain.get(entry.key) ?? 0;
    return { key: entry.key, now: entry.count / seconds, normal: before, share: 1, entry };
  });
  const least = Math.max(SUSTAINED_RATE, rateOf(now) * SUSTAINED_SHARE, normal.floors.domain);
  const [zone] = grown
    .filter((part) => part.now - part.normal >= Math.max(least, 3 * part.normal))
    .filter(({ entry }) => {
      const uncached = attribute(entry, 'misses') + attribute(entry, 'nxdomain') + attribute(entry, 'servfail');
      return (
        entry.distinct >= SUSTAINED_NAMES &&
        entry.distinct >= attribute(entry, 'samples') / 2 &&
        uncached >= entry.count / 2
      );
    })
    .sort((one, other) => other.now - one.now);
  if (!zone) return undefined;
  const rise = zone.now - zone.normal;
  const within = (kind: Kind) =>
    now.tops[kind]
      .filter(({ key }) => liesIn(key.replace(/^\*\./, ''), zone.key))
      .map((entry): HeavyPart => {
        const before = normal.keys[kind].get(entry.key) ?? 0;
        const rate = entry.count / seconds;
        return { key: entry.key, now: rate, normal: before, share: (rate - before) / rise, entry };
      })
      .filter(({ share }) => share >= LEAST_SHARE);
  const heavy = { name: within('name'), domain: [zone], pattern: within('pattern'), network: [], address: [] };
  const splits = { types: [], rcodes: [], transports: [], cache: [], upstreams: [] };
  return { now: rateOf(now), normal: normal.rate.median, rise, risen: true, heavy, splits };
}

/**
 * What is normal for a single address is not kept (only its network's is), so that a busy subscriber looks like a rise of
 * its own. It can have risen by no more than its network has.
 */
function boundedByNetworks(addresses: readonly HeavyPart[], networks: readonly HeavyPart[]): HeavyPart[] {
  const known = networks.map((part) => ({ prefix: parsePrefix(part.key), part }));
  return addresses
    .map((address) => {
      const words = addressWords(address.key);
      const network = known.find(({ prefix }) => prefixContains(prefix, words))?.part;
      if (!network || network.share >= address.share) return address;
      // What the network had before it can have had as well.
      const normal = Math.min(address.now, network.normal);
      return { ...address, normal, share: Math.max(0, network.share) };
    })
    .sort((one, other) => other.share - one.share);
}

/** The part of `kind` that explains most, if any explains something. */
export function most(rise: Rise, kind: Kind): HeavyPart | undefined {
  return rise.heavy[kind][0];
}

/** Does `name` lie below the domain or pattern `zone`, or is it that domain? */
export function liesIn(name: string, zone: string): boolean {
  const suffix = zone.startsWith('*.') ? zone.slice(1) : `.${zone}`;
  return name.endsWith(suffix) || name === zone;
}
