/**
 * What is known of zones: their keys, or that and where security ends. Bounded by bytes; shared by everything in one thread
 * that validates, so that a zone's keys are fetched and checked once.
 */
import { LRUCache } from 'lru-cache';
import { isWithin, type Name, nameKey, parentOf } from './canonical-name.ts';
import type { DnsKey } from './dns-key.ts';
import { BOGUS, INDETERMINATE, INSECURE, SECURE, type Status } from './verdict.ts';

/** An entry below a zone that says: no zone of its own begins here. */
export const NO_CUT = 4;

export interface ZoneTrust {
  /** SECURE: `keys` sign the zone. INSECURE: it and all below. BOGUS, INDETERMINATE: its keys could not be had. */
  readonly status: Status | typeof NO_CUT;
  readonly zone: Name;
  readonly keys: readonly DnsKey[];
  /** Reason where it is not secure (RFC 8914), else EDE.NONE. */
  readonly ede: number;
  readonly why: string;
  /** Until when this holds, in seconds since 1970. */
  readonly until: number;
  /** Insecure because somebody has said so, not because it was proven. */
  readonly exempt?: boolean;
  /** The keys of a trust anchor do not fit what the zone serves. */
  readonly anchorFailed?: boolean;
}

/** Bytes of all entries together, estimated. */
const MAX_BYTES = 16 * 1024 * 1024;
/** Imported keys, strings and the table's own, for each entry. */
const ENTRY_BYTES = 300;
const KEY_BYTES = 600;

export class ZoneTrustStore {
  readonly #entries: LRUCache<string, ZoneTrust>;

  constructor(maxBytes: number = MAX_BYTES) {
    this.#entries = new LRUCache({
      maxSize: maxBytes,
      maxEntrySize: maxBytes >>> 2,
      sizeCalculation: ({ keys, zone }) =>
        keys.reduce((sum, { data }) => sum + data.length + KEY_BYTES, ENTRY_BYTES + zone.length * 2),
    });
  }

  get size(): number {
    return this.#entries.size;
  }

  get bytes(): number {
    return this.#entries.calculatedSize;
  }

  /** What is known of exactly this name at `now`, in seconds since 1970. */
  get(name: Name, now: number): ZoneTrust | undefined {
    const key = nameKey(name);
    const entry = this.#entries.get(key);
    if (entry === undefined || entry.until > now) return entry;
    this.#entries.delete(key);
    return undefined;
  }

  /** The closest zone at or above `name` of which something is known, not above `top`. */
  closest(name: Name, top: Name, now: number): ZoneTrust | undefined {
    for (let at = name; at.length >= top.length; at = parentOf(at)) {
      const entry = this.get(at, now);
      if (entry !== undefined && entry.status !== NO_CUT) return entry;
      if (at[0] === 0) break;
    }
    return undefined;
  }

  set(entry: ZoneTrust): void {
    this.#entries.set(nameKey(entry.zone), entry);
  }

  /** Forget what is known of `name` and, with `subtree`, of all names below. Returns how many entries. */
  forget(name: Name, subtree: boolean): number {
    let count = 0;
    for (const [key, { zone }] of [...this.#entries.entries()]) {
      const concerned = subtree ? isWithin(zone, name) : key === nameKey(name);
      if (concerned && this.#entries.delete(key)) count++;
    }
    return count;
  }

  clear(): void {
    this.#entries.clear();
  }

  /** How many zones are known in each way, for status: secure, insecure, bogus, indeterminate. */
  counts(): readonly [number, number, number, number] {
    const counts: [number, number, number, number] = [0, 0, 0, 0];
    for (const { status } of this.#entries.values()) {
      if (status === SECURE || status === INSECURE || status === BOGUS || status === INDETERMINATE) counts[status]++;
    }
    return counts;
  }
}
