/** Section `resolve` of the configuration, checked, as plain data that can be sent to a worker. */
import type { BudgetLimits } from './budget.ts';
import type { RootHint } from './hints.ts';

export interface ResolveConfig {
  readonly hints: readonly RootHint[];
  /** Memory for delegations and addresses of name servers, all workers together. */
  readonly delegationsBytes: number;
  readonly minimise: boolean;
  readonly ipv4: boolean;
  readonly ipv6: boolean;
  /** Networks in CIDR notation. */
  readonly neverAsk: readonly string[];
  readonly budget: BudgetLimits;
}
