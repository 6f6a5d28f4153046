/**
 * Where notices to send are kept (2017 direction §3(1)): that a subscriber's terminals looked up listed names. Kept are subscriber,
 * category, list, first and last time and count; no name, unless the operator states a ground for it (c2-block, `record-names`).
 */
import type { Store } from '../../store/store.ts';

/** How many rows a deletion took. */
export interface DeletedNotices {
  readonly notices: number;
  readonly names: number;
}

export interface Notice {
  readonly subscriber: string;
  readonly category: string;
  readonly list: string;
  readonly firstMs: number;
  readonly lastMs: number;
  readonly count: number;
}

/** A listed name that a subscriber's terminals looked up. */
export interface NoticeName {
  readonly list: string;
  readonly name: string;
  readonly firstMs: number;
  readonly lastMs: number;
  readonly count: number;
}

/** What is added to a notice, at `lastMs`; with a name only where there is a ground to keep it. */
export interface NoticeAddition extends Omit<Notice, 'firstMs'> {
  readonly name?: string;
}

/** Names kept of one subscriber and list; more are counted in the notice and not kept. */
export const MAX_NAMES = 100;

/** Rejects with SekishoError SEKISHO_STORE_FAILED where the engine does not do it. */
export interface NoticeStore extends Store {
  /** All of it or nothing, on the disk when it resolves. */
  add(additions: readonly NoticeAddition[]): Promise<void>;
  /** Latest first; at most `limit` (1000 unless given). */
  list(subscriber?: string, limit?: number): Promise<Notice[]>;
  /** Names of one subscriber, latest first. Whoever shows them has written into the audit log that somebody looked. */
  names(subscriber: string): Promise<NoticeName[]>;
  /** A name is kept of anybody. Costs little where none is. */
  keepsNames(): Promise<boolean>;
  /** Delete what was last added to before `ms`, with its names, so that no byte is left of it. */
  deleteBefore(ms: number): Promise<DeletedNotices>;
  /** The same of names alone. */
  deleteNamesBefore(ms: number): Promise<DeletedNotices>;
}
