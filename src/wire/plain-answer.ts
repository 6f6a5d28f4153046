/**
 * The short way for the answer that makes up most of the traffic: records of the type asked, owned by the name asked (a
 * pointer to the question), all with one TTL, nothing in the authority section and nothing but OPT behind. Such a message
 * needs no taking apart: it is what the normaliser would write, byte for byte. Everything else is left to normalize.ts.
 */
import { type Answer, POSITIVE } from './answer.ts';
import { CLASS, EDE, FLAG_TC, HEADER_BYTES, OPT_BYTES, RCODE, TYPE } from './constants.ts';
import type { Question } from './question.ts';

/** Bytes of pointer, type, class, TTL and data length. */
const RECORD_BYTES = 12;
/** More records than that are not the common case. */
const MAX_PLAIN_RECORDS = 64;

/** Data of these holds no name that may be compressed (RFC 3597 §4, RFC 9460 §2.2). */
function isOpaque(type: number): boolean {
  return (
    type === TYPE.A ||
    type === TYPE.AAAA ||
    type === TYPE.TXT ||
    type === TYPE.HTTPS ||
    type === TYPE.SVCB ||
    type === TYPE.CAA ||
    type === TYPE.TLSA
  );
}

/**
 * Copy the response of `length` bytes at `start` into `answer` if it is such a plain one; the caller has compared the
 * question. Sets everything but `authenticData`, which becomes false. Returns 1 for a plain answer with an OPT record, 0
 * for one without, and -1, having written nothing that counts, where it is anything else.
 */
export function copyPlainAnswer(
  bytes: Uint8Array,
  start: number,
  length: number,
  question: Question,
  answer: Answer,
): number {
  const flags = (bytes[start + 2]! << 8) | bytes[start + 3]!;
  const records = (bytes[start + 6]! << 8) | bytes[start + 7]!;
  const additionals = bytes[start + 11]!;
  if ((flags & (FLAG_TC | 15)) !== RCODE.NOERROR || records === 0 || records > MAX_PLAIN_RECORDS) return -1;
  if ((bytes[start + 8]! | bytes[start + 9]! | bytes[start + 10]!) !== 0 || additionals > 1) return -1;
  const { type } = question;
  if (question.class !== CLASS.IN || !isOpaque(type)) return -1;

  const end = start + length;
  const questionEnd = HEADER_BYTES + question.nameLength + 4;
  const fixed = type === TYPE.A ? 4 : type === TYPE.AAAA ? 16 : -1;
  let at = start + questionEnd;
  let ttl = 0;
  for (let i = 0; i < records; i++) {
    if (at + RECORD_BYTES > end) return -1;
    if (bytes[at] !== 0xc0 || bytes[at + 1] !== HEADER_BYTES) return -1;
    if (((bytes[at + 2]! << 8) | bytes[at + 3]!) !== type) return -1;
    if (((bytes[at + 4]! << 8) | bytes[at + 5]!) !== CLASS.IN) return -1;
    const own = (bytes[at + 6]! << 24) | (bytes[at + 7]! << 16) | (bytes[at + 8]! << 8) | bytes[at + 9]!;
    // RFC 2181 §5.2, §8: what is to be made of differing TTLs, and of those above 2^31, stands in normalize.ts.
    if (own < 0 || (i > 0 && own !== ttl)) return -1;
    ttl = own;
    const size = (bytes[at + 10]! << 8) | bytes[at + 11]!;
    if (fixed >= 0 && size !== fixed) return -1;
    answer.ttlOffsets[i] = at + 6 - start;
    at += RECORD_BYTES + size;
  }
  if (at > end) return -1;
  const hasOpt = additionals === 1;
  if (hasOpt && !isBareOpt(bytes, at, end)) return -1;

  const out = answer.bytes;
  for (let i = 0; i < HEADER_BYTES; i++) out[i] = 0;
  out[5] = 1;
  out[6] = records >>> 8;
  out[7] = records;
  const name = question.name;
  for (let i = 0; i < question.nameLength; i++) out[HEADER_BYTES + i] = name[i]!;
  const copied = at - start;
  for (let i = questionEnd - 4; i < copied; i++) out[i] = bytes[start + i]!;
  answer.length = copied;
  answer.ttlCount = records;
  answer.ttl = ttl;
  answer.kind = POSITIVE;
  answer.rcode = RCODE.NOERROR;
  answer.ede = EDE.NONE;
  answer.incomplete = false;
  answer.authenticData = false;
  return hasOpt ? 1 : 0;
}

/** An OPT record without options, version 0, extended rcode 0 (RFC 6891 §6.1.2). */
function isBareOpt(bytes: Uint8Array, at: number, end: number): boolean {
  if (at + OPT_BYTES > end || bytes[at] !== 0) return false;
  if (((bytes[at + 1]! << 8) | bytes[at + 2]!) !== TYPE.OPT) return false;
  return (bytes[at + 5]! | bytes[at + 6]! | bytes[at + 9]! | bytes[at + 10]!) === 0;
}
