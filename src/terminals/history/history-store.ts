/** Where the lease history is kept: who held which address when, for as long as `terminals.lease-history` says. */
import type { Store } from '../../store/store.ts';
import type { LeaseSpan } from './lease-span.ts';

/** One change of a lease, as it is handed over. Plain data: it goes to another thread. */
export interface LeaseChange {
  /** Sixteen bytes, bits beyond the prefix cleared, in hexadecimal. */
  readonly prefix: string;
  readonly bits: number;
  readonly port: number;
  readonly portBits: number;
  /** What tells sessions apart, in hexadecimal. */
  readonly session: string;
  /** '' = nobody knows whose it is. */
  readonly subscriber: string;
  readonly atMs: number;
  readonly heardMs: number;
  readonly ended: boolean;
  readonly unsure: boolean;
  readonly clockDoubt: boolean;
}

export interface FoundSpans {
  readonly spans: readonly LeaseSpan[];
  /** Leases held the address at any time that is kept. */
  readonly everLeased: boolean;
}

/** An address that somebody asks about. */
export interface AddressQuestion {
  /** Sixteen bytes in hexadecimal. */
  readonly address: string;
  /** -1 = the report names none. */
  readonly port: number;
}

/** Rejects with SekishoError SEKISHO_STORE_FAILED where the engine does not do it. */
export interface HistoryStore extends Store {
  /** In their order. After a loss of power the last ones may be missing: their leases are then silent since. */
  write(changes: readonly LeaseChange[], lifetimeMs: number): Promise<void>;
  find(questions: readonly AddressQuestion[]): Promise<readonly FoundSpans[]>;
  /** Delete what ended, or was last heard of, before `ms`, so that no byte is left of it. Resolves with how many leases. */
  deleteBefore(ms: number): Promise<number>;
  /** Delete everything, and start over: what is missing in it must not be guessed. */
  beginAnew(wallMs: number): Promise<void>;
  count(): Promise<number>;
}
