/**
 * What the audit logs of all nodes say in numbers, for one report over the fleet. Each node has its own log; it puts the sums of each day
 * into PostgreSQL, whole days in place of what it put before, so that nothing counts twice however often it is put.
 */
import type { ActionSummary, AuditedAction, AuditStore } from '../audit/audit-store.ts';
import type { Engine } from '../fleet/engine/engine.ts';

/** One node's day. Details of deletions are numbers and names of datasets. */
interface AuditDay {
  readonly actions: readonly ActionSummary[];
  readonly deletions: readonly AuditedAction[];
}

export interface FleetAuditSums {
  readonly actions: readonly ActionSummary[];
  readonly deletions: readonly AuditedAction[];
  /** Nodes whose sums are in it. */
  readonly nodes: readonly string[];
}

const DAY_MS = 86_400_000;
/** Days that a node puts again where it was away: longer ones are put once somebody asks for a report of them. */
const PUT_DAYS = 40;

export class FleetAudit {
  readonly #engine: Engine;
  readonly #node: string;
  readonly #audit: Pick<AuditStore, 'summary' | 'details'>;
  readonly #deletions: readonly string[];
  /** The last day that was over when it was put. */
  #putTo = '';

  /** `deletions`: actions under which deletions are recorded. */
  constructor(
    engine: Engine,
    node: string,
    audit: Pick<AuditStore, 'summary' | 'details'>,
    deletions: readonly string[],
  ) {
    this.#engine = engine;
    this.#node = node;
    this.#audit = audit;
    this.#deletions = deletions;
  }

  /** Put the days up to that of `wallMs` (UTC). Rejects as the engine does. */
  async put(wallMs: number): Promise<void> {
    const today = dayOf(wallMs);
    const days = Array.from({ length: PUT_DAYS }, (_, i) => dayOf(wallMs - i * DAY_MS)).filter(
      (day) => day > this.#putTo,
    );
    for (const day of days.reverse()) {
      const sums = await this.#day(day);
      if (sums.actions.length === 0 && day !== today) continue;
      await this.#engine.query(
        `INSERT INTO sekisho.audit_day (node, day, summary) VALUES ($1, $2, $3)
         ON CONFLICT (node, day) DO UPDATE SET summary = excluded.summary`,
        [this.#node, day, JSON.stringify(sums)],
      );
    }
    this.#putTo = dayOf(wallMs - DAY_MS);
  }

  /** Sums of the days `from` to `to`, both included, over all nodes. Rejects as the engine does. */
  async between(from: string, to: string): Promise<FleetAuditSums> {
    const rows = await this.#engine.query<{ node: string; summary: AuditDay }>(
      'SELECT node, summary FROM sekisho.audit_day WHERE day BETWEEN $1 AND $2 ORDER BY day, node COLLATE "C"',
      [from, to],
    );
    return {
      actions: summed(rows.flatMap(({ summary }) => summary.actions)),
      deletions: rows.flatMap(({ summary }) => summary.deletions),
      nodes: [...new Set(rows.map(({ node }) => node))].sort(),
    };
  }

  async #day(day: string): Promise<AuditDay> {
    const [from, to] = [`${day}T00:00:00.000Z`, new Date(Date.parse(day) + DAY_MS).toISOString()];
    const deletions = await Promise.all(this.#deletions.map((action) => this.#audit.details(action, from, to)));
    return { actions: await this.#audit.summary(from, to), deletions: deletions.flat() };
  }
}

function summed(parts: readonly ActionSummary[]): ActionSummary[] {
  const sums = new Map<string, ActionSummary>();
  for (const part of parts) {
    const sum = sums.get(part.action);
    sums.set(
      part.action,
      sum
        ? {
            action: part.action,
            count: sum.count + part.count,
            first: sum.first < part.first ? sum.first : part.first,
            last: sum.last > part.last ? sum.last : part.last,
          }
        : part,
    );
  }
  return [...sums.values()].sort((one, other) => (one.action < other.action ? -1 : 1));
}

function dayOf(wallMs: number): string {
  return new Date(wallMs).toISOString().slice(0, 10);
}
