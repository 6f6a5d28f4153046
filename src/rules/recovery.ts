/**
 * Is it over? The incident's own rate says so, as whoever diagnoses sees it: every query that it is about, whatever becomes of it. A
 * measure counts as well, also what it lets pass; but one that limits cache misses sees nothing of queries that are answered from
 * memory, so that its counter alone never says that it is over. The diagnosis said what is normal and how much there was. Back means: for QUIET_MINUTES every minute has stayed within the normal and a
 * tenth of what had come on top.
 *
 * - A tenth of the rise: the normal of an hour is a median, and an ordinary hour lies some way above it.
 * - Ten minutes: attackers pause, and putting a measure in force again costs a new diagnosis. A single minute above begins
 *   the count anew: that is the hysteresis, so that a rate at the threshold keeps the measure rather than flapping.
 */
export const QUIET_MINUTES = 10;
/** After so long a measure has to have matched: with a look a second it is said within half a minute. */
export const PROOF_MS = 25_000;
const MINUTE_MS = 60_000;
const SHARE_OF_RISE = 0.1;
/** A rate may lie above its median by so much and be normal. */
const ORDINARY = 1.25;
/** Queries a second that mean nothing. */
const SLACK = 0.5;

export class Recovery {
  /** Queries a second at or below which a minute is quiet. */
  readonly threshold: number;
  /** Mean of the last whole minute; undefined until one is over. */
  rate: number | undefined;
  /** Minutes in a row that were quiet. */
  quiet = 0;
  #total: number;
  #minuteMs: number;

  /** `total`: the counter as it stands; it only grows. */
  constructor(normalPerSecond: number, startPerSecond: number, nowMs: number, total: number) {
    const rise = Math.max(0, startPerSecond - normalPerSecond);
    this.threshold = SLACK + Math.max(normalPerSecond * ORDINARY, normalPerSecond + rise * SHARE_OF_RISE);
    this.#minuteMs = nowMs;
    this.#total = total;
  }

  /**
   * To be called every few seconds, with monotonic time. `incident`: queries a second that it is about, over the last minute;
   * undefined where nobody can say, and NaN where its own counter does not either. Returns whether the rate has been back for
   * long enough.
   */
  sample(nowMs: number, total: number, incident: () => number | undefined = () => undefined): boolean {
    const elapsedMs = nowMs - this.#minuteMs;
    if (elapsedMs >= MINUTE_MS) {
      const counted = ((total - this.#total) * 1000) / elapsedMs;
      const rate = Math.max(counted, incident() ?? 0);
      this.rate = Number.isNaN(rate) ? undefined : rate;
      // What is not known is not quiet.
      this.quiet = rate <= this.threshold ? this.quiet + 1 : 0;
      this.#minuteMs = nowMs;
      this.#total = total;
    }
    return this.quiet >= QUIET_MINUTES;
  }
}
