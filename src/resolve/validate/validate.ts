/**
 * The validator: RRsets, keys and time in; secure, insecure, bogus or indeterminate, an extended error and the cost out.
 * Pure: it sends nothing, reads no clock and keeps nothing but what it learns of zones (zone-trust.ts). What it needs it
 * asks for, step by step, so whoever drives it decides how DS and DNSKEY are fetched and where dear signatures are checked.
 *
 *     const validation = new Validation(parts, question, readSets(bytes, 0, length)!, now, budget);
 *     for (let step = validation.start(); step !== undefined; step = validation.resume(reply)) {
 *       reply = step.step === 'ask' ? … the RRsets of the answer … : checkStep(step);
 *     }
 *     validation.verdict
 *
 * An answer is followed from the question: DNAME and CNAME, each with its proof, to the records asked for or to the proof
 * that there are none. The verdict is the worst of what was met on the way (RFC 4035 §5, RFC 6840 §5).
 */
import { EDE, RCODE, TYPE } from '../../wire/constants.ts';
import { checkSignature } from './algorithms.ts';
import type { ValidationBudget } from './budget.ts';
import { isBelow, isWithin, labelCount, type Name, nameKey, parentOf, sameName } from './canonical-name.ts';
import { type TrustContext, type TrustParts, trustIn } from './chain-of-trust.ts';
import type { Denial, Proof } from './denial.ts';
import { deniers } from './deniers.ts';
import type { MessageSets, RRset } from './rrset.ts';
import {
  BOGUS,
  type CheckStep,
  INDETERMINATE,
  INSECURE,
  type JudgedSet,
  SECURE,
  type Status,
  type Step,
  type StepReply,
  type Verdict,
} from './verdict.ts';
import { verifySet } from './verify-set.ts';
import { NO_CUT, type ZoneTrust } from './zone-trust.ts';

export interface ValidatedQuestion {
  readonly name: Name;
  readonly type: number;
}

/** One answer on its way to a verdict. */
export class Validation {
  /** Set once `start` or `resume` has returned undefined. */
  verdict: Verdict | undefined;
  readonly #steps: Generator<Step, Verdict, StepReply>;

  /** `now`: seconds since 1970, by the wall clock. `budget`: what this may cost. */
  constructor(
    parts: TrustParts,
    question: ValidatedQuestion,
    message: MessageSets,
    now: number,
    budget: ValidationBudget,
  ) {
    this.#steps = judge({ ...parts, now, budget }, question, message);
  }

  /** Begin. Undefined: `verdict` is there. */
  start(): Step | undefined {
    return this.resume(undefined);
  }

  /** Go on with what the last step asked for. Undefined: `verdict` is there. */
  resume(reply: StepReply): Step | undefined {
    const { done, value } = this.#steps.next(reply);
    if (!done) return value;
    this.verdict = value;
    return undefined;
  }
}

/** Make the check of a step here and now. */
export function checkStep({ key, data, signature }: CheckStep): boolean {
  const imported = key.key();
  return imported !== undefined && checkSignature(key.algorithm, imported, data, signature);
}

/** CNAMEs followed in one answer, as the normaliser does. */
const MAX_CHAIN = 16;

/** What was not validated because somebody said so is not kept for long: that may end at any moment. Seconds. */
const EXEMPT_SECONDS = 60;

type Judging<T> = Generator<Step, T, StepReply>;

/** What is known so far; only ever worsened. */
interface Findings {
  status: Status;
  ede: number;
  why: string;
  zone: Name | undefined;
  optOut: boolean;
  maxTtl: number;
  closestEncloser: Name | undefined;
  readonly sets: JudgedSet[];
  /** Denials by zone, once verified. */
  readonly denials: Map<string, readonly Denial[] | undefined>;
}

function* judge(context: TrustContext, question: ValidatedQuestion, message: MessageSets): Judging<Verdict> {
  const findings: Findings = {
    status: SECURE,
    ede: EDE.NONE,
    why: '',
    zone: undefined,
    optOut: false,
    maxTtl: Number.POSITIVE_INFINITY,
    closestEncloser: undefined,
    sets: [],
    denials: new Map(),
  };
  const at = yield* judgeChain(context, findings, question, message);
  if (at !== undefined && findings.status <= INSECURE)
    yield* judgeDenial(context, findings, at, question.type, message);
  const { denials: _, ...verdict } = findings;
  return verdict;
}

/**
 * Follow the answer section from the question on. Returns the name of which the authority section has to prove that it has
 * no such records; undefined where the records are there, or where nothing of the kind is claimed.
 */
function* judgeChain(
  context: TrustContext,
  findings: Findings,
  { name, type }: ValidatedQuestion,
  message: MessageSets,
): Judging<Name | undefined> {
  let at = name;
  const answer = message.sets.filter(({ section }) => section === 0);
  for (let steps = 0; steps <= MAX_CHAIN; steps++) {
    const own = answer.filter(({ owner, type: one }) => (one === type || type === TYPE.ANY) && sameName(owner, at));
    const dname = answer.find((set) => set.type === TYPE.DNAME && isBelow(at, set.owner));
    const made = dname !== undefined && own.every((set) => set.type === TYPE.CNAME && set.signatures.length === 0);
    if (own.length > 0 && !made) {
      for (const set of own) yield* judgeSet(context, findings, set, message);
      return undefined;
    }
    const cname = answer.find((set) => set.type === TYPE.CNAME && sameName(set.owner, at));
    if (dname !== undefined) {
      yield* judgeSet(context, findings, dname, message);
      if (findings.status > INSECURE) return undefined;
      const target = substitute(at, dname.owner, dname.data[0]!);
      // RFC 6672 §2.3, §3.1: too long, and the server says YXDOMAIN; there is nothing more to be proven.
      if (target === undefined) return undefined;
      // RFC 6672 §5.3.1: the CNAME made from it is not signed, and has to be the right one.
      if (cname !== undefined && !sameName(cname.data[0]!, target)) {
        worsen(findings, BOGUS, EDE.DNSSEC_BOGUS, 'CNAME does not follow from its DNAME', dname.owner);
        return undefined;
      }
      // Who asks for the alias has got it.
      if (type === TYPE.CNAME && cname !== undefined) return undefined;
      at = target;
    } else if (cname !== undefined) {
      yield* judgeSet(context, findings, cname, message);
      if (findings.status > INSECURE) return undefined;
      at = cname.data[0]!;
    } else {
      // An alias whose target was left out is asked for by itself; a denial of it has an authority section.
      const denied = message.rcode === RCODE.NXDOMAIN || message.sets.some(isDenial);
      return steps > 0 && !denied ? undefined : at;
    }
  }
  worsen(findings, BOGUS, EDE.DNSSEC_BOGUS, 'chain of aliases too long', undefined);
  return undefined;
}

function isDenial({ section, type }: RRset): boolean {
  return section === 1 && (type === TYPE.SOA || type === TYPE.NSEC || type === TYPE.NSEC3);
}

/** RFC 6672 §2.2: `name` with `owner` at its end replaced by `target`; undefined where that is too long. */
function substitute(name: Name, owner: Name, target: Name): Name | undefined {
  const kept = name.length - owner.length;
  if (kept + target.length > 255) return undefined;
  const made = new Uint8Array(kept + target.length);
  made.set(name.subarray(0, kept));
  made.set(target, kept);
  return made;
}

/** One RRset of the answer: signed as its zone is, and where it comes from a wildcard, with the proof that it may. */
function* judgeSet(context: TrustContext, findings: Findings, set: RRset, message: MessageSets): Judging<void> {
  const { status, zone, wildcardLabels, maxTtl } = yield* judgeSignatures(context, findings, set);
  findings.sets.push({ set, status, zone, wildcard: wildcardLabels >= 0, maxTtl });
  if (status !== SECURE || wildcardLabels < 0 || zone === undefined) return;
  const proof = yield* prove(context, findings, zone, message, (denial) => denial.unmatched(set.owner, wildcardLabels));
  take(context, findings, proof, zone, 'a wildcard was used, and nothing proves that it may be');
}

interface Signed {
  readonly status: Status;
  readonly zone: Name | undefined;
  readonly wildcardLabels: number;
  readonly maxTtl: number;
}

function* judgeSignatures(context: TrustContext, findings: Findings, set: RRset): Judging<Signed> {
  const unsigned = (status: Status, zone: Name | undefined): Signed => ({
    status,
    zone,
    wildcardLabels: -1,
    maxTtl: Number.POSITIVE_INFINITY,
  });
  // RFC 4035 §3.1.4.1: DS belongs to the zone above.
  const held = set.type === TYPE.DS ? parentOf(set.owner) : set.owner;
  const signer = set.signatures.find((one) => isWithin(held, one.signer))?.signer;
  const trust = yield* trustIn(context, signer ?? held, signer !== undefined);
  if (trust.status !== SECURE) {
    const status = trust.status === NO_CUT ? BOGUS : trust.status;
    if (trust.exempt) findings.maxTtl = EXEMPT_SECONDS;
    worsen(findings, status, trust.ede, trust.why, trust.zone);
    return unsigned(status, trust.zone);
  }
  if (signer === undefined) {
    worsen(findings, BOGUS, EDE.RRSIGS_MISSING, 'no signature in a signed zone', trust.zone);
    return unsigned(BOGUS, trust.zone);
  }
  const checked = yield* verifySet(set, trust.zone, trust.keys, context.now, context.limits, context.budget);
  if (checked.good) {
    const { wildcardLabels, maxTtl } = checked;
    return { status: SECURE, zone: trust.zone, wildcardLabels, maxTtl };
  }
  // RFC 4035 §5.2, RFC 6840 §5.2: the zone's DS promise an algorithm that is checked; without it the set is bogus.
  const status = checked.exhausted ? INDETERMINATE : BOGUS;
  worsen(findings, status, checked.ede, checked.exhausted ? overBudget(context) : checked.why, trust.zone);
  return unsigned(status, trust.zone);
}

/** The authority section has to prove that `name` has no records of `type`, or does not exist. */
function* judgeDenial(
  context: TrustContext,
  findings: Findings,
  name: Name,
  type: number,
  message: MessageSets,
): Judging<void> {
  const held = type === TYPE.DS && name.length > 1 ? parentOf(name) : name;
  const trust = yield* trustOfDenial(context, held, message);
  if (trust.status !== SECURE) {
    if (trust.exempt) findings.maxTtl = EXEMPT_SECONDS;
    worsen(findings, trust.status === NO_CUT ? BOGUS : trust.status, trust.ede, trust.why, trust.zone);
    return;
  }
  const { zone } = trust;
  const nxdomain = message.rcode === RCODE.NXDOMAIN;
  const proof = yield* prove(context, findings, zone, message, (denial) =>
    nxdomain ? denial.nxdomain(name) : denial.nodata(name, type),
  );
  if (findings.status > INSECURE) return;
  take(
    context,
    findings,
    proof,
    zone,
    nxdomain ? 'nothing proves that there is no such name' : 'nothing proves that there are no such records',
  );
  if (proof.proven) findings.closestEncloser = proof.closestEncloser;
  const soa = message.sets.find((set) => set.section === 1 && set.type === TYPE.SOA && sameName(set.owner, zone));
  if (soa === undefined || findings.status !== SECURE) return;
  const { status, zone: signer, maxTtl } = yield* judgeSignatures(context, findings, soa);
  findings.sets.push({ set: soa, status, zone: signer, wildcard: false, maxTtl });
}

/** The zone that speaks of `name`: the one that signed a denial or an SOA, else the one that `name` lies in. */
function* trustOfDenial(context: TrustContext, name: Name, message: MessageSets): Judging<ZoneTrust> {
  let signer: Name | undefined;
  let apex: Name | undefined;
  for (const set of message.sets) {
    if (!isDenial(set)) continue;
    if (set.type === TYPE.SOA && isWithin(name, set.owner)) apex = set.owner;
    for (const one of set.signatures) {
      // The one closest to the name: others belong to aliases on the way.
      if (isWithin(name, one.signer) && (signer === undefined || isBelow(one.signer, signer))) signer = one.signer;
    }
  }
  if (signer !== undefined) return yield* trustIn(context, signer, true);
  // An unsigned SOA is a hint where security may end, which saves going through the labels below.
  if (apex !== undefined && labelCount(apex) < labelCount(name)) {
    const trust = yield* trustIn(context, apex, false);
    if (trust.status !== SECURE) return trust;
  }
  const trust = yield* trustIn(context, name, false);
  if (trust.status !== SECURE) return trust;
  const some = message.sets.some(({ section, type }) => section === 1 && (type === TYPE.NSEC || type === TYPE.NSEC3));
  const [ede, why] = some
    ? [EDE.RRSIGS_MISSING, 'denial without signature in a signed zone']
    : [EDE.NSEC_MISSING, 'no denial in a signed zone'];
  return { ...trust, status: BOGUS, ede, why };
}

/** Ask the verified denials of `zone`, which are verified at the first need. */
function* prove(
  context: TrustContext,
  findings: Findings,
  zone: Name,
  message: MessageSets,
  ask: (denial: Denial) => Proof,
): Judging<Proof> {
  const key = nameKey(zone);
  let known = findings.denials.get(key);
  if (known === undefined) {
    known = yield* verifiedDenials(context, findings, zone, message);
    findings.denials.set(key, known);
  }
  let best: Proof | undefined;
  for (const denial of known) {
    const proof = ask(denial);
    if (proof.proven) return proof;
    if (best === undefined || proof.tooManyIterations) best = proof;
  }
  return best ?? { proven: false, optOut: false, tooManyIterations: false, closestEncloser: undefined };
}

function* verifiedDenials(
  context: TrustContext,
  findings: Findings,
  zone: Name,
  message: MessageSets,
): Judging<readonly Denial[]> {
  const verified: RRset[] = [];
  for (const set of message.sets) {
    if (set.section !== 1 || (set.type !== TYPE.NSEC && set.type !== TYPE.NSEC3)) continue;
    if (!set.signatures.some(({ signer }) => sameName(signer, zone))) continue;
    const trust = yield* trustIn(context, zone, true);
    if (trust.status !== SECURE) continue;
    const checked = yield* verifySet(set, zone, trust.keys, context.now, context.limits, context.budget);
    if (!checked.good) {
      const why = checked.exhausted ? overBudget(context) : `denial: ${checked.why}`;
      worsen(findings, checked.exhausted ? INDETERMINATE : BOGUS, checked.ede, why, zone);
      continue;
    }
    // RFC 4035 §5.4: a denial that was made from a wildcard proves nothing.
    if (checked.wildcardLabels >= 0) continue;
    findings.sets.push({ set, status: SECURE, zone, wildcard: false, maxTtl: checked.maxTtl });
    verified.push(set);
  }
  return deniers(zone, verified, context.limits.maxNsec3Iterations, context.budget);
}

function take(context: TrustContext, findings: Findings, proof: Proof, zone: Name, otherwise: string): void {
  if (proof.tooManyIterations) {
    // RFC 9276 §3.2: signed, but dearer to check than it is worth.
    worsen(findings, INSECURE, EDE.UNSUPPORTED_NSEC3_ITERATIONS, 'too many NSEC3 iterations', zone);
  } else if (!proof.proven) {
    if (context.budget.exhausted !== undefined)
      worsen(findings, INDETERMINATE, EDE.DNSSEC_INDETERMINATE, overBudget(context), zone);
    else worsen(findings, BOGUS, EDE.NSEC_MISSING, otherwise, zone);
  } else if (proof.optOut) {
    // RFC 5155 §9.2: what an opt-out span leaves open is not authenticated.
    findings.optOut = true;
    worsen(findings, INSECURE, EDE.NONE, 'in an opt-out span', zone);
  }
}

function overBudget({ budget }: TrustContext): string {
  return `more ${budget.exhausted ?? 'work'} needed than one query may cost`;
}

/** Keep the worst; of two equally bad ones the first. */
function worsen(findings: Findings, status: Status, ede: number, why: string, zone: Name | undefined): void {
  if (status <= findings.status) return;
  findings.status = status;
  findings.ede = ede;
  findings.why = why;
  findings.zone = zone;
}
