/** What the validator says, and what it asks for on the way. Import types from here. */
import type { Name } from './canonical-name.ts';
import type { DnsKey } from './dns-key.ts';
import type { MessageSets, RRset } from './rrset.ts';

/** RFC 4033 §5, RFC 4035 §4.3. Proven by a chain of signatures from a trust anchor. */
export const SECURE = 0;
/** Proven to be outside of what is signed: no DS at a delegation, no trust anchor above, or a negative trust anchor. */
export const INSECURE = 1;
/** It should be signed, and is not as it should be. Never served. */
export const BOGUS = 2;
/** Whether it should be signed could not be found out: DS or DNSKEY were not to be had. Never served either. */
export const INDETERMINATE = 3;
export type Status = typeof SECURE | typeof INSECURE | typeof BOGUS | typeof INDETERMINATE;

export const STATUS_NAMES = ['secure', 'insecure', 'bogus', 'indeterminate'] as const;

/** One RRset of the answer as it was judged. */
export interface JudgedSet {
  readonly set: RRset;
  readonly status: Status;
  /** The zone that signed it; of an insecure one the zone where security ends, where known. */
  readonly zone: Name | undefined;
  /** It was made from a wildcard (RFC 4035 §5.3.4). */
  readonly wildcard: boolean;
  /** Seconds for which it may be kept: the original TTL, no longer than the signature lasts (RFC 4035 §5.3.3). */
  readonly maxTtl: number;
}

export interface Verdict {
  readonly status: Status;
  /** Info code of RFC 8914 for BOGUS and INDETERMINATE, and the reason of INSECURE where RFC 8914 has one; else EDE.NONE. */
  readonly ede: number;
  /** For people, without names: "signature expired". Empty where all is well. */
  readonly why: string;
  /** The zone at which it was decided. */
  readonly zone: Name | undefined;
  /** RRsets of answer and authority section that were looked at. */
  readonly sets: readonly JudgedSet[];
  /** Seconds for which any of it may be kept: an exception from validation may end soon. */
  readonly maxTtl: number;
  /** A negative answer, or a name made from a wildcard, was proven by what an opt-out span leaves open (RFC 5155 §9.2). */
  readonly optOut: boolean;
  /** Of a negative answer: the closest name that exists above the one asked for (RFC 5155 §1.3, RFC 8198), if secure. */
  readonly closestEncloser: Name | undefined;
}

/** The validator needs the answer to a question: DS (type 43) or DNSKEY (48), class IN, with DO and CD set. */
export interface AskStep {
  readonly step: 'ask';
  readonly name: Name;
  readonly type: number;
}

/**
 * One dear check of a signature (`micros` above `dearMicros`), which the holder may make elsewhere. `algorithms.ts` has
 * `checkSignature`, dear-checks.ts a thread.
 */
export interface CheckStep {
  readonly step: 'check';
  readonly key: DnsKey;
  readonly data: Uint8Array;
  readonly signature: Uint8Array;
}

export type Step = AskStep | CheckStep;

/** What answers an AskStep: the RRsets of the answer (rrset.ts, `readSets`), or why there is none (RFC 8914). */
export type AskReply = MessageSets | { readonly failed: number };

/** What answers a step: to an AskStep an AskReply, to a CheckStep whether the signature is right. */
export type StepReply = AskReply | boolean | undefined;
