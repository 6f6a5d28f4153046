/**
 * Is it over? A measure counts what it is about, also what it lets pass, so its own counter tells the rate; the diagnosis
 * said what is normal and how much there was. Back means: for QUIET_MINUTES every minute has stayed within the normal and a
 * tenth of what had come on top.
 *
 * - A tenth of the rise: the normal of an hour is a median, and an ordinary hour lies some way above it.
 * - Ten minutes: attackers pause, and putting a measure in force again costs a new diagnosis. A single minute above begins
 *   the count anew: that is the hysteresis, so that a rate at the threshold keeps the measure rather than flapping.
 */
export const QUIET_MINUTES = 10;
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

  /** To be called every few seconds, with monotonic time. Returns whether the rate has been back for long enough. */
  sample(nowMs: number, total: number): boolean {
    const elapsedMs = nowMs - this.#minuteMs;
    if (elapsedMs >= MINUTE_MS) {
      this.rate = ((total - this.#total) * 1000) / elapsedMs;
      this.quiet = this.rate <= this.threshold ? this.quiet + 1 : 0;
      this.#minuteMs = nowMs;
      this.#total = total;
    }
    return this.quiet >= QUIET_MINUTES;
  }
}
