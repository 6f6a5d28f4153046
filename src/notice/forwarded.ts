/**
 * Where a visitor comes from who was brought here by a reverse proxy: address *and* port, as the listed proxies say, or
 * neither. One without the other could name a neighbour behind the same address.
 *
 *   Forwarded: for="192.0.2.7:4711"                     RFC 7239; both in one place
 *   X-Forwarded-For: 192.0.2.7:4711                     the same
 *   X-Forwarded-For: 192.0.2.7 and X-Client-Port: 4711  the proxy sets both itself, whatever the visitor sent
 *
 * Each proxy adds what it saw at the end, so the list is read from there: what listed proxies say of each other is passed
 * over, the first other one is the visitor, and what stands before it the visitor may have written. Whatever is missing,
 * cannot be read, or contradicts something else makes it nobody.
 */
import type { IncomingHttpHeaders } from 'node:http';
import { AddressError, addressText, addressWords, parsePrefix, prefixContains } from '../address/address.ts';

export interface Origin {
  readonly words: Int32Array;
  /** 1–65535. */
  readonly port: number;
}

/** What one element of a list says. */
interface Hop {
  readonly words: Int32Array;
  readonly port: number | undefined;
}

const MAX_HEADER = 4096;
const MAX_HOPS = 32;
const PORT = /^[1-9]\d{0,4}$/;
const MAX_PORT = 65_535;

/** Undefined where it cannot be told. */
export function forwardedOrigin(headers: IncomingHttpHeaders, proxies: readonly string[]): Origin | undefined {
  const found: (Hop | undefined)[] = [];
  const standard = textOf(headers['forwarded']);
  const common = textOf(headers['x-forwarded-for']);
  if (standard !== undefined) found.push(visitorIn(forElements(standard), proxies));
  if (common !== undefined) found.push(visitorIn(elements(common), proxies));
  const [first, second] = found;
  if (first === undefined || (found.length > 1 && second === undefined)) return undefined;
  if (second && addressText(first.words) !== addressText(second.words)) return undefined;
  const ports = [first.port, second?.port].filter((port) => port !== undefined);
  if (headers['x-client-port'] !== undefined) {
    const port = portOf(textOf(headers['x-client-port']) ?? '');
    if (port === undefined) return undefined;
    ports.push(port);
  }
  const [port] = ports;
  if (port === undefined || ports.some((other) => other !== port)) return undefined;
  return { words: first.words, port };
}

/** Is the other end of a connection one of the listed proxies? */
export function isProxy(peerAddress: string | undefined, proxies: readonly string[]): boolean {
  if (peerAddress === undefined || proxies.length === 0) return false;
  const words = wordsOf(peerAddress);
  return words !== undefined && proxies.some((network) => prefixContains(parsePrefix(network), words));
}

/** Undefined for what is no address that could be anybody's line, such as one with a zone (`fe80::1%eth0`). */
export function wordsOf(address: string): Int32Array | undefined {
  try {
    return addressWords(address);
  } catch (error) {
    if (error instanceof AddressError) return undefined;
    throw error;
  }
}

/** From the end: past listed proxies, to the first other one. Undefined where what stands there cannot be read. */
function visitorIn(hops: readonly string[] | undefined, proxies: readonly string[]): Hop | undefined {
  if (hops === undefined || hops.length > MAX_HOPS) return undefined;
  for (const text of [...hops].reverse()) {
    const hop = hopOf(text);
    if (hop === undefined) return undefined;
    if (!isProxy(addressText(hop.words), proxies)) return hop;
  }
  return undefined;
}

/** `192.0.2.7`, `192.0.2.7:4711`, `2001:db8::7`, `[2001:db8::7]`, `[2001:db8::7]:4711`. */
function hopOf(text: string): Hop | undefined {
  const [, bracketed, bracketedPort] = /^\[([0-9a-f:.]+)\](?::(\d+))?$/i.exec(text) ?? [];
  const [, plain, plainPort] = /^(\d+\.\d+\.\d+\.\d+):(\d+)$/.exec(text) ?? [];
  const address = bracketed ?? plain ?? text;
  const portText = bracketedPort ?? plainPort;
  const port = portText === undefined ? undefined : portOf(portText);
  if (portText !== undefined && port === undefined) return undefined;
  const words = wordsOf(address);
  return words && { words, port };
}

function elements(header: string): readonly string[] {
  return header.split(',').map((element) => element.trim());
}

/** RFC 7239 §4: the `for` of each element; undefined where one has none, or two, or quotes what does not end. */
function forElements(header: string): readonly string[] | undefined {
  const hops: string[] = [];
  for (const element of elements(header)) {
    const values = element.split(';').flatMap((pair) => {
      const [, name, quoted, token] = /^\s*([!#$%&'*+.^_`|~0-9a-z-]+)=(?:"([^"\\]*)"|([^"\s]*))\s*$/i.exec(pair) ?? [];
      return name?.toLowerCase() === 'for' ? [quoted ?? token ?? ''] : [];
    });
    if (values.length !== 1) return undefined;
    hops.push(...values);
  }
  return hops;
}

function portOf(text: string): number | undefined {
  const port = PORT.test(text) ? Number(text) : undefined;
  return port !== undefined && port <= MAX_PORT ? port : undefined;
}

/** Several lines of one header come joined by commas; too long is unreadable, and not cut off. */
function textOf(header: string | string[] | undefined): string | undefined {
  if (header === undefined) return undefined;
  const text = Array.isArray(header) ? header.join(', ') : header;
  return text.length <= MAX_HEADER ? text : '';
}
