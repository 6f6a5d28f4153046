/**
 * Record data from the text of a zone file into wire form: the types that a policy zone uses as local data, and every
 * type in the generic form `\# LENGTH HEX` (RFC 3597 §5). Off the fast path: works on strings.
 */

import { addressWords, isMapped } from '../../address/address.ts';
import { TYPE, typeFromName } from '../../wire/constants.ts';
import { parseTtl } from './ttl.ts';

/** One token of a zone file, escapes still in it; each character is one byte. */
export interface Token {
  readonly text: string;
  readonly quoted: boolean;
}

/** Thrown by `rdataFromText`: the tokens do not fit the type. */
export class RdataError extends Error {}

const MORE_TYPES: Readonly<Record<string, number>> = { SPF: 99, NSEC3PARAM: 51, CDS: 59, CDNSKEY: 60, ZONEMD: 63 };

/** Number of a type by its name or `TYPE123`. */
export function recordType(text: string): number | undefined {
  return typeFromName(text) ?? MORE_TYPES[text.toUpperCase()];
}

/** `readName` puts a name of the zone file, relative ones completed, into wire form, or gives undefined. */
export function rdataFromText(
  type: number,
  tokens: readonly Token[],
  readName: (text: string) => Uint8Array | undefined,
): Uint8Array {
  const bytes: number[] = [];
  let at = 0;
  const next = (): Token => {
    const token = tokens[at++];
    if (token === undefined) throw new RdataError('too few fields');
    return token;
  };
  const number = (limit: number, size: 1 | 2 | 4): void => {
    const { text } = next();
    if (!/^\d{1,10}$/.test(text) || Number(text) > limit) throw new RdataError('number out of range');
    for (let shift = (size - 1) * 8; shift >= 0; shift -= 8) bytes.push((Number(text) >>> shift) & 0xff);
  };
  const seconds = (): void => {
    const value = parseTtl(next().text);
    if (value === undefined) throw new RdataError('no time');
    for (let shift = 24; shift >= 0; shift -= 8) bytes.push((value >>> shift) & 0xff);
  };
  const name = (): void => {
    const wire = readName(next().text);
    if (wire === undefined) throw new RdataError('no name');
    bytes.push(...wire);
  };
  const text = (): void => {
    const content = unescaped(next().text);
    if (content.length > 255) throw new RdataError('string of more than 255 bytes');
    bytes.push(content.length, ...content);
  };

  if (tokens[0]?.text === '\\#' && !tokens[0].quoted) return generic(tokens);
  switch (type) {
    case TYPE.A:
    case TYPE.AAAA:
      bytes.push(...address(next().text, type === TYPE.A));
      break;
    case TYPE.NS:
    case TYPE.CNAME:
    case TYPE.DNAME:
    case TYPE.PTR:
      name();
      break;
    case TYPE.TXT:
    case 99:
      do text();
      while (at < tokens.length);
      break;
    case TYPE.MX:
      number(0xffff, 2);
      name();
      break;
    case TYPE.SRV:
      for (let i = 0; i < 3; i++) number(0xffff, 2);
      name();
      break;
    case TYPE.SOA:
      name();
      name();
      number(0xffffffff, 4);
      for (let i = 0; i < 4; i++) seconds();
      break;
    case TYPE.CAA:
      number(255, 1);
      text();
      bytes.push(...unescaped(next().text));
      break;
    case TYPE.NAPTR:
      number(0xffff, 2);
      number(0xffff, 2);
      for (let i = 0; i < 3; i++) text();
      name();
      break;
    case TYPE.HINFO:
      text();
      text();
      break;
    default:
      throw new RdataError('write the data of this type in the generic form: \\# LENGTH HEX');
  }
  if (at < tokens.length) throw new RdataError('too many fields');
  if (bytes.length > 0xffff) throw new RdataError('more than 65535 bytes');
  return Uint8Array.from(bytes);
}

function generic(tokens: readonly Token[]): Uint8Array {
  const hex = tokens
    .slice(2)
    .map((token) => token.text)
    .join('');
  const length = tokens[1]?.text ?? '';
  if (!/^\d{1,5}$/.test(length) || !/^[0-9a-f]*$/i.test(hex) || hex.length !== 2 * Number(length))
    throw new RdataError('the length does not fit the data');
  if (Number(length) > 0xffff) throw new RdataError('more than 65535 bytes');
  return new Uint8Array(Buffer.from(hex, 'hex'));
}

function address(text: string, ipv4: boolean): number[] {
  if (text.includes(':') === ipv4) throw new RdataError('an address of the other family');
  let words: Int32Array;
  try {
    words = addressWords(text);
  } catch {
    throw new RdataError('no address');
  }
  if (isMapped(words) !== ipv4 && ipv4) throw new RdataError('no address');
  const bytes = Array.from({ length: 16 }, (_, i) => (words[i >> 2]! >>> (24 - ((i & 3) << 3))) & 0xff);
  return ipv4 ? bytes.slice(12) : bytes;
}

/** The bytes of a token, `\X` and `\DDD` resolved (RFC 1035 §5.1). */
function unescaped(text: string): number[] {
  const bytes: number[] = [];
  for (let i = 0; i < text.length; i++) {
    if (text[i] !== '\\') {
      bytes.push(text.charCodeAt(i));
      continue;
    }
    const digits = /^\d{3}/.exec(text.slice(i + 1, i + 4))?.[0];
    if (digits === undefined ? i + 1 >= text.length || /\d/.test(text[i + 1]!) : Number(digits) > 255)
      throw new RdataError('bad escape');
    bytes.push(digits === undefined ? text.charCodeAt(i + 1) : Number(digits));
    i += digits === undefined ? 1 : 3;
  }
  return bytes;
}
