/** `sekisho history`: who and what was asked most over a time, beside the normal. */

import {
  type Args,
  bold,
  durationWords,
  numberText,
  printable,
  readingRequest,
  shareText,
  sparkline,
  type Terminal,
  table,
} from '../../../src/contract/commands.ts';
import type { ClosedReport, HistoryReport } from '../report-shapes.ts';

export async function history(args: Args, terminal: Terminal): Promise<number> {
  const { reason, window, top = 10, approver } = args.options;
  const request = {
    ...readingRequest(reason, window, 300),
    top: Number(top),
    ...(approver !== undefined && { approver }),
    ...(args.flags.has('addresses') && { addresses: true }),
  };
  const report = await args.server.send<HistoryReport>('POST', '/v1/query-history/read', request);
  terminal.out(args.json ? `${JSON.stringify(report, null, 2)}\n` : historyText(report, terminal));
  return 0;
}

/** `history close`: all overloads are over. */
export async function closeHistory(args: Args, terminal: Terminal): Promise<number> {
  const { reason } = args.options;
  const body = reason === undefined ? {} : { reason };
  const answer = await args.server.send<ClosedReport>('DELETE', '/v1/query-history/overload', body);
  const lines = answer.overloads.map(
    ({ by, who, since, reason: why }) => `  ${by} by ${printable(who)} since ${since}: ${printable(why)}\n`,
  );
  const text =
    answer.closed === 0
      ? 'the history was closed already\n'
      : `the history is closed. What was open:\n${lines.join('')}`;
  terminal.out(args.json ? `${JSON.stringify(answer, null, 2)}\n` : text);
  return 0;
}

const TITLES = [
  ['name', 'NAME'],
  ['domain', 'DOMAIN'],
  ['pattern', 'PATTERN'],
  ['network', 'SOURCE NETWORK'],
  ['address', 'SOURCE ADDRESS'],
] as const;

/** The history for people. Names and sources stand in tables of their own: they are recorded apart. */
export function historyText(report: HistoryReport, terminal: Terminal): string {
  const { window, overload, baseline } = report;
  const total = Object.values(report.cache).reduce((sum, count) => sum + count, 0);
  const split = (title: string, counts: Readonly<Record<string, number>>) =>
    `${title.padEnd(10)} ${
      Object.entries(counts)
        .sort(([, one], [, other]) => other - one)
        .slice(0, 8)
        .map(([key, count]) => `${key} ${shareText(count, total)}`)
        .join(', ') || 'none'
    }\n`;
  const normal =
    baseline.basis === 'none' ? 'no normal is known yet' : `normal: ${numberText(report.normal)}/s (${baseline.basis})`;
  return [
    `${bold(`${durationWords(window.seconds)} from ${window.from}: ${numberText(report.rate)} queries/s, ${normal}`, terminal)}\n${sparkline(report.series.values)}\n`,
    [
      split('types', report.types),
      split('responses', report.rcodes),
      split('transports', report.transports),
      split('cache', report.cache),
      split('drops', report.drops),
      split('upstreams', report.upstreams),
    ].join(''),
    ...TITLES.filter(([kind]) => report.tops[kind].length > 0).map(([kind, title]) =>
      table(
        [title, 'QUERIES', 'PER SECOND', 'NORMAL', 'FAILED', 'NOT CACHED'],
        report.tops[kind].map(({ key, queries, rate, normal, counted }) => [
          key,
          queries === null ? 'not told' : numberText(queries),
          queries === null ? '–' : rate.toFixed(1),
          queries === null ? '–' : normal.toFixed(1),
          counted['samples'] === undefined ? '–' : shareText(counted['servfail'] ?? 0, queries ?? 0),
          counted['samples'] === undefined ? '–' : shareText(counted['misses'] ?? 0, queries ?? 0),
        ]),
        terminal,
      ),
    ),
    `Read under the overload ${overload.by} since ${overload.since}: ${printable(overload.reason)}\n`,
  ].join('\n');
}
