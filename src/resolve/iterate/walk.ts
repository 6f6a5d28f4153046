/**
 * How a question moves: from the closest zone that is known down to the servers that have the answer, one label at a time
 * (RFC 9156), over aliases to other names, with the addresses of name servers asked for on the way.
 *
 *   begin ─▶ closest zone ─▶ step: which labels, which server ─▶ exchange
 *               ▲                 ▲        ▲                        │
 *               │                 │        └── no answer, failure ──┤ another server, or another name server's address
 *               │                 └── nothing there yet, one label more
 *               │                                  referral: a zone below
 *               └── alias: another name ◀──────────────────────────┤
 *                                           answer, nxdomain, nodata ─▶ finished
 *
 * Nothing here answers clients or keeps answers: `WalkEnds` is told how it ends.
 */

import { isMapped } from '../../address/address.ts';
import type { PrefixSet } from '../../address/prefix-set.ts';
import type { Clock } from '../../time/clock.ts';
import { EDE, RCODE, TYPE } from '../../wire/constants.ts';
import { classify, type Found } from './classify.ts';
import { type Delegation, delegationFrom, type NameServer, wordsOfAddress } from './delegation.ts';
import type { Exchange, Exchanges } from './exchanges.ts';
import type { InfraStore } from './infra-store.ts';
import type { IterateCounters, Lameness, Outcome } from './iterate-counters.ts';
import { type Candidate, Job } from './job.ts';
import type { LameServers } from './lame-servers.ts';
import { labelCount, lastLabels, parentName, ROOT_NAME, type WireName } from './name-text.ts';
import type { Reply, RRset } from './reply.ts';
import { FIRST_TIMEOUT_MS, type ServerTable } from './server-memory.ts';

/** Times that one server is asked the same question, and queries sent for it in one zone. */
const TRIES_PER_SERVER = 2;
const SENDS_PER_STEP = 8;
/** Failures (not silences) of different servers that make a step fail. */
const FAILURES_PER_STEP = 4;
/** Questions for name servers' addresses on behalf of such questions. */
const MAX_DEPTH = 4;
/** RFC 9156 §2.3: queries with fewer labels than the name has, and how many of them grow by one label. */
const MAX_MINIMISED = 10;
const ONE_LABEL_STEPS = 4;
/** Referrals in a row from a server to a zone below at the same address. */
const MAX_SELF_REFERRALS = 6;
/** What an unanswered query adds to the latency by which servers are compared. */
const TIMEOUT_PENALTY_MS = 400;
/** One choice in so many goes to a server drawn at random, so that latencies stay known. */
const EXPLORED_SHARE = 32;
/** How long a server is waited for, when others were silent and more are left to ask. */
const IMPATIENT_MS = 150;
/** No IPv6 network: nothing is sent there for so long. */
const IPV6_REST_MS = 60_000;
/** Seconds for which a name server is known to have no address. */
const MAX_NO_ADDRESS_TTL = 300;
/** Aliases followed, those of one reply included (BIND: max-restarts 11). */
const MAX_ALIASES = 11;
const DNS_PORT = 53;

/** How a question ended. */
export interface End {
  readonly outcome: Outcome;
  readonly rcode: number;
  /** An alias leads to a name that is not ours to ask for. */
  readonly incomplete: boolean;
  readonly ede: number;
}

export interface WalkParts {
  readonly exchanges: Exchanges;
  readonly infra: InfraStore;
  readonly servers: ServerTable;
  readonly lame: LameServers;
  readonly counters: IterateCounters;
  readonly clock: Clock;
  readonly random32: () => number;
  /** The root's servers as configured, for as long as nothing better is known. */
  readonly hints: Delegation;
  /** Addresses that are never asked, whoever names them. */
  readonly forbidden: PrefixSet;
  readonly ipv4: boolean;
  readonly ipv6: boolean;
  readonly minimise: boolean;
  readonly dnssecOk: boolean;
  /** The name belongs to a zone that goes another way: aliases to it end here. */
  readonly elsewhere: (name: WireName) => boolean;
  /** May a question be sent once more, or to another server? */
  readonly mayRepeat: (job: Job) => boolean;
  /** A client's question is over. */
  readonly ended: (job: Job, end: End, nowMs: number) => void;
  /** A referral came, with what the parent says of DS. */
  readonly referred: (delegation: Delegation, parent: Delegation, reply: Reply, nowMs: number) => void;
}

export class Walk {
  readonly #parts: WalkParts;
  /** Questions for addresses, by name and type. */
  readonly #lookups = new Map<string, Job>();
  #ipv6RestsUntilMs = 0;
  #primedMs = Number.NEGATIVE_INFINITY;

  constructor(parts: WalkParts) {
    this.#parts = parts;
  }

  begin(job: Job, nowMs: number): void {
    job.minimise = this.#parts.minimise;
    this.#enter(job, this.#closest(job, nowMs), nowMs);
    this.#step(job, nowMs);
  }

  /** Give up: time is over, or there is no more room. */
  abandon(job: Job, outcome: Outcome, ede: number, nowMs: number): void {
    this.#end(job, { outcome, rcode: RCODE.SERVFAIL, incomplete: false, ede }, nowMs);
  }

  /** Questions for addresses whose budget's time is over. */
  tick(nowMs: number): void {
    for (const job of this.#lookups.values()) if (nowMs >= job.budget.endsMs) this.#fail(job, nowMs);
  }

  // ── zones and names ───────────────────────────────────────────────────────────────────────────────────────────────

  #closest(job: Job, nowMs: number): Delegation {
    // RFC 4035 §3.1.4.1: DS belongs to the zone above.
    const name = job.type === TYPE.DS ? parentName(job.name) : job.name;
    const found = this.#parts.infra.closest(name, nowMs);
    if (found && (found.zone !== ROOT_NAME || job.kind !== 'prime')) return found;
    if (job.kind !== 'prime') this.#prime(nowMs);
    return this.#parts.hints;
  }

  #enter(job: Job, zone: Delegation, nowMs: number): void {
    job.zone = zone;
    job.lookedUp.clear();
    job.labels = labelCount(zone.zone);
    this.#nextLabels(job);
    this.#newStep(job, nowMs);
  }

  #newStep(job: Job, nowMs: number): void {
    this.#cancelAll(job);
    job.sends = 0;
    job.failures = 0;
    job.candidates = this.#candidates(job.zone!, nowMs);
  }

  /** RFC 9156 §2.3: one label more than the zone has, later several, then the whole name. */
  #nextLabels(job: Job): void {
    const all = labelCount(job.name);
    const left = all - job.labels;
    if (!job.minimise || left <= 1 || job.minimised >= MAX_MINIMISED) {
      job.labels = all;
      return;
    }
    const more = job.minimised < ONE_LABEL_STEPS ? 1 : Math.ceil(left / (MAX_MINIMISED - job.minimised));
    job.labels = Math.min(all, job.labels + more);
    if (job.labels < all) job.minimised++;
  }

  #candidates(zone: Delegation, nowMs: number): Candidate[] {
    const found: Candidate[] = [];
    for (const { name, glue } of zone.servers) {
      const addresses = glue.length > 0 ? glue : this.#addressesOf(name, nowMs);
      for (const address of addresses) {
        if (found.some(({ server }) => isSame(server.address, address)) || !this.#mayAsk(address)) continue;
        const place = this.#parts.servers.place(address, nowMs);
        found.push({ server: { address, port: DNS_PORT, place }, tries: 0, failed: false });
      }
    }
    return found;
  }

  /** What is known of a name server's addresses: asked for, or told by the parent of the very zone it is in. */
  #addressesOf(name: WireName, nowMs: number): readonly Int32Array[] {
    const { infra } = this.#parts;
    const ipv4 = infra.addresses(name, TYPE.A, nowMs) ?? [];
    const ipv6 = infra.addresses(name, TYPE.AAAA, nowMs) ?? [];
    if (ipv4.length + ipv6.length > 0) return [...ipv4, ...ipv6];
    return infra.closest(name, nowMs)?.servers.find((each) => each.name === name)?.glue ?? [];
  }

  #mayAsk(address: Int32Array): boolean {
    const { ipv4, ipv6, forbidden } = this.#parts;
    return (isMapped(address) ? ipv4 : ipv6) && !forbidden.has(address);
  }

  // ── asking ────────────────────────────────────────────────────────────────────────────────────────────────────────

  #step(job: Job, nowMs: number): void {
    const { exchanges } = this.#parts;
    for (;;) {
      const candidate = job.sends < SENDS_PER_STEP ? this.#choose(job, nowMs) : undefined;
      if (candidate === undefined) break;
      const whole = job.labels >= labelCount(job.name);
      const name = whole ? job.name : lastLabels(job.name, job.labels);
      const exchange = exchanges.ask(job, candidate.server, name, whole ? job.type : TYPE.A, candidate.tries, nowMs);
      candidate.tries++;
      if (exchange) {
        // One was silent: the next ones are not waited for as long, as those before may still answer.
        if (++job.sends > 1 && job.sends < SENDS_PER_STEP && this.#choose(job, nowMs)?.tries === 0)
          exchange.waitUntilMs = Math.min(exchange.waitUntilMs, nowMs + IMPATIENT_MS);
        job.exchanges.push(exchange);
        return;
      }
      if (job.budget.exhausted) {
        this.#fail(job, nowMs);
        return;
      }
      // The kernel has no way there.
      candidate.failed = true;
      if (!isMapped(candidate.server.address)) this.#ipv6RestsUntilMs = nowMs + IPV6_REST_MS;
    }
    if (job.waitsFor.size > 0 || this.#lookUp(job, nowMs)) return;
    if (job.done || job.exchanges.some((each) => !each.done && !each.told)) return;
    this.#fail(job, nowMs);
  }

  /** The fastest server that was asked least; now and then any. */
  #choose(job: Job, nowMs: number): Candidate | undefined {
    const { servers, lame, random32 } = this.#parts;
    const zone = job.zone!.zone;
    const explore = random32() % EXPLORED_SHARE === 0;
    let best: Candidate | undefined;
    let bestScore = Number.POSITIVE_INFINITY;
    for (const candidate of job.candidates) {
      const { server, tries, failed } = candidate;
      const { place, address } = server;
      if (failed || tries >= TRIES_PER_SERVER || lame.has(zone, address, nowMs)) continue;
      if (!isMapped(address) && nowMs < this.#ipv6RestsUntilMs) continue;
      const random = (random32() >>> 0) / 0x1_0000_0000;
      const rttMs = servers.rttMs(place);
      // What is not known is tried soon: half of these look faster than most.
      let score = explore ? random : rttMs > 0 ? rttMs + random : random * FIRST_TIMEOUT_MS;
      score += servers.timeouts(place) * TIMEOUT_PENALTY_MS + tries * 1e6;
      if (servers.rests(place, nowMs)) score += 1e5;
      if (score >= bestScore) continue;
      best = candidate;
      bestScore = score;
    }
    return best;
  }

  /** Ask for the address of one more name server of the zone. False where none is left, or the budget is used up. */
  #lookUp(job: Job, nowMs: number): boolean {
    const { random32, counters } = this.#parts;
    const left = job.zone!.servers.filter(({ name, glue }) => glue.length === 0 && !job.lookedUp.has(name));
    while (left.length > 0) {
      const [{ name }] = left.splice(random32() % left.length, 1) as [NameServer];
      job.lookedUp.add(name);
      const type = this.#missingType(name, nowMs);
      if (type === undefined || this.#addressesOf(name, nowMs).length > 0) continue;
      const key = `${type} ${name}`;
      const known = this.#lookups.get(key);
      if (known) {
        // Name servers that wait for each other have no addresses (TsuNAME, CVE-2021-…): the next one.
        if (known.dependsOn(job)) continue;
        job.waitsFor.add(known);
        known.waitedForBy.add(job);
        return true;
      }
      if (job.depth >= MAX_DEPTH) continue;
      if (!job.budget.takeQuestion()) return false;
      counters.serverLookup();
      const lookup = new Job('address', key, name, type, job.budget, job.depth + 1, nowMs, this);
      this.#lookups.set(key, lookup);
      job.waitsFor.add(lookup);
      lookup.waitedForBy.add(job);
      this.begin(lookup, nowMs);
      return true;
    }
    return false;
  }

  /** The kind of address to ask for: what is known to be missing is not asked again. */
  #missingType(name: WireName, nowMs: number): number | undefined {
    const { infra, ipv4, ipv6 } = this.#parts;
    if (ipv4 && infra.addresses(name, TYPE.A, nowMs) === undefined) return TYPE.A;
    return ipv6 && infra.addresses(name, TYPE.AAAA, nowMs) === undefined ? TYPE.AAAA : undefined;
  }

  #prime(nowMs: number): void {
    if (nowMs - this.#primedMs < 5000) return;
    this.#primedMs = nowMs;
    this.prime?.(nowMs);
  }

  /** Set by the source: asks for the root's name servers (RFC 8109). */
  prime: ((nowMs: number) => void) | undefined;

  // ── what comes back ───────────────────────────────────────────────────────────────────────────────────────────────

  unanswered(job: Job, _exchange: Exchange, nowMs: number): void {
    if (job.done) return;
    if (this.#parts.mayRepeat(job)) this.#step(job, nowMs);
    else if (!job.exchanges.some((each) => !each.done && !each.told) && job.waitsFor.size === 0) this.#fail(job, nowMs);
  }

  failed(job: Job, exchange: Exchange, nowMs: number): void {
    if (job.done) return;
    if (job.budget.exhausted) this.#fail(job, nowMs);
    else this.#passOver(job, exchange, 'malformed', false, nowMs);
  }

  replied(job: Job, exchange: Exchange, reply: Reply, bytes: number, nowMs: number): void {
    if (job.done) return;
    const zone = job.zone!;
    if (!job.budget.takeBytes(bytes)) {
      this.#fail(job, nowMs);
      return;
    }
    const whole = exchange.name === job.name && exchange.type === job.type;
    const verdict = classify(reply, zone, exchange.name, exchange.type, nowMs, this.#parts.infra.maxTtl);
    switch (verdict.kind) {
      case 'failure':
      case 'lame': {
        // RFC 9156 §2.3: it may know the whole name where it does not know what lies above.
        if (!whole) {
          this.#askWhole(job, nowMs);
          return;
        }
        const refused = reply.rcode === RCODE.REFUSED || reply.rcode === NOTAUTH || verdict.kind === 'lame';
        const reason = verdict.kind === 'lame' ? 'not-authoritative' : refused ? 'refused' : 'failed';
        this.#passOver(job, exchange, reason, refused, nowMs);
        return;
      }
      case 'loop':
        this.#end(job, { outcome: 'loop', rcode: RCODE.SERVFAIL, incomplete: false, ede: EDE.OTHER }, nowMs);
        return;
      case 'referral':
        this.#refer(job, exchange, verdict.delegation, reply, nowMs);
        return;
      default:
        if (job.kind === 'prime') {
          this.#primed(job, reply, nowMs);
          return;
        }
        if (!whole) {
          this.#oneStepOn(job, verdict.kind, nowMs);
          return;
        }
        this.#found(job, verdict.kind, verdict.found, nowMs);
        return;
    }
  }

  #askWhole(job: Job, nowMs: number): void {
    job.minimise = false;
    job.labels = labelCount(job.name);
    this.#newStep(job, nowMs);
    this.#step(job, nowMs);
  }

  /** A name on the way exists, or not. */
  #oneStepOn(job: Job, kind: string, nowMs: number): void {
    // RFC 8020: nothing is below a name that does not exist. Some servers say so of names that are only empty; not those of TLDs.
    if (kind === 'nxdomain' && labelCount(job.zone!.zone) > 1) {
      this.#askWhole(job, nowMs);
      return;
    }
    if (kind === 'nxdomain') job.labels = labelCount(job.name);
    else this.#nextLabels(job);
    this.#newStep(job, nowMs);
    this.#step(job, nowMs);
  }

  #passOver(job: Job, exchange: Exchange, reason: Lameness, remember: boolean, nowMs: number): void {
    const { lame, counters } = this.#parts;
    counters.lame(reason);
    const { address } = exchange.server;
    for (const candidate of job.candidates) if (isSame(candidate.server.address, address)) candidate.failed = true;
    if (remember) lame.add(job.zone!.zone, address, nowMs);
    if (++job.failures >= FAILURES_PER_STEP) this.#fail(job, nowMs);
    else if (job.exchanges.some((each) => !each.done && !each.told)) return;
    else if (this.#parts.mayRepeat(job)) this.#step(job, nowMs);
    else this.#fail(job, nowMs);
  }

  #refer(job: Job, exchange: Exchange, delegation: Delegation, reply: Reply, nowMs: number): void {
    // The parent of what is asked for refers to that itself: it is not the parent.
    if (job.type === TYPE.DS && delegation.zone === job.name) {
      this.#passOver(job, exchange, 'not-authoritative', true, nowMs);
      return;
    }
    if (!job.budget.takeReferral()) {
      this.#fail(job, nowMs);
      return;
    }
    this.#parts.counters.referral();
    this.#parts.infra.putDelegation(delegation, nowMs);
    this.#parts.referred(delegation, job.zone!, reply, nowMs);
    this.#enter(job, delegation, nowMs);
    const itself = job.candidates.some(({ server }) => isSame(server.address, exchange.server.address));
    job.selfReferrals = itself ? job.selfReferrals + 1 : 0;
    if (job.selfReferrals > MAX_SELF_REFERRALS) this.#fail(job, nowMs, 'loop');
    else this.#step(job, nowMs);
  }

  #found(job: Job, kind: 'answer' | 'alias' | 'nxdomain' | 'nodata', found: Found, nowMs: number): void {
    job.answer.push(...found.answer);
    for (const set of found.authority) if (!job.authority.includes(set)) job.authority.push(set);
    if (kind !== 'alias') {
      const rcode = kind === 'nxdomain' ? RCODE.NXDOMAIN : RCODE.NOERROR;
      if (job.kind === 'address') this.#keepAddresses(job, kind, found, nowMs);
      this.#end(job, { outcome: kind, rcode, incomplete: false, ede: EDE.NONE }, nowMs);
      return;
    }
    // RFC 2181 §10.3: the name of a name server is no alias.
    if (job.kind === 'address') {
      this.#fail(job, nowMs);
      return;
    }
    job.aliases += found.aliases;
    const seen = job.answer.some((set) => set.type === TYPE.CNAME && set.owner === found.end);
    if (seen || job.aliases > MAX_ALIASES) {
      this.#end(job, { outcome: 'loop', rcode: RCODE.SERVFAIL, incomplete: false, ede: EDE.OTHER }, nowMs);
      return;
    }
    if (this.#parts.elsewhere(found.end)) {
      this.#end(job, { outcome: 'answer', rcode: RCODE.NOERROR, incomplete: true, ede: EDE.NONE }, nowMs);
      return;
    }
    job.name = found.end;
    job.minimise = this.#parts.minimise;
    job.minimised = 0;
    this.#enter(job, this.#closest(job, nowMs), nowMs);
    this.#step(job, nowMs);
  }

  #keepAddresses(job: Job, kind: string, found: Found, nowMs: number): void {
    const { infra } = this.#parts;
    // RFC 2181 §10.3: no alias on the way.
    const set = found.aliases > 0 ? undefined : found.answer.find(({ type }) => type === job.type);
    if (set) {
      infra.putAddresses(job.name, job.type, set.data.slice(0, 8).map(wordsOfAddress), Math.max(1, set.ttl), nowMs);
      return;
    }
    const ttl = Math.min(MAX_NO_ADDRESS_TTL, ...found.authority.map((each) => each.ttl));
    infra.putAddresses(job.name, job.type, [], Math.max(1, ttl), nowMs);
    const other = job.type === TYPE.A ? TYPE.AAAA : TYPE.A;
    if (kind === 'nxdomain') infra.putAddresses(job.name, other, [], Math.max(1, ttl), nowMs);
  }

  /** RFC 8109 §4: the root's own word on its name servers, and the addresses that come along. */
  #primed(job: Job, reply: Reply, nowMs: number): void {
    const { infra } = this.#parts;
    const ns = reply.answer.find((set: RRset) => set.type === TYPE.NS && set.owner === ROOT_NAME);
    if (ns && ns.data.length > 0) {
      const ends = nowMs + Math.min(ns.ttl, infra.maxTtl) * 1000;
      infra.putDelegation(delegationFrom(ns, reply.additional, ROOT_NAME, ends), nowMs);
    }
    this.#end(job, { outcome: 'answer', rcode: RCODE.NOERROR, incomplete: false, ede: EDE.NONE }, nowMs);
  }

  // ── ending ────────────────────────────────────────────────────────────────────────────────────────────────────────

  #fail(job: Job, nowMs: number, why?: Outcome): void {
    const { exhausted } = job.budget;
    const outcome = why ?? (exhausted ? 'budget' : job.failures > 0 ? 'servers-fail' : 'no-reachable-server');
    // RFC 8914 §4.23: nobody could be found who could know, or none of them answered, or all refused. What they say themselves
    // ("not authoritative") is about them, and not what a client of ours is to be told.
    const ede = EDE.NO_REACHABLE_AUTHORITY;
    this.#end(job, { outcome, rcode: RCODE.SERVFAIL, incomplete: false, ede }, nowMs);
  }

  #end(job: Job, end: End, nowMs: number): void {
    if (job.done) return;
    job.done = true;
    this.#cancelAll(job);
    // Nobody else needs what was asked for on its behalf.
    for (const lookup of job.waitsFor) {
      lookup.waitedForBy.delete(job);
      if (lookup.waitedForBy.size === 0) this.abandon(lookup, 'shed', EDE.NONE, nowMs);
    }
    job.waitsFor.clear();
    if (job.kind !== 'address') {
      this.#parts.ended(job, end, nowMs);
      return;
    }
    this.#lookups.delete(job.key);
    const useful = this.#addressesOf(job.name, nowMs).length > 0;
    if (!useful) job.budget.questionFailed();
    for (const waiting of [...job.waitedForBy]) {
      waiting.waitsFor.delete(job);
      if (waiting.done) continue;
      this.#lookedUp(waiting, job.name, useful, nowMs);
    }
  }

  #lookedUp(job: Job, name: WireName, useful: boolean, nowMs: number): void {
    if (useful) {
      const known = job.candidates;
      for (const candidate of this.#candidates(job.zone!, nowMs))
        if (!known.some(({ server }) => isSame(server.address, candidate.server.address))) known.push(candidate);
    } else if (this.#missingType(name, nowMs) === TYPE.AAAA) job.lookedUp.delete(name);
    if (job.budget.exhausted) this.#fail(job, nowMs);
    else if (!job.exchanges.some((each) => !each.done && !each.told)) this.#step(job, nowMs);
  }

  #cancelAll(job: Job): void {
    for (const exchange of job.exchanges) this.#parts.exchanges.cancel(exchange);
    job.exchanges.length = 0;
  }
}

/** RFC 2136 §2.2. */
const NOTAUTH = 9;

function isSame(a: Int32Array, b: Int32Array): boolean {
  return a[3] === b[3] && a[2] === b[2] && a[1] === b[1] && a[0] === b[0];
}
