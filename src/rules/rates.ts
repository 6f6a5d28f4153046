/**
 * How often one rule is hit: now, at its start, at its peak, and what it has sunk to; and whether to propose lifting it.
 *
 * Nothing is known of the time before the rule, since nobody's queries are counted without one: the first minute of the
 * rule (or of the dry run before it) stands in for "when it began", and the lowest quarter of an hour since then for the
 * baseline. A name under a sinkhole is also asked for at another rate than in peace (short TTL, clients that give up or
 * try again), so that the rates before the rule would not be the right measure either. plugins/sinkhole/README.md says
 * why the proposal is made as it is.
 */

/** The rate "now" is the mean of about this long. */
const NOW_MS = 60_000;
/** A minute is closed when so much time has passed. */
const MINUTE_MS = 60_000;
/** Minutes that a baseline must have lasted. */
export const BASELINE_MINUTES = 15;
/** Minutes for which the rate must have been down before lifting is proposed. */
export const QUIET_MINUTES = 30;
/** The attack is taken to be over at this share of the peak. */
export const QUIET_SHARE = 0.1;
/** Queries a second: a rule whose highest minute stays below is hardly asked for at all. */
export const HARDLY_ASKED = 1;
/** Queries a second by which a quiet rate may swing without meaning anything. */
const SLACK = 0.5;

export class RateMonitor {
  /** Hits since the monitor began. */
  total = 0;
  /** Queries a second, mean of the first minute; undefined until it is over. */
  start: number | undefined;
  /** Of the highest minute so far; 0 until one is over. */
  peak = 0;
  /** Mean of the lowest quarter of an hour; undefined until one is over. */
  baseline: number | undefined;
  /** Means of the latest minutes, oldest first; at most QUIET_MINUTES. */
  readonly #minutes: number[] = [];
  /** Totals over the last minute, oldest first. */
  readonly #samples: { readonly atMs: number; readonly total: number }[];
  #raw: number;
  #minuteMs: number;
  #minuteTotal = 0;

  /** `raw`: the counter as it stands; it wraps at 2^32. */
  constructor(nowMs: number, raw: number) {
    this.#raw = raw >>> 0;
    this.#minuteMs = nowMs;
    this.#samples = [{ atMs: nowMs, total: 0 }];
  }

  /** To be called every few seconds, with monotonic time. */
  sample(nowMs: number, raw: number): void {
    this.total += ((raw >>> 0) - this.#raw + 2 ** 32) % 2 ** 32;
    this.#raw = raw >>> 0;
    const samples = this.#samples;
    samples.push({ atMs: nowMs, total: this.total });
    while (samples.length > 2 && nowMs - samples[1]!.atMs >= NOW_MS) samples.shift();
    if (nowMs - this.#minuteMs < MINUTE_MS) return;
    this.#closeMinute(((this.total - this.#minuteTotal) * 1000) / (nowMs - this.#minuteMs));
    this.#minuteMs = nowMs;
    this.#minuteTotal = this.total;
  }

  /** Hits since the monitor began, up to this moment; `raw` as in `sample`. */
  totalAt(raw: number): number {
    return this.total + (((raw >>> 0) - this.#raw + 2 ** 32) % 2 ** 32);
  }

  /** Take over what another monitor has learnt of the same rule; counting goes on from here. */
  continueFrom(other: RateMonitor): void {
    this.total = other.total;
    this.#minuteTotal = other.total;
    this.start = other.start;
    this.peak = other.peak;
    this.baseline = other.baseline;
    this.#minutes.splice(0, this.#minutes.length, ...other.#minutes);
    this.#samples.splice(0, this.#samples.length, { atMs: this.#minuteMs, total: other.total });
  }

  /** Queries a second over the last minute, or since the beginning where that is shorter; undefined at the beginning. */
  get now(): number | undefined {
    const first = this.#samples[0]!;
    const last = this.#samples[this.#samples.length - 1]!;
    if (last.atMs <= first.atMs) return undefined;
    return ((last.total - first.total) * 1000) / (last.atMs - first.atMs);
  }

  /** Why the rule could be lifted; undefined where nothing speaks for it yet. */
  proposal(): string | undefined {
    if (this.#minutes.length < QUIET_MINUTES || this.baseline === undefined) return undefined;
    const highest = Math.max(...this.#minutes);
    if (this.peak < HARDLY_ASKED)
      return `never asked for more often than ${rateText(this.peak)} in any minute: the rule does nothing`;
    // Down to a tenth of the peak, and no longer moving: neither still falling nor coming back.
    if (highest > this.peak * QUIET_SHARE || highest > 2 * this.baseline + SLACK) return undefined;
    return `back at its baseline (${rateText(this.baseline)}) for ${QUIET_MINUTES} minutes, after a peak of ${rateText(this.peak)}`;
  }

  #closeMinute(rate: number): void {
    this.start ??= rate;
    this.peak = Math.max(this.peak, rate);
    const minutes = this.#minutes;
    minutes.push(rate);
    if (minutes.length > QUIET_MINUTES) minutes.shift();
    if (minutes.length < BASELINE_MINUTES) return;
    const mean = minutes.slice(-BASELINE_MINUTES).reduce((sum, each) => sum + each, 0) / BASELINE_MINUTES;
    this.baseline = Math.min(this.baseline ?? mean, mean);
  }
}

/** 0.034 → `0.03 q/s`, 1234.5 → `1 235 q/s`. */
function rateText(rate: number): string {
  const digits = rate >= 10 ? 0 : rate >= 1 ? 1 : 2;
  return `${rate.toFixed(digits).replace(/\B(?=(\d{3})+$)/g, ' ')} q/s`;
}
