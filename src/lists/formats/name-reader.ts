/**
 * Names as list files write them, into wire form: one pass over the bytes and no string for a plain ASCII name. What is
 * not plain (IDN, addresses) takes a slow path.
 *
 * Taken: letters, digits, `-` and `_` anywhere (the hostname rule of RFC 952 does not bind the DNS, RFC 2181 §11), one
 * final dot, any case, and UTF-8 that has an A-label form (UTS #46).
 */
import { isIP } from 'node:net';
import { domainToASCII } from 'node:url';
import { MAX_LABEL_BYTES, MAX_NAME_BYTES } from '../../wire/constants.ts';
import type { Reason } from './rejects.ts';

const DOT = 0x2e;
/** A name of 255 bytes on the wire has 253 characters, and perhaps a final dot. */
const MAX_TEXT_BYTES = 254;
/** Four bytes a character are the most UTF-8 has. */
const MAX_IDN_BYTES = 4 * MAX_TEXT_BYTES;

/** Lower-case form of each byte that a name may hold; 0 for all others. */
export const LETTER = new Uint8Array(256);
for (const char of 'abcdefghijklmnopqrstuvwxyz0123456789-_') {
  LETTER[char.charCodeAt(0)] = char.charCodeAt(0);
  LETTER[char.toUpperCase().charCodeAt(0)] = char.charCodeAt(0);
}

const utf8 = new TextDecoder('utf-8', { fatal: true });

export class NameReader {
  /** The name read last; valid where `read` returned undefined. */
  readonly name = new Uint8Array(MAX_NAME_BYTES + 1);
  length = 0;
  /** Offset into `bytes` of the trouble, where `read` returned a reason. */
  problemAt = 0;
  readonly #singleLabels: boolean;

  /** `singleLabels`: take names of one label too. */
  constructor(options: { singleLabels?: boolean } = {}) {
    this.#singleLabels = options.singleLabels ?? false;
  }

  /** Read `bytes[from..to)`, which has no blanks around it. The result is what is wrong with it, or undefined. */
  read(bytes: Uint8Array, from: number, to: number): Reason | undefined {
    this.problemAt = from;
    if (from >= to) return 'empty-name';
    const { name } = this;
    // What is longer is looked at only as far as needed to tell what it is.
    const end = Math.min(to, from + MAX_TEXT_BYTES);
    let labelAt = 0;
    let out = 1;
    let labels = 0;
    for (let i = from; i < end; i++) {
      const byte = bytes[i]!;
      const letter = LETTER[byte]!;
      if (letter !== 0) {
        name[out++] = letter;
        continue;
      }
      if (byte !== DOT) return this.#odd(bytes, from, to, i);
      const size = out - labelAt - 1;
      if (size === 0) {
        this.problemAt = i;
        return to - from === 1 ? 'root' : 'empty-label';
      }
      if (size > MAX_LABEL_BYTES) return this.#tooLong(bytes, from, to, i);
      name[labelAt] = size;
      labels++;
      labelAt = out++;
    }
    if (end < to) return this.#tooLong(bytes, from, to, end);
    const size = out - labelAt - 1;
    if (size > MAX_LABEL_BYTES) return this.#tooLong(bytes, from, to, to - size);
    if (size > 0) {
      name[labelAt] = size;
      labels++;
      labelAt = out++;
    }
    name[labelAt] = 0;
    this.length = out;
    if (out > MAX_NAME_BYTES) return 'name-too-long';
    if (endsInNumber(name, out)) return 'address';
    if (labels === 1 && !this.#singleLabels) return 'single-label';
    return undefined;
  }

  /** There is a byte at `at` that is no part of a plain name. */
  #odd(bytes: Uint8Array, from: number, to: number, at: number): Reason | undefined {
    this.problemAt = at;
    for (let i = at; i < to; i++) {
      const byte = bytes[i]!;
      if (byte < 0x80 && byte !== DOT && LETTER[byte] === 0) {
        this.problemAt = i;
        return this.#whatElse(bytes, from, to, byte);
      }
    }
    if (to - from > MAX_IDN_BYTES) return 'name-too-long';
    let ascii: string;
    try {
      ascii = domainToASCII(utf8.decode(bytes.subarray(from, to)));
    } catch {
      return 'not-utf8';
    }
    if (ascii === '') return 'bad-idn';
    const plain = new Uint8Array(ascii.length);
    for (let i = 0; i < plain.length; i++) {
      // Such a byte would come here again.
      if (ascii.charCodeAt(i) >= 0x80) return 'bad-idn';
      plain[i] = ascii.charCodeAt(i);
    }
    const reason = this.read(plain, 0, plain.length);
    this.problemAt = at;
    return reason;
  }

  /** `from..to` is no name because of the ASCII character `byte`: tell an address or a URL from nonsense. */
  #whatElse(bytes: Uint8Array, from: number, to: number, byte: number): Reason {
    if (byte === 0x2a) return 'wildcard';
    if (byte !== 0x3a && byte !== 0x2f && byte !== 0x5b && byte !== 0x25) return 'bad-character';
    const text = String.fromCharCode(...bytes.subarray(from, Math.min(to, from + 64)));
    const host = /^\[?([0-9a-f:.]+)(?:%[^/\]]*)?\]?(?::\d*)?(?:\/.*)?$/i.exec(text)?.[1] ?? '';
    if (isIP(host) !== 0 || isIP(host.replace(/:\d*$/, '')) !== 0) return 'address';
    return byte === 0x3a || byte === 0x2f ? 'url' : 'bad-character';
  }

  #tooLong(bytes: Uint8Array, from: number, to: number, at: number): Reason | undefined {
    this.problemAt = at;
    for (let i = from; i < Math.min(to, from + MAX_IDN_BYTES); i++) {
      const byte = bytes[i]!;
      if (byte !== DOT && LETTER[byte] === 0) return this.#odd(bytes, from, to, i);
    }
    return to - from > MAX_TEXT_BYTES ? 'name-too-long' : 'label-too-long';
  }
}

/**
 * True where the last label is a number as C's inet_aton and the URL standard read it (decimal, octal or 0x…): programs
 * take such a "name" for an address and never ask for it (WHATWG URL §3.5 "ends in a number").
 */
export function endsInNumber(name: Uint8Array, length: number): boolean {
  let at = 0;
  let last = 0;
  while (name[at] !== 0 && at < length) {
    last = at;
    at += name[at]! + 1;
  }
  const size = name[last]!;
  const first = name[last + 1]!;
  if (size === 0 || first < 0x30 || first > 0x39) return false;
  const hex = size > 1 && first === 0x30 && name[last + 2] === 0x78;
  for (let i = last + (hex ? 3 : 1); i <= last + size; i++) {
    const byte = name[i]!;
    const digit = byte >= 0x30 && byte <= 0x39;
    if (!digit && !(hex && byte >= 0x61 && byte <= 0x66)) return false;
  }
  return true;
}
