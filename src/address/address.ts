/**
 * Addresses, networks and endpoints between text and the form that the tables compare.
 *
 * Every address is 16 bytes, held as four big-endian 32-bit words (signed), an IPv4 address as ::ffff:a.b.c.d (RFC 4291
 * §2.5.5.2), so that one comparison serves both families. Not for the packet path: strings are made here.
 */
import ipaddr from 'ipaddr.js';

/** Thrown by every function here that reads text; the message says what is wrong and what would be right. */
export class AddressError extends Error {}

/** An address and a port. */
export interface Endpoint {
  /** In canonical text (RFC 5952), without brackets. */
  readonly address: string;
  /** 0–65535. */
  readonly port: number;
}

/** A network: the addresses that have their first `bits` bits in common. */
export interface Prefix {
  /** Four big-endian words; bits beyond `bits` are 0. */
  readonly words: Int32Array;
  /** 0–128; an IPv4 network a.b.c.d/n has 96 + n. */
  readonly bits: number;
}

const MAPPED = 0xffff;

/** The four words of an address. Throws AddressError. */
export function addressWords(text: string): Int32Array {
  const bytes = addressBytes(text);
  const words = new Int32Array(4);
  for (let i = 0; i < 16; i++) words[i >> 2] = (words[i >> 2]! << 8) | bytes[i]!;
  return words;
}

/** An address in canonical text (RFC 5952); ::ffff:a.b.c.d as a.b.c.d. */
export function addressText(words: Int32Array): string {
  const bytes = Array.from({ length: 16 }, (_, i) => (words[i >> 2]! >>> (24 - ((i & 3) << 3))) & 0xff);
  if (isMapped(words)) return bytes.slice(12).join('.');
  return new ipaddr.IPv6(bytes).toRFC5952String();
}

/** True for ::ffff:a.b.c.d, which stands for IPv4. */
export function isMapped(words: Int32Array): boolean {
  return words[0] === 0 && words[1] === 0 && words[2] === MAPPED;
}

/** True for 127.0.0.0/8 and ::1. */
export function isLoopback(words: Int32Array): boolean {
  if (isMapped(words)) return words[3]! >>> 24 === 127;
  return words[0] === 0 && words[1] === 0 && words[2] === 0 && words[3] === 1;
}

/** True for 0.0.0.0 and ::, which stand for every address of the machine. */
export function isWildcard(words: Int32Array): boolean {
  return words[0] === 0 && words[1] === 0 && (words[2] === 0 || words[2] === MAPPED) && words[3] === 0;
}

/** A network in CIDR notation, or one address alone. Throws AddressError, also where bits beyond the prefix are set. */
export function parsePrefix(text: string): Prefix {
  const slash = text.indexOf('/');
  const words = addressWords(slash < 0 ? text : text.slice(0, slash));
  const ipv4 = !text.includes(':');
  const width = ipv4 ? 32 : 128;
  const digits = slash < 0 ? String(width) : text.slice(slash + 1);
  if (!/^\d{1,3}$/.test(digits))
    throw new AddressError(`${quoted(text)}: what follows / must be a number of bits, 0–${width}`);
  const length = Number(digits);
  if (length > width) {
    throw new AddressError(`${quoted(text)}: /${length} is too long, an IPv${ipv4 ? 4 : 6} address has ${width} bits`);
  }
  const prefix = { words: masked(words, length + 128 - width), bits: length + 128 - width };
  if (!sameWords(prefix.words, words)) {
    throw new AddressError(`${quoted(text)} has bits set beyond /${length}: the network is ${prefixText(prefix)}`);
  }
  return prefix;
}

/** A network in CIDR notation; those inside ::ffff:0:0/96 as IPv4. */
export function prefixText(prefix: Prefix): string {
  const { words, bits } = prefix;
  // Bits beyond the prefix are 0, so whatever still has ::ffff in front is at least 96 bits long.
  return `${addressText(words)}/${isMapped(words) ? bits - 96 : bits}`;
}

/**
 * True when the network holds the address. An IPv6 network never holds an IPv4 address, although ::/0 spans the mapped
 * form: who opens the server to all of IPv6 has not opened it to IPv4.
 */
export function prefixContains(prefix: Prefix, words: Int32Array): boolean {
  if (prefix.bits < 96 && isMapped(words)) return false;
  return sameWords(masked(words, prefix.bits), prefix.words);
}

/**
 * `host:port` or `[v6]:port`. Without `defaultPort` the port must be there. `minPort` is 1 unless 0 may stand for "any
 * free port". Throws AddressError.
 */
export function parseEndpoint(text: string, options: { defaultPort?: number; minPort?: 0 | 1 } = {}): Endpoint {
  const { defaultPort, minPort = 1 } = options;
  const match = /^(?:\[([^[\]]*)\]|([^[\]:]*))(?::(\d{1,5}))?$/.exec(text);
  if (!match) {
    // RFC 3986 §3.2.2, RFC 5952 §6: without brackets nobody can tell the port from the address.
    const hint = ipaddr.IPv6.isValid(text)
      ? `: an IPv6 address stands in brackets, [${text}]:${defaultPort ?? 53}`
      : '';
    throw new AddressError(`${quoted(text)} is not of the form address:port or [IPv6 address]:port${hint}`);
  }
  const [, bracketed, plain = '', digits] = match;
  if (bracketed !== undefined && !bracketed.includes(':')) {
    throw new AddressError(`${quoted(text)}: brackets are for IPv6 addresses alone`);
  }
  const address = addressText(addressWords(bracketed ?? plain));
  if (digits === undefined && defaultPort === undefined) {
    throw new AddressError(`${quoted(text)} has no port: write ${endpointText({ address, port: 53 })} or the like`);
  }
  const port = digits === undefined ? (defaultPort ?? 0) : Number(digits);
  if (port < minPort || port > 65535)
    throw new AddressError(`${quoted(text)}: port ${port} is not in ${minPort}–65535`);
  return { address, port };
}

/** `address:port`, IPv6 in brackets. */
export function endpointText(endpoint: Endpoint): string {
  const { address, port } = endpoint;
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}

/** `words` with all bits beyond the first `bits` cleared. */
function masked(words: Int32Array, bits: number): Int32Array {
  return words.map((word, i) => {
    const kept = Math.min(32, Math.max(0, bits - i * 32));
    return kept === 0 ? 0 : word & (-1 << (32 - kept));
  });
}

function sameWords(one: Int32Array, other: Int32Array): boolean {
  return one.every((word, i) => word === other[i]);
}

function addressBytes(text: string): number[] {
  if (text.includes('%')) throw new AddressError(`${quoted(text)}: addresses with a zone (%…) are not taken`);
  // ipaddr.js knows the forms of inet_aton too (127.1, 0x7f.1, octal parts); four decimal parts are all we take.
  if (ipaddr.IPv4.isValidFourPartDecimal(text)) return ipaddr.IPv4.parse(text).toIPv4MappedAddress().toByteArray();
  if (text.includes(':') && ipaddr.IPv6.isValid(text)) return ipaddr.IPv6.parse(text).toByteArray();
  if (/^[\d.]+$/.test(text))
    throw new AddressError(`${quoted(text)} is no IPv4 address: four decimal parts of 0–255, no leading zeros`);
  if (/^[a-z0-9.-]*[a-z][a-z0-9.-]*$/i.test(text)) {
    throw new AddressError(`${quoted(text)} is no IP address; names are not looked up here`);
  }
  throw new AddressError(`${quoted(text)} is no IP address`);
}

function quoted(text: string): string {
  return `'${text.length > 60 ? `${text.slice(0, 57)}…` : text}'`;
}
