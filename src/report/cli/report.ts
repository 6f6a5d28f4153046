/** `sekisho report`: the transparency report of a span of days, for people, as a page, or for a program. */

import type { Args } from '../../commands/command.ts';
import { entriesText, numberText, table } from '../../commands/layout.ts';
import { bold, type Terminal } from '../../commands/terminal.ts';
import { counted } from '../../errors/counted.ts';
import { groundWords, reportPage } from '../page.ts';
import type { Counted, ReportedAction, TransparencyReport } from '../report.ts';

export async function report(args: Args, terminal: Terminal): Promise<number> {
  const { from = '', to = '', format: written = 'text' } = args.options;
  const format = args.json ? 'json' : written;
  const query = new URLSearchParams({ from, to });
  const found = await args.server.get<TransparencyReport>(`/v1/report?${query}`);
  if (format === 'json') terminal.out(`${JSON.stringify(found, null, 2)}\n`);
  else terminal.out(format === 'html' ? reportPage(found) : reportText(found, terminal));
  return 0;
}

export function reportText(report: TransparencyReport, terminal: Terminal): string {
  const { from, to, queries, measures, lists, consent, smallestCell, actions, refusals, deletions, audit } = report;
  const told = (value: number | null) => (value === null ? `< ${smallestCell}` : numberText(value));
  const counts = (all: readonly Counted[]) =>
    all.map(({ what, labels, days, count }) => [
      told(count),
      days ?? '–',
      labels.en === '' ? what.en : `${what.en} · ${labels.en}`,
    ]);
  const done = (all: readonly ReportedAction[]) =>
    all.map(({ what, count, first, last }) => [what.en, told(count), first ?? '–', last ?? '–']);
  const part = (title: string, heads: readonly string[], rows: readonly (readonly (string | number)[])[]) =>
    rows.length === 0 ? `${title}: none\n` : `${title}\n${table(heads, rows, terminal)}`;
  return [
    `${bold(`Transparency report, ${from} to ${to} (UTC)`, terminal)}\n${counted(queries, 'query', 'queries')}; nobody is named below, and numbers below ${smallestCell} are not told\n`,
    part(
      'What plugins did',
      ['PLUGIN', 'COUNT', 'DAYS', 'WHAT'],
      measures.flatMap(({ plugin, counts: all }) => counts(all).map((row) => [plugin, ...row])),
    ),
    part(
      'Lists in force, and the ground they act on',
      ['LIST', 'CATEGORY', 'TIER', 'GROUND'],
      lists.map(({ name, category, tier, ground }) => [name, category, tier, groundWords(ground)]),
    ),
    part(
      'Changes of consent',
      ['ACTION', 'CHANNEL', 'COUNT'],
      consent.map(({ what, by, count }) => [what.en, by.en, told(count)]),
    ),
    part('Reads and changes that were audited', ['ACTION', 'COUNT', 'FIRST', 'LAST'], done(actions)),
    part('Refused requests', ['ACTION', 'COUNT', 'FIRST', 'LAST'], done(refusals.actions)),
    part('Other refusals', ['COUNT', 'DAYS', 'WHAT'], counts(refusals.counts)),
    part(
      'Deletions',
      ['DATA SET', 'TIMES', 'ROWS', 'LAST'],
      deletions.map(({ what, times, rows, last }) => [what.en, times, told(rows), last]),
    ),
    audit.ok
      ? `Audit log: ${entriesText(audit.entries)}, and the chain is intact.\n${audit.head === null ? '' : `${audit.head}\n`}`
      : 'Audit log: THE CHAIN IS BROKEN; see `sekisho audit verify`.\n',
  ].join('\n');
}
