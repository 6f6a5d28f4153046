/**
 * What each upstream was asked, out of the counters that the source keeps anyway: nothing is added to the packet path. A
 * background refresh counts here and is no client's query; a question joined to one under way is a query and counts once.
 */
import type { MetricSample } from '../../src/contract/plugin.ts';

/** Counters as they stand. */
export type UpstreamCounters = Readonly<Record<string, number>>;

/** What stands behind the upstream in the key of those that it did not answer in time. */
export const TIMED_OUT = ' timed out';

export function upstreamCounters(samples: (name: string) => readonly MetricSample[]): UpstreamCounters {
  const counters: Record<string, number> = {};
  const add = (name: string, suffix: string) => {
    for (const { labels, value } of samples(name)) {
      const key = `${labels['server'] ?? 'unknown'}${suffix}`;
      counters[key] = (counters[key] ?? 0) + value;
    }
  };
  add('sekisho_upstream_queries_total', '');
  add('sekisho_upstream_timeouts_total', TIMED_OUT);
  return counters;
}

/** What was added; only what is not 0. A counter that began anew counts from there. */
export function upstreamsBetween(before: UpstreamCounters, after: UpstreamCounters): Record<string, number> {
  const grown = Object.entries(after).map(([key, value]) => [key, Math.max(0, value - (before[key] ?? 0))] as const);
  return Object.fromEntries(grown.filter(([, value]) => value > 0));
}

/** Of what was sent, the share that stayed without an answer. */
export function timedOutShare(counts: Iterable<readonly [string, number]>): { share: number; sent: number } {
  let sent = 0;
  let lost = 0;
  for (const [key, count] of counts)
    if (key.endsWith(TIMED_OUT)) lost += count;
    else sent += count;
  return { share: sent === 0 ? 0 : Math.min(1, lost / sent), sent };
}
