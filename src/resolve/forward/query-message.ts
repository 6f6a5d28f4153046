/**
 * The query that goes to an upstream, and how a reply is recognised as its own.
 *
 *   |id|RD AD CD|1|0|0|0/1| qNaMe type class |OPT: 1232, DO, our cookie|
 *
 * Nothing of the client's query is passed on but name, type, class, DO and CD: no client subnet, no cookie of
 * the client's, no option. The cookie is between us and the server (upstream-cookie.ts).
 * The case of the name is drawn at random (0x20, draft-vixie-dnsext-dns0x20): a reply has to bring it back, which makes
 * one bit more per letter for an off-path attacker to guess.
 */
import {
  EDNS_FLAG_DO,
  EDNS_OPTION,
  FLAG_AD,
  FLAG_CD,
  FLAG_QR,
  FLAG_RD,
  HEADER_BYTES,
  MAX_NAME_BYTES,
  MAX_UDP_BYTES,
  OPT_BYTES,
  TYPE,
} from '../../wire/constants.ts';
import { sameQuestion } from '../../wire/normalize.ts';
import type { Question } from '../../wire/question.ts';
import { put16 } from '../../wire/writer.ts';
import { UPSTREAM_COOKIE_BYTES, type UpstreamCookie } from './upstream-cookie.ts';

/** RFC 8467 §4.1: queries over an encrypted transport come in blocks of so many bytes. */
const PADDED_TO = 128;
const MOST_WITHOUT_PADDING = HEADER_BYTES + MAX_NAME_BYTES + 4 + OPT_BYTES + UPSTREAM_COOKIE_BYTES;
/** Most bytes that a query takes. */
export const QUERY_BYTES = PADDED_TO * Math.ceil((MOST_WITHOUT_PADDING + 4) / PADDED_TO);

/** Bytes of header and question. */
export function questionEndOf(question: Question): number {
  return HEADER_BYTES + question.nameLength + 4;
}

/**
 * Write the query for `question` at `at`: QUERY_BYTES of room. The OPT record stands behind the question whether it is
 * counted or not (see `setEdns`). `random32`: for the case of the name; without it the name stays in lower case. `recursion`: false
 * for authoritative servers.
 */
export function writeQuery(
  bytes: Uint8Array,
  at: number,
  id: number,
  question: Question,
  random32: (() => number) | undefined,
  recursion = true,
): void {
  // RFC 6840 §5.7: AD in a query says that we understand AD in the answer.
  const flags = (recursion ? FLAG_RD : 0) | FLAG_AD | (question.checkingDisabled ? FLAG_CD : 0);
  put16(bytes, at, id);
  put16(bytes, at + 2, flags);
  put16(bytes, at + 4, 1);
  for (let i = 6; i < HEADER_BYTES; i++) bytes[at + i] = 0;
  const name = question.name;
  const length = question.nameLength;
  const nameAt = at + HEADER_BYTES;
  let bits = 0;
  let left = 0;
  for (let i = 0; i < length; i++) {
    let byte = name[i]!;
    // Length bytes are at most 63 and never look like a letter.
    if (byte >= 0x61 && byte <= 0x7a && random32) {
      if (left === 0) {
        bits = random32();
        left = 32;
      }
      byte ^= (bits & 1) << 5;
      bits >>>= 1;
      left--;
    }
    bytes[nameAt + i] = byte;
  }
  const typeAt = nameAt + length;
  put16(bytes, typeAt, question.type);
  put16(bytes, typeAt + 2, question.class);
  // RFC 6891 §6.1.2; the size fits one packet everywhere (RFC 9715 §3.2).
  const opt = typeAt + 4;
  bytes[opt] = 0;
  put16(bytes, opt + 1, TYPE.OPT);
  put16(bytes, opt + 3, MAX_UDP_BYTES);
  put16(bytes, opt + 5, 0);
  put16(bytes, opt + 7, question.dnssecOk ? EDNS_FLAG_DO : 0);
  put16(bytes, opt + 9, 0);
}

/** Count the OPT record, with `cookie` and `padded` in it, in or out. Returns the length of the query. */
export function setEdns(
  bytes: Uint8Array,
  at: number,
  question: Question,
  edns: boolean,
  cookie: UpstreamCookie | undefined,
  padded = false,
): number {
  bytes[at + 11] = edns ? 1 : 0;
  const end = questionEndOf(question);
  if (!edns) return end;
  let options = cookie === undefined ? 0 : cookie.append(bytes, at + end + OPT_BYTES);
  if (padded) options += appendPadding(bytes, at, end + OPT_BYTES + options);
  put16(bytes, at + end + OPT_BYTES - 2, options);
  return end + OPT_BYTES + options;
}

/** RFC 7830 §3: zeros up to the end of a block, for a query of `length` bytes so far. Returns the length of the option. */
function appendPadding(bytes: Uint8Array, at: number, length: number): number {
  const zeros = (PADDED_TO - ((length + 4) % PADDED_TO)) % PADDED_TO;
  put16(bytes, at + length, EDNS_OPTION.PADDING);
  put16(bytes, at + length + 2, zeros);
  bytes.fill(0, at + length + 4, at + length + 4 + zeros);
  return 4 + zeros;
}

/** What `compareReply` found. */
export const REPLY_MATCHES = 0;
/** Everything but the case of the name. */
export const REPLY_OTHER_CASE = 1;
/** Other question, or none. */
export const REPLY_OTHER_QUESTION = 2;
/** QR is not set: this is a query (RFC 1035 §4.1.1). */
export const REPLY_IS_QUERY = 3;
/** Another opcode. */
export const REPLY_OTHER_OPCODE = 4;
/** A header without a question, as servers send it that could not read the query. */
export const REPLY_BARE = 5;

/** Compare a reply of at least HEADER_BYTES with the query at `at` (RFC 5452 §9.1). */
export function compareReply(
  reply: Uint8Array,
  start: number,
  length: number,
  query: Uint8Array,
  at: number,
  question: Question,
): number {
  const flags = (reply[start + 2]! << 8) | reply[start + 3]!;
  if ((flags & FLAG_QR) === 0) return REPLY_IS_QUERY;
  if ((flags & 0x7800) !== 0) return REPLY_OTHER_OPCODE;
  if (length === HEADER_BYTES && reply[start + 4] === 0 && reply[start + 5] === 0) return REPLY_BARE;
  const end = questionEndOf(question);
  if (length < end) return REPLY_OTHER_QUESTION;
  let i = HEADER_BYTES;
  while (i < end && reply[start + i] === query[at + i]) i++;
  // Byte for byte what was asked; only where it is not, find out what differs. One question is all that was asked.
  if (i === end && reply[start + 4] === 0 && reply[start + 5] === 1) return REPLY_MATCHES;
  return sameQuestion(reply, start, question) ? REPLY_OTHER_CASE : REPLY_OTHER_QUESTION;
}
