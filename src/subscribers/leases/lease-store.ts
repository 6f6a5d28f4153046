/**
 * Where leases are kept, so that they outlive the process: every claim of a session on an address, those that contradict each
 * other among them, and which sessions ended so lately that a late message could still bring them back. What ends gives its
 * subscriber up at once, and goes when its time has come. It is no log of sessions, and nobody but the server reads it.
 */
import type { Store } from '../../store/store.ts';

/** Four words of the address, and one of its shape. */
export const PREFIX_WORDS = 5;

/** Of a row. */
export const CLAIM_ENDED = 1;
export const CLAIM_UNSURE = 2;
export const CLAIM_DOUBTED = 4;

/** What happened, in its order. Arrays beside each other: this goes from one thread to another, thousands at a time. */
export interface LeaseBatch {
  /** Reporters whose sessions ended before the claims of this batch. */
  readonly ended: readonly {
    readonly reporters: readonly Int32Array[];
    readonly atMs: number;
    readonly heardMs: number;
    readonly untilMs: number;
  }[];
  /** PREFIX_WORDS for each claim. */
  readonly prefixes: Int32Array;
  /** NAME_WORDS for each. */
  readonly sessions: Int32Array;
  readonly atMs: Float64Array;
  readonly heardMs: Float64Array;
  readonly untilMs: Float64Array;
  readonly stamps: Float64Array;
  readonly flags: Uint8Array;
  /** Empty: it names nobody. */
  readonly subscribers: readonly string[];
}

export interface ArchivedClaim {
  /** PREFIX_WORDS. */
  readonly prefix: Int32Array;
  /** NAME_WORDS. */
  readonly session: Int32Array;
  readonly subscriber: string;
  readonly atMs: number;
  readonly heardMs: number;
  readonly untilMs: number;
  readonly stamp: number;
  readonly flags: number;
  readonly run: number;
}

/** Rejects with SekishoError SEKISHO_STORE_FAILED where the engine does not do it. */
export interface LeaseStore extends Store {
  /** Number of this process among those that used the store: later ones have higher ones. */
  readonly run: number;
  /** Until when each process heard of leases, of those before this one that left any. */
  runs(): Promise<ReadonlyMap<number, number>>;
  /** Every claim that is kept, so many at a time, each once. */
  claims(pageRows: number): AsyncIterable<readonly ArchivedClaim[]>;
  /**
   * All of it or nothing, durable when it resolves: a Start that was answered must not be missing after a loss of power, where the
   * one before it would come back in its place. `heardMs`: until when everything is known; what has ended by then goes now and
   * then.
   */
  write(batches: readonly LeaseBatch[], heardMs: number): Promise<void>;
  /** Forget everything, on a disk that takes nothing more: what cannot be kept up to date must not be believed. */
  beginAnew(wallMs: number): Promise<void>;
}
