/** Names of addresses: 32 nibbles below ip6.arpa (RFC 3596 §2.5), four numbers below in-addr.arpa (RFC 1035 §3.5). */
import { type Question, textToName } from '../../src/contract/plugin.ts';

const IP6_ARPA = textToName('ip6.arpa');
const NIBBLES = 32;
/** Each nibble is a label of one byte. */
const NIBBLE_BYTES = 2;

/** Write the address whose name was asked for into `out`. False where it is no whole address. */
export function ipv6OfReverse({ name, nameLength, labelCount }: Question, out: Uint8Array): boolean {
  if (labelCount !== NIBBLES + 2 || nameLength !== NIBBLES * NIBBLE_BYTES + IP6_ARPA.length) return false;
  for (let i = 0; i < IP6_ARPA.length; i++) if (name[NIBBLES * NIBBLE_BYTES + i] !== IP6_ARPA[i]) return false;
  for (let i = 0; i < NIBBLES; i++) {
    const char = name[i * NIBBLE_BYTES + 1]!;
    const value = char >= 0x30 && char <= 0x39 ? char - 0x30 : char >= 0x61 && char <= 0x66 ? char - 0x57 : -1;
    if (name[i * NIBBLE_BYTES] !== 1 || value < 0) return false;
    // The last nibble stands first.
    const byte = 15 - (i >> 1);
    out[byte] = (i & 1) === 0 ? value : out[byte]! | (value << 4);
  }
  return true;
}

/** `4.3.2.1.in-addr.arpa` of 1.2.3.4. */
export function ipv4Reverse(address: Uint8Array): Uint8Array {
  return textToName(`${[...address].reverse().join('.')}.in-addr.arpa`);
}
