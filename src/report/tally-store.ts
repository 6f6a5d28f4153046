/** Where the daily tallies of the transparency report are kept. */
import type { Store } from '../store/store.ts';

/** How far one counter rose in a time. */
export interface Tally {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  /** What is counted, for people. */
  readonly help: string;
  readonly count: number;
  /** Days on which it rose. */
  readonly days: number;
}

/** What a counter rose by on one day. */
export type Rise = Omit<Tally, 'days'>;

/** Days are dates in UTC, YYYY-MM-DD. The last moments may be missing after a loss of power, never part of an `add`. */
export interface TallyStore extends Store {
  /** Add to what `day` has of each counter. The order of labels does not tell counters apart; the last help text stays. */
  add(day: string, rises: readonly Rise[]): Promise<void>;
  /** Forget every day before `day`. */
  forgetBefore(day: string): Promise<void>;
  /** Sums of the days `from` to `to`, both included; by name, then the largest first, then by labels. */
  between(from: string, to: string): Promise<Tally[]>;
}

/** The same for the same labels in another order. */
export function labelsText(labels: Readonly<Record<string, string>>): string {
  return JSON.stringify(Object.fromEntries(Object.entries(labels).sort(([one], [other]) => (one < other ? -1 : 1))));
}
