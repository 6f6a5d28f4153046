/**
 * A checked and normalised answer from an upstream, on its way into the cache and to those who wait for it.
 *
 * The message is header, question (lowercased) and records, without OPT, every name in it written by us. The header's
 * flags hold only the rcode; ID, flags, the question's spelling and the OPT record are put in when it is served.
 */
import { EDE, MAX_MESSAGE_BYTES } from './constants.ts';

/** What kind of answer it is, for TTL rules and counters. */
export const POSITIVE = 0;
/** NXDOMAIN (RFC 2308 §2.1). */
export const NXDOMAIN = 1;
/** NOERROR without records of the type asked (RFC 2308 §2.2). */
export const NODATA = 2;
/** Anything else, SERVFAIL above all: not truth, kept only as a failure (RFC 9520). */
export const FAILURE = 3;

/** Most records in one message: each takes at least 11 bytes. */
export const MAX_RECORDS = 5957;

export class Answer {
  /** The message, from byte 0. */
  readonly bytes = new Uint8Array(MAX_MESSAGE_BYTES + 1);
  readonly words = new Int32Array(this.bytes.buffer);
  length = 0;
  /** Where each record's TTL stands in the message. */
  readonly ttlOffsets = new Uint16Array(MAX_RECORDS);
  ttlCount = 0;
  kind = POSITIVE;
  rcode = 0;
  /** The upstream's AD bit; false unless that upstream is declared trusted (RFC 4035 §3.2.3). */
  authenticData = false;
  /** Info code of the upstream's extended error, or EDE.NONE (RFC 8914). */
  ede: number = EDE.NONE;
  /**
   * Seconds for which it may be kept: the lowest TTL of its records, or the SOA rule of RFC 2308 §5; before caps. Below 0:
   * not at all, whatever the bounds (RFC 2308 §5: a negative answer without an SOA).
   */
  ttl = 0;
  /** It ends in a CNAME whose target's records are missing: they have to be asked for. Kept only of a zone's own servers. */
  incomplete = false;
}
