/**
 * Is this RRset signed by one of these keys (RFC 4035 §5.3)? Every (signature, key) pair that is tried draws on the budget,
 * and no set gets more than a few tries, whatever it holds (KeyTrap).
 */
import { EDE } from '../../wire/constants.ts';
import { checkSignature, isSupported } from './algorithms.ts';
import type { ValidationBudget } from './budget.ts';
import { isWildcard, isWithin, labelCount, lastLabels, type Name, sameName, wildcardAt } from './canonical-name.ts';
import type { DnsKey } from './dns-key.ts';
import { type RRset, type Signature, signedBytes } from './rrset.ts';
import type { CheckStep, StepReply } from './verdict.ts';

export interface SignatureLimits {
  /** (signature, key) pairs tried for one RRset. */
  readonly checksPerSet: number;
  /** Seconds by which clocks may differ: signatures count that much earlier and later. */
  readonly skewSeconds: number;
  /** A check that takes longer than so many microseconds is handed over as a step; Infinity: none is. */
  readonly dearMicros: number;
}

/** The signature that was found good, or why none was. */
export interface SetVerification {
  readonly good: boolean;
  /** RFC 8914; EDE.NONE where it is good. */
  readonly ede: number;
  readonly why: string;
  /** RFC 4035 §5.3.4: labels of the wildcard's owner, without `*`; -1 where no wildcard was used. */
  readonly wildcardLabels: number;
  /** RFC 4035 §5.3.3: the original TTL, no longer than the signature lasts. Seconds. */
  readonly maxTtl: number;
  /** The budget is spent: neither good nor proven bad. */
  readonly exhausted: boolean;
}

/** Reasons, the most telling last: what a set is refused for is the furthest that any of its signatures came. */
const REASONS = [
  { ede: EDE.RRSIGS_MISSING, why: 'no signature' },
  { ede: EDE.UNSUPPORTED_DNSKEY_ALGORITHM, why: 'signed with unsupported algorithms only' },
  { ede: EDE.DNSSEC_BOGUS, why: 'signature with more labels than its owner has' },
  { ede: EDE.DNSKEY_MISSING, why: 'no key of the zone made the signature' },
  { ede: EDE.SIGNATURE_EXPIRED_BEFORE_VALID, why: 'signature ends before it begins' },
  { ede: EDE.SIGNATURE_NOT_YET_VALID, why: 'signature not yet valid' },
  { ede: EDE.SIGNATURE_EXPIRED, why: 'signature expired' },
  { ede: EDE.NO_ZONE_KEY_BIT_SET, why: 'signed with a key that may not sign zones' },
  { ede: EDE.DNSSEC_BOGUS, why: 'signature is wrong' },
  { ede: EDE.DNSSEC_BOGUS, why: 'too many signatures and keys to check' },
] as const;
const MISSING = 0;
const UNSUPPORTED = 1;
const TOO_MANY_LABELS = 2;
const NO_KEY = 3;
const ENDS_FIRST = 4;
const NOT_YET = 5;
const EXPIRED = 6;
const NO_ZONE_KEY = 7;
const WRONG = 8;
const TOO_MANY = 9;

/**
 * Check `set` against `keys` of `zone` at `now` (seconds since 1970). A generator: it yields dear checks and is resumed with
 * their outcome; without any it runs through at once.
 */
export function* verifySet(
  set: RRset,
  zone: Name,
  keys: readonly DnsKey[],
  now: number,
  limits: SignatureLimits,
  budget: ValidationBudget,
): Generator<CheckStep, SetVerification, StepReply> {
  let furthest = MISSING;
  let tried = 0;
  if (!isWithin(set.owner, zone)) return refusal(NO_KEY, false);
  const ownerLabels = labelCount(set.owner) - (isWildcard(set.owner) ? 1 : 0);
  for (const signature of inOrder(set.signatures)) {
    if (!sameName(signature.signer, zone)) continue;
    const obstacle = obstacleOf(signature, ownerLabels, now, limits.skewSeconds);
    if (obstacle >= 0) {
      furthest = Math.max(furthest, obstacle);
      continue;
    }
    let data: Uint8Array | undefined;
    let found = NO_KEY;
    for (const key of keys) {
      // RFC 4035 §5.3.1: several keys may have the tag; each is tried, as far as the limits go.
      if (key.tag !== signature.keyTag || key.algorithm !== signature.algorithm) continue;
      if (!key.signsZone) {
        found = Math.max(found, NO_ZONE_KEY);
        continue;
      }
      const imported = key.key();
      if (imported === undefined) {
        found = WRONG;
        continue;
      }
      if (tried++ === limits.checksPerSet) return refusal(TOO_MANY, false);
      if (!budget.signature(key.micros)) return refusal(TOO_MANY, true);
      data ??= signedBytes(set, signature, ownerInZone(set.owner, ownerLabels, signature.labels));
      const dear = key.micros > limits.dearMicros;
      const right = dear
        ? (yield { step: 'check', key, data, signature: signature.bytes }) === true
        : checkSignature(signature.algorithm, imported, data, signature.bytes);
      if (right) {
        const wildcardLabels = signature.labels < ownerLabels ? signature.labels : -1;
        return { good: true, ede: EDE.NONE, why: '', wildcardLabels, maxTtl: lifeOf(signature, now), exhausted: false };
      }
      found = WRONG;
    }
    furthest = Math.max(furthest, found);
  }
  return refusal(furthest, false);
}

function refusal(reason: number, exhausted: boolean): SetVerification {
  const { ede, why } = REASONS[reason]!;
  return { good: false, ede, why, wildcardLabels: -1, maxTtl: 0, exhausted };
}

/** The cheapest algorithm first: RSA, P-256, Ed25519, P-384. One good signature is enough (RFC 6840 §5.4). */
const RANK = new Map([8, 10, 13, 15, 16, 14].map((algorithm, rank) => [algorithm, rank]));

function inOrder(signatures: readonly Signature[]): readonly Signature[] {
  if (signatures.length < 2) return signatures;
  return [...signatures].sort((a, b) => (RANK.get(a.algorithm) ?? 99) - (RANK.get(b.algorithm) ?? 99));
}

/** RFC 4035 §5.3.1: what keeps `signature` from being looked at, or -1. */
function obstacleOf(signature: Signature, ownerLabels: number, now: number, skew: number): number {
  if (!isSupported(signature.algorithm)) return UNSUPPORTED;
  if (signature.labels > ownerLabels) return TOO_MANY_LABELS;
  // RFC 4034 §3.1.5, RFC 1982: serial arithmetic on 32 bits.
  if (serialAfter(signature.inception, signature.expiration)) return ENDS_FIRST;
  if (serialAfter(signature.inception, now + skew)) return NOT_YET;
  if (serialAfter(now - skew, signature.expiration)) return EXPIRED;
  return -1;
}

/** `a` is later than `b`. */
export function serialAfter(a: number, b: number): boolean {
  return ((a - b) | 0) > 0;
}

/** RFC 4035 §5.3.3; a signature that counts by the skew alone lasts for a second. */
function lifeOf(signature: Signature, now: number): number {
  return Math.min(signature.originalTtl, Math.max(1, (signature.expiration - now) | 0));
}

/** RFC 4035 §5.3.2: the owner that was signed. */
function ownerInZone(owner: Name, ownerLabels: number, labels: number): Name {
  if (labels >= ownerLabels) return owner;
  // A wildcard's owner is no longer than a name made from it.
  return wildcardAt(lastLabels(owner, labels)) ?? owner;
}
