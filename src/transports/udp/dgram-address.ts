/**
 * Between the address texts of Node's socket API and the four big-endian words used everywhere else (IPv4 as
 * ::ffff:a.b.c.d). Configuration is read by address.ts, which is strict and explains; this is for what the system says,
 * once per packet or connection.
 */
import { createSocket, type Socket } from 'node:dgram';
import type { lookup as systemLookup } from 'node:dns';
import ipaddr from 'ipaddr.js';
import { isMapped } from '../../address/address.ts';

const DOT = 0x2e;
const ZERO = 0x30;

/** Read an address without brackets, with or without a zone (`%eth0`), into `words`. Returns false where it is none. */
export function readAddress(text: string, words: Int32Array): boolean {
  const v4 = ipv4Word(text);
  if (v4 >= 0) {
    words[0] = 0;
    words[1] = 0;
    words[2] = 0xffff;
    words[3] = v4 | 0;
    return true;
  }
  if (!ipaddr.IPv6.isValid(text)) return false;
  const { parts } = ipaddr.IPv6.parse(text);
  for (let i = 0; i < 4; i++) words[i] = (parts[i * 2]! << 16) | parts[i * 2 + 1]!;
  return true;
}

/** The text of an address; IPv6 in full, which every system's parser takes. */
export function plainAddressText(words: Int32Array): string {
  if (isMapped(words)) {
    const word = words[3]!;
    return (word >>> 24) + '.' + ((word >>> 16) & 255) + '.' + ((word >>> 8) & 255) + '.' + (word & 255);
  }
  let text = '';
  for (let i = 0; i < 4; i++) {
    const word = words[i]!;
    text += (i === 0 ? '' : ':') + (word >>> 16).toString(16) + ':' + (word & 0xffff).toString(16);
  }
  return text;
}

/** The zone of a link-local address' text, e.g. `eth0` of `fe80::1%eth0`; empty where there is none. */
export function zoneOf(text: string): string {
  const at = text.indexOf('%');
  return at < 0 ? '' : text.slice(at + 1);
}

/** Dotted quad to an unsigned number, -1 where it is none. node:dgram hands one over per packet, so this is by hand. */
function ipv4Word(text: string): number {
  const length = text.length;
  if (length < 7 || length > 15) return -1;
  let word = 0;
  let octet = 0;
  let digits = 0;
  let dots = 0;
  for (let i = 0; i < length; i++) {
    const code = text.charCodeAt(i);
    if (code === DOT) {
      if (digits === 0 || ++dots > 3) return -1;
      word = word * 256 + octet;
      octet = 0;
      digits = 0;
    } else {
      const digit = code - ZERO;
      // A leading zero would be octal for some parsers and decimal for others: no address of ours has one.
      if (digit < 0 || digit > 9 || (digits > 0 && octet === 0)) return -1;
      octet = octet * 10 + digit;
      digits++;
      if (octet > 255) return -1;
    }
  }
  return dots === 3 && digits > 0 ? word * 256 + octet : -1;
}

type LookupCallback = (error: NodeJS.ErrnoException | null, address: string, family: number) => void;

/**
 * Takes the address as it stands. Node's own lookup answers a turn of the event loop later even for numeric addresses:
 * one turn per packet sent. dgram calls it as (address, family, callback), its type says (address, options, callback).
 */
const numericLookup = (address: string, family: unknown, callback: LookupCallback): void =>
  callback(null, address, family === 6 ? 6 : 4);

/** A datagram socket for numeric addresses of one family. */
export function createNumericSocket(family: 4 | 6): Socket {
  const lookup = numericLookup as unknown as typeof systemLookup;
  // The option is an error on an IPv4 socket.
  return family === 4 ? createSocket({ type: 'udp4', lookup }) : createSocket({ type: 'udp6', ipv6Only: true, lookup });
}
