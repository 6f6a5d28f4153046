/**
 * Who a client is and what it consents to, as the packet threads see it: shared memory that the main thread writes while
 * packets flow.
 *
 *   address, port ─▶ leases (RADIUS, API) ┐
 *                  ▶ static ranges        ┴▶ longest prefix ─▶ holder ─▶ one byte of purposes
 *
 * A byte of 0 means: not inspected. It is what unknown addresses, expired leases, opted-out subscribers and a server that
 * has not read its ledger yet have in common, so that every doubt ends there (a stale or missing mapping is no consent).
 */
import { FenceReader } from '../fleet/fence.ts';
import { threadClock } from '../time/turned-clock.ts';
import type { Query } from '../wire/query.ts';
import { AddressReader, type AddressTableMemory } from './table/address-table.ts';
import { UNKNOWN } from './table/prefix-table.ts';

/** What the control plane publishes. */
export interface PublishedSubscribers {
  readonly leases: AddressTableMemory;
  readonly ranges: AddressTableMemory;
  /** A byte of purposes for each holder. */
  readonly consents: SharedArrayBuffer;
  /** By listening address: queries that arrive there are not inspected. */
  readonly unfiltered: readonly boolean[];
  /** Of a node of a fleet: past it nobody consents (src/fleet/fence.ts). */
  readonly fence?: SharedArrayBuffer | undefined;
}

/** Why nobody is inspected, or that somebody may be. */
export const KNOWN = 0;
export const NOT_KNOWN = 1;
export const UNFILTERED_LISTENER = 2;
export const NO_SUBSCRIBERS = 3;

/** Where something came from, of what a query says. */
export interface Source extends Pick<Query, 'family' | 'port' | 'listener' | 'nowMs'> {
  readonly clientWords: Int32Array;
}

export class SubscribersInForce {
  /** Set by `holderOf` where it returns none: KNOWN, NOT_KNOWN, … */
  reason: 0 | 1 | 2 | 3 = NO_SUBSCRIBERS;
  /** Set by `holderOf` unless nothing speaks of the address: bits of the prefix that decides; above 128 a block of ports. */
  matchedBits = 0;
  /** Set by `holderOf`: a lease decides, and not a static range; also where nobody holds it. */
  byLease = false;
  #leases: AddressReader | undefined;
  #ranges: AddressReader | undefined;
  #consents: Uint8Array = new Uint8Array(0);
  #unfiltered: readonly boolean[] = [];
  #fence: FenceReader | undefined;

  take(published: PublishedSubscribers): void {
    this.#leases = new AddressReader(published.leases);
    this.#ranges = new AddressReader(published.ranges);
    this.#consents = new Uint8Array(published.consents);
    this.#unfiltered = published.unfiltered;
    const clock = threadClock();
    this.#fence = published.fence && new FenceReader(published.fence, () => clock.nowMs());
  }

  /** Note where the tables may hold the sender, for `fetch`; changes nothing of what `holderOf` says. */
  foresee({ clientWords, family, port, listener }: Omit<Source, 'nowMs'>): void {
    if (this.#unfiltered[listener] === true) return;
    this.#leases?.foresee(clientWords, family, port);
    this.#ranges?.foresee(clientWords, family, port);
  }

  /** Ask the memory for all that was noted, so that the waits of a batch overlap. */
  fetch(): void {
    this.#leases?.fetch();
    this.#ranges?.fetch();
  }

  /** The holder of the address that the query came from, a number from 0; UNKNOWN where there is none (`reason`). */
  holderOf(query: Source): number {
    const leases = this.#leases;
    const ranges = this.#ranges;
    if (leases === undefined || ranges === undefined) return this.#none(NO_SUBSCRIBERS);
    if (this.#unfiltered[query.listener] === true) return this.#none(UNFILTERED_LISTENER);
    const { clientWords, family, port } = query;
    const nowSeconds = Math.floor(query.nowMs / 1000);
    // Both are asked for before either is looked at: their ways through the memory overlap.
    leases.locate(clientWords, family, port);
    ranges.locate(clientWords, family, port);
    const lease = leases.found(nowSeconds);
    const range = ranges.found(nowSeconds);
    // The more exact one counts; of two alike the lease, which somebody reported. A lease that has ended hides the range
    // below it: the range may speak of a whole group, and whoever comes next may have opted out.
    const leased = lease !== UNKNOWN && (range === UNKNOWN || leases.length >= ranges.length);
    const holder = leased ? lease : range;
    this.matchedBits = leased ? leases.length : ranges.length;
    this.byLease = leased;
    if (holder < 0) return this.#none(NOT_KNOWN);
    this.reason = KNOWN;
    return holder;
  }

  /**
   * Several subscribers share the address, each with some of its ports. Walks all blocks that there may be: for the portal,
   * never for a packet.
   */
  sharedByPorts({ clientWords, family }: Source): boolean {
    return [this.#leases, this.#ranges].some((table) => table?.sharedByPorts(clientWords, family) ?? false);
  }

  /** Purposes that the holder consents to (purposes.ts); 0 = none, and where the fence of the fleet has run out. */
  purposesOf(holder: number): number {
    const purposes = holder < 0 || holder >= this.#consents.length ? 0 : Atomics.load(this.#consents, holder);
    return purposes !== 0 && this.isFenced ? 0 : purposes;
  }

  /** This node of a fleet may not inspect: it has not heard from the others for too long. */
  get isFenced(): boolean {
    return this.#fence !== undefined && !this.#fence.isUp();
  }

  #none(reason: 1 | 2 | 3): number {
    this.reason = reason;
    return UNKNOWN;
  }
}
