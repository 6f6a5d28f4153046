/**
 * The addresses that a row which cannot be read may speak of. They are hidden: nobody is known behind them, so that none of
 * them falls to the group around it, whose terms its holder may not have. Too many are found rather than too few: a row
 * is not inspected for a person's reading of it, but for every reading that there is.
 *
 *   010.0.0.1            10.0.0.1 and 8.0.0.1 (octal)      192.0.2.7/24     the address and the network
 *   192.0.2.1-20         every address from one to the other            192.0.2.0 /?     the largest network that begins there
 *   192[.]0[.]2[.]1  1.2.0.192.in-addr.arpa  3221225985  0xC0000201  2001:db8::1%eth0  [::1]:53  192-0-2-1.isp.example
 */
import ipaddr from 'ipaddr.js';
import { addressWords, type Prefix, prefixText } from '../../address/address.ts';
import { bitsOf, coverOf, netmaskBits, networkBeginningAt, networkOf } from './prefix-cover.ts';

const MAPPED = 0xffffn << 32n;
const MAPPED_BITS = 96;
const IPV4_MAX = 0xffff_ffffn;
/** 1.0.0.0: a smaller number is hardly an address. */
const LEAST_NUMBER = 1n << 24n;
/** 2000::/3, from which addresses are given out (RFC 4291 §2.4), as a number without colons may be meant. */
const GLOBAL_UNICAST = 1n;

/** Groups of an IPv6 address, and what may stand before and behind them. */
const MAX_GROUPS = 16;
const ENDS = 3;

const QUAD = /(?<!\d)(?=(\d{1,4}(?:\.\d{1,4}){3})(?!\d)(?:\s*\/\s*(\d{1,3}(?:\.\d{1,3}){3}|\d{1,2})(?!\d))?)/g;
const QUAD_AND_MASK = /(\d{1,3}(?:\.\d{1,3}){3})[\s,;|"']+(\d{1,3}(?:\.\d{1,3}){3})/g;
const SHORT_RANGE = /(\d{1,3}\.\d{1,3}\.\d{1,3}\.)(\d{1,3})\s*[-~]\s*(\d{1,3})(?![\d.])/g;
/** 192.0.2. and 192.0.2.* and 192.0.2.x, 10/8, 192.0.2/24. */
const PART = /(?<![\d./])(\d{1,3}(?:\.\d{1,3}){0,2})(?:\.[*x?%[{(]|\/(\d{1,2})(?![\d/]))/gi;
const THREE_PARTS = /(?<![\d.])(\d{1,3}(?:\.\d{1,3}){2})(?:\.(?!\d)|(?![\d.]))/g;
const IPV6 = /[0-9a-f]{0,4}:[0-9a-f:.]*(?:%[\w.]+)?\]?(?:\s*\/\s*(\d{1,3})(?!\d))?/gi;
/** 2001:db8:77:* */
const IPV6_PART = /((?:[0-9a-f]{1,4}:){1,7})[*x?]/gi;
/** 0xC0.0.2.1, as inet_aton(3) takes it. */
const HEX_QUAD = /(?<![\w.])(?=[\d.]*0x)(?:(?:0x[0-9a-f]{1,2}|\d{1,3})\.){3}(?:0x[0-9a-f]{1,2}|\d{1,3})(?![\w.])/gi;
const REVERSE_IPV4 = /((?:\d{1,3}\.){1,4})in-addr\.arpa/gi;
const REVERSE_IPV6 = /((?:[0-9a-f]\.){1,32})ip6\.arpa/gi;
const NUMBER = /(?<![\w.:])(?:0x([0-9a-f]{8})|([0-9a-f]{32})|(\d{8,10})|(\d{37,39}))(?![\w.:])/gi;

/** Every network that the texts, readings of one row, may speak of. */
export function recognisable(texts: readonly string[]): Prefix[] {
  const found = new Map<string, Prefix>();
  for (const text of texts) for (const prefix of inOne(text)) found.set(prefixText(prefix), prefix);
  return [...found.values()];
}

/** A number that holds an address in dots or colons is hardly a subscriber's. */
export function holdsAddress(text: string): boolean {
  return /[.:/]/.test(text) && [...dotted(text), ...colons(text)].length > 0;
}

function inOne(text: string): Prefix[] {
  return read(text.replace(HEX_QUAD, (quad) => quad.split('.').map(Number).join('.')));
}

function read(text: string): Prefix[] {
  const found = [...new Set(variantsOf(text))].flatMap((each) => [...dotted(each), ...colons(each), ...reversed(each)]);
  if (found.length > 0) return found;
  // Only where nothing else is one: what follows reads addresses into dates, host names and numbers of all kinds.
  const dashed = dotted(text.replace(/(?<=\d)[-_,](?=\d)/g, '.'));
  return dashed.length > 0 ? dashed : numbers(text);
}

/** As it stands, and as it was before somebody or something changed it. */
function variantsOf(text: string): string[] {
  if (/^[\w.:/,;|-]*$/.test(text) && !/dot/i.test(text)) return [text];
  // NFKC takes ② and ² for 2: beside what stands there, not instead of it.
  const wide = text
    .normalize('NFKC')
    .replace(/[\p{Cf}\p{Mn}\0]/gu, '')
    .replace(/\p{Nd}/gu, asciiDigit);
  const plain = [text.replace(/[\p{Cf}\0]/gu, ''), wide.replace(/\p{Pd}/gu, '-').replace(/[。．]/g, '.')];
  // What a mark of direction turns round is read from its other end.
  if (/[\u202a-\u202e\u2066-\u2069]/.test(text)) plain.push([...wide].reverse().join(''));
  return plain.flatMap((each) => {
    const armed = each
      .replace(/%(2e|3a|2f)/gi, (code) => decodeURIComponent(code))
      .replace(/\s*[[({<]+\s*(\.|dot|:|\/)\s*[\])}>]+\s*/gi, (_, sign: string) => (/dot/i.test(sign) ? '.' : sign))
      .replace(/(?<=\d)\s+dot\s+(?=\d)/gi, '.')
      .replace(/\\(?=[.:/])/g, '');
    return [each, armed, armed.replace(/\s*([.:/])\s*/g, '$1'), armed.replace(/["'`]/g, '')];
  });
}

/** A decimal digit of any script; those of one script follow each other, from 0. */
function asciiDigit(digit: string): string {
  const code = digit.codePointAt(0)!;
  let zero = code;
  while (code - zero < 9 && /\p{Nd}/u.test(String.fromCodePoint(zero - 1))) zero--;
  return String((code - zero) % 10);
}

function dotted(text: string): Prefix[] {
  const found: Prefix[] = [];
  const whole: bigint[] = [];
  for (const [, quad = '', length] of text.matchAll(QUAD)) {
    const parts = quad.split('.');
    for (const address of quadsOf(parts)) {
      if (isMask(address)) continue;
      whole.push(MAPPED | address);
      found.push(network4(address, 32), networkBeginningAt4(address));
      const bits = length === undefined ? undefined : lengthOf(length);
      if (bits !== undefined) found.push(network4(address, bits));
    }
    // A typing error in the last part: the other three still say whose network it is.
    if (Number(parts[3]) > 255) found.push(...partOf(parts.slice(0, 3), 24));
  }
  for (const [, quad = '', mask = ''] of text.matchAll(QUAD_AND_MASK))
    for (const address of quadsOf(quad.split('.'))) {
      const bits = lengthOf(mask);
      if (bits !== undefined) found.push(network4(address, bits));
    }
  for (const [, begin = '', from = '', to = ''] of text.matchAll(SHORT_RANGE))
    found.push(
      ...between(
        [from, to].flatMap((part) => quadsOf(`${begin}${part}`.split('.'))).map((address) => MAPPED | address),
      ),
    );
  for (const [, begin = '', length] of text.matchAll(PART)) {
    const parts = begin.split('.');
    found.push(...partOf(parts, length === undefined ? parts.length * 8 : Number(length)));
  }
  for (const [, begin = ''] of text.matchAll(THREE_PARTS)) {
    const [a = '', b = '', c = ''] = begin.split('.');
    // inet_aton(3) takes 192.0.2 for 192.0.0.2.
    found.push(...partOf([a, b, c], 24), ...quadsOf([a, b, '0', c]).map((address) => network4(address, 32)));
  }
  return [...found, ...between(whole)];
}

function colons(text: string): Prefix[] {
  const found: Prefix[] = [];
  const whole: bigint[] = [];
  for (const [token, length] of text.matchAll(IPV6)) {
    const bare = token.replace(/[%\]/].*$/s, '').trim();
    for (const each of [...withoutEnds(bare), bare.replace(/[:.]+$/, '')]) {
      if (!each.includes(':') || !ipaddr.IPv6.isValid(each) || each === '::') continue;
      const address = bitsOf(addressWords(each));
      if (each === bare) whole.push(address);
      found.push(networkOf(address, 128));
      if (address % (1n << 64n) === 0n) found.push(networkBeginningAt(address, 0));
      if (length !== undefined && Number(length) <= 128) found.push(networkOf(address, Number(length)));
    }
  }
  for (const [, begin = ''] of text.matchAll(IPV6_PART)) {
    const groups = begin.split(':').slice(0, -1);
    found.push(
      networkOf(
        BigInt(
          `0x${groups
            .map((group) => group.padStart(4, '0'))
            .join('')
            .padEnd(32, '0')}`,
        ),
        groups.length * 16,
      ),
    );
  }
  return [...found, ...between(whole)];
}

/** A port without brackets looks like a last group, a label like a first one. */
function withoutEnds(token: string): string[] {
  const groups = token.split(':').slice(0, MAX_GROUPS);
  const ends = Array.from({ length: ENDS + 1 }, (_, i) => i);
  return ends.flatMap((from) => ends.map((to) => groups.slice(from, groups.length - to).join(':')));
}

/** Names of the reverse tree (RFC 1035 §3.5, RFC 3596 §2.5). */
function reversed(text: string): Prefix[] {
  const found: Prefix[] = [];
  for (const [, labels = ''] of text.matchAll(REVERSE_IPV4)) {
    const parts = labels.split('.').slice(0, -1).reverse();
    found.push(...partOf(parts, parts.length * 8));
  }
  for (const [, labels = ''] of text.matchAll(REVERSE_IPV6)) {
    const digits = labels.split('.').slice(0, -1).reverse().join('');
    found.push(networkOf(BigInt(`0x${digits.padEnd(32, '0')}`), digits.length * 4));
  }
  return found;
}

function numbers(text: string): Prefix[] {
  const found: Prefix[] = [];
  for (const [, hex32, hex128, decimal32, decimal128] of text.matchAll(NUMBER)) {
    const short = hex32 !== undefined ? BigInt(`0x${hex32}`) : decimal32 !== undefined ? BigInt(decimal32) : undefined;
    if (short !== undefined && short >= LEAST_NUMBER && short <= IPV4_MAX) found.push(network4(short, 32));
    const long = hex128 !== undefined ? BigInt(`0x${hex128}`) : decimal128 !== undefined ? BigInt(decimal128) : 0n;
    if (long >> 125n === GLOBAL_UNICAST) found.push(networkOf(long, 128));
  }
  return found;
}

/** What four parts may mean: in decimal, and in octal where one of them begins with 0. */
function quadsOf(parts: readonly string[]): bigint[] {
  const readings = [parts.map(Number)];
  if (parts.some((part) => /^0[0-7]+$/.test(part)))
    readings.push(parts.map((part) => (/^0[0-7]+$/.test(part) ? Number.parseInt(part, 8) : Number(part))));
  return readings
    .filter((numbers) => numbers.length === 4 && numbers.every((part) => part <= 255))
    .map((numbers) => numbers.reduce((sum, part) => (sum << 8n) | BigInt(part), 0n));
}

/** The network whose first parts are given. */
function partOf(parts: readonly string[], bits: number): Prefix[] {
  const padded = [...parts, '0', '0', '0'].slice(0, 4);
  return bits > 32 ? [] : quadsOf(padded).map((address) => network4(address, bits));
}

/** 24 or 255.255.255.0, or what routers write for it, 0.0.0.255. */
function lengthOf(text: string): number | undefined {
  if (!text.includes('.')) return Number(text) <= 32 ? Number(text) : undefined;
  const [mask] = quadsOf(text.split('.'));
  if (mask === undefined) return undefined;
  return netmaskBits(mask) ?? netmaskBits(~mask & IPV4_MAX);
}

/** A netmask or its inverse, of 8 bits or more: no subscriber has such an address. */
function isMask(address: bigint): boolean {
  const first = address >> 24n;
  return (
    (first === 255n && netmaskBits(address) !== undefined) ||
    (first === 0n && netmaskBits(~address & IPV4_MAX) !== undefined && address !== 0n)
  );
}

function network4(address: bigint, bits: number): Prefix {
  return networkOf(MAPPED | address, MAPPED_BITS + bits);
}

function networkBeginningAt4(address: bigint): Prefix {
  return address % 256n === 0n ? networkBeginningAt(MAPPED | address, MAPPED_BITS) : network4(address, 32);
}

/** All that lies between the lowest and the highest of several. */
function between(addresses: readonly bigint[]): Prefix[] {
  if (addresses.length < 2) return [];
  return coverOf(addresses.reduce(least), addresses.reduce(most));
}

const least = (one: bigint, other: bigint): bigint => (one < other ? one : other);
const most = (one: bigint, other: bigint): bigint => (one > other ? one : other);
