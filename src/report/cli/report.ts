/** `sekisho report`: the transparency report of a span of days, for people, as a page, or for a program. */

import type { Args } from '../../commands/command.ts';
import { entriesText, numberText, table } from '../../commands/layout.ts';
import { bold, type Terminal } from '../../commands/terminal.ts';
import { counted } from '../../errors/counted.ts';
import { groundWords, labelsWords, reportPage } from '../page.ts';
import type { TransparencyReport } from '../report.ts';

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
  const { from, to, queries, measures, lists, consent, smallestCell, actions, deletions, audit } = report;
  const part = (title: string, heads: readonly string[], rows: readonly (readonly (string | number)[])[]) =>
    rows.length === 0 ? `${title}: none\n` : `${title}\n${table(heads, rows, terminal)}`;
  return [
    `${bold(`Transparency report, ${from} to ${to} (UTC)`, terminal)}\n${counted(queries, 'query', 'queries')}; nobody is named below\n`,
    part(
      'What plugins did',
      ['PLUGIN', 'COUNT', 'DAYS', 'WHAT'],
      measures.flatMap(({ plugin, counts }) =>
        counts.map(({ help, labels, days, count }) => [plugin, count, days, help + labelsWords(labels)]),
      ),
    ),
    part(
      'Lists in force, and the ground they act on',
      ['LIST', 'CATEGORY', 'TIER', 'GROUND'],
      lists.map(({ name, category, tier, ground }) => [name, category, tier, groundWords(ground)]),
    ),
    part(
      `Changes of consent (of fewer than ${smallestCell} people: not told)`,
      ['ACTION', 'CHANNEL', 'COUNT'],
      consent.map(({ action, channel, count }) => [
        action,
        channel,
        count === null ? `< ${smallestCell}` : numberText(count),
      ]),
    ),
    part(
      'Reads and changes that were audited',
      ['ACTION', 'COUNT', 'FIRST', 'LAST'],
      actions.map(({ action, count, first, last }) => [action, count, first.slice(0, 10), last.slice(0, 10)]),
    ),
    part(
      'Deletions',
      ['DATA SET', 'TIMES', 'ROWS', 'LAST'],
      deletions.map(({ dataset, times, rows, last }) => [dataset, times, rows, last.slice(0, 10)]),
    ),
    audit.ok
      ? `Audit log: ${entriesText(audit.entries)}, and the chain is intact.\n${audit.head === null ? '' : `${audit.head}\n`}`
      : 'Audit log: THE CHAIN IS BROKEN; see `sekisho audit verify`.\n',
  ].join('\n');
}
