/**
 * The forms in which exports write an address, a network or a block of ports, as far as each has one meaning:
 *
 *   192.0.2.7   192.0.2.0/24   192.0.2.0/255.255.255.0   192.0.2.0 255.255.255.0   192.0.2.*   192.0.2.0-192.0.2.255
 *   2001:DB8:77::/48   [2001:db8::1]   ::ffff:192.0.2.7   203.0.113.7:1024-2047   [2001:db8::1]:80-99
 *
 * What has two is not read: 010.0.0.1 (octal for some), 192.0.2.7/24 (the host or its network), 192.0.2.1-192.0.2.20 (no
 * network). What it may speak of is found by recognisable.ts then, and hidden.
 */
import { AddressError, type Prefix, parsePrefix } from '../address/address.ts';
import { bitsOf, coverOf, netmaskBits } from './prefix-cover.ts';

const MAPPED_BITS = 96;
const DOTTED = String.raw`\d{1,3}(?:\.\d{1,3}){3}`;
const WITH_MASK = new RegExp(String.raw`^(${DOTTED})(?:\s*\/\s*|\s+)(${DOTTED})$`);
const WILDCARD = /^(\d{1,3}(?:\.\d{1,3}){0,2})((?:\.\*){1,3})$/;
const RANGE = /^([0-9a-f:.]+)\s*[-~]\s*([0-9a-f:.]+)$/i;

export interface Place {
  readonly prefix: Prefix;
  /** What follows the address as its ports, unread; undefined where nothing does. */
  readonly ports: string | undefined;
}

/** The place that a cell says; undefined where it says none, or more than one. */
export function placeOf(cell: string): Place | undefined {
  const { address, ports } = splitPorts(cell);
  const prefix = prefixOf(address);
  return prefix && { prefix, ports };
}

/** A network in any of the forms above, without ports. */
export function prefixOf(text: string): Prefix | undefined {
  return plainIPv4(text) ?? attempt(text) ?? masked(text) ?? wildcard(text) ?? range(text);
}

/** The network of an address and what stands in a column of masks: 255.255.255.0, 24 or /24. */
export function prefixWithMask(address: string, mask: string): Prefix | undefined {
  return address.includes('/') ? undefined : prefixOf(`${address}/${mask.replace(/^\//, '')}`);
}

/** The network from one address to another; undefined where those are none. */
export function prefixBetween(first: string, last: string): Prefix | undefined {
  const [from, to] = [attempt(first), attempt(last)];
  if (from?.bits !== 128 || to?.bits !== 128) return undefined;
  const cover = coverOf(bitsOf(from.words), bitsOf(to.words));
  return cover.length === 1 && first.includes(':') === last.includes(':') ? cover[0] : undefined;
}

/** The address `a.b.c.d`, of which a large file holds millions; undefined for all else, which takes ten times as long. */
export function plainIPv4(text: string): Prefix | undefined {
  if (text.length > 15) return undefined;
  let word = 0;
  let part = 0;
  let digits = 0;
  let dots = 0;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code >= 0x30 && code <= 0x39) {
      // No leading zeros: some take them for octal.
      if (digits > 0 && part === 0) return undefined;
      part = part * 10 + code - 0x30;
      digits++;
      if (part > 255) return undefined;
    } else if (code === 0x2e && digits > 0) {
      word = (word << 8) | part;
      part = 0;
      digits = 0;
      dots++;
    } else return undefined;
  }
  if (dots !== 3 || digits === 0) return undefined;
  return { words: Int32Array.of(0, 0, 0xffff, (word << 8) | part), bits: 128 };
}

function attempt(text: string): Prefix | undefined {
  try {
    return parsePrefix(text);
  } catch (error) {
    if (error instanceof AddressError) return undefined;
    throw error;
  }
}

function masked(text: string): Prefix | undefined {
  const [, address = '', maskText = ''] = WITH_MASK.exec(text) ?? [];
  const mask = plainIPv4(maskText);
  const bits = mask && netmaskBits(bitsOf(mask.words) & 0xffff_ffffn);
  return bits === undefined ? undefined : attempt(`${address}/${bits}`);
}

function wildcard(text: string): Prefix | undefined {
  const [, begin = '', stars = ''] = WILDCARD.exec(text) ?? [];
  const parts = begin.split('.').length;
  if (parts + stars.length / 2 !== 4) return undefined;
  const network = plainIPv4([...begin.split('.'), 0, 0, 0].slice(0, 4).join('.'));
  return network && { words: network.words, bits: MAPPED_BITS + parts * 8 };
}

function range(text: string): Prefix | undefined {
  const [, first, last] = RANGE.exec(text) ?? [];
  return first !== undefined && last !== undefined ? prefixBetween(first, last) : undefined;
}

/** A colon is a part of an IPv6 address: there, ports follow brackets. */
function splitPorts(text: string): { address: string; ports: string | undefined } {
  const bracketed = /^\[([^\]]*)\](?::(.*))?$/.exec(text);
  if (bracketed) return { address: bracketed[1] ?? '', ports: bracketed[2] };
  const colon = text.indexOf(':');
  if (colon < 0 || text.indexOf(':', colon + 1) >= 0) return { address: text, ports: undefined };
  return { address: text.slice(0, colon), ports: text.slice(colon + 1) };
}
