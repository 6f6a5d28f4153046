/**
 * Reads a query, strictly and without allocating (RFC 1035 §4, RFC 6891 §6).
 *
 * Every offset is compared with the end of the message before it is read; what does not parse is never looked at
 * further. A query's own name may not be compressed: there is nothing before it to point to.
 */

import { halfSipHash, hashHigh, hashLow } from '../hash/siphash.ts';
import {
  EDNS_FLAG_DO,
  EDNS_OPTION,
  FLAG_CD,
  FLAG_QR,
  HEADER_BYTES,
  MAX_LABEL_BYTES,
  MAX_NAME_BYTES,
  PLAIN_UDP_BYTES,
  TYPE,
} from './constants.ts';
import type { Query } from './query.ts';

/** What `readQuery` found. Everything but READ_OK ends the query's journey. */
export const READ_OK = 0;
/** Shorter than a header: there is no id to answer to. Dropped. */
export const READ_SHORT = 1;
/** QR set: a response. Answering it could start a loop between two servers. Dropped. */
export const READ_RESPONSE = 2;
/** Opcode other than QUERY: NOTIMP (RFC 1035 §4.1.1). */
export const READ_OPCODE = 3;
/** Question count, name, record or OPT is broken: FORMERR (RFC 1035 §4.1.1, RFC 6891 §6.1.1). */
export const READ_MALFORMED = 4;
/** EDNS version above 0: BADVERS (RFC 6891 §6.1.3). */
export const READ_BADVERS = 5;
/** No question, but a cookie: the reply has none either (RFC 7873 §5.4). */
export const READ_COOKIE_ONLY = 6;

/** ASCII upper case to lower case, every other byte to itself (RFC 4343 §3). */
export const LOWER = new Uint8Array(256);
for (let i = 0; i < 256; i++) LOWER[i] = i >= 0x41 && i <= 0x5a ? i + 0x20 : i;

/** Read the message of `query` into its fields. `key0`, `key1`: the process's hash key. */
export function readQuery(query: Query, key0: number, key1: number): number {
  const { message, start, length } = query;
  if (length < HEADER_BYTES) return READ_SHORT;
  const end = start + length;
  query.id = (message[start]! << 8) | message[start + 1]!;
  const flags = (message[start + 2]! << 8) | message[start + 3]!;
  query.flags = flags;
  query.questionEnd = HEADER_BYTES;
  if ((flags & FLAG_QR) !== 0) return READ_RESPONSE;
  // RFC 1035 §4.1.1: opcodes other than QUERY are not ours; RFC 5936, 1996 and 2136 need an authority.
  if ((flags & 0x7800) !== 0) return readOtherOpcode(query, end);
  // RFC 9619 §4: a query carries exactly one question, or none and a cookie (RFC 7873 §5.4).
  const questions = (message[start + 4]! << 8) | message[start + 5]!;
  if (questions === 0) return readCookieOnly(query, end);
  if (questions !== 1) return READ_MALFORMED;

  const question = query.question;
  const afterName = readQuestionName(query, message, start + HEADER_BYTES, end);
  if (afterName < 0 || afterName + 4 > end) {
    question.nameLength = 0;
    return READ_MALFORMED;
  }
  question.type = (message[afterName]! << 8) | message[afterName + 1]!;
  question.class = (message[afterName + 2]! << 8) | message[afterName + 3]!;
  query.questionEnd = afterName + 4 - start;
  question.checkingDisabled = (flags & FLAG_CD) !== 0;
  halfSipHash(question.nameWords, question.nameLength, key0, key1);
  question.hashLow = hashLow;
  question.hashHigh = hashHigh;

  const answers = (message[start + 6]! << 8) | message[start + 7]!;
  const authorities = (message[start + 8]! << 8) | message[start + 9]!;
  const additionals = (message[start + 10]! << 8) | message[start + 11]!;
  if ((answers | authorities | additionals) === 0) return READ_OK;
  return readRecords(query, afterName + 4, end, answers + authorities, additionals);
}

/**
 * What a message of another opcode is made of, nobody here knows, and its flags mean something else (genreport's `opcodeflg`;
 * BIND): only the opcode comes back. Where it has the form of a query, OPT is answered with OPT (RFC 6891 §6.1.1).
 */
function readOtherOpcode(query: Query, end: number): number {
  const { message, start } = query;
  query.flags &= 0x7800;
  const questions = (message[start + 4]! << 8) | message[start + 5]!;
  let at = start + HEADER_BYTES;
  if (questions > 1) return READ_OPCODE;
  if (questions === 1) {
    const behind = skipName(message, at, end, start);
    if (behind < 0 || behind + 4 > end) return READ_OPCODE;
    at = behind + 4;
  }
  const others =
    ((message[start + 6]! << 8) | message[start + 7]!) + ((message[start + 8]! << 8) | message[start + 9]!);
  const read = readRecords(query, at, end, others, (message[start + 10]! << 8) | message[start + 11]!);
  if (read === READ_MALFORMED) query.edns = false;
  return READ_OPCODE;
}

/** RFC 7873 §5.4: no question, nothing but an OPT record with a COOKIE option: the client wants a cookie and no more. */
function readCookieOnly(query: Query, end: number): number {
  const { message, start } = query;
  for (let i = 6; i < 11; i++) if (message[start + i] !== 0) return READ_MALFORMED;
  if (message[start + 11] !== 1) return READ_MALFORMED;
  const read = readRecords(query, start + HEADER_BYTES, end, 0, 1);
  if (read !== READ_OK) return read;
  return query.cookieLength > 0 ? READ_COOKIE_ONLY : READ_MALFORMED;
}

/** Copy the name at `at` lowercased into `question.name`. Returns the offset behind it, or -1 where it is broken. */
function readQuestionName(query: Query, message: Uint8Array, at: number, end: number): number {
  const question = query.question;
  const name = question.name;
  let written = 0;
  let labels = 0;
  let changed = 0;
  for (;;) {
    if (at >= end) return -1;
    const size = message[at]!;
    // RFC 1035 §2.3.4: labels ≤ 63 bytes (this also refuses compression pointers), names ≤ 255.
    if (size > MAX_LABEL_BYTES || written + size + 1 > MAX_NAME_BYTES || at + size >= end) return -1;
    if (size === 0) break;
    question.labelStarts[labels++] = written;
    name[written++] = size;
    at++;
    for (const stop = at + size; at < stop; at++) {
      const byte = message[at]!;
      const lower = LOWER[byte]!;
      changed |= byte ^ lower;
      name[written++] = lower;
    }
  }
  name[written++] = 0;
  question.nameLength = written;
  question.labelCount = labels;
  query.mixedCase = changed !== 0;
  return at + 1;
}

/** Walk the records behind the question, to find the OPT record and to know that nothing is broken. */
function readRecords(query: Query, at: number, end: number, beforeAdditional: number, additional: number): number {
  const message = query.message;
  const total = beforeAdditional + additional;
  let version = 0;
  for (let i = 0; i < total; i++) {
    const ownerAt = at;
    at = skipName(message, at, end, query.start);
    if (at < 0 || at + 10 > end) return READ_MALFORMED;
    const type = (message[at]! << 8) | message[at + 1]!;
    const dataLength = (message[at + 8]! << 8) | message[at + 9]!;
    const data = at + 10;
    if (data + dataLength > end) return READ_MALFORMED;
    if (type === TYPE.OPT) {
      // RFC 6891 §6.1.1: at most one OPT, in the additional section; §6.1.2: its owner is the root.
      if (query.edns || i < beforeAdditional || message[ownerAt] !== 0) return READ_MALFORMED;
      query.edns = true;
      const size = (message[at + 2]! << 8) | message[at + 3]!;
      // RFC 6891 §6.2.3: sizes below 512 are treated as 512.
      query.udpSize = Math.max(size, PLAIN_UDP_BYTES);
      version = message[at + 5]!;
      query.question.dnssecOk = (((message[at + 6]! << 8) | message[at + 7]!) & EDNS_FLAG_DO) !== 0;
      query.optionsStart = data;
      query.optionsEnd = data + dataLength;
    }
    at = data + dataLength;
  }
  query.ednsVersion = version;
  // RFC 6891 §6.1.3: an unknown version is answered BADVERS whatever its options hold.
  if (version > 0) return READ_BADVERS;
  return query.edns && query.optionsStart < query.optionsEnd ? readOptions(query) : READ_OK;
}

/** Check the framing of the EDNS options and note those that concern the server. */
function readOptions(query: Query): number {
  const message = query.message;
  let at = query.optionsStart;
  const end = query.optionsEnd;
  while (at < end) {
    if (at + 4 > end) return READ_MALFORMED;
    const code = (message[at]! << 8) | message[at + 1]!;
    const size = (message[at + 2]! << 8) | message[at + 3]!;
    if (at + 4 + size > end) return READ_MALFORMED;
    // RFC 7828 §3.2.1: a client sends the option with no timeout in it.
    if (code === EDNS_OPTION.TCP_KEEPALIVE) query.keepaliveAsked = true;
    if (code === EDNS_OPTION.PADDING) query.padded = true;
    // RFC 7873 §5.2: all but the first are ignored.
    if (code === EDNS_OPTION.COOKIE && query.cookieLength === 0) {
      // RFC 7873 §5.2.2: 8 bytes of the client's, and 8 to 32 of the server's or none; else FORMERR.
      if (size !== 8 && (size < 16 || size > 40)) return READ_MALFORMED;
      query.cookieStart = at + 4;
      query.cookieLength = size;
    }
    at += 4 + size;
  }
  return READ_OK;
}

/** Most compression pointers followed in one name: more than any honest message needs. */
export const MAX_POINTER_HOPS = 32;

/**
 * Offset behind the possibly compressed name at `at`, or -1. Pointers must point backwards, into the message that
 * begins at `start` (RFC 1035 §4.1.4: "a prior occurrence"), and the name they make may not exceed 255 bytes.
 */
export function skipName(message: Uint8Array, at: number, end: number, start: number): number {
  let behind = -1;
  let total = 1;
  let hops = 0;
  let lowest = at;
  for (;;) {
    if (at >= end) return -1;
    const size = message[at]!;
    if (size === 0) return behind < 0 ? at + 1 : behind;
    if (size <= MAX_LABEL_BYTES) {
      total += size + 1;
      if (total > MAX_NAME_BYTES) return -1;
      at += size + 1;
      continue;
    }
    if (size < 0xc0 || at + 1 >= end) return -1;
    const target = start + (((size & 0x3f) << 8) | message[at + 1]!);
    if (behind < 0) behind = at + 2;
    // Strictly backwards of where this run of labels began, so no loop can form.
    if (target >= lowest || target < start + HEADER_BYTES || ++hops > MAX_POINTER_HOPS) return -1;
    lowest = target;
    at = target;
  }
}
