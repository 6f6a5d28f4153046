/**
 * Leases: who holds which address, as RADIUS accounting or the API reports it. A lease belongs to a session; a session may
 * hold several addresses and prefixes, and what one of its messages does not name any more it does not hold any more.
 *
 *   session (reporter, Acct-Session-Id) ─┬─ claim ── 192.0.2.7 ─────── claim ─┬─ session of somebody else
 *                                        └─ claim ── 2001:db8:77::/56 ┄ claim ┘  (also on a prefix around it)
 *
 * Messages get lost, come twice, late and in the wrong order, from clocks that differ. So a claim is never weighed against
 * another by its time: while sessions of two subscribers claim an address, nobody holds it. That ends when one of them
 * ends, or has been silent for the lifetime of a lease. And who was there before the other came holds it again only with a
 * message of its own from after that.
 *
 * Times are seconds of the monotonic clock that the packet threads read. `at` is when something happened, as far as it is
 * known, and `heard` when that was heard; a lease runs from the earlier, a claim in the way of others from the later.
 */
import { isMapped } from '../../address/address.ts';
import type { Source } from '../in-force.ts';
import type { AddressTable, PortPrefix } from '../table/address-table.ts';
import { NOBODY, UNKNOWN } from '../table/prefix-table.ts';
import { type ClaimKeeper, type ClaimRecord, type ClaimWitness, prefixOfShape, shapeOf } from './claim-record.ts';
import { ClientShares } from './client-shares.ts';
import { IntRecords, NONE } from './int-records.ts';
import { NestedPrefixes } from './nested-prefixes.ts';
import { isNamed, isSameReporter, mayBeOne, type Reporter, type SessionName } from './session-name.ts';
import { DOUBTED, MAX_SESSIONS, SESSION, Sessions, UNNAMED, USED } from './sessions.ts';

/** What somebody reported. */
export interface LeaseEvent {
  readonly kind: 'start' | 'interim' | 'stop';
  readonly session: SessionName;
  /** All that it names and that is within the bounds (lease-bounds.ts). */
  readonly prefixes: readonly PortPrefix[];
  /** NOBODY where it names no subscriber. */
  readonly holder: number;
  readonly atSeconds: number;
  /** By the reporter's own clock, in seconds since 1970; 0 or absent where it does not say. */
  readonly stampSeconds?: number;
  /** Messages of this reporter come one after the other, each once: what comes later is later. */
  readonly inOrder?: boolean;
}

/**
 * - `taken`: in force. `ended`: the session holds nothing now.
 * - `late`: it changes nothing for the better, because something newer is known.
 * - `not-the-holder`: the end of a session that holds nothing, while another one holds the address.
 * - `conflict`: two subscribers are named; nobody holds it.
 * - `full`: no room; the address stays unknown. `client-full`: the reporter has taken its share of it.
 */
export const LEASE_RESULTS = ['taken', 'ended', 'late', 'not-the-holder', 'conflict', 'full', 'client-full'] as const;
export type LeaseResult = (typeof LEASE_RESULTS)[number];

const ADDRESS_BITS = 128;
/** Words of a claim: four of the address, then these. Links + 1, so that 0 is none. */
const SHAPE = 4;
const OF_SESSION = 5;
const NEXT_OF_SESSION = 6;
const NEXT_ON_PREFIX = 7;
const AT = 8;
const HEARD = 9;
const FLAGS = 10;
const CLAIM_WORDS = 11;
/** Not believed before a message of its session says so again. */
const UNSURE = 2;
/** From this bit on: in which of the runs before it was reported, 0 = in this one. */
const RUN_SHIFT = 4;

/** No end is known. */
const NO_END = -0x8000_0000;
/** A prolongation is kept on the disk so many times in a lifetime at most. */
const KEPT_IN_A_LIFETIME = 8;
/** Sessions looked at with each message, for those of which nothing is heard any more. */
const SWEPT = 2;
/** A session has an IPv4 address and an IPv6 prefix, as a rule. */
const CLAIMS_A_SESSION = 2;
/** Stands for the addresses of a session that ended before anything was known of it. */
const NOWHERE: PortPrefix = { words: new Int32Array(4), bits: 0, port: 0, portBits: 0 };

export type WhyNobody = 'contested' | 'unconfirmed' | 'ended';

/** What came of a claim: `held`, by its session's subscriber; `contested`; or `waiting` for another message. */
type Standing = 'held' | 'contested' | 'waiting';

/** Whatever a reporter can say: of a session, of all of its sessions, or of one whose name it does not give. */
export type Reported =
  | LeaseEvent
  | {
      readonly kind: 'reporter';
      readonly reporter: Reporter;
      readonly atSeconds: number;
      readonly stampSeconds: number;
    }
  | {
      readonly kind: 'unnumbered';
      readonly reporter: Reporter;
      readonly prefixes: readonly PortPrefix[];
      readonly atSeconds: number;
    };

export class Leases {
  readonly table: AddressTable;
  /** Hears what is reported here, and not what other nodes were told (`hear`). Must not throw. */
  onReported: ((reported: Reported) => void) | undefined;
  #isHearing = false;
  /** Where changes are kept over a restart, if anywhere. */
  keeper: ClaimKeeper | undefined;
  /** Hears of changes as the keeper does, each end by itself; what it does with them must not throw. */
  witness: ClaimWitness | undefined;
  readonly #lifetimeSeconds: () => number;
  readonly #nowSeconds: () => number;
  readonly #sessions: Sessions;
  readonly #claims = new IntRecords(CLAIM_WORDS);
  readonly #claimShares: ClientShares;
  readonly #nested = new NestedPrefixes();
  /** IPv4 prefixes or blocks of ports were reported too, not single addresses alone. */
  #nestedIpv4 = false;
  #swept = 0;

  /** `room`: for sessions, and for claims twice as many. */
  constructor(table: AddressTable, lifetimeSeconds: () => number, nowSeconds: () => number, room = MAX_SESSIONS) {
    this.table = table;
    this.#sessions = new Sessions(room);
    this.#claimShares = new ClientShares(room * CLAIMS_A_SESSION);
    this.#lifetimeSeconds = lifetimeSeconds;
    this.#nowSeconds = nowSeconds;
  }

  /** Memory beside the table's. */
  get bytes(): number {
    return this.#sessions.bytes + this.#claims.bytes + this.#nested.bytes;
  }

  /** Another node of the fleet was told so. */
  hear(reported: Reported): void {
    this.#isHearing = true;
    try {
      if (reported.kind === 'reporter') this.endReporter(reported.reporter, reported.atSeconds, reported.stampSeconds);
      else if (reported.kind === 'unnumbered')
        this.endUnnumbered(reported.reporter, reported.prefixes, reported.atSeconds);
      else this.report(reported);
    } finally {
      this.#isHearing = false;
    }
  }

  report(event: LeaseEvent): LeaseResult {
    if (!this.#isHearing) this.onReported?.(event);
    this.#sweep();
    return event.kind === 'stop' ? this.#stop(event) : this.#goOn(event);
  }

  /**
   * Does the lease by which somebody was found rest on reports over the API alone? `bits`: of its prefix, above 128 with those
   * of the port. Yes also where there is no such lease any more: by what has just gone nobody is recognised.
   */
  isOfApi({ clientWords, port }: Pick<Source, 'clientWords' | 'port'>, bits: number): boolean {
    const prefix = prefixOfSource(clientWords, port, bits);
    return !this.#claimsOn(prefix).some((claim) => {
      const isSure = (this.#claims.get(claim, FLAGS) & UNSURE) === 0;
      return isSure && !isNamed(this.#sessions.reporterOf(this.#claims.get(claim, OF_SESSION)));
    });
  }

  /**
   * Why nobody holds an address of which reports speak. `bits`: as for `isOfApi`. `contested`: sessions of several subscribers
   * claim it, or a prefix around it; `unconfirmed`: its session has to say so again; `ended`: no session claims it any more.
   */
  whyNobody({ clientWords, port }: Pick<Source, 'clientWords' | 'port'>, bits: number): WhyNobody {
    const prefix = prefixOfSource(clientWords, port, bits);
    const oldest = this.#nowSeconds() - this.#lifetimeSeconds();
    const holders = new Set<number>();
    let claims = 0;
    for (const each of [prefix, ...this.#around(prefix)]) {
      if (this.table.holderOf(each) === UNKNOWN) continue;
      for (let claim = this.table.session; claim !== 0; claim = this.#claims.get(claim - 1, NEXT_ON_PREFIX)) {
        if (this.#claims.get(claim - 1, HEARD) <= oldest) continue;
        claims++;
        const session = this.#claims.get(claim - 1, OF_SESSION);
        if ((this.#sessions.get(session, SESSION.FLAGS) & DOUBTED) !== 0) return 'contested';
        holders.add(this.#holderOf(session));
      }
    }
    if (holders.size > 1) return 'contested';
    return claims > 0 ? 'unconfirmed' : 'ended';
  }

  /**
   * RFC 2866 §5.1, Accounting-On and -Off: the reporter has started over and holds none of its sessions any more. Ends those of
   * every reporter that may be this one. Returns how many.
   */
  endReporter(reporter: Reporter, atSeconds: number, stampSeconds = 0): number {
    if (!this.#isHearing) this.onReported?.({ kind: 'reporter', reporter, atSeconds, stampSeconds });
    const sessions = this.#sessions;
    const ended = new Map<string, Reporter>();
    let count = 0;
    for (let session = 0; session < sessions.records.end; session++) {
      if (!sessions.isUsed(session) || sessions.isEnded(session)) continue;
      const of = sessions.reporterOf(session);
      if (!mayBeOne(of, reporter)) continue;
      ended.set(of.join(), of.slice());
      this.#endSession(session, atSeconds, stampSeconds, false);
      count++;
    }
    if (ended.size > 0) this.keeper?.reportersEnded([...ended.values()], atSeconds, this.#nowSeconds());
    return count;
  }

  /**
   * A session of this reporter has ended, and nobody says which: it is every one that claims one of the prefixes. Returns how
   * many.
   */
  endUnnumbered(reporter: Reporter, prefixes: readonly PortPrefix[], atSeconds: number): number {
    if (!this.#isHearing) this.onReported?.({ kind: 'unnumbered', reporter, prefixes, atSeconds });
    let count = 0;
    for (const prefix of prefixes)
      for (const claim of this.#claimsOn(prefix)) {
        const session = this.#claims.get(claim, OF_SESSION);
        if (this.#sessions.isEnded(session) || !mayBeOne(this.#sessions.reporterOf(session), reporter)) continue;
        this.#endSession(session, atSeconds, 0);
        count++;
      }
    return count;
  }

  #stop({ session: name, prefixes, atSeconds, stampSeconds = 0 }: LeaseEvent): LeaseResult {
    const sessions = this.#sessions;
    const exact = sessions.find(name);
    const reporter = name.subarray(2);
    const meant =
      exact !== NONE
        ? [exact]
        : [...sessions.numbered(name)].filter((each) => mayBeOne(sessions.reporterOf(each), reporter));
    let ended = 0;
    for (const session of meant) {
      if (sessions.isEnded(session)) continue;
      this.#endSession(session, atSeconds, stampSeconds);
      ended++;
    }
    if (meant.length === 0) this.#rememberEnd(name, atSeconds, stampSeconds);
    if (ended > 0) return 'ended';
    // No guessing. Whoever holds the address now is not ended by another one's stop.
    return prefixes.some((prefix) => this.#claimsOn(prefix).length > 0) ? 'not-the-holder' : 'ended';
  }

  /** Its start may still be on the way. */
  #rememberEnd(name: SessionName, atSeconds: number, stampSeconds: number): void {
    const session = this.#sessions.add(name);
    if (session === NONE) return;
    this.#endSession(session, atSeconds, stampSeconds);
    this.#recordEnd(session, NOWHERE);
  }

  #goOn(event: LeaseEvent): LeaseResult {
    const { kind, session: name, prefixes, atSeconds, stampSeconds = 0, inOrder = false } = event;
    const sessions = this.#sessions;
    let session = sessions.find(name);
    if (session === NONE) {
      if (prefixes.length === 0) return 'late';
      session = sessions.add(name);
      if (session === NONE) return sessions.refusal(name) ?? 'full';
      sessions.set(session, SESSION.HOLDER, NOBODY);
      sessions.set(session, SESSION.AT, atSeconds);
    } else if (sessions.isEnded(session)) {
      // Overtaken by its own end; or else a number that is used again, of which the message has to show that it is later.
      if (kind !== 'start' || !this.#isLater(session, event)) return 'late';
      sessions.set(session, SESSION.FLAGS, USED);
      sessions.set(session, SESSION.HOLDER, NOBODY);
      sessions.set(session, SESSION.AT, atSeconds);
    }
    const overtaken = this.#isOvertaken(session, event);
    const before = this.#holderOf(session);
    this.#hearHolder(session, event, overtaken);
    const sameHolder = this.#holderOf(session) === before;
    // What it does not name it does not hold, whichever of its messages is the newer.
    if (!this.#allNamed(session, prefixes))
      for (const claim of this.#claimsOf(session))
        if (!this.#isNamed(claim, prefixes)) this.#endClaim(claim, atSeconds);
    if (overtaken) {
      if (!sameHolder) this.#settleSession(session);
      return 'late';
    }
    sessions.set(session, SESSION.AT, Math.max(atSeconds, sessions.get(session, SESSION.AT)));
    if (stampSeconds > sessions.get(session, SESSION.STAMP) >>> 0)
      sessions.set(session, SESSION.STAMP, stampSeconds | 0);
    let worst: LeaseResult = 'taken';
    for (const prefix of prefixes) {
      if (inOrder && kind === 'start') this.#endFormer(session, prefix, atSeconds);
      const claim = this.#claimOf(session, prefix);
      const standing =
        claim === NONE
          ? this.#claim(session, prefix, atSeconds)
          : this.#prolong(claim, session, prefix, atSeconds, sameHolder);
      if (standing === 'full' || standing === 'client-full') return standing;
      if (standing === 'contested') worst = 'conflict';
      else if (standing === 'waiting' && worst === 'taken') worst = 'late';
    }
    return worst;
  }

  /** Certainly later than all that is known of the session. */
  #isLater(session: number, { stampSeconds = 0, inOrder = false }: LeaseEvent): boolean {
    const known = this.#sessions.get(session, SESSION.STAMP) >>> 0;
    return inOrder || (stampSeconds > 0 && known > 0 && stampSeconds > known);
  }

  /** Something later is known of the session; by the reporter's clock, where that speaks of both. */
  #isOvertaken(session: number, { atSeconds, stampSeconds = 0, inOrder = false }: LeaseEvent): boolean {
    if (inOrder) return false;
    const known = this.#sessions.get(session, SESSION.STAMP) >>> 0;
    if (stampSeconds > 0 && known > 0) return stampSeconds < known;
    return atSeconds < this.#sessions.get(session, SESSION.AT);
  }

  /** Whose session it is, by this message. */
  #hearHolder(session: number, event: LeaseEvent, overtaken: boolean): void {
    const sessions = this.#sessions;
    const known = sessions.get(session, SESSION.HOLDER);
    let flags = sessions.get(session, SESSION.FLAGS);
    if (event.holder === NOBODY) {
      if (!overtaken) flags |= UNNAMED;
    } else if (known === NOBODY || known === event.holder) {
      sessions.set(session, SESSION.HOLDER, event.holder);
      if (!overtaken) flags &= ~UNNAMED;
    } else if (event.kind === 'start' && this.#isLater(session, event)) {
      // A number that is used again, while the end of the session before was lost.
      for (const claim of this.#claimsOf(session)) this.#endClaim(claim, event.atSeconds);
      sessions.set(session, SESSION.HOLDER, event.holder);
      flags &= ~(UNNAMED | DOUBTED);
    } else flags |= DOUBTED;
    sessions.set(session, SESSION.FLAGS, flags);
  }

  /** A new claim of the session. */
  #claim(session: number, prefix: PortPrefix, atSeconds: number): Standing | 'full' | 'client-full' {
    const claims = this.#claims;
    const refusal = this.#claimShares.refusal(this.#sessions.clientOf(session));
    if (refusal !== undefined) return refusal;
    const before = this.table.holderOf(prefix);
    const lastEnd = before === NOBODY ? this.table.expiresSeconds : NO_END;
    if (before === UNKNOWN && !this.table.set(prefix, NOBODY, NO_END, 0)) return 'full';
    this.#nest(prefix);
    // Whoever was there before may have gone unheard.
    for (const other of this.#claimsOn(prefix)) this.#doubt(other);
    const claim = claims.take();
    for (let i = 0; i < 4; i++) claims.set(claim, i, prefix.words[i]!);
    claims.set(claim, SHAPE, shapeOf(prefix));
    claims.set(claim, AT, atSeconds);
    claims.set(claim, HEARD, this.#nowSeconds());
    // Before the end of the one before it, by clocks that may differ: the next message will tell.
    claims.set(claim, FLAGS, atSeconds < lastEnd ? USED | UNSURE : USED);
    this.#link(claim, session, prefix);
    const standing = this.#settle(prefix);
    this.#record(claim);
    for (const inner of this.#within(prefix)) {
      const others = this.#claimsOn(inner).filter((other) => claims.get(other, OF_SESSION) !== session);
      for (const other of others) this.#doubt(other);
      if (others.length > 0) this.#settle(inner);
    }
    return standing;
  }

  /** Another message of a session about what it claims. */
  #prolong(claim: number, session: number, prefix: PortPrefix, atSeconds: number, sameHolder: boolean): Standing {
    const claims = this.#claims;
    const lifetime = this.#lifetimeSeconds();
    const now = this.#nowSeconds();
    const slice = lifetime / KEPT_IN_A_LIFETIME;
    const isKept = Math.floor(claims.get(claim, HEARD) / slice) === Math.floor(now / slice);
    const at = Math.max(atSeconds, claims.get(claim, AT));
    const flags = claims.get(claim, FLAGS);
    claims.set(claim, AT, at);
    claims.set(claim, HEARD, now);
    const before = this.table.holderOf(prefix);
    // As nearly always: it is held, by this session alone.
    if (flags === USED && sameHolder && before >= 0 && this.table.session === claim + 1) {
      if (claims.get(claim, NEXT_ON_PREFIX) === 0) {
        this.table.set(prefix, before, at + lifetime, claim + 1);
        if (!isKept) this.#record(claim);
        return 'held';
      }
    }
    const lastEnd = before === NOBODY ? this.table.expiresSeconds : NO_END;
    claims.set(claim, FLAGS, at < lastEnd ? (flags & UNSURE) | USED : USED);
    const standing = this.#settle(prefix);
    if (!sameHolder) this.#settleWithin(prefix);
    if (!isKept || !sameHolder || claims.get(claim, FLAGS) !== flags) this.#record(claim);
    return (this.#sessions.get(session, SESSION.FLAGS) & DOUBTED) !== 0 ? 'contested' : standing;
  }

  /** Who holds exactly this prefix now: decided again from all that claim it, or a prefix around it. */
  #settle(prefix: PortPrefix, endSeconds = NO_END): Standing {
    const { table } = this;
    const before = table.holderOf(prefix);
    if (before === UNKNOWN) return 'waiting';
    const lastEnd = Math.max(endSeconds, before === NOBODY ? table.expiresSeconds : NO_END);
    const here = this.#claimsOn(prefix);
    const lifetime = this.#lifetimeSeconds();
    let holder = UNKNOWN;
    let contested = false;
    let until = NO_END;
    for (const claim of here) {
      const whose = this.#holderOf(this.#claims.get(claim, OF_SESSION));
      if (holder !== UNKNOWN && holder !== whose) contested = true;
      holder = whose;
      if ((this.#claims.get(claim, FLAGS) & UNSURE) === 0)
        until = Math.max(until, this.#claims.get(claim, AT) + lifetime);
    }
    if (here.length > 0 && !contested)
      for (const outer of this.#around(prefix))
        for (const claim of this.#claimsOn(outer))
          if (this.#holderOf(this.#claims.get(claim, OF_SESSION)) !== holder) contested = true;
    const isHeld = holder >= 0 && !contested && until !== NO_END;
    // `claimsOn` may have let go of claims: the first is named again.
    const first = (here[0] ?? NONE) + 1;
    if (isHeld) table.set(prefix, holder, until, first);
    else table.set(prefix, NOBODY, lastEnd, first);
    if (contested) return 'contested';
    return isHeld || (holder === NOBODY && until !== NO_END) ? 'held' : 'waiting';
  }

  #settleWithin(prefix: PortPrefix): void {
    for (const inner of this.#within(prefix)) if (this.#claimsOn(inner).length > 0) this.#settle(inner);
  }

  #settleSession(session: number): void {
    for (const claim of this.#claimsOf(session)) {
      if (!this.#isInUse(claim)) continue;
      const prefix = this.#prefixOf(claim);
      this.#settle(prefix);
      this.#settleWithin(prefix);
      this.#record(claim);
    }
  }

  /** `record`: each of its claims; false where they are recorded together. */
  #endSession(session: number, atSeconds: number, stampSeconds: number, record = true): void {
    const sessions = this.#sessions;
    sessions.set(session, SESSION.AT, Math.max(atSeconds, sessions.get(session, SESSION.AT)));
    if (stampSeconds > sessions.get(session, SESSION.STAMP) >>> 0)
      sessions.set(session, SESSION.STAMP, stampSeconds | 0);
    for (const claim of this.#claimsOf(session)) this.#endClaim(claim, atSeconds, record);
    sessions.end(session, this.#nowSeconds());
  }

  #endClaim(claim: number, atSeconds: number, record = true): void {
    if (!this.#isInUse(claim)) return;
    const prefix = this.#prefixOf(claim);
    this.#recordEnd(this.#claims.get(claim, OF_SESSION), prefix, atSeconds, record);
    this.#unlink(claim, prefix);
    this.#settle(prefix, atSeconds);
    this.#settleWithin(prefix);
  }

  /** What the same reporter said of the prefix before, where its messages come in their order. */
  #endFormer(session: number, prefix: PortPrefix, atSeconds: number): void {
    const sessions = this.#sessions;
    const reporter = sessions.reporterOf(session).slice();
    for (const claim of this.#claimsOn(prefix)) {
      const other = this.#claims.get(claim, OF_SESSION);
      if (other !== session && isSameReporter(sessions.reporterOf(other), reporter))
        this.#endSession(other, atSeconds, 0);
    }
  }

  #doubt(claim: number): void {
    const flags = this.#claims.get(claim, FLAGS);
    if ((flags & UNSURE) !== 0) return;
    this.#claims.set(claim, FLAGS, flags | UNSURE);
    this.#record(claim);
  }

  /** The subscriber that the session's messages agree on; NOBODY where there is none. */
  #holderOf(session: number): number {
    const sessions = this.#sessions;
    const isDoubted = (sessions.get(session, SESSION.FLAGS) & (DOUBTED | UNNAMED)) !== 0;
    return isDoubted ? NOBODY : sessions.get(session, SESSION.HOLDER);
  }

  // ── claims and their two chains ───────────────────────────────────────────────────────────────────────────────────

  #claimsOf(session: number): number[] {
    const found: number[] = [];
    for (let claim = this.#sessions.get(session, SESSION.FIRST_CLAIM); claim !== 0; ) {
      found.push(claim - 1);
      claim = this.#claims.get(claim - 1, NEXT_OF_SESSION);
    }
    return found;
  }

  #allNamed(session: number, prefixes: readonly PortPrefix[]): boolean {
    for (let claim = this.#sessions.get(session, SESSION.FIRST_CLAIM); claim !== 0; ) {
      if (!this.#isNamed(claim - 1, prefixes)) return false;
      claim = this.#claims.get(claim - 1, NEXT_OF_SESSION);
    }
    return true;
  }

  #isNamed(claim: number, prefixes: readonly PortPrefix[]): boolean {
    for (const prefix of prefixes) if (this.#isOn(claim, prefix)) return true;
    return false;
  }

  #claimOf(session: number, prefix: PortPrefix): number {
    for (let claim = this.#sessions.get(session, SESSION.FIRST_CLAIM); claim !== 0; ) {
      if (this.#isOn(claim - 1, prefix)) return claim - 1;
      claim = this.#claims.get(claim - 1, NEXT_OF_SESSION);
    }
    return NONE;
  }

  /** False where it was let go meanwhile, because nothing was heard of it for a lifetime. */
  #isInUse(claim: number): boolean {
    return (this.#claims.get(claim, FLAGS) & USED) !== 0;
  }

  /** Claims on exactly this prefix. Those of which nothing was heard for a lifetime are let go on the way. */
  #claimsOn(prefix: PortPrefix): number[] {
    if (this.table.holderOf(prefix) === UNKNOWN) return [];
    const oldest = this.#nowSeconds() - this.#lifetimeSeconds();
    const found: number[] = [];
    for (let claim = this.table.session; claim !== 0; ) {
      const next = this.#claims.get(claim - 1, NEXT_ON_PREFIX);
      if (this.#claims.get(claim - 1, HEARD) > oldest) found.push(claim - 1);
      else this.#unlink(claim - 1, prefix);
      claim = next;
    }
    return found;
  }

  #link(claim: number, session: number, prefix: PortPrefix): void {
    const claims = this.#claims;
    const sessions = this.#sessions;
    this.#claimShares.take(sessions.clientOf(session));
    claims.set(claim, OF_SESSION, session);
    claims.set(claim, NEXT_OF_SESSION, sessions.get(session, SESSION.FIRST_CLAIM));
    sessions.set(session, SESSION.FIRST_CLAIM, claim + 1);
    const holder = this.table.holderOf(prefix);
    claims.set(claim, NEXT_ON_PREFIX, this.table.session);
    this.table.set(prefix, holder, this.table.expiresSeconds, claim + 1);
  }

  #unlink(claim: number, prefix: PortPrefix): void {
    const claims = this.#claims;
    const sessions = this.#sessions;
    const session = claims.get(claim, OF_SESSION);
    const after = claims.get(claim, NEXT_OF_SESSION);
    let before = sessions.get(session, SESSION.FIRST_CLAIM);
    if (before === claim + 1) sessions.set(session, SESSION.FIRST_CLAIM, after);
    else {
      while (claims.get(before - 1, NEXT_OF_SESSION) !== claim + 1) before = claims.get(before - 1, NEXT_OF_SESSION);
      claims.set(before - 1, NEXT_OF_SESSION, after);
    }
    const holder = this.table.holderOf(prefix);
    const next = claims.get(claim, NEXT_ON_PREFIX);
    let other = this.table.session;
    if (other === claim + 1) this.table.set(prefix, holder, this.table.expiresSeconds, next);
    else {
      while (claims.get(other - 1, NEXT_ON_PREFIX) !== claim + 1) other = claims.get(other - 1, NEXT_ON_PREFIX);
      claims.set(other - 1, NEXT_ON_PREFIX, next);
    }
    claims.set(claim, FLAGS, 0);
    this.#claimShares.letGo(sessions.clientOf(session));
    claims.letGo(claim);
  }

  #isOn(claim: number, prefix: PortPrefix): boolean {
    const claims = this.#claims;
    if (claims.get(claim, SHAPE) !== shapeOf(prefix)) return false;
    for (let i = 0; i < 4; i++) if (claims.get(claim, i) !== prefix.words[i]) return false;
    return true;
  }

  #prefixOf(claim: number): PortPrefix {
    const words = Int32Array.from({ length: 4 }, (_, i) => this.#claims.get(claim, i));
    return prefixOfShape(words, this.#claims.get(claim, SHAPE));
  }

  // ── prefixes around and within others ─────────────────────────────────────────────────────────────────────────────

  /** Nearly all of IPv4 is reported as single addresses: as long as it is all of it, nothing lies within anything. */
  #nest(prefix: PortPrefix): void {
    const isSingle = isSingleIpv4(prefix);
    if (isSingle && !this.#nestedIpv4) return;
    this.#nested.add(prefix);
    if (isSingle || !isMapped(prefix.words) || prefix.bits < 96 || this.#nestedIpv4) return;
    this.#nestedIpv4 = true;
    for (let claim = 0; claim < this.#claims.end; claim++) {
      if (!this.#isInUse(claim)) continue;
      const single = this.#prefixOf(claim);
      if (isSingleIpv4(single)) this.#nested.add(single);
    }
  }

  #around(prefix: PortPrefix): PortPrefix[] {
    return isSingleIpv4(prefix) && !this.#nestedIpv4 ? [] : this.#nested.around(prefix);
  }

  #within(prefix: PortPrefix): PortPrefix[] {
    return isSingleIpv4(prefix) && !this.#nestedIpv4 ? [] : this.#nested.within(prefix);
  }

  // ── over time and restarts ────────────────────────────────────────────────────────────────────────────────────────

  /** Let go, little by little, of sessions of which nothing was heard for a lifetime. */
  #sweep(): void {
    const sessions = this.#sessions;
    const oldest = this.#nowSeconds() - this.#lifetimeSeconds();
    sessions.forgetEnded(oldest);
    for (let i = 0; i < SWEPT && sessions.records.end > 0; i++) {
      this.#swept = (this.#swept + 1) % sessions.records.end;
      const session = this.#swept;
      if (!sessions.isUsed(session) || sessions.isEnded(session) || sessions.get(session, SESSION.AT) > oldest)
        continue;
      for (const claim of this.#claimsOf(session))
        if (this.#isInUse(claim) && this.#claims.get(claim, HEARD) <= oldest) {
          const prefix = this.#prefixOf(claim);
          this.#unlink(claim, prefix);
          this.#settle(prefix);
        }
      if (sessions.get(session, SESSION.FIRST_CLAIM) === 0) sessions.remove(session);
    }
  }

  /** Take up what an earlier run left, one after the other; `settleRestored` follows. `run`: 1–MAX_RUNS. */
  restore({ prefix, session: name, ...record }: ClaimRecord, run: number): void {
    const sessions = this.#sessions;
    let session = [...sessions.numbered(name)].find((each) =>
      sessions.nameOf(each).every((word, i) => word === name[i]),
    );
    if (session === undefined) {
      session = sessions.add(name);
      if (session === NONE) return;
      sessions.end(session, record.heardSeconds);
      sessions.set(session, SESSION.AT, record.atSeconds);
    }
    sessions.set(session, SESSION.AT, Math.max(record.atSeconds, sessions.get(session, SESSION.AT)));
    if (record.stampSeconds > sessions.get(session, SESSION.STAMP) >>> 0)
      sessions.set(session, SESSION.STAMP, record.stampSeconds | 0);
    if (prefix.bits === 0) return;
    const known = this.table.holderOf(prefix);
    const lastEnd = known === NOBODY ? this.table.expiresSeconds : NO_END;
    const end = record.ended ? Math.max(lastEnd, record.atSeconds) : lastEnd;
    if (!this.table.set(prefix, NOBODY, end, known === UNKNOWN ? 0 : this.table.session) || record.ended) return;
    if (sessions.isEnded(session)) {
      sessions.set(session, SESSION.FLAGS, USED);
      sessions.set(session, SESSION.HOLDER, record.holder);
    }
    // A number that stands for two subscribers was in doubt already.
    if (record.doubted || sessions.get(session, SESSION.HOLDER) !== record.holder)
      sessions.set(session, SESSION.FLAGS, USED | DOUBTED);
    this.#nest(prefix);
    const claim = this.#claims.take();
    for (let i = 0; i < 4; i++) this.#claims.set(claim, i, prefix.words[i]!);
    this.#claims.set(claim, SHAPE, shapeOf(prefix));
    this.#claims.set(claim, AT, record.atSeconds);
    this.#claims.set(claim, HEARD, record.heardSeconds);
    this.#claims.set(claim, FLAGS, USED | (record.unsure ? UNSURE : 0) | (run << RUN_SHIFT));
    this.#link(claim, session, prefix);
  }

  /** Everything was restored. Returns on how many prefixes somebody is believed now. */
  settleRestored(): number {
    let held = 0;
    for (let claim = 0; claim < this.#claims.end; claim++) {
      if (!this.#isInUse(claim)) continue;
      const prefix = this.#prefixOf(claim);
      this.#settle(prefix);
      if (this.table.holderOf(prefix) >= 0 && this.table.session === claim + 1) held++;
    }
    return held;
  }

  /**
   * What was restored of this run and not confirmed since is not believed any more, and still stands in the way of others. Looks
   * at `count` claims from `from` on; returns where to go on, NONE where nothing is left.
   */
  doubtRestored(run: number, from: number, count: number): number {
    const to = Math.min(this.#claims.end, from + count);
    for (let claim = from; claim < to; claim++) {
      const flags = this.#claims.get(claim, FLAGS);
      if ((flags & USED) === 0 || flags >>> RUN_SHIFT !== run) continue;
      this.#claims.set(claim, FLAGS, USED | UNSURE);
      this.#record(claim);
      this.#settle(this.#prefixOf(claim));
    }
    return to < this.#claims.end ? to : NONE;
  }

  #record(claim: number): void {
    const { keeper, witness } = this;
    if (keeper === undefined && witness === undefined) return;
    const session = this.#claims.get(claim, OF_SESSION);
    const flags = this.#claims.get(claim, FLAGS);
    const said = this.#sessions.get(session, SESSION.FLAGS);
    const record: ClaimRecord = {
      prefix: this.#prefixOf(claim),
      session: this.#sessions.nameOf(session),
      holder: (said & UNNAMED) !== 0 ? NOBODY : this.#sessions.get(session, SESSION.HOLDER),
      atSeconds: this.#claims.get(claim, AT),
      heardSeconds: this.#claims.get(claim, HEARD),
      stampSeconds: this.#sessions.get(session, SESSION.STAMP) >>> 0,
      ended: false,
      unsure: (flags & UNSURE) !== 0,
      doubted: (said & DOUBTED) !== 0,
    };
    keeper?.changed(record);
    witness?.changed(record);
  }

  /** `keep`: false where the keeper is told of many ends at once. */
  #recordEnd(
    session: number,
    prefix: PortPrefix,
    atSeconds = this.#sessions.get(session, SESSION.AT),
    keep = true,
  ): void {
    const { keeper, witness } = this;
    if (keeper === undefined && witness === undefined) return;
    const record: ClaimRecord = {
      prefix,
      session: this.#sessions.nameOf(session),
      holder: NOBODY,
      atSeconds,
      heardSeconds: this.#nowSeconds(),
      stampSeconds: this.#sessions.get(session, SESSION.STAMP) >>> 0,
      ended: true,
      unsure: false,
      doubted: false,
    };
    if (keep) keeper?.changed(record);
    witness?.changed(record);
  }
}

function isSingleIpv4({ words, bits, portBits }: PortPrefix): boolean {
  return bits === 128 && portBits === 0 && isMapped(words);
}

/** `bits`: above 128 with those of the port. */
function prefixOfSource(words: Int32Array, port: number, bits: number): PortPrefix {
  return { words, bits: Math.min(bits, ADDRESS_BITS), port, portBits: Math.max(0, bits - ADDRESS_BITS) };
}
