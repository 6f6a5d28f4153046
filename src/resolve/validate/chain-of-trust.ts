/**
 * From a trust anchor down to a zone: is it signed, and with which keys (RFC 4035 §5)?
 *
 *     anchor ─DNSKEY─▶ keys of the root ─DS com─▶ DNSKEY com ─▶ keys of com ─DS example.com─▶ …
 *                                            └─▶ no DS at a delegation ─▶ insecure from here on
 *
 * A name that claims to be a zone (it signs something) is asked for at once, and what signs its DS says which zone is
 * above; other names are gone through label by label. What was found out is kept (zone-trust.ts).
 */
import { EDE, TYPE } from '../../wire/constants.ts';
import type { ValidationBudget } from './budget.ts';
import { isBelow, isWithin, labelCount, lastLabels, type Name, sameName } from './canonical-name.ts';
import { CUT_INSECURE, CUT_NONE, CUT_UNKNOWN } from './denial.ts';
import { deniers } from './deniers.ts';
import { type DnsKey, type ImportedKeys, matches, readDs, usableDs } from './dns-key.ts';
import type { MessageSets, RRset } from './rrset.ts';
import type { TrustAnchor, TrustAnchors } from './trust-anchors.ts';
import { BOGUS, INDETERMINATE, INSECURE, SECURE, type Step, type StepReply } from './verdict.ts';
import { type SignatureLimits, verifySet } from './verify-set.ts';
import { NO_CUT, type ZoneTrust, type ZoneTrustStore } from './zone-trust.ts';

export interface ValidationLimits extends SignatureLimits {
  /** NSEC3 rounds; a proof with more counts as insecure (RFC 9276 §3.2). */
  readonly maxNsec3Iterations: number;
  /** DS records of a delegation, and keys of a zone, that are looked at. */
  readonly maxDs: number;
  readonly maxKeys: number;
  /** SHA-1 digests in DS records count (RFC 4509 §3: where there is no stronger one). */
  readonly sha1Digests: boolean;
  /** Seconds for which a zone counts as bogus before its keys are asked for again (RFC 9520 §3.2: at most 300). */
  readonly bogusSeconds: number;
  /** … where DS or DNSKEY could not be had at all. */
  readonly unreachableSeconds: number;
  /** Longest time that keys, or their absence, are kept, in seconds. */
  readonly maxTrustSeconds: number;
}

export const VALIDATION_LIMITS: ValidationLimits = {
  checksPerSet: 8,
  skewSeconds: 60,
  dearMicros: 400,
  maxNsec3Iterations: 150,
  maxDs: 16,
  maxKeys: 64,
  sha1Digests: true,
  bogusSeconds: 30,
  unreachableSeconds: 2,
  maxTrustSeconds: 86_400,
};

/** Where somebody has said that validation ends: a negative trust anchor (RFC 7646), or a private zone. */
export interface InsecurePoint {
  readonly zone: Name;
  /** For people. */
  readonly why: string;
}

/** What a validation works with; the same for all of one thread. */
export interface TrustParts {
  readonly anchors: TrustAnchors;
  readonly store: ZoneTrustStore;
  readonly keys: ImportedKeys;
  readonly limits: ValidationLimits;
  /** The closest point at or above `name` from which nothing is validated. */
  readonly insecurePoint?: ((name: Name) => InsecurePoint | undefined) | undefined;
}

export interface TrustContext extends TrustParts {
  readonly budget: ValidationBudget;
  /** Seconds since 1970. */
  readonly now: number;
}

/** How deep zones that sign DS records of zones may lead before the walk goes label by label. */
const MAX_JUMPS = 8;

/**
 * The trust in what stands at or below `target`. `signs`: `target` claims to be a zone, because it signed something; what
 * is found is that zone or one that ends above it. Without, the zone that `target` lies in is found, with SECURE; whether
 * it is a name of that zone is not asked.
 */
export function* trustIn(
  context: TrustContext,
  target: Name,
  signs: boolean,
  jumps = 0,
): Generator<Step, ZoneTrust, StepReply> {
  const { anchors, store, now } = context;
  const anchor = anchors.closest(target);
  const exempt = context.insecurePoint?.(target);
  if (exempt !== undefined && (anchor === undefined || isWithin(exempt.zone, anchor.zone))) {
    return { ...nothing(exempt.zone, INSECURE, EDE.NONE, exempt.why), until: now + 1, exempt: true };
  }
  if (anchor === undefined) return { ...nothing(target, INSECURE, EDE.NONE, 'no trust anchor'), until: now + 1 };
  let trust = store.closest(target, anchor.zone, now) ?? (yield* trustInAnchor(context, anchor));
  let jump = signs;
  // The labels that have been gone through.
  let labels = labelCount(trust.zone);
  const all = labelCount(target);
  while (trust.status === SECURE && labels < all) {
    const next = jump ? target : lastLabels(target, labels + 1);
    const known = store.get(next, now);
    if (known !== undefined && known.status === NO_CUT) {
      labels = labelCount(next);
      continue;
    }
    const found: ZoneTrust | undefined = yield* trustBelow(context, trust, next, jump, jumps);
    if (found === undefined) {
      // Nothing signed came: somewhere on the way security ends, or something is wrong.
      jump = false;
      continue;
    }
    if (found.status === NO_CUT) labels = labelCount(next);
    else {
      trust = found;
      labels = Math.max(labels, labelCount(trust.zone));
    }
  }
  if (signs && trust.status === SECURE && !sameName(trust.zone, target)) {
    return { ...nothing(target, BOGUS, EDE.DNSKEY_MISSING, 'signed by a name that is no zone'), until: now };
  }
  return trust;
}

/** The keys of a trust anchor's zone (RFC 4035 §5: "the initial set"). */
function* trustInAnchor(context: TrustContext, anchor: TrustAnchor): Generator<Step, ZoneTrust, StepReply> {
  const { usable } = usableDs(anchor.ds, true);
  const whole = anchor.keys.flatMap((data) => context.keys.of(data) ?? []);
  if (usable.length === 0 && whole.length === 0) {
    const ede = EDE.UNSUPPORTED_DNSKEY_ALGORITHM;
    return keep(
      context,
      { ...nothing(anchor.zone, INSECURE, ede, 'trust anchor of unsupported algorithms'), until: 0 },
      300,
    );
  }
  const isAnchor = (key: DnsKey) =>
    whole.some(({ data }) => data.length === key.data.length && data.every((byte, i) => byte === key.data[i])) ||
    usable.some((ds) => matches(ds, anchor.zone, key));
  const trust = yield* trustInKeys(context, anchor.zone, isAnchor, context.limits.maxTrustSeconds);
  if (trust.status !== BOGUS) return trust;
  return keep(context, { ...trust, anchorFailed: true }, context.limits.bogusSeconds);
}

/**
 * The trust at `next`, a name below the zone of `above`: asks for its DS. Undefined where `jump` led to an answer that
 * nobody signed.
 */
function* trustBelow(
  context: TrustContext,
  above: ZoneTrust,
  next: Name,
  jump: boolean,
  jumps: number,
): Generator<Step, ZoneTrust | undefined, StepReply> {
  const reply = yield* ask(context, next, TYPE.DS);
  if ('failed' in reply) return unreachable(context, next, reply.failed);
  const ds = reply.sets.find((set) => set.type === TYPE.DS && set.section === 0 && sameName(set.owner, next));
  const cname = reply.sets.find((set) => set.type === TYPE.CNAME && set.section === 0 && sameName(set.owner, next));
  const positive = ds ?? cname;
  const signer = signerOf(positive === undefined ? denials(reply) : [positive], above.zone, next);
  if (signer === undefined) {
    if (jump) return undefined;
    const [ede, why] = positive === undefined ? missingProof(reply) : NO_SIGNATURE;
    return keep(context, { ...nothing(next, BOGUS, ede, `DS: ${why}`), until: 0 }, context.limits.bogusSeconds);
  }
  let parent = above;
  if (!sameName(signer, above.zone)) {
    // RFC 4035 §5.2: a zone in between signed it; its keys first.
    if (jumps >= MAX_JUMPS) {
      if (jump) return undefined;
      const why = 'DS: signed through too many zones';
      return keep(context, { ...nothing(next, BOGUS, EDE.DNSSEC_BOGUS, why), until: 0 }, context.limits.bogusSeconds);
    }
    parent = yield* trustIn(context, signer, true, jumps + 1);
    if (parent.status !== SECURE) return parent;
  }
  if (ds !== undefined) return yield* trustByDs(context, parent, next, ds);
  if (cname !== undefined) return yield* trustAtAlias(context, parent, next, cname);
  return yield* trustWithoutDs(context, parent, next, reply);
}

const NO_SIGNATURE = [EDE.RRSIGS_MISSING, 'no signature'] as const;

function* trustByDs(
  context: TrustContext,
  parent: ZoneTrust,
  zone: Name,
  set: RRset,
): Generator<Step, ZoneTrust, StepReply> {
  const { limits, now, budget } = context;
  const checked = yield* verifySet(set, parent.zone, parent.keys, now, limits, budget);
  if (!checked.good || checked.wildcardLabels >= 0) return refused(context, zone, checked, 'DS');
  const records = set.data.slice(0, limits.maxDs).flatMap((data) => readDs(data) ?? []);
  const { usable, lacksDigest } = usableDs(records, limits.sha1Digests);
  const life = Math.min(set.ttl, checked.maxTtl);
  if (usable.length === 0) {
    // RFC 4035 §5.2: no supported algorithm, so nothing to check: as if there were no DS.
    const ede = lacksDigest ? EDE.UNSUPPORTED_DS_DIGEST : EDE.UNSUPPORTED_DNSKEY_ALGORITHM;
    const why = lacksDigest ? 'DS digests unsupported' : 'DS algorithms unsupported';
    return keep(context, { ...nothing(zone, INSECURE, ede, why), until: 0 }, life);
  }
  return yield* trustInKeys(context, zone, (key) => usable.some((ds) => matches(ds, zone, key)), life);
}

/** RFC 2181 §10.1: a name with a CNAME has no other data, so no zone begins there. */
function* trustAtAlias(
  context: TrustContext,
  parent: ZoneTrust,
  name: Name,
  set: RRset,
): Generator<Step, ZoneTrust, StepReply> {
  const checked = yield* verifySet(set, parent.zone, parent.keys, context.now, context.limits, context.budget);
  if (!checked.good) return refused(context, name, checked, 'CNAME');
  return keep(context, { ...nothing(name, NO_CUT, EDE.NONE, ''), until: 0 }, Math.min(set.ttl, checked.maxTtl));
}

function* trustWithoutDs(
  context: TrustContext,
  parent: ZoneTrust,
  name: Name,
  reply: MessageSets,
): Generator<Step, ZoneTrust, StepReply> {
  const { limits, now, budget } = context;
  const verified: RRset[] = [];
  let life: number = limits.maxTrustSeconds;
  for (const set of denials(reply)) {
    if (!isWithin(set.owner, parent.zone)) continue;
    const checked = yield* verifySet(set, parent.zone, parent.keys, now, limits, budget);
    if (!checked.good) return refused(context, name, checked, 'denial of DS');
    // RFC 4035 §5.4: a denial itself is never made from a wildcard.
    if (checked.wildcardLabels >= 0) continue;
    verified.push(set);
    life = Math.min(life, set.ttl, checked.maxTtl);
  }
  for (const denier of deniers(parent.zone, verified, limits.maxNsec3Iterations, budget)) {
    const { cut, proof } = denier.cutAt(name);
    if (proof.tooManyIterations) {
      const why = 'too many NSEC3 iterations';
      return keep(context, { ...nothing(name, INSECURE, EDE.UNSUPPORTED_NSEC3_ITERATIONS, why), until: 0 }, life);
    }
    if (cut === CUT_UNKNOWN) continue;
    if (cut === CUT_NONE) return keep(context, { ...nothing(name, NO_CUT, EDE.NONE, ''), until: 0 }, life);
    if (cut === CUT_INSECURE) {
      const why = proof.optOut ? 'no DS, in an opt-out span' : 'no DS at the delegation';
      return keep(context, { ...nothing(name, INSECURE, EDE.NONE, why), until: 0 }, life);
    }
  }
  if (budget.exhausted !== undefined) return exhausted(context, name);
  const why = 'DS: nothing proves that there is none';
  return keep(context, { ...nothing(name, BOGUS, EDE.NSEC_MISSING, why), until: 0 }, limits.bogusSeconds);
}

/** Ask for the DNSKEY set of `zone`, find a key that `isTrusted`, and check that it signs the set (RFC 4035 §5.2). */
function* trustInKeys(
  context: TrustContext,
  zone: Name,
  isTrusted: (key: DnsKey) => boolean,
  life: number,
): Generator<Step, ZoneTrust, StepReply> {
  const { limits, now, budget } = context;
  const reply = yield* ask(context, zone, TYPE.DNSKEY);
  if ('failed' in reply) return unreachable(context, zone, reply.failed);
  const set = reply.sets.find((one) => one.type === TYPE.DNSKEY && one.section === 0 && sameName(one.owner, zone));
  const bogus = (ede: number, why: string) =>
    keep(context, { ...nothing(zone, BOGUS, ede, why), until: 0 }, limits.bogusSeconds);
  if (set === undefined) return bogus(EDE.DNSKEY_MISSING, 'no DNSKEY');
  const keys = set.data.slice(0, limits.maxKeys).flatMap((data) => context.keys.of(data) ?? []);
  const trusted = keys.filter((key) => key.signsZone && isTrusted(key));
  if (trusted.length === 0) {
    // RFC 8914 §4.12.
    const unfit = keys.some((key) => !key.signsZone && isTrusted(key));
    return unfit
      ? bogus(EDE.NO_ZONE_KEY_BIT_SET, 'DNSKEY: the trusted key may not sign zones')
      : bogus(EDE.DNSKEY_MISSING, 'DNSKEY: none matches what the zone above says');
  }
  const checked = yield* verifySet(set, zone, trusted, now, limits, budget);
  if (!checked.good) return refused(context, zone, checked, 'DNSKEY');
  return keep(
    context,
    { status: SECURE, zone, keys: keys.filter((key) => key.signsZone), ede: EDE.NONE, why: '', until: 0 },
    Math.min(life, set.ttl, checked.maxTtl),
  );
}

function* ask(
  context: TrustContext,
  name: Name,
  type: number,
): Generator<Step, MessageSets | { readonly failed: number }, StepReply> {
  if (!context.budget.question()) return { failed: EDE.DNSSEC_INDETERMINATE };
  const reply = yield { step: 'ask', name, type };
  return typeof reply === 'object' ? reply : { failed: EDE.DNSSEC_INDETERMINATE };
}

function denials(reply: MessageSets): readonly RRset[] {
  return reply.sets.filter(({ type, section }) => section === 1 && (type === TYPE.NSEC || type === TYPE.NSEC3));
}

/** The zone that signed the first of `sets` that is signed at all, if it can speak of a DS at `name` below `above`. */
function signerOf(sets: readonly RRset[], above: Name, name: Name): Name | undefined {
  for (const { signatures } of sets) {
    for (const { signer } of signatures) if (isWithin(signer, above) && isBelow(name, signer)) return signer;
  }
  return undefined;
}

function missingProof(reply: MessageSets): readonly [number, string] {
  return denials(reply).length > 0 ? NO_SIGNATURE : [EDE.NSEC_MISSING, 'nothing proves that there is none'];
}

function nothing(zone: Name, status: ZoneTrust['status'], ede: number, why: string): Omit<ZoneTrust, 'until'> {
  return { status, zone, keys: [], ede, why };
}

function refused(
  context: TrustContext,
  zone: Name,
  { ede, why, exhausted: spent }: { readonly ede: number; readonly why: string; readonly exhausted: boolean },
  what: string,
): ZoneTrust {
  if (spent) return exhausted(context, zone);
  return keep(context, { ...nothing(zone, BOGUS, ede, `${what}: ${why}`), until: 0 }, context.limits.bogusSeconds);
}

/** The budget of one question is spent: said of this question, and remembered of no zone. */
function exhausted({ now, budget }: TrustContext, zone: Name): ZoneTrust {
  const why = `more ${budget.exhausted ?? 'work'} needed than one query may cost`;
  return { ...nothing(zone, INDETERMINATE, EDE.DNSSEC_INDETERMINATE, why), until: now };
}

function unreachable(context: TrustContext, zone: Name, ede: number): ZoneTrust {
  if (context.budget.exhausted !== undefined) return exhausted(context, zone);
  const why = 'DS or DNSKEY could not be had';
  const code = ede === EDE.NONE || ede === EDE.OTHER ? EDE.DNSSEC_INDETERMINATE : ede;
  return keep(context, { ...nothing(zone, INDETERMINATE, code, why), until: 0 }, context.limits.unreachableSeconds);
}

function keep({ store, now, limits }: TrustContext, trust: ZoneTrust, seconds: number): ZoneTrust {
  const kept = { ...trust, until: now + Math.max(1, Math.min(seconds, limits.maxTrustSeconds)) };
  store.set(kept);
  return kept;
}
