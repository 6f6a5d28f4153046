/** Where the disk gives no store: nothing can be put in force, and rules of the configuration still follow the clock. */
import { rulesError } from './errors.ts';
import type { RuleStore } from './rule-store.ts';

async function refuse(): Promise<never> {
  throw rulesError('SEKISHO_RULE_STORE', 'there is no store for rules; the log says why');
}

export const absentRuleStore: RuleStore = {
  rules: async () => [],
  nextNumber: refuse,
  commit: refuse,
  forget: async () => {},
  changes: async () => [],
  deleteChanges: async () => 0,
  close: async () => {},
};
