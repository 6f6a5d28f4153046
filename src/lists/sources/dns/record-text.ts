/**
 * Records between wire and master file (RFC 1035 §5, RFC 3597 §5): one record a line, every name absolute and in lower
 * case, so that a line says what a record is and nothing else: IXFR finds a record to remove by its text.
 */
import { MAX_LABEL_BYTES, TYPE, typeName } from '../../../wire/constants.ts';
import { skipName } from '../../../wire/reader.ts';
import type { RecordCursor } from '../../../wire/records.ts';

/** A record that breaks the rules of its type. */
export class RecordError extends Error {}

/**
 * RDATA layouts: n name, 2 and 4 unsigned integers of so many bytes, s one string, t strings to the end, a and A addresses.
 * Besides the types that policy zones use, those are here whose names a primary may compress (RFC 1035 §3.3, RFC 3597 §4).
 */
const LAYOUTS = new Map<number, string>([
  [TYPE.A, 'a'],
  [TYPE.NS, 'n'],
  [TYPE.MD, 'n'],
  [TYPE.MF, 'n'],
  [TYPE.CNAME, 'n'],
  [TYPE.SOA, 'nn44444'],
  [TYPE.MB, 'n'],
  [TYPE.MG, 'n'],
  [TYPE.MR, 'n'],
  [TYPE.PTR, 'n'],
  [TYPE.MINFO, 'nn'],
  [TYPE.MX, '2n'],
  [TYPE.TXT, 't'],
  [TYPE.RP, 'nn'],
  [TYPE.AFSDB, '2n'],
  [TYPE.RT, '2n'],
  [TYPE.PX, '2nn'],
  [TYPE.AAAA, 'A'],
  [TYPE.SRV, '222n'],
  [TYPE.NAPTR, '22sssn'],
  [TYPE.KX, '2n'],
  [TYPE.DNAME, 'n'],
]);

/** Bytes as they stand in a name: special characters of the master file are escaped, upper case is lowered (RFC 4343). */
const NAME_CHARS = Array.from({ length: 256 }, (_, byte) => {
  if (byte >= 0x41 && byte <= 0x5a) return String.fromCharCode(byte + 0x20);
  const char = String.fromCharCode(byte);
  if ('.\\"();@$'.includes(char)) return `\\${char}`;
  return byte > 0x20 && byte < 0x7f ? char : decimal(byte);
});

const STRING_CHARS = Array.from({ length: 256 }, (_, byte) => {
  const char = String.fromCharCode(byte);
  if (char === '"' || char === '\\') return `\\${char}`;
  return byte >= 0x20 && byte < 0x7f ? char : decimal(byte);
});

/** The possibly compressed name at `at` as absolute text. Throws RecordError where it is broken. */
export function absoluteName(message: Uint8Array, at: number, end: number): string {
  if (skipName(message, at, end, 0) < 0) throw new RecordError('a name is broken');
  return checkedName(message, at);
}

/** Type and RDATA of the cursor's record, in presentation format. Throws RecordError. */
export function typeAndData(cursor: RecordCursor): string {
  const { bytes, dataStart, dataEnd, type } = cursor;
  const layout = LAYOUTS.get(type);
  // RFC 3597 §5: whoever reads the file need not know the type.
  if (layout === undefined) {
    const hex = Buffer.from(bytes.subarray(dataStart, dataEnd)).toString('hex');
    return `TYPE${type} \\# ${dataEnd - dataStart}${hex === '' ? '' : ` ${hex}`}`;
  }
  let text = typeName(type);
  let at = dataStart;
  for (const field of layout) {
    switch (field) {
      case 'n': {
        const behind = skipName(bytes, at, dataEnd, 0);
        if (behind < 0) throw new RecordError(`a name in ${typeName(type)} is broken`);
        text += ` ${checkedName(bytes, at)}`;
        at = behind;
        break;
      }
      case '2':
        need(2);
        text += ` ${(bytes[at]! << 8) | bytes[at + 1]!}`;
        at += 2;
        break;
      case '4':
        need(4);
        text += ` ${uint32(bytes, at)}`;
        at += 4;
        break;
      case 's':
        text += ` ${string()}`;
        break;
      case 't':
        do text += ` ${string()}`;
        while (at < dataEnd);
        break;
      case 'a':
        need(4);
        text += ` ${bytes[at]}.${bytes[at + 1]}.${bytes[at + 2]}.${bytes[at + 3]}`;
        at += 4;
        break;
      default:
        need(16);
        text += ' ';
        for (let i = 0; i < 16; i += 2) {
          text += (i === 0 ? '' : ':') + ((bytes[at + i]! << 8) | bytes[at + i + 1]!).toString(16);
        }
        at += 16;
    }
  }
  if (at !== dataEnd) throw new RecordError(`${typeName(type)} has bytes behind its fields`);
  return text;

  function need(count: number): void {
    if (at + count > dataEnd) throw new RecordError(`${typeName(type)} is cut short`);
  }

  function string(): string {
    need(1);
    const size = bytes[at]!;
    need(1 + size);
    let quoted = '"';
    for (let i = at + 1; i <= at + size; i++) quoted += STRING_CHARS[bytes[i]!]!;
    at += 1 + size;
    return `${quoted}"`;
  }
}

/** What an SOA record says. Intervals in seconds. */
export interface Soa {
  readonly serial: number;
  readonly refreshS: number;
  readonly retryS: number;
  readonly expireS: number;
}

/** Reads the cursor's SOA record. Throws RecordError. */
export function readSoa(cursor: RecordCursor): Soa {
  const { bytes, dataStart, dataEnd } = cursor;
  const afterPrimary = skipName(bytes, dataStart, dataEnd, 0);
  const at = afterPrimary < 0 ? -1 : skipName(bytes, afterPrimary, dataEnd, 0);
  if (at < 0 || at + 20 !== dataEnd) throw new RecordError('SOA is broken');
  return {
    serial: uint32(bytes, at),
    refreshS: uint32(bytes, at + 4),
    retryS: uint32(bytes, at + 8),
    expireS: uint32(bytes, at + 12),
  };
}

/** For names that `skipName` has passed. */
function checkedName(message: Uint8Array, at: number): string {
  let text = '';
  for (;;) {
    const size = message[at]!;
    if (size === 0) return text === '' ? '.' : text;
    if (size > MAX_LABEL_BYTES) {
      at = ((size & 0x3f) << 8) | message[at + 1]!;
      continue;
    }
    for (let i = at + 1; i <= at + size; i++) text += NAME_CHARS[message[i]!]!;
    text += '.';
    at += size + 1;
  }
}

function uint32(bytes: Uint8Array, at: number): number {
  return ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0;
}

function decimal(byte: number): string {
  return `\\${String(byte).padStart(3, '0')}`;
}
