/**
 * Names as strings of their wire bytes, in lower case: `\x03www\x07example\x00`. Off the packet path they are kept, compared and
 * looked up by the dozen, and a string is a key of a Map as it is.
 */
import { MAX_NAME_BYTES } from '../../wire/constants.ts';
import { LOWER, skipName } from '../../wire/reader.ts';

/** A name in wire form, lower case, root label included: 1–255 characters of one byte each. */
export type WireName = string;

export const ROOT_NAME: WireName = '\0';

const scratch = Buffer.alloc(256);

/** An uncompressed lowercased name of `length` bytes. */
export function nameFromBytes(bytes: Uint8Array, length: number, from = 0): WireName {
  for (let i = 0; i < length; i++) scratch[i] = bytes[from + i]!;
  return scratch.toString('latin1', 0, length);
}

/**
 * The name at `at` of the message in `bytes[start … end)`, compression resolved. Undefined where it is broken (RFC 1035 §4.1.4);
 * `skipName` says where it ends.
 */
export function readName(bytes: Uint8Array, at: number, end: number, start: number): WireName | undefined {
  if (skipName(bytes, at, end, start) < 0) return undefined;
  let length = 0;
  for (;;) {
    const size = bytes[at]!;
    if (size >= 0xc0) {
      at = start + (((size & 0x3f) << 8) | bytes[at + 1]!);
      continue;
    }
    scratch[length++] = size;
    for (let i = 1; i <= size; i++) scratch[length++] = LOWER[bytes[at + i]!]!;
    if (size === 0) return scratch.toString('latin1', 0, length);
    at += size + 1;
  }
}

/** Put the name into `bytes` at `at`. Returns the offset behind it. */
export function putName(name: WireName, bytes: Uint8Array, at: number): number {
  for (let i = 0; i < name.length; i++) bytes[at + i] = name.charCodeAt(i);
  return at + name.length;
}

export function bytesOfName(name: WireName): Uint8Array {
  const bytes = new Uint8Array(name.length);
  putName(name, bytes, 0);
  return bytes;
}

/** Labels without the root. */
export function labelCount(name: WireName): number {
  let count = 0;
  for (let at = 0; at < name.length - 1; at += name.charCodeAt(at) + 1) count++;
  return count;
}

/** The name one label up; the root's is the root. */
export function parentName(name: WireName): WireName {
  return name.length <= 1 ? ROOT_NAME : name.slice(name.charCodeAt(0) + 1);
}

/** The last `labels` labels of the name. */
export function lastLabels(name: WireName, labels: number): WireName {
  let at = 0;
  for (let skip = labelCount(name) - labels; skip > 0; skip--) at += name.charCodeAt(at) + 1;
  return at === 0 ? name : name.slice(at);
}

/** `zone` itself or a name below it. */
export function isAtOrBelow(name: WireName, zone: WireName): boolean {
  const from = name.length - zone.length;
  if (from < 0 || !name.endsWith(zone)) return false;
  // Bytes of a label may look like the beginning of the zone.
  let at = 0;
  while (at < from) at += name.charCodeAt(at) + 1;
  return at === from;
}

export function isBelow(name: WireName, zone: WireName): boolean {
  return name.length > zone.length && isAtOrBelow(name, zone);
}

/** RFC 6672 §2.2: `name`, which is below `owner`, with the end replaced by `target`; undefined where that is too long. */
export function substituted(name: WireName, owner: WireName, target: WireName): WireName | undefined {
  const length = name.length - owner.length + target.length;
  return length > MAX_NAME_BYTES ? undefined : name.slice(0, name.length - owner.length) + target;
}

/** For people: without the final dot, odd bytes escaped (RFC 1035 §5.1). */
export function nameForPeople(name: WireName): string {
  let text = '';
  for (let at = 0; at < name.length - 1; at += name.charCodeAt(at) + 1) {
    const label = name.slice(at + 1, at + 1 + name.charCodeAt(at));
    if (text) text += '.';
    for (const char of label) {
      const code = char.charCodeAt(0);
      text +=
        char === '.' || char === '\\'
          ? `\\${char}`
          : code > 0x20 && code < 0x7f
            ? char
            : `\\${String(code).padStart(3, '0')}`;
    }
  }
  return text || '.';
}
