/** What the portal remembers as long as the process lives, in memory, bounded: a reload must not make a used link good again. */
import { LRUCache } from 'lru-cache';
import type { SharedPortal } from './shared-portal.ts';
import { UsedLinks } from './signed-links.ts';
import { Tickets } from './tickets.ts';

/** Looks of one subscriber within that time are one look in the ledger. */
const SAME_LOOK_MS = 10 * 60_000;
/** Changes of one subscriber within CHANGES_MS. The ledger keeps each for good. */
const MAX_CHANGES = 20;
const CHANGES_MS = 10 * 60_000;
/** Subscribers at once; beyond, those who were here longest ago are forgotten. */
const MAX_SUBSCRIBERS = 20_000;

export class PortalMemory {
  tickets: Tickets;
  readonly usedLinks: UsedLinks;
  readonly #clock: { now(): number };
  readonly #shared: SharedPortal | undefined;
  readonly #looks: LRUCache<string, true>;
  readonly #changes: LRUCache<string, { count: number }>;

  /**
   * `termMs`: Clock.termMs at the start of the process. `linkUsed` is called when a link was used: the time has to be on the disk, so
   * that no later start takes the link for a fresh one. `shared`: with the other nodes of a fleet.
   */
  constructor(
    termMs: number,
    clock: { now(): number } = performance,
    linkUsed: () => void = () => {},
    shared?: SharedPortal,
  ) {
    this.#clock = clock;
    this.#shared = shared;
    this.tickets = new Tickets(clock, shared);
    this.usedLinks = new UsedLinks(termMs, linkUsed, shared);
    this.#looks = new LRUCache({ max: MAX_SUBSCRIBERS, ttl: SAME_LOOK_MS, perf: clock });
    this.#changes = new LRUCache({ max: MAX_SUBSCRIBERS, ttl: CHANGES_MS, perf: clock });
  }

  /** The time is set back: sessions and forms that have ended by it must not begin to hold again. */
  endAll(): void {
    this.tickets = new Tickets(this.#clock, this.#shared);
    this.usedLinks.beginAnew();
  }

  /** True where a look of this subscriber, recognised in the same way, was recorded shortly before. */
  lookedBefore(subscriber: string, by: string): boolean {
    const key = `${by}\n${subscriber}`;
    const before = this.#looks.has(key);
    if (!before) this.#looks.set(key, true);
    return before;
  }

  /** The look could not be recorded after all. */
  forgetLook(subscriber: string, by: string): void {
    this.#looks.delete(`${by}\n${subscriber}`);
  }

  /** False where the subscriber has changed too often lately. */
  mayChange(subscriber: string): boolean {
    const counted = this.#changes.get(subscriber);
    if (!counted) this.#changes.set(subscriber, { count: 1 });
    else if (counted.count >= MAX_CHANGES) return false;
    else counted.count++;
    return true;
  }
}
