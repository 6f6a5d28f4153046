/** How coarsely numbers leave the history, so that the two marginals cannot be joined again (disclosure.ts). */

/** Shares of sources are told in such steps, and none below the first. */
export const STEP = 0.25;
/** Lines (an IPv4 address, an IPv6 /56) that a network must have had, to be shown without being dominant. */
export const MIN_LINES = 5;
/** Down to a whole number of quarters; 0 for what is not dominant. */
export function banded(share: number): number {
  return Math.floor(Math.min(1, Math.max(0, share)) / STEP + 1e-9) * STEP;
}

/** To one digit, upwards: numbers about a source are no fingerprint. */
export function roundedRate(perSecond: number): number {
  if (perSecond <= 0) return 0;
  const digit = 10 ** Math.floor(Math.log10(perSecond));
  return Number((Math.ceil(perSecond / digit) * digit).toPrecision(1));
}
