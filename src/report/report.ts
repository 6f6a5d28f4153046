/**
 * The transparency report: what was done in a time, how often and for how long, and what was deleted. It is made to be
 * published, so nothing in it names a subscriber, a client or a name that was looked up: it is put together from daily
 * tallies (tally-log.ts), from the audit log's actions without their texts, and from counts of consent, of which small ones
 * are not told (a cell of one person is that person).
 */
import type { ActionSummary, AuditVerdict } from '../audit/audit-store.ts';
import type { LedgerTally } from '../subscribers/consent/ledger-store.ts';
import type { Tally } from './tally-store.ts';
import {
  actionWords,
  channelWords,
  consentWords,
  counterWords,
  datasetWords,
  isRefusal,
  labelWords,
  REFUSALS,
  type Words,
} from './words.ts';

/** Counts below this are shown as "fewer than", whatever is counted: a handful of queries is a handful of people. */
export const SMALLEST_CELL = 10;

/** A span of whole days in UTC, both included. */
export interface ReportSpan {
  /** YYYY-MM-DD. */
  readonly from: string;
  readonly to: string;
}

/** A number of something, in words for the public. `count` is null where it is below `smallestCell`, and `days` then too. */
export interface Counted {
  readonly what: Words;
  readonly labels: Words;
  readonly count: number | null;
  readonly days: number | null;
}

export interface Measure {
  readonly plugin: string;
  readonly stage: string;
  readonly counts: readonly Counted[];
  /** Counters for which there are no words for the public: those of plugins from outside. */
  readonly undescribed: number;
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
  readonly actions: readonly ReportedAction[];
  /** What was asked for and refused: by the log, and by the server's own counters. */
  readonly refusals: { readonly actions: readonly ReportedAction[]; readonly counts: readonly Counted[] };
  /** Deletions, as recorded when they were made; `rows` is null below `smallestCell`. */
  readonly deletions: readonly {
    readonly dataset: string;
    readonly what: Words;
    readonly times: number;
    readonly rows: number | null;
    readonly last: string;
  }[];
  /** Changes of consent; `count` is null where they are those of fewer than `smallestCell` subscribers. */
  readonly consent: readonly {
    readonly action: string;
    readonly channel: string;
    readonly what: Words;
    readonly by: Words;
    readonly count: number | null;
  }[];
  readonly smallestCell: number;
  /** Whether the audit log's chain holds, as of now. */
  readonly audit: Pick<AuditVerdict, 'ok' | 'entries' | 'head'>;
}

/** `first` and `last` are days, null where the count is not told. */
export interface ReportedAction {
  readonly action: string;
  readonly what: Words;
  readonly count: number | null;
  readonly first: string | null;
  readonly last: string | null;
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
    actions: actions.filter(({ action }) => !isRefusal(action)).flatMap(reportedAction),
    refusals: {
      actions: actions.filter(({ action }) => isRefusal(action)).flatMap(reportedAction),
      counts: tallies.filter(({ name }) => Object.hasOwn(REFUSALS, name)).flatMap(counted),
    },
    deletions: deletionsOf(sources.deletions),
    consent: consent.map(({ action, channel, count, subscribers }) => ({
      action,
      channel,
      what: consentWords(action),
      by: channelWords(channel),
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
    .map(({ plugin: { name, stage }, counts }) => ({
      plugin: name,
      stage,
      counts: counts.flatMap(counted),
      undescribed: new Set(counts.filter((each) => !counterWords(each.name)).map((each) => each.name)).size,
    }));
}

/** Nothing where there are no words for it. */
function counted({ name, labels, count, days }: Tally): Counted[] {
  const what = counterWords(name);
  const isSmall = count < SMALLEST_CELL;
  return what ? [{ what, labels: labelWords(labels), count: isSmall ? null : count, days: isSmall ? null : days }] : [];
}

/** What has no words yet is named as the log names it: no row of the log is left out. */
function reportedAction({ action, count, first, last }: ActionSummary): ReportedAction[] {
  const isSmall = count < SMALLEST_CELL;
  return [
    {
      action,
      what: actionWords(action) ?? { ja: action, en: action },
      count: isSmall ? null : count,
      first: isSmall ? null : first.slice(0, 10),
      last: isSmall ? null : last.slice(0, 10),
    },
  ];
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
  return [...sums.values()].map(({ rows, last, dataset, times }) => ({
    dataset,
    what: datasetWords(dataset),
    times,
    rows: rows < SMALLEST_CELL ? null : rows,
    last: last.slice(0, 10),
  }));
}
