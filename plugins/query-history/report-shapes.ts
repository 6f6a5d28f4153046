/** What a diagnosis and a look into the history answer. */
import type { Typical } from './baseline.ts';
import type { Diagnosis } from './diagnosis.ts';
import type { ImportOutcome } from './imported.ts';
import type { Kind } from './layout.ts';
import type { Overload } from './overload.ts';
import type { Proposal } from './proposals.ts';
import type { Trial } from './trial.ts';

/** Queries a second over time, oldest first. */
export interface Series {
  readonly stepSeconds: number;
  readonly values: readonly number[];
}

/** As it is shown: with what it takes to put it in force. */
export interface ShownProposal extends Proposal {
  /** For `--apply`: some may not be shown. */
  readonly number: number;
  /** The command line for it; NAME and WHY are for a person to say. */
  readonly command: string;
  /** Why it cannot be put in force as things are; empty where it can. */
  readonly obstacle: string;
}

export interface DiagnosisReport extends Omit<Diagnosis, 'proposals'> {
  /** For `--diagnosis`, within half an hour. */
  readonly id: string;
  readonly proposals: readonly ShownProposal[];
  /** Rules that act already: they are not proposed again. */
  readonly inForce: readonly { readonly id: string; readonly plugin: string; readonly text: string }[];
  readonly overload: ShownOverload;
  readonly series: Series;
}

export interface ShownOverload {
  readonly by: string;
  readonly since: string;
  readonly reason: string;
  readonly who: string;
  readonly signals: Overload['signals'];
}

/** What putting a proposal in force would do. */
export interface PreviewReport {
  /** What it matches, without a single address. */
  readonly text: string;
  readonly plugin: string;
  readonly limitPerSecond: number;
  readonly limitRationale: string;
  readonly trial: Trial;
  /** Why it would be refused; empty where it would not. */
  readonly problems: readonly string[];
}

/** What `POST import` answers. */
export interface ImportReport extends ImportOutcome {
  /** To take it back by, and to go on with. */
  readonly id: string;
  readonly dryRun: boolean;
}

/** What was imported, as `GET imports` tells it. */
export interface ImportsReport {
  readonly imports: readonly {
    readonly id: string;
    readonly at: string;
    readonly who: string;
    readonly source: string;
    readonly hours: number;
    readonly from: string;
    readonly to: string;
  }[];
}

/** What `DELETE overload` answers. */
export interface ClosedReport {
  readonly closed: number;
  readonly overloads: readonly ShownOverload[];
}

/** What is normal at this hour of the week, in sums. */
export interface NormalReport {
  readonly basis: string;
  readonly samples: number;
  readonly rate: Typical;
  readonly servfail: Typical;
  readonly latencyMs: Typical;
  /** `endMs`: when it was read, milliseconds since 1970. */
  readonly series: Series & { readonly endMs: number };
}

export interface HistoryReport {
  readonly overload: ShownOverload;
  readonly window: { readonly from: string; readonly seconds: number };
  readonly baseline: { readonly basis: string; readonly samples: number; readonly imported: number };
  readonly rate: number;
  readonly normal: number;
  readonly series: Series;
  readonly tops: Readonly<Record<Kind, readonly HistoryEntry[]>>;
  readonly types: Readonly<Record<string, number>>;
  readonly rcodes: Readonly<Record<string, number>>;
  readonly transports: Readonly<Record<string, number>>;
  readonly cache: Readonly<Record<string, number>>;
  /** Sent to each upstream, and apart what timed out. */
  readonly upstreams: Readonly<Record<string, number>>;
  readonly drops: Readonly<Record<string, number>>;
}

export interface HistoryEntry {
  readonly key: string;
  /** null: among those that ask much; how much is not told (disclosure.ts). */
  readonly queries: number | null;
  /** Queries a second. */
  readonly rate: number;
  readonly normal: number;
  readonly distinct: number;
  /** By type class, and what became of them; only what is not 0. */
  readonly counted: Readonly<Record<string, number>>;
}
