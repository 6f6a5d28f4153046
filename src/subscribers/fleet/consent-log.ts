/** The consent ledger of a whole fleet: one chain, in one order, which every node's own ledger repeats. */
import type { ImportProgress, LedgerEnd, LedgerEntry } from '../consent/ledger-store.ts';

/** All of one moment. */
export interface ConsentPage {
  /** Of the whole ledger. */
  readonly end: LedgerEnd;
  /** Those behind the one asked for, in their order; the first of them where there are many. */
  readonly entries: readonly LedgerEntry[];
}

export type AppendOutcome =
  /** They are recorded, and durable. `end` is the last of them. */
  | { readonly outcome: 'recorded'; readonly end: LedgerEnd }
  /** Nothing was recorded: others came first, and the ledger ends with `end`. */
  | { readonly outcome: 'moved'; readonly end: LedgerEnd }
  /** Nothing was recorded: this process does not speak for a node of the fleet. */
  | { readonly outcome: 'stranger' };

export interface ConsentAppend {
  /** Made at random: the same change is recorded once, however often it is sent. */
  readonly id: string;
  /** What the entries continue. */
  readonly base: LedgerEnd;
  readonly entries: readonly LedgerEntry[];
  readonly progress?: ImportProgress | undefined;
}

export interface ConsentLog {
  /** Rejects as the engine does. Entries are as the database holds them: to be checked. */
  read(after: number, most: number): Promise<ConsentPage>;
  /** One transaction, one message: nothing is held while this node thinks. Where it rejects, it may have happened. */
  append(append: ConsentAppend): Promise<AppendOutcome>;
  importedRows(id: string): Promise<number>;
}
