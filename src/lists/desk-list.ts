/** What the desk knows of one list. */
import type { ParseSummary } from './formats/parser.ts';
import type { ListScan } from './guard/scan.ts';
import type { Verdict } from './guard/verdict.ts';
import type { ListConfig } from './list-config.ts';
import type { LastGood } from './sources/last-good.ts';
import type { Schedule } from './sources/schedule.ts';
import type { ListSource } from './sources/source.ts';

/** Who overrides or goes back, and why. */
export interface Responsible {
  readonly approver: string;
  readonly reason: string;
}

export class DeskList {
  /** Its bit in every mask. */
  readonly index: number;
  readonly config: ListConfig;
  readonly store: LastGood;
  readonly source: ListSource;
  schedule: Schedule | undefined = undefined;
  /** Of the version in force; undefined while there is none. */
  inForce: { readonly parsed: ParseSummary; readonly scan: ListScan } | undefined = undefined;
  /** Why the version that the guard holds back was refused. */
  refusal: Verdict | undefined = undefined;
  /** What the guard passed and the rest of the fleet has not let in yet: why. */
  waiting: string | undefined = undefined;
  /** Why the last fetch or compilation failed; undefined since the last success. */
  failure: string | undefined = undefined;

  constructor(index: number, config: ListConfig, store: LastGood, source: ListSource) {
    this.index = index;
    this.config = config;
    this.store = store;
    this.source = source;
  }

  get bit(): number {
    return 1 << this.index;
  }
}

/** What the store keeps of a parsed list. */
export function countsOf(parsed: ParseSummary, scan: ListScan): Record<string, number> {
  return {
    names: scan.names,
    lines: parsed.lines,
    skipped: parsed.skipped,
    filtered: parsed.filtered,
    rejected: parsed.rejected,
  };
}
