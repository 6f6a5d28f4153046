/**
 * Where all temporary rules are kept, and every change that was made to one. What is committed together is on the disk together:
 * there is no moment at which a rule is known in one place and not in another.
 */
import type { OpenedStore, Store } from '../store/store.ts';
import type { Rule, RuleOrigin } from './rule.ts';

/** `follow`: a dry run gave way to the rule that follows from it. */
export type RuleAction = 'add' | 'renew' | 'lift' | 'expire' | 'follow';
export const RULE_ACTIONS: readonly RuleAction[] = ['add', 'renew', 'lift', 'expire', 'follow'];

/** One change, to be kept with the rule as it is after it. */
export interface RuleChange {
  readonly action: RuleAction;
  readonly rule: Rule;
  readonly who: string;
  /** Why, where somebody said so. */
  readonly reason: string;
  /** Wall-clock milliseconds. */
  readonly atMs: number;
}

/** One line of the change log. */
export interface KeptChange extends RuleChange {
  /** From 1, in the order of commits. */
  readonly id: number;
}

/** Which changes: all that is given must hold. */
export interface ChangeFilter {
  readonly origin?: RuleOrigin;
  readonly plugin?: string;
  readonly actions?: readonly RuleAction[];
  /** As keyOf says. */
  readonly key?: string;
}

/** Rejects with SekishoError SEKISHO_RULE_STORE where the disk does not do it. */
export interface RuleStore extends Store {
  /** Those that run, and those that ended within a day; by number. */
  rules(): Promise<readonly Rule[]>;
  /** The number of the next rule: those of forgotten ones are not used again. */
  nextNumber(): Promise<number>;
  /** Keep the rules as they are, and that it was done: all of it or nothing, on the disk when it resolves. */
  commit(changes: readonly RuleChange[]): Promise<void>;
  /** They ended long ago and need not be shown any longer; their changes stay. */
  forget(ids: readonly string[]): Promise<void>;
  /** The latest first. */
  changes(limit: number, filter?: ChangeFilter): Promise<readonly KeptChange[]>;
  /** Delete changes of measures from before `beforeMs`, so that no byte is left, and keep a record of it. Resolves with how many. */
  deleteChanges(beforeMs: number, atMs: number): Promise<number>;
}

export interface OpenedRuleStore extends OpenedStore<RuleStore> {
  /** What was taken over from the stores of former versions; undefined where there were none. */
  readonly takenOver: { readonly rules: number; readonly changes: number } | undefined;
}
