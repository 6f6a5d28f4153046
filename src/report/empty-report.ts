/** For tests of what only needs a report to be there. */
import { type ReportSpan, type TransparencyReport, transparencyReport } from './report.ts';

export async function emptyReport(span: ReportSpan): Promise<TransparencyReport> {
  return transparencyReport(span, {
    version: '0.1.0',
    nowMs: 0,
    chain: [],
    lists: [],
    tallies: [],
    actions: [],
    deletions: [],
    consent: [],
    audit: { ok: true, entries: 0, head: null, problem: null },
  });
}
