/**
 * Who a visitor of the pages is, by the line: the same look-up as for a query (subscribers/in-force.ts), but stricter where
 * somebody's consent would be shown or changed.
 *
 *   connection ─▶ address and port (of a listed proxy: forwarded.ts) ─▶ lease or range ─▶ subscriber
 *                                                                            └─▶ group, shared or unknown: nobody alone
 */
import type { IncomingHttpHeaders } from 'node:http';
import { addressText, isMapped } from '../address/address.ts';
import type { Source, SubscribersInForce } from '../subscribers/in-force.ts';
import type { SubscriberState } from '../subscribers/state.ts';
import { isGroup } from '../subscribers/table/directory.ts';
import { forwardedOrigin, isProxy, type Origin, wordsOf } from './forwarded.ts';

/** Where a visitor comes from: both, or nobody knows who it is. */
export type Visitor = Origin;

/** What a request says about its way here. */
export interface RequestWay {
  /** Of the connection. */
  readonly peerAddress: string | undefined;
  readonly peerPort: number | undefined;
  readonly headers: IncomingHttpHeaders;
  /** Networks of the listed proxies. */
  readonly proxies: readonly string[];
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

const ADDRESS_BITS = 128;

/**
 * Undefined where it cannot be told. What a listed proxy says counts, of anybody else the connection alone: headers that a
 * visitor sends are looked at by nobody.
 */
export function visitorOf({ peerAddress, peerPort, headers, proxies }: RequestWay): Visitor | undefined {
  if (isProxy(peerAddress, proxies)) return forwardedOrigin(headers, proxies);
  if (peerAddress === undefined || peerPort === undefined) return undefined;
  const words = wordsOf(peerAddress);
  return words && { words, port: peerPort };
}

/** The holder of the line, exactly as for a query from there; negative where there is none. */
export function holderOf(visitor: Visitor, subscribers: SubscribersInForce, nowMs: number): number {
  return subscribers.holderOf(sourceOf(visitor, nowMs));
}

/** Who may see and change a consent from this line. `apiLeases`: also by leases that were reported over the API. */
export function recognise(
  visitor: Visitor,
  subscribers: SubscribersInForce,
  { register, leases }: Pick<SubscriberState, 'register' | 'leases'>,
  apiLeases: boolean,
  nowMs: number,
): Recognised {
  const source = sourceOf(visitor, nowMs);
  const holder = subscribers.holderOf(source);
  const number = register.directory.numberOf(holder);
  const bits = subscribers.matchedBits;
  const byPorts = holder >= 0 && bits > ADDRESS_BITS;
  // No guessing. Where no block holds the port, any of those who share the address may have come.
  if (!byPorts && subscribers.sharedByPorts(source)) return { kind: 'shared' };
  if (number === undefined) return { kind: 'unknown' };
  // Who writes leases over the API must not thereby become a subscriber, unless the operator allows it.
  if (!apiLeases && subscribers.byLease && leases.isOfApi(source, bits)) return { kind: 'unknown' };
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
  return { clientWords: words, family: isMapped(words) ? 4 : 6, port, listener: -1, nowMs };
}
