/**
 * Where the audit log is kept. One chain a process: in a fleet each node has its own, with its end noted elsewhere, so that a node
 * records what must not happen unrecorded without asking anybody.
 */
import type { Store } from '../store/store.ts';
import type { AuditEntry, Auditor, Recording } from './entry.ts';

export interface AuditVerdict {
  readonly ok: boolean;
  /** Entries that fit, from the first. */
  readonly entries: number;
  /** `SEQUENCE:HASH` of the last entry; null where there is none. */
  readonly head: string | null;
  /** What is wrong, for people. */
  readonly problem: string | null;
}

/** How often something was done, without who, why or to what. */
export interface ActionSummary {
  readonly action: string;
  readonly count: number;
  /** ISO 8601, UTC. */
  readonly first: string;
  readonly last: string;
}

/** An audited action, when and with which details. */
export interface AuditedAction {
  /** ISO 8601, UTC. */
  readonly at: string;
  readonly detail: unknown;
}

/** Who acknowledges damage, and why. */
export interface Acknowledgement {
  readonly who: string;
  readonly role: string;
  readonly reason: string;
}

export interface AuditStore extends Store, Auditor {
  /** What was found wrong and nobody has acknowledged yet, for people. */
  readonly damage: string | undefined;
  /** All of them or none, on the disk when it resolves, in the order asked for. Rejects as `Auditor.record` throws. */
  append(entries: readonly AuditEntry[]): Promise<void>;
  begin(entries: readonly AuditEntry[]): Recording;
  /**
   * Recompute the chain and compare it with its anchors; with `anchor`, `SEQUENCE:HASH` as noted earlier, see that it leads
   * through that entry. What is wrong is damage from then on. In small steps: a long log takes seconds, in which the main thread
   * has other things to do. Rejects with SekishoError where `anchor` is of another form.
   */
  verify(anchor?: string): Promise<AuditVerdict>;
  /**
   * A person has looked into the damage and lets the log go on. A chain that does not hold is moved aside, and a new one begins;
   * either way the acknowledgement, with what was found, is its next entry. Rejects with SekishoError where nothing is damaged.
   */
  acknowledge(by: Acknowledgement): Promise<AuditVerdict>;
  /** Actions from `from` on and before `to` (ISO 8601, UTC), each with how often; by name. */
  summary(from: string, to: string): Promise<ActionSummary[]>;
  /** When, and with which details, `action` was done from `from` on and before `to`, in that order. */
  details(action: string, from: string, to: string): Promise<AuditedAction[]>;
}
