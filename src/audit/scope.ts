/**
 * Which entries belong to the request under way. A route of the admin API declares what it writes into the audit log; by
 * this the application sees whether it did, however far from the route the entry is written, before an answer leaves.
 */
import { AsyncLocalStorage } from 'node:async_hooks';

const scope = new AsyncLocalStorage<Set<string>>();

/** Actions that are recorded in whatever `work` begins are added to `actions`. */
export function noteAuditedInto(actions: Set<string>, work: () => void): void {
  scope.run(actions, work);
}

/** An entry is on the disk. */
export function noteAudited(action: string): void {
  scope.getStore()?.add(action);
}
