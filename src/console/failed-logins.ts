/**
 * Logins that fail, by where they come from: after a few no token from there is looked at for a while. Tokens are too long to be
 * guessed; this keeps whoever tries from filling the audit log, and from trying those that were made by hand.
 *
 * Nothing of this is written anywhere: an address of somebody who mistyped is nobody's business.
 */
import { LRUCache } from 'lru-cache';
import type { SessionsClock } from './sessions.ts';

/** From one place, */
export const MOST_FAILURES = 8;
/** within this time from the first of them. */
export const WITHIN_MS = 10 * 60_000;
/** Entries in the audit log within the same time, from all places together. */
export const MOST_RECORDED = 100;
const MOST_PLACES = 4096;

interface Failures {
  readonly firstMs: number;
  count: number;
}

export class FailedLogins {
  readonly #places = new LRUCache<string, Failures>({ max: MOST_PLACES });
  readonly #clock: SessionsClock;
  #recorded: Failures = { firstMs: Number.NEGATIVE_INFINITY, count: 0 };

  constructor(clock: SessionsClock) {
    this.#clock = clock;
  }

  /** Seconds until a token from there is looked at again; 0: now. */
  waitSeconds(address: string): number {
    const failures = this.#places.get(placeOf(address));
    if (!failures || failures.count < MOST_FAILURES) return 0;
    return Math.max(0, Math.ceil((failures.firstMs + WITHIN_MS - this.#clock.nowMs()) / 1000));
  }

  /** Returns whether it is to be recorded. */
  failed(address: string): boolean {
    const nowMs = this.#clock.nowMs();
    const place = placeOf(address);
    const before = this.#places.get(place);
    const going = before && nowMs < before.firstMs + WITHIN_MS ? before : { firstMs: nowMs, count: 0 };
    going.count += 1;
    this.#places.set(place, going);
    if (nowMs >= this.#recorded.firstMs + WITHIN_MS) this.#recorded = { firstMs: nowMs, count: 0 };
    this.#recorded.count += 1;
    return this.#recorded.count <= MOST_RECORDED;
  }

  succeeded(address: string): void {
    this.#places.delete(placeOf(address));
  }
}

/** Whoever has an IPv6 address has the /64 around it. */
function placeOf(address: string): string {
  if (!address.includes(':') || address.startsWith('::ffff:')) return address;
  const [head = '', tail = ''] = address.split('::');
  const front = head === '' ? [] : head.split(':');
  const back = tail === '' ? [] : tail.split(':');
  const gap = address.includes('::') ? Math.max(0, 8 - front.length - back.length) : 0;
  return [...front, ...Array<string>(gap).fill('0'), ...back].slice(0, 4).join(':');
}
