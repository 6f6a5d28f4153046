/**
 * Causes that no single name or source shows: how the load as a whole has changed. Transports, kinds of answers, what was
 * dropped, how long the upstream takes, what the machine does.
 */
import type { Baseline } from './baseline.ts';
import { type Cause, ofNames, percent, type Words } from './cause.ts';
import type { ServerChange } from './changes.ts';
import { most, type Rise } from './rise.ts';
import { banded } from './rounding.ts';
import { attribute, type Entry, type Slice } from './slice.ts';
import { quantile } from './totals.ts';
import { timedOutShare } from './upstreams.ts';

/** What is known beside the queries. */
export interface Circumstances {
  /** Share of the workers' cores in use, 0–1; the last ten seconds. */
  readonly cpu: number;
  /** Since the history began to be collected: a server that has just started has an empty cache. */
  readonly upSeconds: number;
  /** What was changed in the last quarter of an hour or so. */
  readonly changes: readonly ServerChange[];
  /** Wall clock at which what is unusual began, to ten seconds; undefined where nothing is, or that is not known. */
  readonly beganMs: number | undefined;
}

export const NO_CIRCUMSTANCES: Circumstances = {
  cpu: 0,
  upSeconds: Number.POSITIVE_INFINITY,
  changes: [],
  beganMs: undefined,
};

/** Datagrams a second that the kernel drops before it is told (overload.ts says why). */
const KERNEL_DROPS = 10;
const BUSY_CPU = 0.9;
/** A restart is a cause for so long: until the cache is warm. */
const WARMING_SECONDS = 900;

export function aggregateCauses(
  now: Slice,
  normal: Baseline,
  rise: Rise,
  concentration: number,
  { cpu, upSeconds }: Circumstances,
): Cause[] {
  return [
    ...(rise.risen
      ? [
          tcpFlood(rise),
          reflectedResponses(now, rise),
          generatedDomains(rise),
          rotatingSubdomains(now, normal, rise),
          tunnel(rise, normal),
          sharedAddress(rise),
          growth(now, normal, rise),
        ]
      : []),
    upstreamSlow(now, normal, concentration),
    upstreamLossy(now, normal),
    // An empty cache makes no more queries: where they rose it is something else.
    rise.risen ? undefined : restarted(now, normal, upSeconds),
    ownLimits(now, rise, cpu),
  ].filter((cause) => cause !== undefined);
}

const splitShare = (rise: Rise, split: keyof Rise['splits'], key: string) =>
  rise.splits[split].find((part) => part.key === key)?.share ?? 0;
const of = (entry: Entry, what: Parameters<typeof attribute>[1]) => attribute(entry, what) / Math.max(1, entry.count);

function tcpFlood(rise: Rise): Cause | undefined {
  const share = splitShare(rise, 'transports', 'tcp');
  if (share < 0.5) return undefined;
  return ofNames({
    cause: 'tcp-flood',
    text: `Queries over TCP: ${percent(share)} of the rise. Their sources are real; each connection costs more than a datagram. Look at sekisho_tcp_connections and at server.tcp.max-connections-per-client; where amp-shaper truncates at the same time, these are clients that it told to come back.`,
    score: Math.min(1, share) * 0.97,
    signs: [`${percent(splitShare(rise, 'transports', 'udp'))} of the rise came over UDP`],
    about: '',
  });
}

function reflectedResponses(now: Slice, rise: Rise): Cause | undefined {
  const perSecond = (now.totals.drops['response'] ?? 0) / Math.max(1, now.seconds);
  const share = perSecond / Math.max(1, rise.rise);
  if (share < 0.4) return undefined;
  return ofNames({
    cause: 'reflected-responses',
    text: `Responses that nobody asked for: ${Math.round(perSecond)} a second, ${percent(share)} of the rise. Somebody forges this server's address towards other servers, and it gets their answers. They are dropped unread; where they fill the line, only a filter on the router helps (UDP from port 53 to this address).`,
    score: Math.min(1, share) * 0.98,
    signs: ['they are dropped before anything is looked up: sekisho_drops_total{reason="response"}'],
    about: '',
  });
}

/** Malware that makes up domains (domain generation algorithms): many domains, each asked a few times, nearly none there. */
function generatedDomains(rise: Rise): Cause | undefined {
  const missing = splitShare(rise, 'rcodes', 'NXDOMAIN');
  const largest = most(rise, 'domain')?.share ?? 0;
  const listed = rise.heavy.domain.reduce((sum, { share }) => sum + share, 0);
  if (missing < 0.5 || largest > 0.15 || listed > 0.5) return undefined;
  return ofNames({
    cause: 'generated-domains',
    text: `Names that do not exist in very many domains: ${percent(missing)} of the rise, and no domain has more than ${percent(Math.max(0.01, largest))}. That is what infected devices do whose malware makes up domains (DGA). No rule on a name or zone helps; a list of what they find (category c2), and notices to their owners, do.`,
    score: Math.min(1, missing) * 0.93,
    signs: [`the domains that can be told apart explain ${percent(listed)} of the rise together`],
    about: '',
  });
}

/** Random names as of a random-subdomain attack, below many zones in turn. */
function rotatingSubdomains(now: Slice, normal: Baseline, rise: Rise): Cause | undefined {
  const seconds = Math.max(1, now.seconds);
  const zones = now.tops.domain.filter((entry) => {
    const samples = Math.max(1, attribute(entry, 'samples'));
    const fresh = entry.distinct >= 4 && entry.distinct >= 0.6 * samples;
    const usual = (normal.distinct.domain.get(entry.key) ?? 0) * (seconds / 10);
    return fresh && entry.distinct > 3 * usual && of(entry, 'misses') + of(entry, 'nxdomain') >= 0.5;
  });
  const shares = zones.map(
    (entry) => (entry.count / seconds - (normal.keys.domain.get(entry.key) ?? 0)) / Math.max(1, rise.rise),
  );
  const share = shares.reduce((sum, one) => sum + Math.max(0, one), 0);
  const largest = Math.max(0, ...shares);
  if (zones.length < 5 || share < 0.4 || largest > share / 3) return undefined;
  const failing = zones.reduce((sum, entry) => sum + attribute(entry, 'servfail'), 0);
  return ofNames({
    cause: 'rotating-subdomains',
    text: `Random-subdomain attack on many zones in turn: ${percent(share)} of the rise are names that were never asked before, below ${zones.length} zones or more. No rule on one of them helps: random-subdomain limits each zone that fails, and its failing-budget what all of them bring the upstream.`,
    score: Math.min(1, share) * 0.97,
    signs: [
      `the largest of these zones explains ${percent(largest)} of the rise`,
      `${percent(
        failing /
          Math.max(
            1,
            zones.reduce((sum, { count }) => sum + count, 0),
          ),
      )} of their answers are SERVFAIL`,
    ],
    about: '',
  });
}

/** Data in names: new names below one domain, that exist, in types that carry much. */
function tunnel(rise: Rise, normal: Baseline): Cause | undefined {
  const part = rise.heavy.domain.find(({ key, share, entry }) => {
    const carried = of(entry, 'TXT') + of(entry, 'OTHER') + of(entry, 'ANY');
    const fresh = entry.distinct >= 40 && entry.distinct > 3 * (normal.distinct.domain.get(key) ?? 0);
    const exists = of(entry, 'nxdomain') + of(entry, 'servfail') <= 0.2;
    return share >= 0.3 && fresh && exists && of(entry, 'misses') >= 0.7 && carried >= 0.5;
  });
  if (!part) return undefined;
  return ofNames({
    cause: 'tunnel',
    text: `Looks like a tunnel: ${percent(part.share)} of the rise are new names below ${part.key}, which all exist, in types that carry data. Limit it only if it harms others: a client that is looked into needs a ground of its own.`,
    score: Math.min(1, part.share) + 0.01,
    signs: [
      `${percent(of(part.entry, 'TXT') + of(part.entry, 'OTHER'))} ask for TXT, NULL and the like`,
      `${part.entry.distinct} or more different names, ${percent(of(part.entry, 'misses'))} in no cache, ${percent(of(part.entry, 'nxdomain'))} do not exist`,
    ],
    about: part.key,
  });
}

/** Many users behind one address: everything that people ask for, and no name of its own. */
export function isShared(rise: Rise): boolean {
  const address = most(rise, 'address');
  if (!address) return false;
  const { entry, share } = address;
  const usual = of(entry, 'A') + of(entry, 'AAAA') + of(entry, 'HTTPS') >= 0.6;
  const answered = of(entry, 'nxdomain') + of(entry, 'servfail') <= 0.25;
  const ofOneName = most(rise, 'name')?.share ?? 0;
  const ofOneDomain = most(rise, 'domain')?.share ?? 0;
  return usual && answered && ofOneName < 0.15 * share && ofOneDomain < 0.3 * share;
}

function sharedAddress(rise: Rise): Cause | undefined {
  const address = most(rise, 'address');
  if (!address || address.share < 0.3 || !isShared(rise)) return undefined;
  const band = banded(address.share);
  const part = band === 0 ? 'less than a quarter' : band >= 1 ? 'nearly all' : `at least ${percent(band)}`;
  const words: Words = {
    text: `Many users behind one address (CG-NAT, a company, a forwarder): it makes ${part} of the rise, with everything that people ask for. After an outage they all come back at once, and it passes by itself. A limit would hit all of them: put the address into server.overload.exempt if it is held back, and see that it has cookies.`,
    signs: ['no name and no domain stands out, and the types and answers are those of ordinary use'],
  };
  return {
    cause: 'shared-address',
    ...words,
    score: Math.min(1, address.share) * 0.93,
    about: '',
    side: 'sources',
    discreet: words,
    nameless: words,
  };
}

/** Everything rose alike: a morning, a holiday, another resolver that is down. */
function growth(now: Slice, normal: Baseline, rise: Rise): Cause | undefined {
  if (normal.basis === 'none' || normal.rate.median <= 0) return undefined;
  const keys = [...rise.heavy.name, ...rise.heavy.domain, ...rise.heavy.pattern, ...rise.heavy.address];
  const largest = Math.max(0, ...keys.map(({ share }) => share));
  const usual = (split: 'types' | 'rcodes' | 'transports' | 'cache') =>
    Object.entries(now.totals[split]).every(([key, count]) => {
      const before = (normal[split].get(key) ?? 0) / normal.rate.median;
      return Math.abs(count / Math.max(1, now.totals.queries) - before) < 0.08;
    });
  if (largest > 0.15 || !usual('types') || !usual('rcodes') || !usual('transports')) return undefined;
  return ofNames({
    cause: 'more-of-everything',
    text: 'More of everything: names, types and answers are what they always are, and no name, zone or source explains more than its part. A morning, a holiday, something on television, or another resolver whose clients came here. No rule helps; more workers or another resolver do.',
    score: 0.75,
    signs: [`the largest of all names and sources explains ${percent(largest)} of the rise`],
    about: '',
  });
}

/** Queries that were not answered from memory, and those of them that took a second or more. */
function slowShare({ totals }: Slice): number {
  const misses = totals.cache['miss'] ?? 0;
  const slow = Object.entries(totals.latencies).reduce(
    (sum, [ms, count]) => (Number(ms) >= 1000 ? sum + count : sum),
    0,
  );
  return misses < 20 ? 0 : Math.min(1, slow / misses);
}

function upstreamSlow(now: Slice, normal: Baseline, concentration: number): Cause | undefined {
  const slow = slowShare(now);
  const p95 = quantile(now.totals.latencies, 0.95) ?? 0;
  const failed = (now.totals.rcodes['SERVFAIL'] ?? 0) / Math.max(1, now.totals.queries);
  if (slow < 0.3 || p95 < Math.max(500, 3 * normal.latency.median) || failed > 0.1 || concentration > 0.5)
    return undefined;
  return ofNames({
    cause: 'slow-upstream',
    text: `The upstream resolvers answer, but late: ${percent(slow)} of what is not in the cache takes a second or more, in domains of every kind (95 of 100 answers within ${Math.round(p95)} ms, normally ${Math.round(normal.latency.median)} ms). Look at their load and at the way to them; nothing here has to be limited.`,
    score: 0.6 + 0.35 * Math.min(1, slow),
    signs: [
      `${percent(failed)} of the answers are SERVFAIL`,
      `the domain with most of what is slow has ${percent(concentration)} of it`,
    ],
    about: '',
  });
}

function upstreamLossy(now: Slice, normal: Baseline): Cause | undefined {
  const { share, sent } = timedOutShare(Object.entries(now.totals.upstreams ?? {}));
  const usual = timedOutShare(normal.upstreams).share;
  const failed = (now.totals.rcodes['SERVFAIL'] ?? 0) / Math.max(1, now.totals.queries);
  if (sent < 50 || share < 0.05 || share < 3 * usual || failed > 0.3 || slowShare(now) >= 0.3) return undefined;
  return ofNames({
    cause: 'lossy-upstream',
    text: `Packets to or from the upstream resolvers are lost: ${percent(share)} of what is sent stays without an answer (normally ${percent(usual)}), and most of it is answered when it is sent again. Look at the way to them: errors of interfaces, a full line, a firewall's table.`,
    score: 0.6 + Math.min(0.35, share),
    signs: [`${percent(failed)} of the answers are SERVFAIL`, '`sekisho status` shows each upstream'],
    about: '',
  });
}

function restarted(now: Slice, normal: Baseline, upSeconds: number): Cause | undefined {
  if (upSeconds > WARMING_SECONDS || normal.basis === 'none' || normal.rate.median <= 0) return undefined;
  const misses = (now.totals.cache['miss'] ?? 0) / Math.max(1, now.totals.queries);
  const usual = (normal.cache.get('miss') ?? 0) / normal.rate.median;
  if (misses < 1.5 * usual || misses < 0.15) return undefined;
  return ofNames({
    cause: 'restart',
    text: `This server started ${Math.round(upSeconds / 60)} minutes ago with an empty cache: ${percent(misses)} of the queries have to be asked for (normally ${percent(usual)}). It passes as the cache fills.`,
    score: 0.8,
    signs: ['sekisho_process_start_time_seconds says when'],
    about: '',
  });
}

function ownLimits(now: Slice, rise: Rise, cpu: number): Cause | undefined {
  const dropped = (now.totals.drops['kernel'] ?? 0) / Math.max(1, now.seconds);
  if (dropped < KERNEL_DROPS && cpu < BUSY_CPU) return undefined;
  return ofNames({
    cause: 'own-limits',
    text: `This server is at its own limit: ${Math.round(dropped)} datagrams a second are lost in the kernel before a worker sees them, and ${percent(cpu)} of the workers' cores are in use. What comes first in this list is the load; if there is nothing, add workers (server.workers) or a larger server.udp.receive-buffer, or take other work off the machine.`,
    // Where something explains the rise that is the cause, and this its effect.
    score: rise.risen ? 0.55 : 0.85,
    signs: ['sekisho_udp_kernel_drops_total and sekisho_process_cpu_seconds_total'],
    about: '',
  });
}
