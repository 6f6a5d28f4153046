/** Networks as arithmetic: what lies between two addresses, and which network a mask or a row of zeros stands for. */
import type { Prefix } from '../address/address.ts';

const ALL = 128;

/** The 128 bits of an address. */
export function bitsOf(words: Int32Array): bigint {
  return words.reduce((sum, word) => (sum << 32n) | BigInt(word >>> 0), 0n);
}

/** The network of `bits` bits that holds the address; what lies beyond them is cleared. */
export function networkOf(address: bigint, bits: number): Prefix {
  const host = BigInt(ALL - bits);
  const network = (address >> host) << host;
  return { words: Int32Array.from([96n, 64n, 32n, 0n], (shift) => Number((network >> shift) & 0xffff_ffffn)), bits };
}

/** The fewest networks that make up all addresses from `first` to `last`, both included: at most 254. */
export function coverOf(first: bigint, last: bigint): Prefix[] {
  const networks: Prefix[] = [];
  for (let at = first; at <= last; ) {
    let bits = ALL;
    while (bits > 0) {
      const size = 1n << BigInt(ALL - bits + 1);
      if (at % size !== 0n || at + size - 1n > last) break;
      bits--;
    }
    networks.push(networkOf(at, bits));
    at += 1n << BigInt(ALL - bits);
  }
  return networks;
}

/** The largest network that begins with this address: 192.0.2.0 begins 192.0.2.0/23. Not below `least` bits. */
export function networkBeginningAt(address: bigint, least: number): Prefix {
  let bits = ALL;
  while (bits > least && address % (1n << BigInt(ALL - bits + 1)) === 0n) bits--;
  return networkOf(address, bits);
}

/** Bits of an IPv4 netmask (255.255.255.0: 24); undefined where it is none. */
export function netmaskBits(mask: bigint): number | undefined {
  const inverted = ~mask & 0xffff_ffffn;
  return (inverted & (inverted + 1n)) === 0n ? 32 - inverted.toString(2).replace(/^0$/, '').length : undefined;
}
