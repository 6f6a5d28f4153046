/** `sekisho history import FILE`: past figures of another resolver, an hour a line; and what was imported, and the way back. */
import { readFileSync } from 'node:fs';
import { type Args, printable, type Terminal, table, usageError } from '../../../src/contract/commands.ts';
import { errorText } from '../../../src/contract/plugin.ts';
import { historyError } from '../errors.ts';
import { type ImportedHour, importedHourSchema, MOST_HOURS } from '../imported.ts';
import type { ImportReport, ImportsReport } from '../report-shapes.ts';

const PATH = '/v1/query-history/imports';
const SHOWN_PROBLEMS = 20;
const OUTCOMES = ['accepted', 'measured', 'replaced', 'tooOld', 'future'] as const;
const WORDS = {
  accepted: 'accepted',
  measured: 'left out: measured here already',
  replaced: 'of the accepted, replace an earlier import',
  tooOld: 'left out: older than the retention',
  future: 'left out: not over yet',
} as const;

export async function importHistory(args: Args, terminal: Terminal): Promise<number> {
  const [file = ''] = args.positionals;
  const source = args.options['source'] ?? '';
  if (source.trim().length < 3)
    throw usageError('--source says where the figures come from: it is shown wherever they are used');
  const hours = hoursOf(file);
  const dryRun = args.flags.has('dry-run');
  // First all of it is tried: a half that is refused must not leave the other half behind.
  let report = await sent(hours, { source, 'dry-run': true }, args);
  if (!dryRun && report.accepted > 0) report = await sent(hours, { source, 'dry-run': false }, args);
  terminal.out(args.json ? `${JSON.stringify({ ...report, dryRun }, null, 2)}\n` : importText(report, dryRun, hours));
  return report.accepted > 0 ? 0 : 1;
}

async function sent(hours: readonly ImportedHour[], with_: object, args: Args): Promise<ImportReport> {
  let sum: ImportReport | undefined;
  for (let at = 0; at < hours.length; at += MOST_HOURS) {
    const body = { ...with_, ...(sum && { import: sum.id }), hours: hours.slice(at, at + MOST_HOURS) };
    const part = await args.server.send<ImportReport>('POST', PATH, body);
    const before = sum;
    const added = Object.fromEntries(OUTCOMES.map((key) => [key, part[key] + (before?.[key] ?? 0)]));
    sum = { ...part, ...added } as ImportReport;
  }
  return sum!;
}

/** Throws SekishoError with every line that is wrong; nothing is sent then. */
function hoursOf(file: string): ImportedHour[] {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    throw usageError(`${file} cannot be read: ${errorText(error)}`, { cause: error });
  }
  const problems: string[] = [];
  const seen = new Map<string, number>();
  const hours = text.split(/\r?\n/).flatMap((line, i): ImportedHour[] => {
    if (line.trim() === '' || line.startsWith('#')) return [];
    const wrong = (what: string) => {
      problems.push(`${file}:${i + 1}: ${what}`);
      return [];
    };
    let value: unknown;
    try {
      value = JSON.parse(line);
    } catch (error) {
      return wrong(`is no JSON object: ${errorText(error)}`);
    }
    const read = importedHourSchema.safeParse(value);
    if (!read.success)
      return read.error.issues.flatMap(({ path, message }) =>
        wrong(path.length > 0 ? `${path.join('.')}: ${message}` : message),
      );
    const before = seen.get(read.data.hour);
    if (before !== undefined) return wrong(`hour: ${read.data.hour} stands in line ${before} already`);
    seen.set(read.data.hour, i + 1);
    return [read.data];
  });
  if (problems.length === 0 && hours.length === 0) problems.push(`${file}: has no line with an hour`);
  if (problems.length === 0) return hours;
  const more = problems.length > SHOWN_PROBLEMS ? [`… and ${problems.length - SHOWN_PROBLEMS} more`] : [];
  throw historyError('SEKISHO_HISTORY_IMPORT_INVALID', `${file}: ${problems.length} problem(s); nothing was imported`, {
    details: [...problems.slice(0, SHOWN_PROBLEMS), ...more],
  });
}

function importText(report: ImportReport, dryRun: boolean, hours: readonly ImportedHour[]): string {
  const lines = OUTCOMES.filter((key) => key === 'accepted' || report[key] > 0).map(
    (key) => `  ${String(report[key]).padStart(5)} ${WORDS[key]}\n`,
  );
  const without = hours.filter(({ domains, names, patterns }) => !domains && !names && !patterns).length;
  return [
    dryRun ? `${hours.length} hours would be imported so:\n` : `${hours.length} hours, import ${report.id}:\n`,
    ...lines,
    without > 0
      ? `  ${String(without).padStart(5)} without domains: what is normal for a name stays unknown there\n`
      : '',
    dryRun
      ? 'Nothing was changed.\n'
      : report.accepted > 0
        ? `To take it back: sekisho history forget ${report.id}\n`
        : 'Nothing was imported.\n',
  ].join('');
}

export async function showImports(args: Args, terminal: Terminal): Promise<number> {
  const answer = await args.server.get<ImportsReport>(PATH);
  const rows = answer.imports.map(({ id, at, who, hours, from, to, source }) => [
    id,
    at,
    printable(who),
    String(hours),
    `${from.slice(0, 13)}–${to.slice(0, 13)}`,
    printable(source),
  ]);
  const text =
    rows.length === 0
      ? 'nothing was imported: the normal is made of what was measured here\n'
      : table(['ID', 'IMPORTED', 'BY', 'HOURS', 'OF', 'SOURCE'], rows, terminal);
  terminal.out(args.json ? `${JSON.stringify(answer, null, 2)}\n` : text);
  return 0;
}

export async function forgetImport(args: Args, terminal: Terminal): Promise<number> {
  const [id = ''] = args.positionals;
  const { reason } = args.options;
  const body = reason === undefined ? {} : { reason };
  const answer = await args.server.send<{ hours: number }>('DELETE', `${PATH}/${encodeURIComponent(id)}`, body);
  terminal.out(args.json ? `${JSON.stringify(answer, null, 2)}\n` : `${answer.hours} imported hours were taken back\n`);
  return 0;
}
