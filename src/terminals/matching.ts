/**
 * Reports to sightings: each report is read, looked up once in the lease history and the static ranges, and forgotten. What goes
 * on is whose terminal it was, what was seen and when; neither address nor lease goes with it.
 */
import { createHmac } from 'node:crypto';
import { AddressError, addressWords } from '../address/address.ts';
import type { Sighting } from './cases/case-store.ts';
import type { FoundSpans } from './history/history-store.ts';
import { familyOf, hexOf } from './history/lease-history.ts';
import { MATCH_PROBLEMS, type MatchRules, matchLease, type RangeClaim } from './history/lease-span.ts';
import { kindOf, type ReportRow } from './reports/report-forms.ts';
import { type ReportTime, readReportTime, TIME_PROBLEMS, type Zone } from './reports/report-time.ts';

export const REPORT_PROBLEMS = ['address-unreadable', 'port-unreadable', ...TIME_PROBLEMS, ...MATCH_PROBLEMS] as const;
export type ReportProblem = (typeof REPORT_PROBLEMS)[number];

export interface RefusedReport {
  readonly row: number;
  readonly problem: ReportProblem;
}

export interface Matched {
  readonly sightings: readonly Sighting[];
  readonly refused: readonly RefusedReport[];
  /** Taken by an import before, or twice in this one: not looked up again. */
  readonly repeated: number;
}

export interface MatchingParts {
  readonly rules: () => MatchRules;
  readonly find: (questions: readonly { words: Int32Array; port: number }[]) => Promise<readonly FoundSpans[]>;
  /** What static ranges say of an address; `port` -1: the report names none. */
  readonly range: (words: Int32Array, family: 4 | 6, port: number) => RangeClaim | undefined;
  readonly seenBefore: (hashes: readonly string[]) => Promise<ReadonlySet<string>>;
  readonly seenKey: Buffer;
}

interface Readable {
  readonly row: number;
  readonly words: Int32Array;
  readonly port: number;
  readonly time: ReportTime;
  readonly kind: string;
  readonly seen: string;
}

export async function matchReports(
  rows: readonly ReportRow[],
  {
    source,
    zone,
    kind,
  }: { readonly source: string; readonly zone?: Zone | undefined; readonly kind?: string | undefined },
  parts: MatchingParts,
): Promise<Matched> {
  const refused: RefusedReport[] = [];
  const readable: Readable[] = [];
  for (const row of rows) {
    const read = readRow(row, zone, kind, parts.seenKey);
    if (typeof read === 'string') refused.push({ row: row.row, problem: read });
    else readable.push(read);
  }
  const before = await parts.seenBefore(readable.map(({ seen }) => seen));
  const taken = new Set<string>();
  const fresh = readable.filter(({ seen }) => {
    if (before.has(seen) || taken.has(seen)) return false;
    taken.add(seen);
    return true;
  });
  const found = await parts.find(fresh);
  const rules = parts.rules();
  const sightings: Sighting[] = [];
  fresh.forEach(({ row, words, port, time, kind: of, seen }, i) => {
    const { spans, everLeased } = found[i]!;
    const range = parts.range(words, familyOf(words), port);
    const { fromMs, toMs } = time;
    const verdict = matchLease({ fromMs, toMs, hasPort: port >= 0, spans, everLeased, range }, rules);
    if (typeof verdict === 'string') refused.push({ row, problem: verdict });
    else sightings.push({ subscriber: verdict.subscriber, kind: of, source, observedMs: fromMs, count: 1, seen });
  });
  refused.sort((one, other) => one.row - other.row);
  return { sightings, refused, repeated: readable.length - fresh.length };
}

function readRow(
  report: ReportRow,
  zone: Zone | undefined,
  kind: string | undefined,
  key: Buffer,
): Readable | ReportProblem {
  const words = wordsOf(report.address);
  if (!words) return 'address-unreadable';
  const port = report.port === '' ? -1 : /^\d{1,5}$/.test(report.port) ? Number(report.port) : Number.NaN;
  // Port 0 is what reporters write who do not know it.
  if (!(port <= 0xffff)) return 'port-unreadable';
  const time = readReportTime(report.time, zone);
  if (typeof time === 'string') return time;
  const of = kindOf(report.kind === '' ? (kind ?? '') : report.kind);
  const named = port === 0 ? -1 : port;
  const seen = createHmac('sha256', key)
    .update(`${hexOf(words)} ${named} ${time.fromMs} ${of}`)
    .digest('hex')
    .slice(0, 32);
  return { row: report.row, words, port: named, time, kind: of, seen };
}

function wordsOf(text: string): Int32Array | undefined {
  try {
    return addressWords(text);
  } catch (error) {
    if (error instanceof AddressError) return undefined;
    throw error;
  }
}
