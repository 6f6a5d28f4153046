/**
 * Past figures from elsewhere (another resolver's statistics), an hour a line, so that a new server knows what is normal. They are
 * kept apart from what was measured here, stand in for hours that were not, and are told of wherever they do.
 *
 *     {"hour": "2026-11-20T18:00:00Z", "queries": 1234567, "rcodes": {"NOERROR": 1100000, "NXDOMAIN": 120000},
 *      "domains": {"example.com": 41000}}
 */
import { z } from '../../src/contract/plugin.ts';
import { ATTRIBUTES } from './layout.ts';
import { byKind, type Entry } from './slice.ts';
import { type KeptSlice, LEAST_QUERIES, SPAN_MS } from './spans.ts';
import { NO_TOTALS } from './totals.ts';

/** Hours in one request; the command sends as many as it needs. */
export const MOST_HOURS = 48;
export const IMPORT_BODY_BYTES = 4 * 1024 * 1024;
const MOST_KEYS = 300;

const counts = z.record(z.string().min(1).max(64), z.number().min(0));
const names = z
  .record(z.string().min(1).max(255), z.number().min(0))
  .refine((given) => Object.keys(given).length <= MOST_KEYS, `at most ${MOST_KEYS} of them: the heaviest`);

/** A line of the file. What it does not tell stays unknown, and is not taken for 0. */
export const importedHourSchema = z.strictObject({
  hour: z.iso
    .datetime()
    .refine((text) => Date.parse(text) % SPAN_MS.hour === 0, 'begins at a full hour: 2026-11-20T18:00:00Z')
    .describe('When the hour began, UTC.'),
  queries: z.number().min(0).describe('All queries of the hour.'),
  types: counts.optional().describe('By type: {"A": 600000, "AAAA": 300000}.'),
  rcodes: counts.optional().describe('By response code: {"NOERROR": …, "NXDOMAIN": …, "SERVFAIL": …}.'),
  transports: counts.optional().describe('By transport: udp, tcp, tls, https.'),
  cache: counts.optional().describe('By what the cache had to say: hit, miss, stale, failure, none.'),
  latencyMs: z.number().min(0).optional().describe('95th percentile of the latency.'),
  names: names.optional().describe('The most asked names; without addresses.'),
  domains: names.optional().describe('The most asked registered domains.'),
  patterns: names.optional().describe('The most asked patterns: {"*.cdn.example": …}.'),
  incident: z
    .boolean()
    .optional()
    .describe('Something was wrong in it: left out of the normal where others are there.'),
});
export type ImportedHour = z.infer<typeof importedHourSchema>;

/** Who brought it, from where. */
export interface ImportRecord {
  readonly id: string;
  readonly atMs: number;
  readonly who: string;
  /** Where the figures come from, in the words of whoever imported them. */
  readonly source: string;
  readonly hours: number;
  readonly fromMs: number;
  readonly toMs: number;
}

/** What became of the hours of a request. */
export interface ImportOutcome {
  readonly accepted: number;
  /** There is a measured hour at that time, which is not touched. */
  readonly measured: number;
  /** Imported before: the new figures replace them. */
  readonly replaced: number;
  /** Older than hours are kept for. */
  readonly tooOld: number;
  /** Not over yet. */
  readonly future: number;
}

/** As the baseline takes it. */
export function sliceOf(given: ImportedHour): KeptSlice {
  const lists = { name: given.names, domain: given.domains, pattern: given.patterns };
  const tops = byKind((kind): Entry[] =>
    Object.entries((kind in lists ? lists[kind as keyof typeof lists] : undefined) ?? {})
      .filter(([, count]) => count >= LEAST_QUERIES)
      .map(([key, count]) => ({
        key: key.toLowerCase().replace(/\.$/, ''),
        count,
        attributes: ATTRIBUTES.map(() => 0),
        distinct: 0,
      }))
      .sort((one, other) => other.count - one.count),
  );
  return {
    startMs: Date.parse(given.hour),
    seconds: SPAN_MS.hour / 1000,
    incident: given.incident ?? false,
    imported: true,
    totals: {
      ...NO_TOTALS,
      queries: given.queries,
      types: given.types ?? {},
      rcodes: given.rcodes ?? {},
      transports: given.transports ?? {},
      cache: given.cache ?? {},
      latencies: given.latencyMs === undefined ? {} : { [given.latencyMs]: given.queries },
    },
    tops,
    // What is not listed had at most as much as the last that is; where nothing is listed nothing is known.
    floors: byKind((kind) => tops[kind].at(-1)?.count ?? given.queries),
  };
}
