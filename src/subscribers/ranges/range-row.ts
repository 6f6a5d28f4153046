/**
 * One row of the file of static ranges: `address-or-prefix[:ports],subscriber`.
 *
 *   192.0.2.0/29,4711        203.0.113.7:1024-2047,4712        2001:db8:77::/48,@wholesale        [2001:db8::1]:80-99,4713
 */
import { AddressError, type Prefix, parsePrefix } from '../../address/address.ts';
import { isSubscriberNumber } from '../table/directory.ts';

export interface RangeRow extends Prefix {
  readonly subscriber: string;
  /** Ports of a single address; undefined = all. */
  readonly ports: { readonly first: number; readonly last: number } | undefined;
}

/** What is wrong with a row, in words that hold nothing of it: rows name addresses and subscribers, and go into a log. */
export type RowProblem =
  | 'not of the form address,subscriber'
  | 'no address or network'
  | 'ports are not first-last with 0 ≤ first ≤ last ≤ 65535'
  | 'ports belong to a single address, not to a network'
  | 'no subscriber number'
  | 'contract group is not in subscribers.groups'
  | 'claimed for somebody else by another row'
  | 'more subscribers than one server can hold';

export interface RowFault {
  readonly problem: RowProblem;
  /** What the row is about, where that much can be read. */
  readonly prefix?: Prefix;
}

/** The row, or what is wrong with it. `line` has no line end. */
export function parseRangeRow(line: string): RangeRow | RowFault {
  const comma = line.indexOf(',');
  if (comma < 0 || line.indexOf(',', comma + 1) >= 0) return { problem: 'not of the form address,subscriber' };
  const subscriber = line.slice(comma + 1).trim();
  const where = splitPorts(line.slice(0, comma).trim());
  let prefix: Prefix;
  try {
    prefix = plainIPv4(where.address) ?? parsePrefix(where.address);
  } catch (error) {
    if (error instanceof AddressError) return { problem: 'no address or network' };
    throw error;
  }
  if (!isSubscriberNumber(subscriber)) return { problem: 'no subscriber number', prefix };
  if (where.ports === undefined) return { ...prefix, subscriber, ports: undefined };
  const match = /^(\d{1,5})-(\d{1,5})$/.exec(where.ports);
  const ports = { first: Number(match?.[1]), last: Number(match?.[2]) };
  if (!(ports.first <= ports.last && ports.last <= 0xffff))
    return { problem: 'ports are not first-last with 0 ≤ first ≤ last ≤ 65535', prefix };
  if (prefix.bits !== 128) return { problem: 'ports belong to a single address, not to a network', prefix };
  return { ...prefix, subscriber, ports };
}

/** The address `a.b.c.d`, of which a large file holds millions; undefined for all else, which takes ten times as long. */
function plainIPv4(text: string): Prefix | undefined {
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

/** A colon is a part of an IPv6 address: there, ports follow brackets. */
function splitPorts(text: string): { address: string; ports: string | undefined } {
  const bracketed = /^\[([^\]]*)\](?::(.*))?$/.exec(text);
  if (bracketed) return { address: bracketed[1] ?? '', ports: bracketed[2] };
  const colon = text.indexOf(':');
  if (colon < 0 || text.indexOf(':', colon + 1) >= 0) return { address: text, ports: undefined };
  return { address: text.slice(0, colon), ports: text.slice(colon + 1) };
}
