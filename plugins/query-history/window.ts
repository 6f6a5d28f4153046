/**
 * The window that fits the incident, so that nobody has to know beforehand how long it has been going on.
 *
 *     tens of seconds, minutes ─▶ the latest run of slices that are unusual ─▶ that run, and nothing before or after it
 *     none of them is           ─▶ an hour, six, a day: what is too little to show in a minute, and does not stop
 */
import { type Baseline, servfailShare } from './baseline.ts';
import { otherAnswers } from './changes.ts';
import { riseOf } from './rise.ts';
import type { Slice } from './slice.ts';
import { quantile } from './totals.ts';
import { timedOutShare } from './upstreams.ts';

/** Spans that are looked at where nothing shows in the last quarter of an hour, seconds. */
export const LONG_SPANS = [3600, 6 * 3600, 24 * 3600] as const;
/** Longer runs are looked at from their end: what goes on for an hour looks the same in its last five minutes. */
const MOST_SECONDS = 300;
/** Tens of seconds that may lie between two parts of one run: attackers pause. */
const GAP_SECONDS = 15;
/** Fewer queries tell nothing about shares of failures. */
const LEAST_ANSWERS = 50;
/** Share of the answers that are of another code than usual. */
const OTHER_ANSWERS = 0.1;

export interface Run {
  readonly slices: readonly Slice[];
  /** Wall-clock milliseconds at which it began and ended, to the length of a slice. */
  readonly fromMs: number;
  readonly toMs: number;
  /** It goes on beyond what was looked at. */
  readonly longer: boolean;
}

/** The latest run of unusual slices; undefined where all are ordinary. `slices`: oldest first, none twice. */
export function unusualRun(slices: readonly Slice[], normal: Baseline): Run | undefined {
  const run: Slice[] = [];
  let [seconds, pending, pendingSeconds] = [0, [] as Slice[], 0];
  let longer = false;
  for (const slice of [...slices].reverse()) {
    if (!isUnusual(slice, normal)) {
      if (run.length === 0) continue;
      pending.push(slice);
      pendingSeconds += slice.seconds;
      if (pendingSeconds > GAP_SECONDS) break;
      continue;
    }
    if (seconds > 0 && seconds + pendingSeconds + slice.seconds > MOST_SECONDS) {
      longer = true;
      break;
    }
    run.push(...pending, slice);
    seconds += pendingSeconds + slice.seconds;
    [pending, pendingSeconds] = [[], 0];
  }
  const [last, first] = [run[0], run.at(-1)];
  if (!first || !last) return undefined;
  const toMs = last.startMs + last.seconds * 1000;
  return { slices: run.reverse(), fromMs: first.startMs, toMs, longer };
}

/** More queries than chance and ordinary days explain, or answers that fail, come late, or are lost. */
export function isUnusual(slice: Slice, normal: Baseline): boolean {
  const { totals, seconds } = slice;
  if (normal.basis !== 'none' && riseOf(slice, normal).risen) return true;
  if ((totals.drops['kernel'] ?? 0) / Math.max(1, seconds) >= 10) return true;
  if (totals.queries < LEAST_ANSWERS) return false;
  if (normal.basis !== 'none' && normal.rcodes.size > 0 && otherAnswers(slice, normal).other >= OTHER_ANSWERS)
    return true;
  const { median, spread } = normal.servfail;
  if (servfailShare(slice) >= Math.max(0.05, median + 5 * spread)) return true;
  const late = quantile(totals.latencies, 0.95) ?? 0;
  if (late >= Math.max(500, 3 * normal.latency.median)) return true;
  const lost = timedOutShare(Object.entries(totals.upstreams ?? {}));
  return lost.sent >= LEAST_ANSWERS && lost.share >= Math.max(0.05, 3 * timedOutShare(normal.upstreams).share);
}
