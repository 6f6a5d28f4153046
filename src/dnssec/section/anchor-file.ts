/**
 * Trust anchors in zone-file form (RFC 1035 §5.1), DS (RFC 4034 §5.3) or DNSKEY (§2.2) records, as `unbound-anchor`, IANA and
 * the signers' tools write them:
 *
 *     . 172800 IN DNSKEY 257 3 8 AwEAAa96jeuk…   ; key id 20326
 *     example.com. IN DS 12345 13 2 ( 49FD46E6C4B45C55
 *                                     D4AC69CBD3CD3440 )
 */

import { isSupported } from '../../resolve/validate/algorithms.ts';
import { keyTag, REVOKE } from '../../resolve/validate/dns-key.ts';
import { NameError, nameToText, textToName } from '../../wire/name.ts';
import type { AnchorRecord } from '../dnssec-config.ts';

export interface AnchorProblem {
  /** From 1; 0: the file as a whole. */
  readonly line: number;
  readonly column: number;
  readonly message: string;
}

interface Word {
  readonly text: string;
  readonly line: number;
  readonly column: number;
}

/** Records that one file may hold. */
const MAX_RECORDS = 1000;
const ZONE_KEY = 0x0100;
/** Bytes of a digest, by its type. */
const DIGEST_BYTES = new Map([
  [1, 20],
  [2, 32],
  [4, 48],
]);

/** Read a file of trust anchors. At least one record, or at least one problem. */
export function readAnchorFile(text: string): {
  readonly records: readonly AnchorRecord[];
  readonly problems: readonly AnchorProblem[];
} {
  const problems: AnchorProblem[] = [];
  const records: AnchorRecord[] = [];
  for (const words of entries(text, problems)) {
    const read = readEntry(words);
    if ('message' in read) problems.push(read);
    else if (read.record !== undefined) records.push(read.record);
  }
  if (records.length === 0 && problems.length === 0)
    problems.push({ line: 0, column: 0, message: 'holds no DS or DNSKEY record' });
  if (records.length > MAX_RECORDS)
    problems.push({ line: 0, column: 0, message: `holds more than ${MAX_RECORDS} records` });
  return problems.length > 0 ? { records: [], problems } : { records, problems };
}

/** RFC 1035 §5.1: an entry ends with its line, unless parentheses hold several together; `;` begins a comment. */
function entries(text: string, problems: AnchorProblem[]): Word[][] {
  const found: Word[][] = [];
  let words: Word[] = [];
  let open: Word | undefined;
  for (const [i, whole] of text.split(/\r\n|\n|\r/).entries()) {
    const line = whole.replace(/;.*$/, '');
    for (const match of line.matchAll(/[()]|[^\s()]+/g)) {
      const word = { text: match[0], line: i + 1, column: match.index + 1 };
      if (word.text === '(') open = word;
      else if (word.text === ')') {
        if (open === undefined) problems.push({ ...place(word), message: "')' without '('" });
        open = undefined;
      } else words.push(word);
    }
    if (open !== undefined) continue;
    if (words.length > 0) found.push(words);
    words = [];
  }
  if (open !== undefined) problems.push({ ...place(open), message: "'(' is not closed" });
  return found;
}

function place({ line, column }: Word): { line: number; column: number } {
  return { line, column };
}

function readEntry(words: Word[]): { readonly record: AnchorRecord | undefined } | AnchorProblem {
  const [owner, ...rest] = words as [Word, ...Word[]];
  const wrong = (word: Word, message: string): AnchorProblem => ({ ...place(word), message });
  if (owner.text === '$TTL') return { record: undefined };
  if (owner.text.startsWith('$')) return wrong(owner, `'${owner.text}' is not taken here: write the names in full`);
  if (/^(trust-anchors|managed-keys|trusted-keys)$/.test(owner.text))
    return wrong(owner, "is in BIND's form: write one line `zone. IN DS …` or `zone. IN DNSKEY …` for each anchor");
  if (owner.text.startsWith('<'))
    return wrong(
      owner,
      'is XML: write one line `. IN DS …` for each key, as https://data.iana.org/root-anchors/ shows them',
    );
  let zone: Uint8Array;
  try {
    zone = textToName(owner.text);
  } catch (error) {
    if (!(error instanceof NameError)) throw error;
    return wrong(owner, `'${owner.text}' ${error.message}`);
  }
  let at = 0;
  // RFC 1035 §5.1: TTL and class in either order, or left out.
  while (at < rest.length && /^(\d+[smhdw]?|IN)$/i.test(rest[at]!.text)) at++;
  const type = rest[at];
  if (type === undefined) return wrong(owner, 'expected `zone. IN DS …` or `zone. IN DNSKEY …`');
  const fields = rest.slice(at + 1);
  const kind = type.text.toUpperCase();
  if (kind === 'DS') return readDs(zone, type, fields);
  if (kind === 'DNSKEY') return readKey(zone, type, fields);
  return wrong(type, `'${type.text}' is no DS and no DNSKEY: trust anchors are one of these`);
}

function readDs(zone: Uint8Array, type: Word, fields: Word[]): { record: AnchorRecord } | AnchorProblem {
  const numbers = numbersOf(type, fields, ['key tag', 'algorithm', 'digest type'], [65535, 255, 255]);
  if ('message' in numbers) return numbers;
  const [tag = 0, algorithm = 0, digestType = 0] = numbers.values;
  const wrong = (word: Word, message: string): AnchorProblem => ({ ...place(word), message });
  if (!isSupported(algorithm))
    return wrong(fields[1]!, `algorithm ${algorithm} is not supported: nothing could be validated`);
  const size = DIGEST_BYTES.get(digestType);
  if (size === undefined)
    return wrong(fields[2]!, `digest type ${digestType} is not supported: use 2 (SHA-256) or 4 (SHA-384)`);
  const hex = fields
    .slice(3)
    .map(({ text }) => text)
    .join('');
  const first = fields[3] ?? type;
  if (!/^[0-9a-f]*$/i.test(hex)) return wrong(first, 'the digest is not hexadecimal');
  if (hex.length !== size * 2)
    return wrong(first, `the digest has ${hex.length / 2} bytes; type ${digestType} has ${size}`);
  const data = Uint8Array.from([tag >>> 8, tag & 255, algorithm, digestType, ...Buffer.from(hex, 'hex')]);
  return { record: { zone, type: 'DS', data } };
}

function readKey(zone: Uint8Array, type: Word, fields: Word[]): { record: AnchorRecord } | AnchorProblem {
  const numbers = numbersOf(type, fields, ['flags', 'protocol', 'algorithm'], [65535, 255, 255]);
  if ('message' in numbers) return numbers;
  const [flags = 0, protocol = 0, algorithm = 0] = numbers.values;
  const wrong = (word: Word, message: string): AnchorProblem => ({ ...place(word), message });
  if ((flags & ZONE_KEY) === 0)
    return wrong(fields[0]!, `flags ${flags}: the key may not sign a zone (bit 256 is not set)`);
  if ((flags & REVOKE) !== 0) return wrong(fields[0]!, `flags ${flags}: the key is revoked (RFC 5011)`);
  if (protocol !== 3) return wrong(fields[1]!, `protocol ${protocol}: it must be 3 (RFC 4034 §2.1.2)`);
  if (!isSupported(algorithm))
    return wrong(fields[2]!, `algorithm ${algorithm} is not supported: nothing could be validated`);
  const base64 = fields
    .slice(3)
    .map(({ text }) => text)
    .join('');
  const first = fields[3] ?? type;
  const key = Buffer.from(base64, 'base64');
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(base64) || key.length < 16)
    return wrong(first, 'the key is not Base64, or cut off');
  const data = Uint8Array.from([flags >>> 8, flags & 255, protocol, algorithm, ...key]);
  return { record: { zone, type: 'DNSKEY', data } };
}

function numbersOf(
  type: Word,
  fields: Word[],
  names: readonly string[],
  highest: readonly number[],
): { readonly values: readonly number[] } | AnchorProblem {
  const values: number[] = [];
  for (const [i, name] of names.entries()) {
    const word = fields[i];
    if (word === undefined) return { ...place(type), message: `${type.text}: the ${name} is missing` };
    const value = Number(word.text);
    if (!/^\d+$/.test(word.text) || value > highest[i]!)
      return { ...place(word), message: `'${word.text}' is no ${name}: expected a number up to ${highest[i]}` };
    values.push(value);
  }
  return { values };
}

/** `. DNSKEY 20326`, for people. */
export function anchorText({ zone, type, data }: AnchorRecord): string {
  const tag = type === 'DS' ? (data[0]! << 8) | data[1]! : keyTag(data);
  return `${nameToText(zone)} ${type} ${tag}`;
}
