/**
 * Following the keys of a trust anchor's zone (RFC 5011), as a pure function of what was seen and when:
 *
 *     START ─ new SEP key, set signed by a trusted one ─▶ ADDPEND ─ 30 days seen throughout ─▶ VALID ◀─▶ MISSING
 *                              ▲                             │ gone, or revoked                  │ revoked, by itself
 *                              └─────────────────────────────┘                                   ▼
 *                                                                            REVOKED ─ 30 days ─▶ REMOVED
 *
 * The first keys are those that the configured anchors name. A key that was revoked is not trusted any more, also where the
 * configuration still names it (§2.1).
 */

import { AllowedValidation } from '../resolve/validate/budget.ts';
import { VALIDATION_LIMITS } from '../resolve/validate/chain-of-trust.ts';
import {
  type DnsKey,
  ImportedKeys,
  keyTag,
  matches,
  REVOKE,
  readDs,
  SECURE_ENTRY_POINT,
} from '../resolve/validate/dns-key.ts';
import type { RRset } from '../resolve/validate/rrset.ts';
import { checkStep } from '../resolve/validate/validate.ts';
import type { CheckStep, StepReply } from '../resolve/validate/verdict.ts';
import { type SetVerification, verifySet } from '../resolve/validate/verify-set.ts';
import type { AnchorRecord } from './dnssec-config.ts';

export type KeyState = 'pending' | 'valid' | 'missing' | 'revoked' | 'removed';
export const KEY_STATES: readonly KeyState[] = ['pending', 'valid', 'missing', 'revoked', 'removed'];

/** A key of the zone, as it was without the REVOKE bit. */
export interface FollowedKey {
  /** Data of its DNSKEY record. */
  readonly data: Uint8Array;
  readonly state: KeyState;
  /** Since when, in wall-clock milliseconds; of a pending key: since when it has been seen throughout. */
  readonly sinceMs: number;
}

/** What is known of one zone. */
export interface FollowedZone {
  readonly zone: Uint8Array;
  readonly keys: readonly FollowedKey[];
  /** When its DNSKEY set was last seen, signed by a trusted key. */
  readonly seenAtMs: number;
}

/** RFC 5011 §2.4.1, §2.4.2. */
const DAY_MS = 86_400_000;
export const HOLD_DOWN_MS = 30 * DAY_MS;
const HOUR_MS = 3_600_000;
/** Keys followed of one zone; more are not looked at, so that nobody can fill the file. */
const MAX_KEYS = 32;

/** What changed, for log and audit. */
export interface KeyChange {
  readonly tag: number;
  readonly from: KeyState | 'unknown';
  readonly to: KeyState | 'forgotten';
}

export interface Observed {
  readonly zone: FollowedZone;
  readonly changes: readonly KeyChange[];
  /** The set was signed by a trusted key; otherwise nothing changed. */
  readonly trusted: boolean;
  /** When to look again (RFC 5011 §2.3), in wall-clock milliseconds. */
  readonly nextMs: number;
}

/** Take notice of the zone's DNSKEY set at `nowMs`. `anchors`: those configured for the zone. */
export function observe(
  before: FollowedZone | undefined,
  anchors: readonly AnchorRecord[],
  set: RRset,
  nowMs: number,
): Observed {
  const keys = new ImportedKeys();
  const zone = before ?? { zone: set.owner, keys: [], seenAtMs: 0 };
  const present = set.data.flatMap((data) => keys.of(data) ?? []);
  const isTrusted = (key: DnsKey) => isTrustedKey(zone, anchors, key);
  const trusted = signs(
    set,
    present.filter((key) => key.signsZone && isTrusted(key)),
    nowMs,
  );
  // RFC 5011 §2.1: a revocation is signed by the revoked key itself; the rest by one that is trusted still.
  const revoked = present.filter(
    (key) =>
      (key.flags & REVOKE) !== 0 && isTrusted(unrevoked(key, keys)) && signs(set, [{ ...key, signsZone: true }], nowMs),
  );
  const nextMs = nowMs + queryIntervalMs(set, nowMs, trusted);
  if (!trusted && revoked.length === 0) return { zone, changes: [], trusted: false, nextMs };
  const changes: KeyChange[] = [];
  const next: FollowedKey[] = [];
  const seen = new Map(present.filter(isEntryPoint).map((key) => [idOf(unrevoked(key, keys).data), key]));
  for (const known of zone.keys) {
    const key = seen.get(idOf(known.data));
    seen.delete(idOf(known.data));
    const isRevoked = key !== undefined && revoked.includes(key);
    const after = step(known, key, isRevoked, trusted, nowMs, set.ttl);
    if (after !== known) changes.push({ tag: keyTag(known.data), from: known.state, to: after?.state ?? 'forgotten' });
    if (after !== undefined) next.push(after);
  }
  for (const [, key] of seen) {
    const plain = unrevoked(key, keys);
    const configured = anchors.some((anchor) => names(anchor, plain));
    const wasRevoked = (key.flags & REVOKE) !== 0;
    if (wasRevoked && !revoked.includes(key)) continue;
    if ((!trusted && !wasRevoked) || next.length >= MAX_KEYS) continue;
    const state: KeyState = wasRevoked ? 'revoked' : configured ? 'valid' : 'pending';
    next.push({ data: plain.data, state, sinceMs: nowMs });
    changes.push({ tag: keyTag(plain.data), from: 'unknown', to: state });
  }
  return { zone: { zone: zone.zone, keys: next, seenAtMs: nowMs }, changes, trusted, nextMs };
}

/** RFC 5011 §4.2, the table of states. Undefined: forgotten. The same object: no change. */
function step(
  known: FollowedKey,
  key: DnsKey | undefined,
  isRevoked: boolean,
  trusted: boolean,
  nowMs: number,
  ttlSeconds: number,
): FollowedKey | undefined {
  const to = (state: KeyState): FollowedKey => ({ data: known.data, state, sinceMs: nowMs });
  const present = key !== undefined && (key.flags & REVOKE) === 0;
  switch (known.state) {
    case 'pending':
      if (!trusted) return known;
      if (!present) return undefined;
      // §2.4.1: thirty days, or the TTL that the set had, whichever is longer.
      return nowMs >= known.sinceMs + Math.max(HOLD_DOWN_MS, ttlSeconds * 1000) ? to('valid') : known;
    case 'valid':
      if (isRevoked) return to('revoked');
      return present || !trusted ? known : to('missing');
    case 'missing':
      if (isRevoked) return to('revoked');
      return present && trusted ? to('valid') : known;
    case 'revoked':
      return nowMs >= known.sinceMs + HOLD_DOWN_MS ? to('removed') : known;
    case 'removed':
      return known;
  }
}

/** Anchors in force: those configured, less what was revoked, and what was learnt. */
export function anchorsInForce(
  configured: readonly AnchorRecord[],
  zones: readonly FollowedZone[],
): readonly AnchorRecord[] {
  const keys = new ImportedKeys();
  const gone = zones.flatMap(({ zone, keys: followed }) =>
    followed
      .filter(({ state }) => state === 'revoked' || state === 'removed')
      .flatMap(({ data }) => {
        const key = keys.of(data);
        return key === undefined ? [] : [{ zone, key }];
      }),
  );
  const kept = configured.filter(
    (anchor) => !gone.some(({ zone, key }) => sameBytes(zone, anchor.zone) && names(anchor, key)),
  );
  const learnt = zones.flatMap(({ zone, keys: followed }) =>
    followed
      .filter(({ state }) => state === 'valid' || state === 'missing')
      .map(({ data }): AnchorRecord => ({ zone, type: 'DNSKEY', data })),
  );
  const isKnown = (one: AnchorRecord) =>
    kept.some((anchor) => sameBytes(anchor.zone, one.zone) && names(anchor, keys.of(one.data)));
  return [...kept, ...learnt.filter((one) => !isKnown(one))];
}

function isTrustedKey(zone: FollowedZone, anchors: readonly AnchorRecord[], key: DnsKey): boolean {
  const known = zone.keys.find(({ data }) => idOf(data) === idOf(key.data));
  if (known !== undefined) return known.state === 'valid' || known.state === 'missing';
  return anchors.some((anchor) => names(anchor, key));
}

/** The anchor is this key, or its digest. */
function names(anchor: AnchorRecord, key: DnsKey | undefined): boolean {
  if (key === undefined) return false;
  if (anchor.type === 'DNSKEY') return sameBytes(anchor.data, key.data);
  const ds = readDs(anchor.data);
  return ds !== undefined && matches(ds, anchor.zone, key);
}

function isEntryPoint({ flags, signsZone }: DnsKey): boolean {
  // RFC 5011 §3: SEP keys alone; revoked ones are among them.
  return (flags & SECURE_ENTRY_POINT) !== 0 && (signsZone || (flags & REVOKE) !== 0);
}

/** The same key as it was before it was revoked: bit and tag are others (RFC 5011 §2.1). */
function unrevoked(key: DnsKey, keys: ImportedKeys): DnsKey {
  if ((key.flags & REVOKE) === 0) return key;
  const data = key.data.slice();
  data[1]! &= ~REVOKE;
  return keys.of(data) ?? key;
}

function signs(set: RRset, keys: readonly DnsKey[], nowMs: number): boolean {
  if (keys.length === 0) return false;
  const budget = new AllowedValidation();
  const steps = verifySet(set, set.owner, keys, Math.floor(nowMs / 1000), VALIDATION_LIMITS, budget);
  let reply: StepReply;
  for (;;) {
    const { done, value } = steps.next(reply) as IteratorResult<CheckStep, SetVerification>;
    if (done) return value.good;
    reply = checkStep(value);
  }
}

/** RFC 5011 §2.3: half of the TTL or of what is left of the signature, from an hour to fifteen days; a tenth after a failure. */
export function queryIntervalMs(set: RRset, nowMs: number, trusted: boolean): number {
  const [signature] = set.signatures;
  const ttlMs = (signature?.originalTtl ?? set.ttl) * 1000;
  const left = signature === undefined ? 0 : ((signature.expiration - Math.floor(nowMs / 1000)) | 0) * 1000;
  const share = trusted ? 2 : 10;
  const most = trusted ? 15 * DAY_MS : DAY_MS;
  return Math.max(HOUR_MS, Math.min(most, ttlMs / share, Math.max(0, left) / share));
}

function idOf(data: Uint8Array): string {
  return Buffer.from(data).toString('base64');
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}
