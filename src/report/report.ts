/**
 * The transparency report: what was done in a time, how often and for how long, and what was deleted. It is made to be
 * published, so nothing in it names a subscriber, a client or a name that was looked up: it is put together from daily
 * tallies (tally-log.ts), from the audit log's actions without their texts, and from counts of consent, of which small ones
 * are not told (a cell of one person is that person).
 */
import type { ActionSummary, AuditVerdict } from '../audit/audit-store.ts';
import type { LedgerTally } from '../subscribers/consent/ledger-store.ts';
import type { Tally } from './tally-store.ts';

/** Counts of people below this are shown as "fewer than". */
export const SMALLEST_CELL = 10;

/** A span of whole days in UTC, both included. */
export interface ReportSpan {
  /** YYYY-MM-DD. */
  readonly from: string;
  readonly to: string;
}

export interface Measure {
  readonly plugin: string;
  readonly stage: string;
  readonly summary: string;
  readonly counts: readonly Omit<Tally, 'name'>[];
}

export interface TransparencyReport extends ReportSpan {
  readonly generatedAt: string;
  readonly version: string;
  /** Queries in all. */
  readonly queries: number;
  /** What the plugins did, in the order of the chain. Those of former configurations come last. */
  readonly measures: readonly Measure[];
  /** Lists in force today, with the ground that each acts on. */
  readonly lists: readonly {
    readonly name: string;
    readonly category: string;
    readonly tier: string;
    readonly ground: string;
  }[];
  /** What people and the server itself did that had to be audited. */
  readonly actions: readonly ActionSummary[];
  /** Deletions of the query-rate history, as recorded when they were made. */
  readonly deletions: readonly {
    readonly dataset: string;
    readonly times: number;
    readonly rows: number;
    readonly last: string;
  }[];
  /** Changes of consent; `count` is null where they are those of fewer than `smallestCell` subscribers. */
  readonly consent: readonly {
    readonly action: string;
    readonly channel: string;
    readonly count: number | null;
  }[];
  readonly smallestCell: number;
  /** Whether the audit log's chain holds, as of now. */
  readonly audit: Pick<AuditVerdict, 'ok' | 'entries' | 'head'>;
}

export interface ReportSources {
  readonly version: string;
  readonly nowMs: number;
  readonly chain: readonly { readonly name: string; readonly stage: string; readonly summary: string }[];
  readonly lists: TransparencyReport['lists'];
  readonly tallies: readonly Tally[];
  readonly actions: readonly ActionSummary[];
  /** `detail` of each audited deletion, and when. */
  readonly deletions: readonly { readonly at: string; readonly detail: unknown }[];
  readonly consent: readonly LedgerTally[];
  readonly audit: AuditVerdict;
}

export function transparencyReport(span: ReportSpan, sources: ReportSources): TransparencyReport {
  const { version, nowMs, tallies, actions, consent, audit, lists } = sources;
  return {
    ...span,
    generatedAt: new Date(nowMs).toISOString(),
    version,
    queries: tallies.filter(({ name }) => name === 'sekisho_queries_total').reduce((sum, { count }) => sum + count, 0),
    measures: measuresOf(sources),
    lists,
    actions,
    deletions: deletionsOf(sources.deletions),
    consent: consent.map(({ action, channel, count, subscribers }) => ({
      action,
      channel,
      count: subscribers < SMALLEST_CELL ? null : count,
    })),
    smallestCell: SMALLEST_CELL,
    audit: { ok: audit.ok, entries: audit.entries, head: audit.head },
  };
}

/** Counters of a plugin begin with its name. The longest name that fits counts: `access` is not `access-list`. */
function measuresOf({ chain, tallies }: ReportSources): Measure[] {
  const prefixes = chain
    .map((plugin) => ({ plugin, prefix: `sekisho_${plugin.name.replaceAll('-', '_')}_`, counts: [] as Tally[] }))
    .sort((one, other) => other.prefix.length - one.prefix.length);
  for (const tally of tallies) prefixes.find(({ prefix }) => tally.name.startsWith(prefix))?.counts.push(tally);
  return chain
    .map((plugin) => ({ plugin, counts: prefixes.find((each) => each.plugin === plugin)!.counts }))
    .filter(({ counts }) => counts.length > 0)
    .map(({ plugin: { name, stage, summary }, counts }) => ({
      plugin: name,
      stage,
      summary,
      counts: counts.map(({ name: _, ...count }) => count),
    }));
}

interface RecordedDeletion {
  readonly dataset: string;
  readonly rows: number;
}

function deletionsOf(entries: ReportSources['deletions']): TransparencyReport['deletions'] {
  const sums = new Map<string, { dataset: string; times: number; rows: number; last: string }>();
  for (const { at, detail } of entries) {
    const { deletions = [] } = detail as { deletions?: readonly RecordedDeletion[] };
    for (const { dataset, rows } of deletions) {
      const sum = sums.get(dataset) ?? { dataset, times: 0, rows: 0, last: at };
      sums.set(dataset, sum);
      sum.times++;
      sum.rows += rows;
      sum.last = at;
    }
  }
  return [...sums.values()];
}
