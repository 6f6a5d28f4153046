/** The spans that are kept on disk, and what is kept of each. */
import type { Slice } from './slice.ts';

export type Resolution = 'minute' | 'hour';
export const SPAN_MS: Readonly<Record<Resolution, number>> = { minute: 60_000, hour: 3_600_000 };

/** What is asked less often in a minute is no heavy hitter, whatever its rank: with little traffic nobody is singled out. */
export const LEAST_QUERIES = 10;

export interface KeptSlice extends Slice {
  /** An overload was open in that time: not to be taken for normal. */
  readonly incident: boolean;
  /** Not measured here (imported.ts). */
  readonly imported?: boolean;
}
