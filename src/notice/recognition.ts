/**
 * Who a visitor of the pages is, by the line: the same look-up as for a query (subscribers/in-force.ts), but stricter where
 * somebody's consent would be shown or changed.
 *
 *   connection ─▶ address (of a listed proxy: X-Forwarded-For) and port ─▶ lease or range ─▶ subscriber
 *                                                                            └─▶ group, shared or unknown: nobody alone
 */
import type { IncomingHttpHeaders } from 'node:http';
import { AddressError, addressText, addressWords, isMapped, parsePrefix, prefixContains } from '../address/address.ts';
import type { Register } from '../subscribers/consent/register.ts';
import type { Source, SubscribersInForce } from '../subscribers/in-force.ts';
import { isGroup } from '../subscribers/table/directory.ts';

/** Where a visitor comes from. */
export interface Visitor {
  readonly words: Int32Array;
  /** Undefined behind a proxy that does not tell it. */
  readonly port: number | undefined;
}

/** What a request says about its way here. */
export interface RequestWay {
  /** Of the connection. */
  readonly peerAddress: string | undefined;
  readonly peerPort: number | undefined;
  /** The visitor's, as X-Forwarded-For of listed proxies tells; the connection's where no proxy is listed. */
  readonly address: string;
  readonly headers: IncomingHttpHeaders;
  /** The connection comes from a listed proxy. */
  readonly proxied: boolean;
}

/**
 * - `subscriber`: one subscriber, known by the line.
 * - `group`: a line of a contract group, which has no consent of its own.
 * - `shared`: several subscribers come from the address, and no block of ports tells which.
 * - `unknown`: no lease and no range, or none any more.
 */
export type Recognised =
  | { readonly kind: 'subscriber'; readonly subscriber: string; readonly line: string }
  | { readonly kind: 'group' | 'shared' | 'unknown' };

const MAX_PORT = 65_535;
const ADDRESS_BITS = 128;

/** Undefined where it cannot be told: a listed proxy says nothing, or nothing that can be read. */
export function visitorOf({ peerAddress, peerPort, address, headers, proxied }: RequestWay): Visitor | undefined {
  // What comes from the proxy itself is nobody's line.
  if (proxied && (headers['x-forwarded-for'] === undefined || address === peerAddress)) return undefined;
  try {
    return { words: addressWords(address), port: proxied ? portOf(headers['x-client-port']) : peerPort };
  } catch (error) {
    if (error instanceof AddressError) return undefined;
    throw error;
  }
}

/** Is the other end of a connection one of the listed proxies? */
export function isProxy(peerAddress: string | undefined, proxies: readonly string[]): boolean {
  if (peerAddress === undefined || proxies.length === 0) return false;
  const words = addressWords(peerAddress);
  return proxies.some((network) => prefixContains(parsePrefix(network), words));
}

/** The holder of the line, exactly as for a query from there; negative where there is none. */
export function holderOf(visitor: Visitor, subscribers: SubscribersInForce, nowMs: number): number {
  return subscribers.holderOf(sourceOf(visitor, nowMs));
}

/** Who may see and change a consent from this line. */
export function recognise(
  visitor: Visitor,
  subscribers: SubscribersInForce,
  register: Register,
  nowMs: number,
): Recognised {
  const source = sourceOf(visitor, nowMs);
  const holder = subscribers.holderOf(source);
  const number = register.directory.numberOf(holder);
  const bits = subscribers.matchedBits;
  const byPorts = holder >= 0 && bits > ADDRESS_BITS;
  // R10: no guessing. Without the port, or where no block holds it, any of those who share the address may have come.
  if ((visitor.port === undefined || !byPorts) && subscribers.sharedByPorts(source)) return { kind: 'shared' };
  if (number === undefined) return { kind: 'unknown' };
  if (isGroup(number)) return { kind: 'group' };
  return { kind: 'subscriber', subscriber: number, line: lineText(visitor.words, bits) };
}

/** The prefix by which the line was recognised: what a form is bound to, besides the subscriber. */
function lineText(words: Int32Array, bits: number): string {
  const address = Math.min(bits, ADDRESS_BITS);
  const kept = Int32Array.from(words, (word, i) => {
    const width = Math.min(32, Math.max(0, address - i * 32));
    return width === 0 ? 0 : word & (-1 << (32 - width));
  });
  return `${addressText(kept)}/${bits}`;
}

function sourceOf({ words, port }: Visitor, nowMs: number): Source {
  // No listening address for queries: `subscribers.unfiltered` does not speak of pages.
  return { clientWords: words, family: isMapped(words) ? 4 : 6, port: port ?? 0, listener: -1, nowMs };
}

function portOf(header: string | string[] | undefined): number | undefined {
  const port = typeof header === 'string' && /^\d{1,5}$/.test(header) ? Number(header) : undefined;
  return port !== undefined && port <= MAX_PORT ? port : undefined;
}
