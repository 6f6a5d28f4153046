/** Dates for configurations of tests: terms are bounded (src/grounds/stated.ts), so that no date that is written down stays right. */

/** `YYYY-MM-DD`, so many days from now; the end of that day, in UTC. */
export function inDays(days: number): string {
  return new Date(Date.now() + days * 86_400_000).toISOString().slice(0, 10);
}

/** Within the bound of 366 days for a review. */
export const NEXT_REVIEW = inDays(300);
/** Within the bound of 7 days for an emergency. */
export const EMERGENCY_END = inDays(5);
