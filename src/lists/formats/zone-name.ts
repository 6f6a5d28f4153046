/** Names as zone files write them (RFC 1035 §5.1): escapes, `@`, relative to the origin. */
import { domainToASCII } from 'node:url';
import { MAX_LABEL_BYTES, MAX_NAME_BYTES } from '../../wire/constants.ts';
import type { Reason } from './rejects.ts';

const DOT = 0x2e;
const BACKSLASH = 0x5c;
const UPPER_A = 0x41;
const UPPER_Z = 0x5a;

const PROBLEMS = ['empty-name', 'empty-label', 'label-too-long', 'name-too-long', 'bad-escape', 'bad-idn'] as const;

/** The reason for a negative result of `readZoneName`. */
export function nameProblem(result: number): Reason {
  return PROBLEMS[-1 - result] ?? 'bad-character';
}

const utf8 = new TextDecoder('utf-8', { fatal: true });

/**
 * Read the name in `bytes[from..to)` into `out` (256 bytes), wire form, completed with `origin` where it has no final dot.
 * Gives its length, or a negative number for `nameProblem`. `lowerCase`: ASCII letters, as owners are compared.
 */
export function readZoneName(
  bytes: Uint8Array,
  from: number,
  to: number,
  origin: Uint8Array,
  out: Uint8Array,
  lowerCase: boolean,
): number {
  if (from >= to) return -1;
  if (to - from === 1) {
    if (bytes[from] === DOT) {
      out[0] = 0;
      return 1;
    }
    if (bytes[from] === 0x40) {
      out.set(origin);
      return origin.length;
    }
  }
  let labelAt = 0;
  let length = 1;
  for (let i = from; i < to; i++) {
    let byte = bytes[i]!;
    if (byte === DOT) {
      const size = length - labelAt - 1;
      if (size === 0) return -2;
      if (size > MAX_LABEL_BYTES) return -3;
      out[labelAt] = size;
      labelAt = length++;
      if (length > MAX_NAME_BYTES) return -4;
      continue;
    }
    if (byte >= 0x80) return international(bytes, from, to, origin, out, lowerCase);
    if (byte === BACKSLASH) {
      byte = escaped(bytes, i, to);
      if (byte < 0) return -5;
      i += isDigit(bytes[i + 1]!) ? 3 : 1;
    }
    if (length >= MAX_NAME_BYTES) return -4;
    out[length++] = lowerCase && byte >= UPPER_A && byte <= UPPER_Z ? byte + 0x20 : byte;
  }
  const size = length - labelAt - 1;
  if (size === 0) {
    out[labelAt] = 0;
    return length;
  }
  if (size > MAX_LABEL_BYTES) return -3;
  out[labelAt] = size;
  if (length + origin.length > MAX_NAME_BYTES) return -4;
  for (let i = 0; i < origin.length; i++) out[length + i] = origin[i]!;
  return length + origin.length;
}

function escaped(bytes: Uint8Array, at: number, to: number): number {
  if (at + 1 >= to) return -1;
  const first = bytes[at + 1]!;
  if (!isDigit(first)) return first;
  if (at + 3 >= to || !isDigit(bytes[at + 2]!) || !isDigit(bytes[at + 3]!)) return -1;
  const value = (first - 0x30) * 100 + (bytes[at + 2]! - 0x30) * 10 + (bytes[at + 3]! - 0x30);
  return value > 255 ? -1 : value;
}

function isDigit(byte: number): boolean {
  return byte >= 0x30 && byte <= 0x39;
}

/** UTF-8 in a zone file is no standard, but people write it. */
function international(
  bytes: Uint8Array,
  from: number,
  to: number,
  origin: Uint8Array,
  out: Uint8Array,
  lowerCase: boolean,
): number {
  let ascii = '';
  try {
    if (to - from <= 4 * MAX_NAME_BYTES) ascii = domainToASCII(utf8.decode(bytes.subarray(from, to)));
  } catch {
    return -6;
  }
  const plain = Uint8Array.from(ascii, (char) => char.charCodeAt(0));
  if (plain.length === 0 || plain.some((byte) => byte >= 0x80)) return -6;
  return readZoneName(plain, 0, plain.length, origin, out, lowerCase);
}
