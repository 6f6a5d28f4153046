/**
 * Writes replies over bytes, without allocating.
 *
 * A reply begins as header and question, spelled as the client spelled it; records are added; `finishReply` puts the OPT
 * record behind them and cuts what is too large for the client. Owner names of records written here are the question's
 * (a pointer to byte 12), which is all that a resolver's own answers need.
 */

import {
  CLASS,
  EDE,
  EDNS_FLAG_DO,
  EDNS_OPTION,
  FLAG_CD,
  FLAG_QR,
  FLAG_RA,
  FLAG_RD,
  FLAG_TC,
  HEADER_BYTES,
  MAX_UDP_BYTES,
  OPT_BYTES,
  PLAIN_UDP_BYTES,
  TYPE,
} from './constants.ts';
import type { Query } from './query.ts';
import { transportOf } from './transports.ts';

/** Sections of a message after the question, as indices of their counts in the header. */
export const ANSWER = 0;
export const AUTHORITY = 1;
export const ADDITIONAL = 2;

/** Farthest byte of a message that a compression pointer reaches (RFC 1035 §4.1.4). */
const MAX_POINTER = 0x3fff;

/** Idle time that TCP clients are told, in units of 100 ms (RFC 7828 §3.1); set once at start-up. */
let keepaliveUnits = 100;
export function announceKeepalive(idleMs: number): void {
  keepaliveUnits = Math.min(0xffff, Math.max(0, Math.floor(idleMs / 100)));
}

/** Largest reply that this client takes: its UDP size, 512 without EDNS, never above 1232; 65535 over a stream. */
export function replyLimit(query: Query): number {
  const { stream, largestReply } = transportOf(query);
  if (stream) return largestReply;
  if (!query.edns) return PLAIN_UDP_BYTES;
  return Math.min(query.udpSize, largestReply);
}

/** Bytes of header, question and records that fit this client beside the OPT record (extended error's text aside). */
export function replyRoom(query: Query): number {
  return replyLimit(query) - optBytes(query);
}

/**
 * Begin a reply with `rcode` and no records: header and question. Whatever was written before is forgotten.
 * `extraFlags`: FLAG_AD, FLAG_TC, FLAG_AA as needed.
 */
export function beginReply(query: Query, rcode: number, extraFlags = 0): void {
  const { reply, replyStart: at, message, start } = query;
  const hasQuestion = query.question.nameLength > 0;
  writeHeader(query, rcode, extraFlags);
  reply[at + 4] = 0;
  reply[at + 5] = hasQuestion ? 1 : 0;
  for (let i = 6; i < HEADER_BYTES; i++) reply[at + i] = 0;
  const end = hasQuestion ? query.questionEnd : HEADER_BYTES;
  for (let i = HEADER_BYTES; i < end; i++) reply[at + i] = message[start + i]!;
  query.replyLength = end;
}

/** Write ID and flags for this client; the counts stay. RD and CD come back as sent (RFC 1035 §4.1.1, RFC 4035 §3.2.2). */
export function writeHeader(query: Query, rcode: number, extraFlags: number): void {
  const { reply, replyStart: at } = query;
  // RFC 1035 §4.1.1: the opcode comes back as sent (it matters for NOTIMP).
  const opcode = query.flags & 0x7800;
  // There is nothing to recurse for other opcodes.
  const available = opcode === 0 ? FLAG_RA : 0;
  const flags = FLAG_QR | opcode | (query.flags & (FLAG_RD | FLAG_CD)) | available | extraFlags | (rcode & 15);
  reply[at] = query.id >>> 8;
  reply[at + 1] = query.id & 255;
  reply[at + 2] = flags >>> 8;
  reply[at + 3] = flags & 255;
  query.rcode = rcode;
}

/** Put the client's spelling of the name back over the lowercased one of a stored answer, where they differ. */
export function restoreSpelling(query: Query): void {
  if (!query.mixedCase) return;
  const { reply, replyStart, message, start } = query;
  for (let i = HEADER_BYTES, end = query.questionEnd - 4; i < end; i++) reply[replyStart + i] = message[start + i]!;
}

/**
 * Begin a record owned by the question's name in `section`; the caller writes its data with `put…` and then calls
 * `endRecord` with what this returned. Returns -1, and writes nothing, where the buffer is full.
 * Sections must be filled in their order.
 */
export function beginRecord(
  query: Query,
  section: number,
  type: number,
  ttlSeconds: number,
  roomBytes: number,
): number {
  const at = query.replyStart + query.replyLength;
  if (query.replyLength + 12 + roomBytes > query.replyCapacity) return -1;
  const reply = query.reply;
  reply[at] = 0xc0;
  reply[at + 1] = HEADER_BYTES;
  put16(reply, at + 2, type);
  put16(reply, at + 4, CLASS.IN);
  put32(reply, at + 6, ttlSeconds);
  const count = query.replyStart + 6 + section * 2;
  put16(reply, count, ((reply[count]! << 8) | reply[count + 1]!) + 1);
  query.replyLength += 12;
  return at + 10;
}

/** Close a record: `lengthAt` from `beginRecord`. */
export function endRecord(query: Query, lengthAt: number): void {
  put16(query.reply, lengthAt, query.replyStart + query.replyLength - lengthAt - 2);
}

/** Append raw bytes to the record being written. */
export function putBytes(query: Query, bytes: Uint8Array): void {
  let at = query.replyStart + query.replyLength;
  for (let i = 0; i < bytes.length; i++) query.reply[at++] = bytes[i]!;
  query.replyLength += bytes.length;
}

/**
 * Add a record whose data is `data`, owned by the question's name. Returns false where the buffer is full.
 */
export function addRecord(query: Query, section: number, type: number, ttlSeconds: number, data: Uint8Array): boolean {
  const record = beginRecord(query, section, type, ttlSeconds, data.length);
  if (record < 0) return false;
  putBytes(query, data);
  endRecord(query, record);
  return true;
}

/**
 * Add a record whose data is `bytes[from..to)`, owned by the name that stands uncompressed or not at `ownerAt` of the
 * reply, counted from its first byte: HEADER_BYTES is the question's name. Returns false, and writes nothing, where the
 * buffer is full or a pointer does not reach so far (RFC 1035 §4.1.4).
 */
export function addRecordRange(
  query: Query,
  section: number,
  ownerAt: number,
  type: number,
  ttlSeconds: number,
  bytes: Uint8Array,
  from: number,
  to: number,
): boolean {
  if (ownerAt > MAX_POINTER) return false;
  const record = beginRecord(query, section, type, ttlSeconds, to - from);
  if (record < 0) return false;
  const { reply } = query;
  put16(reply, record - 10, 0xc000 | ownerAt);
  let at = query.replyStart + query.replyLength;
  for (let i = from; i < to; i++) reply[at++] = bytes[i]!;
  query.replyLength += to - from;
  endRecord(query, record);
  return true;
}

/**
 * Add a record owned by the uncompressed name `owner[0..ownerLength)`, which need not occur in the reply; its data is
 * `data[0..dataLength)`. False, and nothing written, where the buffer is full.
 */
export function addOwnedRecord(
  query: Query,
  section: number,
  owner: Uint8Array,
  ownerLength: number,
  type: number,
  ttlSeconds: number,
  data: Uint8Array,
  dataLength: number,
): boolean {
  if (query.replyLength + ownerLength + 10 + dataLength > query.replyCapacity) return false;
  const { reply, replyStart } = query;
  let at = replyStart + query.replyLength;
  for (let i = 0; i < ownerLength; i++) reply[at++] = owner[i]!;
  put16(reply, at, type);
  put16(reply, at + 2, CLASS.IN);
  put32(reply, at + 4, ttlSeconds);
  put16(reply, at + 8, dataLength);
  at += 10;
  for (let i = 0; i < dataLength; i++) reply[at++] = data[i]!;
  query.replyLength = at - replyStart;
  const count = replyStart + 6 + section * 2;
  put16(reply, count, ((reply[count]! << 8) | reply[count + 1]!) + 1);
  return true;
}

/** Append the OPT record and enforce the client's size. The reply is complete afterwards. */
export function finishReply(query: Query): void {
  const limit = Math.min(replyLimit(query), query.replyCapacity);
  let withText = query.ede >= 0 ? query.edeText.length : 0;
  const opt = optBytes(query);
  if (query.replyLength + opt + withText > limit) withText = 0;
  // RFC 2181 §9, RFC 6891 §7: what does not fit is cut, TC set, and OPT stays.
  if (query.replyLength + opt > limit) {
    const rcode = query.rcode;
    beginReply(query, rcode, FLAG_TC);
  }
  if (!query.edns) return;
  const padding = pads(query) ? paddingBytes(query.replyLength + opt + withText, limit) : 0;
  writeOpt(query, withText > 0, padding);
}

/** Size of the OPT record that this reply gets, without the extended error's text. */
function optBytes(query: Query): number {
  if (!query.edns) return 0;
  return (
    OPT_BYTES +
    (query.ede >= 0 ? 6 : 0) +
    (tellsKeepalive(query) ? 6 : 0) +
    (query.answersCookie ? COOKIE_BYTES : 0) +
    (pads(query) ? OPTION_HEADER_BYTES : 0)
  );
}

const OPTION_HEADER_BYTES = 4;
/** RFC 8467 §4.1: replies are as long as a multiple of this. */
const PADDING_BLOCK_BYTES = 468;

/** RFC 7830 §4, RFC 8467 §4: where nobody else can read, and only for a client that padded its query. */
function pads(query: Query): boolean {
  return query.padded && transportOf(query).pads;
}

/** Zero bytes that bring `length` to a multiple of the block, or to what fits. */
function paddingBytes(length: number, limit: number): number {
  return Math.min(Math.ceil(length / PADDING_BLOCK_BYTES) * PADDING_BLOCK_BYTES, limit) - length;
}

/** A COOKIE option with both cookies (RFC 7873 §4, RFC 9018 §4). */
const COOKIE_BYTES = 28;

/** RFC 7828 §3.3.2: only over TCP and what lies on it, and only to a client that sent the option. */
function tellsKeepalive(query: Query): boolean {
  return query.keepaliveAsked && transportOf(query).tellsKeepalive;
}

function writeOpt(query: Query, withText: boolean, padding: number): void {
  const reply = query.reply;
  const begin = query.replyStart + query.replyLength;
  let at = begin;
  reply[at] = 0;
  put16(reply, at + 1, TYPE.OPT);
  put16(reply, at + 3, MAX_UDP_BYTES);
  // RFC 6891 §6.1.3: upper eight bits of the rcode, version 0, DO as sent (RFC 3225 §3).
  reply[at + 5] = query.rcode >>> 4;
  reply[at + 6] = 0;
  put16(reply, at + 7, query.question.dnssecOk ? EDNS_FLAG_DO : 0);
  at += OPT_BYTES;
  if (tellsKeepalive(query)) {
    put16(reply, at, EDNS_OPTION.TCP_KEEPALIVE);
    put16(reply, at + 2, 2);
    put16(reply, at + 4, keepaliveUnits);
    at += 6;
  }
  if (query.answersCookie) {
    put16(reply, at, EDNS_OPTION.COOKIE);
    put16(reply, at + 2, COOKIE_BYTES - 4);
    for (let i = 0; i < COOKIE_BYTES - 4; i++) reply[at + 4 + i] = query.cookieReply[i]!;
    at += COOKIE_BYTES;
  }
  if (query.ede !== EDE.NONE) {
    const text = query.edeText;
    const size = withText ? text.length : 0;
    put16(reply, at, EDNS_OPTION.EXTENDED_ERROR);
    put16(reply, at + 2, 2 + size);
    put16(reply, at + 4, query.ede);
    at += 6;
    for (let i = 0; i < size; i++) reply[at++] = text[i]!;
  }
  if (pads(query)) {
    put16(reply, at, EDNS_OPTION.PADDING);
    put16(reply, at + 2, padding);
    at += OPTION_HEADER_BYTES;
    // The buffer still holds what was in it before: another client's answer.
    reply.fill(0, at, at + padding);
    at += padding;
  }
  put16(reply, begin + 9, at - begin - OPT_BYTES);
  const additional = query.replyStart + 10;
  put16(reply, additional, ((reply[additional]! << 8) | reply[additional + 1]!) + 1);
  query.replyLength += at - begin;
}

/** Write a 16-bit big-endian number. */
export function put16(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 8;
  bytes[at + 1] = value;
}

/** Write a 32-bit big-endian number. */
export function put32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 24;
  bytes[at + 1] = value >>> 16;
  bytes[at + 2] = value >>> 8;
  bytes[at + 3] = value;
}

/**
 * Add an SOA record for a negative answer of our own, so that clients keep it (RFC 2308 §3): owner is the question's
 * name, MNAME `localhost.`, RNAME `nobody.invalid.` (RFC 6303 §3 does likewise), MINIMUM = TTL.
 */
export function addSoa(query: Query, ttlSeconds: number): boolean {
  const record = beginRecord(query, AUTHORITY, TYPE.SOA, ttlSeconds, SOA_NAMES.length + 20);
  if (record < 0) return false;
  putBytes(query, SOA_NAMES);
  const at = query.replyStart + query.replyLength;
  // SERIAL, REFRESH, RETRY, EXPIRE, MINIMUM (RFC 1035 §3.3.13); only MINIMUM means something here.
  put32(query.reply, at, 1);
  put32(query.reply, at + 4, 3600);
  put32(query.reply, at + 8, 1200);
  put32(query.reply, at + 12, 604800);
  put32(query.reply, at + 16, ttlSeconds);
  query.replyLength += 20;
  endRecord(query, record);
  return true;
}

const SOA_NAMES = new Uint8Array([...wireName('localhost'), ...wireName('nobody', 'invalid')]);

function wireName(...labels: string[]): number[] {
  return [
    ...labels.flatMap((label) => [label.length, ...label].map((c) => (typeof c === 'number' ? c : c.charCodeAt(0)))),
    0,
  ];
}
