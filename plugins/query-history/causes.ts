/**
 * What it looks like, in words. Each cause has signs of its own; a cause's score says how much of the rise (or of the
 * failures) its signs cover, and the highest comes first. Nothing here needs to know who asked for what: the signs are
 * those of names and those of sources, each for itself.
 */

import { networkAround } from '../../src/contract/plugin.ts';
import { aggregateCauses, type Circumstances, isShared, NO_CIRCUMSTANCES } from './aggregate-causes.ts';
import { type Baseline, servfailShare } from './baseline.ts';
import { type Cause, ofNames, percent, type Words } from './cause.ts';
import { changeCauses } from './changes.ts';
import { liesIn, most, type Rise } from './rise.ts';
import { banded, roundedRate } from './rounding.ts';
import { attribute, type Entry, type Slice } from './slice.ts';

const of = (entry: Entry, what: Parameters<typeof attribute>[1]) => attribute(entry, what) / Math.max(1, entry.count);

export function causesOf(
  now: Slice,
  normal: Baseline,
  rise: Rise,
  circumstances: Circumstances = NO_CIRCUMSTANCES,
): Cause[] {
  const failing = failures(now, normal);
  const storm = rise.risen ? retryStorm(rise) : undefined;
  const aggregate = aggregateCauses(now, normal, rise, failing.concentration, circumstances);
  const rotating = aggregate.some(({ cause }) => cause === 'rotating-subdomains');
  const found = [
    storm,
    ...(rise.risen
      ? [randomSubdomain(rise, normal), amplification(rise), brokenClient(rise), popularEvent(rise, normal)]
      : []),
    // Names at random below many zones fail in domains of every kind as well.
    rotating ? undefined : deadUpstream(failing),
    // Where the questions that fail are mostly those asked again, the storm is the load, and the authority its reason.
    failingAuthority(now, normal, failing, storm ? 0.8 : 1),
    ...aggregate,
  ].filter((cause) => cause !== undefined);
  const explained = found.some(({ about, score }) => about !== '' && score >= 0.5);
  // That it began is known of what is unusual alone.
  const { changes, beganMs } = circumstances;
  found.unshift(...changeCauses(now, normal, changes, beganMs, explained));
  found.sort((one, other) => other.score - one.score);
  if (found.length > 0) return found;
  if (rise.risen) return [unexplained(rise)];
  return [
    ofNames({
      cause: 'nothing-unusual',
      text: 'Load and failures are within what is normal at this time.',
      score: 1,
      signs: [],
      about: '',
    }),
  ];
}

/** Many different names below one zone that nobody has cached (G イ(エ); JPRS: ランダムサブドメイン攻撃). */
function randomSubdomain(rise: Rise, normal: Baseline): Cause | undefined {
  const candidates = [
    ...rise.heavy.pattern.map((part) => [part, normal.distinct.pattern.get(part.key) ?? 0] as const),
    ...rise.heavy.domain.map((part) => [part, normal.distinct.domain.get(part.key) ?? 0] as const),
  ].filter(([part, usual]) => {
    const { entry } = part;
    const samples = Math.max(1, attribute(entry, 'samples'));
    const fresh = entry.distinct >= 40 && entry.distinct >= Math.min(1500, samples / 2) && entry.distinct > 3 * usual;
    const uncached = of(entry, 'misses') >= 0.5 || of(entry, 'nxdomain') + of(entry, 'servfail') >= 0.5;
    // Data in names, which all exist, is something else (a tunnel).
    const carries = amplifying(entry) >= 0.5 && of(entry, 'nxdomain') + of(entry, 'servfail') <= 0.2;
    return part.share >= 0.15 && fresh && uncached && !carries;
  });
  // The narrowest that still covers what the widest does.
  const widest = Math.max(...candidates.map(([part]) => part.share));
  const best = candidates
    .filter(([part]) => part.share >= widest * 0.95)
    .sort(([one], [other]) => other.key.split('.').length - one.key.split('.').length)[0]?.[0];
  if (!best) return undefined;
  const zone = best.key.replace(/^\*\./, '');
  const repeated = rise.heavy.name
    .filter(({ key }) => liesIn(key, best.key))
    .reduce((sum, part) => sum + part.share, 0);
  return ofNames({
    cause: 'random-subdomain',
    text: `Random-subdomain attack on ${zone}: ${percent(best.share)} of the rise are names below it that were never asked before. Its authority and the way to it carry the load.`,
    score: Math.min(1, best.share - repeated),
    signs: [
      `${best.entry.distinct} or more different names were counted`,
      `${percent(of(best.entry, 'misses'))} were in no cache, ${percent(of(best.entry, 'nxdomain'))} do not exist, ${percent(of(best.entry, 'servfail'))} failed`,
      `${percent(of(best.entry, 'random'))} have a first label that looks made up`,
    ],
    about: best.key,
  });
}

/** Types whose answers are large: what an amplification attack asks for (G (カ), IP53B). */
const AMPLIFYING = ['ANY', 'TXT', 'DNSKEY', 'RRSIG', 'CERT', 'SPF'];

function amplification(rise: Rise): Cause | undefined {
  const types = rise.splits.types.filter(({ key }) => AMPLIFYING.includes(key));
  const share = types.reduce((sum, part) => sum + part.share, 0);
  const name = rise.heavy.name.find(({ entry }) => amplifying(entry) >= 0.5);
  if (share < 0.3 || !name || name.share < share / 4) return undefined;
  const udp = rise.splits.transports.find(({ key }) => key === 'udp')?.share ?? 0;
  const network = most(rise, 'network');
  return ofNames({
    cause: 'amplification',
    text: `Amplification attempt: ${percent(share)} of the rise asks for ${types.map(({ key }) => key).join(', ')}, mostly for ${name.key}. The sources are probably forged: they are the victims.`,
    score: share * Math.min(1, 0.5 + udp / 2),
    signs: [
      `${percent(name.share)} of the rise is the one name ${name.key}`,
      `${percent(of(name.entry, 'large'))} of its answers were large or did not fit`,
      `${percent(udp)} of the rise came over UDP`,
      ...(network ? [`${coarse(network.share)} of the rise carries addresses of one network`] : []),
    ],
    about: name.key,
  });
}

export function amplifying(entry: Entry): number {
  return of(entry, 'ANY') + of(entry, 'TXT') + of(entry, 'DNSKEY') + of(entry, 'OTHER');
}

function brokenClient(rise: Rise): Cause | undefined {
  const address = most(rise, 'address');
  if (!address || address.share < 0.3 || isShared(rise)) return undefined;
  // In words of sources alone, and coarse ones: what is asked stands elsewhere, in numbers that must not be found here again.
  const words = (who: string): Words => ({
    text: `One client in a loop: ${coarse(address.share)} of the rise comes from ${who} alone.`,
    signs: [`it normally sends ${roundedRate(address.normal)} queries a second at most, or too few to be listed`],
  });
  return {
    cause: 'broken-client',
    ...words(address.key),
    // Anybody may flood with random names or ANY from one address: what is asked says more than from where.
    score: Math.min(1, address.share) * 0.9,
    about: address.key,
    side: 'sources',
    discreet: words(`one client in ${networkAround(address.key)}`),
    nameless: words('one client'),
  };
}

/** A share of a source, in steps of a quarter. */
function coarse(share: number): string {
  const band = banded(share);
  return band === 0 ? 'less than a quarter' : band >= 1 ? 'nearly all' : `at least ${percent(band)}`;
}

/**
 * Must one client make at least half of what names explain? Nobody has recorded who asked for what; but a share of names and
 * a share of a source that add up to more than the whole overlap by at least the excess (Fréchet). Where they need not
 * overlap they may be two incidents.
 */
function oneClientMakes(share: number, rise: Rise): boolean {
  const client = most(rise, 'address')?.share ?? 0;
  return client > 0.3 && client + share - 1 >= share / 2;
}

function popularEvent(rise: Rise, normal: Baseline): Cause | undefined {
  // Beside another incident the largest name may be that one's.
  const part = [...rise.heavy.name, ...rise.heavy.domain].find(
    ({ share, entry }) =>
      share >= 0.3 &&
      of(entry, 'misses') <= 0.3 &&
      of(entry, 'servfail') + of(entry, 'nxdomain') <= 0.3 &&
      amplifying(entry) < 0.5,
  );
  if (!part) return undefined;
  const network = most(rise, 'network');
  if (oneClientMakes(part.share, rise)) return undefined;
  const usual = normal.keys.name.size > 0 ? 'as the sources of normal traffic are' : 'over many networks';
  return ofNames({
    cause: 'popular-event',
    text: `A popular event: ${percent(part.share)} of the rise asks for ${part.key}, from subscribers all over the network. The answers come from the cache; nothing is attacked, and nothing has to be limited. It passes by itself; if the server cannot carry it, add workers.`,
    score: Math.min(1, part.share) * 0.85 * (1 - (network?.share ?? 0) / 2),
    signs: [
      `${percent(1 - of(part.entry, 'misses'))} of its answers came from the cache`,
      network
        ? `the largest source network explains ${coarse(network.share)} of the rise`
        : `the sources are spread ${usual}`,
    ],
    about: part.key,
  });
}

/** Share of all queries that a domain must have before its failures are the cause of anything. */
const ACCUSED = 0.02;
const ACCUSED_WITHOUT_PAST = 0.1;

interface Failures {
  /** Share of all answers. */
  readonly share: number;
  readonly unusual: boolean;
  /** The domain with most of them, and its share of them. */
  readonly domain: Entry | undefined;
  readonly concentration: number;
  /** Failed or slow, of all queries. */
  readonly troubled: number;
}

function failures(now: Slice, normal: Baseline): Failures {
  const share = servfailShare(now);
  const troubleOf = (entry: Entry) => attribute(entry, 'servfail') + attribute(entry, 'slow');
  const [domain] = [...now.tops.domain].sort((one, other) => troubleOf(other) - troubleOf(one));
  const all = now.tops.domain.reduce((sum, entry) => sum + troubleOf(entry), 0);
  // With little traffic most domains are not listed: what failed or was slow in them counts all the same.
  const late = Object.entries(now.totals.latencies).reduce(
    (sum, [ms, count]) => (Number(ms) >= 1000 ? sum + count : sum),
    0,
  );
  const failed = (now.totals.rcodes['SERVFAIL'] ?? 0) + late;
  return {
    share,
    unusual: share >= Math.max(0.05, normal.servfail.median + 5 * normal.servfail.spread),
    domain,
    concentration: domain ? troubleOf(domain) / Math.max(1, all, failed) : 0,
    troubled: all / Math.max(1, now.totals.queries),
  };
}

function deadUpstream({ share, unusual, concentration, domain }: Failures): Cause | undefined {
  if (!unusual || share < 0.1 || concentration > 0.4) return undefined;
  return ofNames({
    cause: 'dead-upstream',
    text: `The upstream resolvers do not answer: ${percent(share)} of all answers are SERVFAIL, for names of every kind. What is cached is still served, and clients ask again for the rest.`,
    score: Math.min(1, 0.6 + share),
    signs: [
      domain
        ? `no domain stands out: the first, ${domain.key}, has ${percent(concentration)} of the failures`
        : 'no domain stands out',
      '`sekisho status` shows the state of each upstream',
    ],
    about: '',
  });
}

/**
 * The same questions again and again, because they fail: the failure is answered from memory at once (RFC 9520), so that
 * nothing waits and nobody upstream is asked; the load is the clients' own. Where the answers are slow it is the authority.
 */
function retryStorm(rise: Rise): Cause | undefined {
  const failed = rise.splits.rcodes.find(({ key }) => key === 'SERVFAIL')?.share ?? 0;
  const remembered = rise.splits.cache.find(({ key }) => key === 'failure')?.share ?? 0;
  const names = rise.heavy.name.filter(({ entry }) => of(entry, 'servfail') >= 0.5 && of(entry, 'slow') < 0.3);
  const repeated = names.reduce((sum, { share }) => sum + share, 0);
  if (failed < 0.3 || remembered < 0.3 || repeated < 0.3 || oneClientMakes(repeated, rise)) return undefined;
  const [first, ...others] = names;
  return ofNames({
    cause: 'retry-storm',
    text: `A retry storm after SERVFAIL: ${percent(repeated)} of the rise asks again for ${first?.key}${others.length > 0 ? ` and ${others.length} other name(s)` : ''} that fail. The failures are answered from memory; what has to be mended is why they fail.`,
    score: Math.min(1, repeated) * 0.98,
    signs: [
      `${percent(failed)} of the rise are SERVFAIL, ${percent(remembered)} answered from the memory of failures`,
      `the same ${names.length} name(s) are asked for about ${Math.round(names.reduce((sum, { now }) => sum + now, 0))} times a second`,
      'the sources are spread: no client alone makes it',
    ],
    about: first?.key ?? '',
    covers: Math.min(1, repeated),
  });
}

function failingAuthority(
  now: Slice,
  normal: Baseline,
  { domain, concentration, troubled, share }: Failures,
  weight: number,
): Cause | undefined {
  if (!domain || concentration < 0.5 || troubled < 0.03) return undefined;
  const samples = Math.max(1, attribute(domain, 'samples'));
  if (domain.distinct >= Math.min(1500, samples / 2) && domain.distinct >= 40) return undefined;
  const part = domain.count / Math.max(1, now.totals.queries);
  // Some zone always fails most: that there is no past is no reason to accuse it.
  if (part < (normal.basis === 'none' ? ACCUSED_WITHOUT_PAST : ACCUSED)) return undefined;
  return ofNames({
    cause: 'failing-authority',
    text: `The authority of ${domain.key} fails or is slow, and clients ask again. The domain is ${percent(part)} of all queries, and has ${percent(concentration)} of all that fail or take a second and more.`,
    score: weight * Math.min(1, 0.5 + concentration * 0.45),
    signs: [
      `${percent(of(domain, 'servfail'))} of its answers are SERVFAIL, ${percent(of(domain, 'slow'))} took a second or more`,
      `all in all ${percent(share)} of the answers are SERVFAIL`,
    ],
    about: domain.key,
  });
}

function unexplained(rise: Rise): Cause {
  const looked = (['name', 'domain', 'pattern'] as const).map((kind) => {
    const part = most(rise, kind);
    return `of ${kind}s ${part ? `the largest is ${part.key}, with ${percent(part.share)} of the rise` : 'none stands out'}`;
  });
  const splits = (['types', 'rcodes', 'transports', 'cache'] as const).map((split) => {
    const [part] = rise.splits[split];
    return `of ${split} ${part ? `${part.key} has ${percent(part.share)} of the rise` : 'none stands out'}`;
  });
  return ofNames({
    cause: 'unexplained',
    text: 'The load rose, and no name, zone, type, source, transport, kind of answer or state of the upstream explains it. Below is what was looked at.',
    score: 0.1,
    signs: [...looked, ...splits],
    about: '',
  });
}
