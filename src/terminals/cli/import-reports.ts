/** `sekisho terminals import FILE`: rows go to the server a thousand at a time; what was taken before is known there. */
import { resolve } from 'node:path';
import type { Args } from '../../commands/command.ts';
import { usageError } from '../../commands/errors.ts';
import { numberText } from '../../commands/layout.ts';
import type { Terminal } from '../../commands/terminal.ts';
import { counted } from '../../errors/counted.ts';
import type { ReportProblem } from '../matching.ts';
import type { ReportColumns, ReportRow } from '../reports/report-forms.ts';
import { type FormsView, type ImportedReports, REPORT_ROWS } from '../routes.ts';
import { reportRows } from './report-file.ts';
import { purposeOf } from './terminals.ts';

/** Refused reports that are named one by one; all are counted. */
const SHOWN = 20;

const WHY: Readonly<Record<ReportProblem, string>> = {
  'address-unreadable': 'the address cannot be read',
  'port-unreadable': 'the port cannot be read',
  'time-unreadable': 'the time cannot be read (write 2026-12-31T18:00:00+09:00 or seconds since 1970)',
  'time-without-zone': 'the time has no zone (state it with --zone)',
  'time-too-coarse': 'there is a date only: who held the address in a whole day is not known',
  'time-ambiguous': 'clocks of that zone showed that time twice (end of summer time)',
  'time-nonexistent': 'clocks of that zone never showed that time (begin of summer time)',
  nobody: 'nobody is known to have held the address then',
  contested: 'several subscribers claim the address for that time',
  'near-a-change': 'the lease began or ended too close to it (terminals.clock-margin)',
  unconfirmed: 'the lease was not confirmed after that time, so it may have ended unheard',
  'port-missing': 'subscribers share the address, and the report names no port',
  'time-ahead': 'the time lies in the future: the clock of the reporter, or of this server, is wrong',
  'too-old': 'it is older than the lease history (terminals.lease-history.keep)',
  'clock-unsure': 'the time of this server is or was in doubt (sekisho time)',
  'ranges-changed': 'the file of static ranges has changed since',
  group: 'the address belongs to a contract group, not to one subscriber',
};

export async function importReports(args: Args, terminal: Terminal): Promise<number> {
  const [name = ''] = args.positionals;
  const { options, flags, server } = args;
  const reason = purposeOf('import', options['reason']);
  const dryRun = flags.has('dry-run');
  const file = resolve(terminal.workFolder, name);
  const { forms } = await server.get<FormsView>('/v1/terminals/forms');
  const wanted = options['format'] ?? (/\.(json|jsonl|ndjson)$/i.test(name) ? 'json' : 'csv');
  const form = forms.find((each) => each.name === wanted);
  if (!form) throw usageError(`there is no form '${wanted}'; forms are ${forms.map((each) => each.name).join(', ')}`);
  const columns = mapped(form.columns, options['map']);
  const about = {
    reason,
    dryRun,
    source: options['source'] ?? form.source ?? wanted,
    ...((options['zone'] ?? form.zone) !== null && { zone: options['zone'] ?? form.zone }),
    ...(options['kind'] !== undefined && { kind: options['kind'] }),
  };
  const sum = { rows: 0, matched: 0, repeated: 0, opened: 0, added: 0, over: 0 };
  const refused: ImportedReports['refused'][number][] = [];
  const send = async (rows: readonly ReportRow[]) => {
    const result = await server.send<ImportedReports>('POST', '/v1/terminals/reports', { ...about, rows });
    sum.rows += rows.length;
    for (const key of ['matched', 'repeated', 'opened', 'added', 'over'] as const) sum[key] += result[key];
    refused.push(...result.refused);
    if (terminal.isTerminal) terminal.err(`\r${counted(sum.rows, 'report')} looked at `);
  };
  let rows: ReportRow[] = [];
  for await (const row of reportRows(file, { syntax: form.syntax, columns })) {
    rows.push(row);
    if (rows.length < REPORT_ROWS) continue;
    await send(rows);
    rows = [];
  }
  if (rows.length > 0) await send(rows);
  if (terminal.isTerminal) terminal.err('\r\x1b[K');
  const counts: Partial<Record<ReportProblem, number>> = {};
  for (const { problem } of refused) counts[problem] = (counts[problem] ?? 0) + 1;
  if (args.json) terminal.out(`${JSON.stringify({ dryRun, ...sum, refused: counts, problems: refused }, null, 2)}\n`);
  else {
    for (const { row, problem } of refused.slice(0, SHOWN)) terminal.err(`${name}:${row}: ${WHY[problem]}\n`);
    if (refused.length > SHOWN) terminal.err(`… and ${numberText(refused.length - SHOWN)} more\n`);
    terminal.out(resultText(dryRun, sum, counts));
  }
  return 0;
}

function resultText(
  dryRun: boolean,
  {
    rows,
    matched,
    repeated,
    opened,
    added,
    over,
  }: Record<'rows' | 'matched' | 'repeated' | 'opened' | 'added' | 'over', number>,
  counts: Partial<Record<ReportProblem, number>>,
): string {
  const refused = Object.entries(counts) as [ReportProblem, number][];
  const would = dryRun ? 'would be ' : '';
  return [
    `${counted(rows, 'report')}: ${numberText(matched)} matched, ${numberText(repeated)} taken before, ${numberText(refused.reduce((all, [, count]) => all + count, 0))} refused${dryRun ? ' (dry run: nothing was kept)' : ''}\n`,
    `  ${counted(opened, 'case')} ${would}opened, ${counted(added, 'report')} ${would}added to cases${over > 0 ? `, ${numberText(over)} of cases that were over by then` : ''}\n`,
    ...refused
      .sort(([, one], [, other]) => other - one)
      .map(([problem, count]) => `  ${numberText(count)} refused: ${WHY[problem]}\n`),
  ].join('');
}

/** `address=IP,time=DATE`: these columns instead of those of the form. */
function mapped(columns: ReportColumns, map: string | undefined): ReportColumns {
  if (map === undefined) return columns;
  const own: Record<string, string[]> = {};
  for (const pair of map.split(',')) {
    const at = pair.indexOf('=');
    const [column, name] = [pair.slice(0, at).trim(), pair.slice(at + 1).trim()];
    if (at < 1 || !Object.hasOwn(columns, column) || name === '')
      throw usageError(`--map: '${pair}' is not of the form COLUMN=NAME with address, port, time or kind`);
    own[column] = [...(own[column] ?? []), name];
  }
  return { ...columns, ...own };
}
