/**
 * Where the consent ledger is kept: who consented to what or withdrew it, when, over which channel, under which version of the
 * terms. It is only ever added to, and each entry's hash covers the one before. The byte that packet threads read is derived from it
 * (register.ts).
 */
import { createHash } from 'node:crypto';
import type { Store } from '../../store/store.ts';

/**
 * `shown` and `exported`: somebody looked (no read without a trace). `damage-accepted`: a person went on with a ledger that
 * was found damaged; of no subscriber.
 */
export const ACTIONS = ['opt-out', 'opt-in', 'shown', 'exported', 'damage-accepted'] as const;
export type LedgerAction = (typeof ACTIONS)[number];

/** What is recorded. */
export interface LedgerRecord {
  readonly subscriber: string;
  /** Empty where the entry is about all of them. */
  readonly purpose: string;
  readonly action: LedgerAction;
  /** Who did it: the name of the token, or the subscriber. */
  readonly who: string;
  readonly channel: string;
  /** Version of the terms in force. */
  readonly terms: string;
  readonly reason: string;
}

export interface LedgerEntry extends LedgerRecord {
  /** From 1, without gaps. */
  readonly seq: number;
  readonly atMs: number;
  /** SHA-256, hexadecimal, over the entry before and this one. */
  readonly hash: string;
}

/** How often something was done over one channel, and for how many. */
export interface LedgerTally {
  readonly action: LedgerAction;
  readonly channel: string;
  readonly count: number;
  readonly subscribers: number;
}

/** How far an import of a file has come, kept with its entries. */
export interface ImportProgress {
  readonly id: string;
  readonly rows: number;
}

/** What goes to the disk beside an append. */
export interface Beside {
  /** The ledger's anchor waits for it: what is anchored there is recorded elsewhere too. */
  readonly flushed: Promise<void>;
  /** Nothing acts before. */
  readonly recorded: Promise<void>;
}

export interface AppendOptions {
  readonly progress?: ImportProgress;
  /** Where it rejects, the entries stand in the ledger and must not be relied on, as where the anchor cannot be written. */
  readonly beside?: Beside;
}

/** Which entries: all that is given must hold. */
export interface LedgerRange {
  readonly subscriber?: string;
  /** Behind this number; 0 unless given. */
  readonly after?: number;
}

/** The end of a ledger. */
export interface LedgerEnd {
  /** Number of the last entry that is recorded; 0 where there is none. */
  readonly seq: number;
  readonly hash: string;
}

/**
 * Entries are recorded in the order in which they were asked for, whoever waited for whom. What is recorded is durable, and shown
 * elsewhere if that is how the engine guards it; nothing else is read.
 */
export interface LedgerStore extends Store {
  /**
   * Resolves with the entries once they are recorded, and act. Rejects with SekishoError: SEKISHO_LEDGER_FAILED, and then none of
   * them acts. All of it or nothing, with how far the import has come.
   */
  append(records: readonly LedgerRecord[], options?: AppendOptions): Promise<LedgerEntry[]>;
  /**
   * Entries in their order, some hundred at a time, none twice and none left out, up to those that were recorded when the last of
   * them was asked for: `after` the last one read, whoever follows the ledger asks again.
   */
  pages(range?: LedgerRange): AsyncIterable<readonly LedgerEntry[]>;
  end(): Promise<LedgerEnd>;
  /** Rows of the import `id` that are recorded. */
  importedRows(id: string): Promise<number>;
  /** Entries made from `fromMs` on and before `toMs`, by action, then channel. */
  tally(fromMs: number, toMs: number): Promise<LedgerTally[]>;
  /**
   * Why the chain does not hold, as a sentence; undefined where it does. In small steps: a million entries take seconds, in which
   * the main thread has other things to do. Rejects with SekishoError where the ledger is closed meanwhile.
   */
  verify(): Promise<string | undefined>;
}

/** SHA-256 over the entry before and this one. Every field is quoted, so that no two entries read alike. */
export function hashOfEntry(before: string, entry: Omit<LedgerEntry, 'hash'>): string {
  const { seq, atMs, subscriber, purpose, action, who, channel, terms, reason } = entry;
  const text = JSON.stringify([before, seq, atMs, subscriber, purpose, action, who, channel, terms, reason]);
  return createHash('sha256').update(text).digest('hex');
}

/** The hash before the first entry. */
export const FIRST_HASH = '0'.repeat(64);

/** All entries of a range at once: for those of one subscriber. */
export async function entriesOf(ledger: LedgerStore, range: LedgerRange): Promise<LedgerEntry[]> {
  const entries: LedgerEntry[] = [];
  for await (const page of ledger.pages(range)) entries.push(...page);
  return entries;
}
