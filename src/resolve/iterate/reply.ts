/**
 * A reply of an authoritative server, taken apart into RRsets: every name lowercased and written out, every length checked.
 * Nothing is believed yet; classify.ts says what of it belongs to whom.
 *
 * Work is bounded: records, RRsets and signatures beyond the limits make the whole reply malformed, because to leave some out
 * would change what it says.
 */
import { CLASS, EDE, EDNS_OPTION, FLAG_AA, FLAG_TC, MAX_NAME_BYTES, TYPE } from '../../wire/constants.ts';
import { LAYOUTS, NAME_COUNT, PREFIX_SHIFT } from '../../wire/normalize.ts';
import { skipName } from '../../wire/reader.ts';
import { RecordCursor } from '../../wire/records.ts';
import { readName, type WireName } from './name-text.ts';

/** Records of one reply; a message of 64 KiB of the smallest ones holds 5957. */
const MAX_REPLY_RECORDS = 4000;
/** RRsets of one reply: each new record looks through the section's. */
const MAX_REPLY_SETS = 400;

/** Records that share owner and type, with the signatures over them. */
export interface RRset {
  readonly owner: WireName;
  readonly type: number;
  /** Seconds: the lowest of its records (RFC 2181 §5.2). */
  ttl: number;
  /** RDATA without compression, spelled as it came. */
  readonly data: Uint8Array[];
  /** RDATA of the RRSIG records that cover it; empty where the query did not set DO. */
  readonly signatures: Uint8Array[];
}

export interface Reply {
  /** With the upper bits of the OPT record. */
  readonly rcode: number;
  readonly authoritative: boolean;
  readonly truncated: boolean;
  /** It had an OPT record. */
  readonly edns: boolean;
  /** Info code of the first extended error, or EDE.NONE. */
  readonly ede: number;
  readonly answer: readonly RRset[];
  readonly authority: readonly RRset[];
  readonly additional: readonly RRset[];
}

const cursor = new RecordCursor();

/** Read the message of `length` bytes at `start`, whose header and question were compared. Undefined where it is malformed. */
export function readReply(bytes: Uint8Array, start: number, length: number): Reply | undefined {
  if (!cursor.open(bytes, start, length)) return undefined;
  const flags = (bytes[start + 2]! << 8) | bytes[start + 3]!;
  const sections: RRset[][] = [[], [], []];
  let rcode = flags & 15;
  let edns = false;
  let ede: number = EDE.NONE;
  let records = 0;
  while (cursor.next()) {
    const { type, dataStart, dataEnd } = cursor;
    if (++records > MAX_REPLY_RECORDS) return undefined;
    if (type === TYPE.OPT) {
      // RFC 6891 §6.1.1: one, of the root.
      if (edns || cursor.section !== 2 || bytes[cursor.owner] !== 0) return undefined;
      edns = true;
      rcode |= bytes[cursor.ttlAt]! << 4;
      ede = extendedError(bytes, dataStart, dataEnd);
      if (ede === BROKEN) return undefined;
      continue;
    }
    // RFC 8945 §5.1: signatures of the transaction end here. Data of another class was not asked for.
    if (cursor.class !== CLASS.IN || type === TYPE.TSIG || type === TYPE.TKEY) continue;
    const owner = readName(bytes, cursor.owner, start + length, start);
    if (owner === undefined || !take(sections[cursor.section]!, owner, bytes, start, start + length)) return undefined;
  }
  if (cursor.broken) return undefined;
  const [answer, authority, additional] = sections as [RRset[], RRset[], RRset[]];
  return {
    rcode,
    authoritative: (flags & FLAG_AA) !== 0,
    truncated: (flags & FLAG_TC) !== 0,
    edns,
    ede,
    answer,
    authority,
    additional,
  };
}

/** Put the record at the cursor to its RRset. False where it is malformed. */
function take(sets: RRset[], owner: WireName, bytes: Uint8Array, start: number, end: number): boolean {
  const { type, ttl, dataStart, dataEnd } = cursor;
  const size = dataEnd - dataStart;
  if ((type === TYPE.A && size !== 4) || (type === TYPE.AAAA && size !== 16)) return false;
  const signature = type === TYPE.RRSIG;
  if (signature && size < 19) return false;
  const data = plainData(bytes, type, dataStart, dataEnd, start, end);
  if (data === undefined) return false;
  const concerns = signature ? (bytes[dataStart]! << 8) | bytes[dataStart + 1]! : type;
  let set: RRset | undefined;
  for (const each of sets) if (each.type === concerns && each.owner === owner) set = each;
  if (set === undefined) {
    if (sets.length >= MAX_REPLY_SETS) return false;
    set = { owner, type: concerns, ttl, data: [], signatures: [] };
    sets.push(set);
  }
  if (ttl < set.ttl) set.ttl = ttl;
  (signature ? set.signatures : set.data).push(data);
  return true;
}

/** The record's data with names written out; undefined where it is malformed. */
function plainData(
  bytes: Uint8Array,
  type: number,
  from: number,
  to: number,
  start: number,
  end: number,
): Uint8Array | undefined {
  const layout = type < LAYOUTS.length ? LAYOUTS[type]! : 0;
  if (layout === 0) return bytes.slice(from, to);
  let at = from + ((layout & 0xfff0) >>> PREFIX_SHIFT);
  if (type === TYPE.NAPTR) {
    // RFC 3403 §4.1: order, preference and three strings stand before the name.
    at = from + 4;
    for (let strings = 0; strings < 3 && at < to; strings++) at += bytes[at]! + 1;
  }
  if (at > to) return undefined;
  const parts = plain;
  let length = 0;
  for (let i = from; i < at; i++) parts[length++] = bytes[i]!;
  for (let names = layout & NAME_COUNT; names > 0; names--) {
    const behind = skipName(bytes, at, Math.min(end, to), start);
    if (behind < 0 || behind > to) return undefined;
    length = copyName(bytes, at, start, parts, length);
    at = behind;
  }
  if (type === TYPE.SOA && to - at !== 20) return undefined;
  if ((type === TYPE.NS || type === TYPE.CNAME || type === TYPE.DNAME) && at !== to) return undefined;
  while (at < to) parts[length++] = bytes[at++]!;
  return parts.slice(0, length);
}

/** Data of a record with two names written out, at most. */
const plain = new Uint8Array(0x1_0000 + 2 * MAX_NAME_BYTES);

/** Copy the name, which skipName has been through, in its own spelling. Returns the offset behind it. */
function copyName(bytes: Uint8Array, at: number, start: number, parts: Uint8Array, to: number): number {
  for (;;) {
    const size = bytes[at]!;
    if (size >= 0xc0) {
      at = start + (((size & 0x3f) << 8) | bytes[at + 1]!);
      continue;
    }
    for (let i = 0; i <= size; i++) parts[to++] = bytes[at + i]!;
    if (size === 0) return to;
    at += size + 1;
  }
}

const BROKEN = -2;

/** RFC 8914 §2: several may come; the first stands for all. */
function extendedError(bytes: Uint8Array, at: number, end: number): number {
  let found: number = EDE.NONE;
  while (at < end) {
    if (at + 4 > end) return BROKEN;
    const code = (bytes[at]! << 8) | bytes[at + 1]!;
    const size = (bytes[at + 2]! << 8) | bytes[at + 3]!;
    if (at + 4 + size > end) return BROKEN;
    if (code === EDNS_OPTION.EXTENDED_ERROR && size >= 2 && found === EDE.NONE)
      found = (bytes[at + 4]! << 8) | bytes[at + 5]!;
    at += 4 + size;
  }
  return found;
}
