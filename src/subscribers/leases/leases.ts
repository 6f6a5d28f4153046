/**
 * Leases: who holds which address from when to when, as RADIUS accounting or the API reports it.
 *
 * Messages get lost, come twice and come in the wrong order, so each is judged by the time of the event, not by that of its
 * arrival. What the table keeps of an address is its holder, the session and the time of its last event (which is the
 * expiry less the lifetime). Where two sessions claim one address and nothing tells which is right, nobody holds it: unknown
 * is not inspected, and the next message that is certain ends it.
 */

import type { Source } from '../in-force.ts';
import type { AddressTable, PortPrefix } from '../table/address-table.ts';
import { NOBODY, UNKNOWN } from '../table/prefix-table.ts';
import type { LeaseKeeper } from './lease-keeper.ts';

/** What somebody reported. Times are seconds of the monotonic clock that the packet threads read. */
export interface LeaseEvent {
  readonly kind: 'start' | 'interim' | 'stop';
  readonly prefix: PortPrefix;
  readonly holder: number;
  /** Tells this session from others on the same address: `sessionWord`. */
  readonly session: number;
  readonly atSeconds: number;
  /** When the session began, where the message says so. */
  readonly beganSeconds?: number;
}

/**
 * - `taken`: in force. `ended`: the address has no holder now.
 * - `late`: something newer is known of the address. `not-the-holder`: a stop for somebody else's session.
 * - `conflict`: two sessions claim it; nobody holds it until that is cleared up.
 * - `full`: no room; the address stays unknown.
 */
export const LEASE_RESULTS = ['taken', 'ended', 'late', 'not-the-holder', 'conflict', 'full'] as const;
export type LeaseResult = (typeof LEASE_RESULTS)[number];

const ADDRESS_BITS = 128;
/** Bits of the session word that say who reported it: a NAS, or the API. */
const REPORTER_SHIFT = 24;
const REPORTER_MASK = 0xff << REPORTER_SHIFT;
export const MAX_REPORTERS = 255;
/** Reports over the API are one reporter, apart from those of RADIUS. */
export const API_REPORTER = MAX_REPORTERS - 1;

/** `reporter` 0–254, `hash` of what the reporter calls the session. */
export function sessionWord(reporter: number, hash: number): number {
  return (reporter << REPORTER_SHIFT) | (hash & ~REPORTER_MASK);
}

/** Session of an address whose lease from before a restart was not confirmed: nobody's, so that any message is news. */
const UNCONFIRMED = sessionWord(MAX_REPORTERS, 0);
/** Two clocks do not round alike. */
const SAME_SECONDS = 2;
/** A prolongation is kept on the disk so many times in a lifetime at most. */
const KEPT_IN_A_LIFETIME = 8;

/** FNV-1a of what a reporter calls a session: those of one address are told apart, and the reporter was authenticated. */
export function sessionHash(sessionId: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < sessionId.length; i++) hash = Math.imul(hash ^ sessionId.charCodeAt(i), 0x01000193);
  return hash ^ (hash >>> 15);
}

export class Leases {
  readonly table: AddressTable;
  /** Where changes are kept over a restart, if anywhere. */
  keeper: LeaseKeeper | undefined;
  readonly #lifetimeSeconds: () => number;

  constructor(table: AddressTable, lifetimeSeconds: () => number) {
    this.table = table;
    this.#lifetimeSeconds = lifetimeSeconds;
  }

  report(event: LeaseEvent): LeaseResult {
    const { kind, prefix, holder, session, atSeconds } = event;
    const lifetime = this.#lifetimeSeconds();
    const before = this.table.holderOf(prefix);
    const lastSeconds = before === UNKNOWN ? Number.NEGATIVE_INFINITY : this.table.expiresSeconds - lifetime;
    const same = before !== UNKNOWN && this.table.session === session;
    const put = (whose: number, result: LeaseResult): LeaseResult => {
      const last = Math.max(atSeconds, same ? lastSeconds : atSeconds);
      if (!this.table.set(prefix, whose, last + lifetime, session)) return 'full';
      const slice = lifetime / KEPT_IN_A_LIFETIME;
      const isProlonged = same && before === whose && Math.floor(last / slice) === Math.floor(lastSeconds / slice);
      if (!isProlonged || this.keeper?.believing) this.keeper?.changed(prefix, whose, last + lifetime, session);
      return result;
    };

    if (kind === 'stop') {
      // Without an entry there is nothing to end, and room is kept for those who come.
      if (before === UNKNOWN) return 'ended';
      // R10: no guessing. Whoever holds the address now is not ended by another one's stop.
      if (!same) return 'not-the-holder';
      return put(NOBODY, 'ended');
    }
    if (same) {
      // A start or interim that was overtaken by its own session's stop; a client that began anew may use an id again.
      if (before === NOBODY && !(kind === 'start' && atSeconds > lastSeconds)) return 'late';
      return put(holder, 'taken');
    }
    if (atSeconds < lastSeconds) return 'late';
    if (kind === 'interim' && before >= 0 && !(event.beganSeconds !== undefined && event.beganSeconds >= lastSeconds))
      return put(NOBODY, 'conflict');
    return put(holder, 'taken');
  }

  /**
   * Was the lease by which somebody was found reported over the API? `bits`: of its prefix, above 128 with those of the port.
   * Yes also where there is no such lease any more: by what has just gone nobody is recognised.
   */
  isOfApi({ clientWords, port }: Pick<Source, 'clientWords' | 'port'>, bits: number): boolean {
    const prefix = {
      words: clientWords,
      bits: Math.min(bits, ADDRESS_BITS),
      port,
      portBits: Math.max(0, bits - ADDRESS_BITS),
    };
    if (this.table.holderOf(prefix) === UNKNOWN) return true;
    return this.table.session >>> REPORTER_SHIFT === API_REPORTER;
  }

  /** RFC 2866 §5.1, Accounting-On and -Off: the reporter has begun anew and holds none of its sessions any more. */
  endReporter(reporter: number, atSeconds: number): number {
    const expiresSeconds = atSeconds + this.#lifetimeSeconds();
    this.keeper?.reporterEnded(reporter, expiresSeconds);
    return this.table.endSessions(reporter << REPORTER_SHIFT, REPORTER_MASK, expiresSeconds);
  }

  /** Nobody holds the address, where this session still does and nothing was heard of it since. */
  endUnconfirmed(prefix: PortPrefix, session: number, expiresSeconds: number): void {
    const { table } = this;
    if (table.holderOf(prefix) < 0 || table.session !== session) return;
    if (Math.abs(table.expiresSeconds - expiresSeconds) > SAME_SECONDS) return;
    const until = table.expiresSeconds;
    table.set(prefix, NOBODY, until, UNCONFIRMED);
    this.keeper?.changed(prefix, NOBODY, until, UNCONFIRMED);
  }
}
