/**
 * Keys as text for people. A name comes from strangers: it may hold control characters that move a terminal's cursor, or
 * markup that a web page would run. Both are written as \DDD (RFC 1035 §5.1), which is the same name to every DNS tool and
 * harmless everywhere else, so nobody who shows a key has to think of it.
 */
import { addressText, isMapped, nameToText, prefixText } from '../../src/contract/plugin.ts';

/** Wire bytes, root label included, at `from`. */
export function shownName(bytes: Uint8Array, from: number): string {
  return nameToText(bytes, from).replace(
    /[<>&"'`]/g,
    (character) => `\\${String(character.charCodeAt(0)).padStart(3, '0')}`,
  );
}

export function shownAddress(words: Int32Array): string {
  return addressText(words);
}

/** A network of the length that the recorder keeps. */
export function shownNetwork(words: Int32Array, ipv4Prefix: number, ipv6Prefix: number): string {
  const four = isMapped(words);
  return prefixText({ words: Int32Array.from(words), bits: four ? 96 + ipv4Prefix : ipv6Prefix });
}
