/**
 * IP53B and its like (guideline (カ)): filters for the operator's routers that keep the world from using subscribers'
 * devices as amplifiers. A device on a dynamic address that answers DNS or NTP to strangers is almost never meant to.
 *
 *     in    UDP from anywhere to port 53, 123, … of a dynamic address          dropped
 *     out   UDP from port 53, … of a dynamic address to anywhere               dropped
 *           … save for fixed addresses, and what goes to or comes from the operator's own servers
 *
 * A pure function of the configuration: the same input gives the same text, byte for byte, so that it can be compared
 * with what a router runs. Everything not named is accepted: these are terms to put into a filter, not a firewall.
 */
import { isMapped, type Prefix, parsePrefix, prefixText } from '../address/address.ts';
import type { Filter } from './filter.ts';
import { iosXrText, iptablesText, junosText, nftablesText } from './router-text.ts';

/** The configuration's `ip53b`. */
export interface Ip53bConfig {
  /** Networks whose addresses are given out dynamically. */
  readonly dynamic: readonly string[];
  /** Networks and addresses inside them that are fixed, and may serve. */
  readonly fixed: readonly string[];
  /** The operator's own servers, which may talk to subscribers on these ports. */
  readonly servers: readonly string[];
  readonly inbound: readonly number[];
  readonly outbound: readonly number[];
}

export const IP53B_FORMATS = ['nftables', 'iptables', 'junos', 'ios-xr'] as const;
export type Ip53bFormat = (typeof IP53B_FORMATS)[number];

const WRITERS: Readonly<Record<Ip53bFormat, (filter: Filter) => string>> = {
  nftables: nftablesText,
  iptables: iptablesText,
  junos: junosText,
  'ios-xr': iosXrText,
};

/** The filter as text for that kind of router. */
export function ip53b(config: Ip53bConfig, format: Ip53bFormat): string {
  return WRITERS[format](filterOf(config));
}

/** Networks by family, sorted, without those that lie inside others. */
function filterOf({ dynamic, fixed, servers, inbound, outbound }: Ip53bConfig): Filter {
  const families = ([4, 6] as const).map((family) => {
    const of = (texts: readonly string[]) => distinct(texts.map(parsePrefix).filter((one) => familyOf(one) === family));
    return { family, dynamic: of(dynamic), fixed: of(fixed), servers: of(servers) };
  });
  const ports = (list: readonly number[]) => [...new Set(list)].sort((one, other) => one - other);
  return {
    families: families.filter((one) => one.dynamic.length > 0),
    inbound: ports(inbound),
    outbound: ports(outbound),
  };
}

function familyOf({ words, bits }: Prefix): 4 | 6 {
  return bits >= 96 && isMapped(words) ? 4 : 6;
}

function distinct(prefixes: readonly Prefix[]): string[] {
  const sorted = [...prefixes].sort((one, other) => compare(one, other));
  const kept: Prefix[] = [];
  for (const prefix of sorted) {
    const last = kept.at(-1);
    if (last === undefined || !contains(last, prefix)) kept.push(prefix);
  }
  return kept.map(prefixText);
}

function compare(one: Prefix, other: Prefix): number {
  for (let i = 0; i < 4; i++) {
    const difference = (one.words[i]! >>> 0) - (other.words[i]! >>> 0);
    if (difference !== 0) return difference;
  }
  return one.bits - other.bits;
}

function contains(outer: Prefix, inner: Prefix): boolean {
  if (outer.bits > inner.bits) return false;
  for (let bit = 0; bit < outer.bits; bit += 32) {
    const left = Math.min(32, outer.bits - bit);
    const mask = left === 32 ? -1 : ~(0xffffffff >>> left);
    if (((outer.words[bit >> 5]! ^ inner.words[bit >> 5]!) & mask) !== 0) return false;
  }
  return true;
}
