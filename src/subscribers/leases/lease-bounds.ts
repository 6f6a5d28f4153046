/**
 * What may be leased at all. One wrong prefix could make strangers subscribers, so what is out of bounds is refused, whoever
 * reports it, and the rest of its message is heard.
 */
import { isMapped, isWildcard, type Prefix, parsePrefix } from '../../address/address.ts';

/**
 * - `too-short`: more addresses than one subscriber gets. `mapped`: IPv6 that stands for IPv4, or spans it.
 * - `reserved`: no address of anybody (RFC 2865 §5.8 gives 255.255.255.254 and .255 a meaning of their own).
 * - `outside-access`: not, or not all of it, in `server.access`. `unreadable`: its bytes make no prefix.
 */
export const LEASE_REFUSALS = ['too-short', 'mapped', 'reserved', 'outside-access', 'unreadable'] as const;
export type LeaseRefusal = (typeof LEASE_REFUSALS)[number];

export interface LeaseBounds {
  /** Bits of the shortest prefix that is taken, IPv4 as 0–32. */
  readonly shortestIpv4: number;
  readonly shortestIpv6: number;
  /** `server.access`. */
  readonly access: readonly Prefix[];
}

export function leaseBounds(shortest: Omit<LeaseBounds, 'access'>, access: readonly string[]): LeaseBounds {
  return { ...shortest, access: access.map(parsePrefix) };
}

const MAPPED_BITS = 96;
const ADDRESS_BITS = 128;
/** 255.255.255.254, and .255. */
const RESERVED_FROM = -2;

/** Why the prefix is refused; undefined where it may be leased. `ipv4`: it was written as IPv4. */
export function refusalOf(prefix: Prefix, ipv4: boolean, bounds: LeaseBounds): LeaseRefusal | undefined {
  const { words, bits } = prefix;
  if (ipv4) {
    if (bits - MAPPED_BITS < bounds.shortestIpv4) return 'too-short';
    if (words[3]! >= RESERVED_FROM && words[3]! < 0) return 'reserved';
  } else {
    if (bits < bounds.shortestIpv6) return 'too-short';
    // ::/96 and what is around it would hide the mapped form, and IPv4-compatible addresses are nobody's.
    if (isMapped(words) || (words[0] === 0 && words[1] === 0 && bits <= MAPPED_BITS)) return 'mapped';
  }
  if (isWildcard(words)) return 'reserved';
  return isCovered(prefix, bounds.access) ? undefined : 'outside-access';
}

/** Every address of the prefix lies in one of the networks: in a single one, or in several side by side. */
function isCovered(prefix: Prefix, networks: readonly Prefix[]): boolean {
  for (const network of networks) if (network.bits <= prefix.bits && holds(network, prefix.words)) return true;
  if (prefix.bits === ADDRESS_BITS) return false;
  const within = networks.filter(({ words, bits }) => bits > prefix.bits && holds(prefix, words));
  if (within.length < 2) return false;
  const upper = prefix.words.slice();
  upper[prefix.bits >> 5]! |= 1 << (31 - (prefix.bits & 31));
  return [prefix.words, upper].every((words) => isCovered({ words, bits: prefix.bits + 1 }, within));
}

/** As prefixContains of net/address.ts, for each packet of accounting: nothing is made here. */
function holds({ words: network, bits }: Prefix, words: Int32Array): boolean {
  if (bits < MAPPED_BITS && isMapped(words)) return false;
  for (let i = 0; i * 32 < bits; i++) {
    const kept = Math.min(32, bits - i * 32);
    if (((network[i]! ^ words[i]!) & (-1 << (32 - kept))) !== 0) return false;
  }
  return true;
}

/** The prefix with the bits beyond it cleared: a message is not lost because its sender left some set. */
export function withoutHostBits(words: Int32Array, bits: number): Prefix {
  const kept = words.map((word, i) => {
    const width = Math.min(32, Math.max(0, bits - i * 32));
    return width === 0 ? 0 : word & (-1 << (32 - width));
  });
  return { words: kept, bits };
}
