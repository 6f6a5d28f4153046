/**
 * The RRsets of one message with their signatures, copied out of it: the message may be written over afterwards. Data is
 * in canonical form (RFC 4034 §6.2, RFC 6840 §5.1): names uncompressed and, in the types of RFC 1035 and those listed
 * there, in lower case.
 */
import { CLASS, EDE, HEADER_BYTES, MAX_NAME_BYTES, TYPE } from '../../wire/constants.ts';
import { LAYOUTS, NAME_COUNT, PREFIX_SHIFT } from '../../wire/normalize.ts';
import { LOWER, skipName } from '../../wire/reader.ts';
import { RecordCursor } from '../../wire/records.ts';
import { type Name, nameKey } from './canonical-name.ts';

/** One RRSIG record (RFC 4034 §3.1). */
export interface Signature {
  readonly algorithm: number;
  /** Labels of the owner as it stands in the zone, without root and `*`. */
  readonly labels: number;
  /** Seconds. */
  readonly originalTtl: number;
  /** Seconds since 1970, modulo 2^32 (RFC 4034 §3.1.5: serial arithmetic). */
  readonly expiration: number;
  readonly inception: number;
  readonly keyTag: number;
  readonly signer: Name;
  /** The record's data in front of the signature, signer's name in lower case: what is signed begins with it. */
  readonly head: Uint8Array;
  readonly bytes: Uint8Array;
}

export interface RRset {
  readonly owner: Name;
  readonly type: number;
  /** 0 answer, 1 authority, 2 additional. */
  readonly section: number;
  /** The lowest of its records, in seconds. */
  ttl: number;
  /** Each record's data in canonical form, in the order of the message; doubles are left out. */
  readonly data: Uint8Array[];
  readonly signatures: Signature[];
  /** Where the TTLs of its records and signatures stand in the message. */
  readonly ttlOffsets: number[];
}

const cursor = new RecordCursor();

/** What a message holds for the validator. */
export interface MessageSets {
  readonly rcode: number;
  /** Extended error of the sender, EDE.NONE without one. */
  readonly ede: number;
  /** Without those that are nothing but signatures. */
  readonly sets: readonly RRset[];
  /** Signatures of something that is not there. */
  readonly orphans: number;
}

/** RRsets of one message, signatures of one RRset and records of one RRset that are looked at; more is no honest message. */
const MAX_SETS = 512;
const MAX_SIGNATURES = 256;

/**
 * Read the message of `length` bytes at `start`. Class IN alone counts; OPT, TSIG and the like are left out. Returns
 * undefined where the message is broken or holds more RRsets than are looked at.
 */
export function readSets(bytes: Uint8Array, start: number, length: number): MessageSets | undefined {
  const end = start + length;
  if (!cursor.open(bytes, start, length)) return undefined;
  const sets: RRset[] = [];
  const byKey = new Map<string, RRset>();
  let rcode = bytes[start + 3]! & 15;
  while (cursor.next()) {
    const { type, dataStart, dataEnd } = cursor;
    if (type === TYPE.OPT) {
      rcode |= (cursor.ttl >>> 24) << 4;
      continue;
    }
    if (cursor.class !== CLASS.IN || type === TYPE.TSIG || type === TYPE.TKEY || type === TYPE.SIG) continue;
    const owner = readName(bytes, cursor.owner, end, start);
    if (owner === undefined) return undefined;
    const signature = type === TYPE.RRSIG ? readSignature(bytes, dataStart, dataEnd, start) : undefined;
    if (type === TYPE.RRSIG && signature === undefined) return undefined;
    const concerns = signature === undefined ? type : (bytes[dataStart]! << 8) | bytes[dataStart + 1]!;
    const key = `${concerns} ${cursor.section} ${nameKey(owner)}`;
    let set = byKey.get(key);
    if (set === undefined) {
      if (sets.length === MAX_SETS) return undefined;
      set = {
        owner,
        type: concerns,
        section: cursor.section,
        ttl: cursor.ttl,
        data: [],
        signatures: [],
        ttlOffsets: [],
      };
      sets.push(set);
      byKey.set(key, set);
    }
    set.ttl = Math.min(set.ttl, cursor.ttl);
    set.ttlOffsets.push(cursor.ttlAt - start);
    if (signature !== undefined) {
      if (set.signatures.length < MAX_SIGNATURES) set.signatures.push(signature);
      continue;
    }
    const data = canonicalData(bytes, start, end, type, dataStart, dataEnd);
    if (data === undefined) return undefined;
    set.data.push(data);
  }
  if (cursor.broken) return undefined;
  const held = sets.filter(({ data }) => data.length > 0);
  return { rcode, ede: EDE.NONE, sets: held, orphans: sets.length - held.length };
}

/** Where names, and data with names in it, are put together: 64 KiB with two names written out. */
const scratch = new Uint8Array(0x1_0000 + 2 * MAX_NAME_BYTES);

/** The possibly compressed name at `at`, in lower case; undefined where it is broken. */
export function readName(bytes: Uint8Array, at: number, end: number, start: number): Name | undefined {
  if (skipName(bytes, at, end, start) < 0) return undefined;
  return scratch.slice(0, copyName(bytes, at, start, scratch, 0));
}

/** skipName has been this way: no pointer leads astray, and the name fits. Returns the offset behind what was written. */
function copyName(bytes: Uint8Array, at: number, start: number, out: Uint8Array, to: number): number {
  for (;;) {
    const size = bytes[at]!;
    if (size >= 0xc0) {
      at = start + (((size & 0x3f) << 8) | bytes[at + 1]!);
      continue;
    }
    out[to++] = size;
    if (size === 0) return to;
    for (let i = 1; i <= size; i++) out[to++] = LOWER[bytes[at + i]!]!;
    at += size + 1;
  }
}

const RRSIG_FIXED_BYTES = 18;

function readSignature(bytes: Uint8Array, from: number, end: number, start: number): Signature | undefined {
  if (end - from < RRSIG_FIXED_BYTES + 1) return undefined;
  const signerAt = from + RRSIG_FIXED_BYTES;
  const behind = skipName(bytes, signerAt, end, start);
  const signer = behind < 0 ? undefined : readName(bytes, signerAt, end, start);
  if (signer === undefined) return undefined;
  const head = new Uint8Array(RRSIG_FIXED_BYTES + signer.length);
  head.set(bytes.subarray(from, signerAt));
  head.set(signer, RRSIG_FIXED_BYTES);
  const view = new DataView(head.buffer);
  return {
    algorithm: head[2]!,
    labels: head[3]!,
    originalTtl: view.getUint32(4),
    expiration: view.getUint32(8),
    inception: view.getUint32(12),
    keyTag: view.getUint16(16),
    signer,
    head,
    bytes: bytes.slice(behind, end),
  };
}

/** RFC 4034 §6.2. Undefined where the data does not fit its type. */
function canonicalData(
  bytes: Uint8Array,
  start: number,
  end: number,
  type: number,
  from: number,
  to: number,
): Uint8Array | undefined {
  const layout = type < LAYOUTS.length ? LAYOUTS[type]! : 0;
  if (layout === 0) return bytes.slice(from, to);
  let at = type === TYPE.NAPTR ? behindStrings(bytes, from + 4, to, 3) : from + (layout >>> PREFIX_SHIFT);
  if (at > to) return undefined;
  const out = scratch;
  out.set(bytes.subarray(from, at));
  let length = at - from;
  for (let names = layout & NAME_COUNT; names > 0; names--) {
    const behind = at < to ? skipName(bytes, at, end, start) : -1;
    if (behind < 0 || behind > to) return undefined;
    length = copyName(bytes, at, start, out, length);
    at = behind;
  }
  out.set(bytes.subarray(at, to), length);
  return out.slice(0, length + to - at);
}

function behindStrings(bytes: Uint8Array, at: number, end: number, count: number): number {
  for (let i = 0; i < count; i++) {
    if (at >= end) return end + 1;
    at += bytes[at]! + 1;
  }
  return at;
}

/** RFC 4034 §6.3: data as bytes, the shorter first where one begins like the other. */
export function compareData(a: Uint8Array, b: Uint8Array): number {
  const size = Math.min(a.length, b.length);
  for (let i = 0; i < size; i++) {
    const order = a[i]! - b[i]!;
    if (order !== 0) return order;
  }
  return a.length - b.length;
}

/** Data in canonical order, each once (RFC 4034 §6.3). */
export function canonicalOrder(data: readonly Uint8Array[]): readonly Uint8Array[] {
  if (data.length < 2) return data;
  const sorted = [...data].sort(compareData);
  return sorted.filter((one, i) => i === 0 || compareData(sorted[i - 1]!, one) !== 0);
}

/**
 * What the signature covers (RFC 4034 §3.1.8.1): its own head, then every record in canonical form and order, with the
 * original TTL, under the name that stands in the zone: the wildcard, where the owner was made from one.
 */
export function signedBytes(set: RRset, signature: Signature, ownerInZone: Name): Uint8Array {
  const data = canonicalOrder(set.data);
  const fixed = ownerInZone.length + 10;
  let size = signature.head.length;
  for (const one of data) size += fixed + one.length;
  const out = new Uint8Array(size);
  const view = new DataView(out.buffer);
  out.set(signature.head);
  let at = signature.head.length;
  for (const one of data) {
    out.set(ownerInZone, at);
    at += ownerInZone.length;
    view.setUint16(at, set.type);
    view.setUint16(at + 2, CLASS.IN);
    view.setUint32(at + 4, signature.originalTtl);
    view.setUint16(at + 8, one.length);
    out.set(one, at + 10);
    at += 10 + one.length;
  }
  return out;
}

/** The name asked for, and what, in a message with one question. */
export function questionOf(bytes: Uint8Array, start: number, length: number): { name: Name; type: number } | undefined {
  const at = start + HEADER_BYTES;
  const behind = skipName(bytes, at, start + length, start);
  const name = behind < 0 || behind + 4 > start + length ? undefined : readName(bytes, at, start + length, start);
  return name && { name, type: (bytes[behind]! << 8) | bytes[behind + 1]! };
}
