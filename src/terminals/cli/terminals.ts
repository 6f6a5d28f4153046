/** `sekisho terminals list|export|mark|formats`. */
import type { Args } from '../../commands/command.ts';
import { usageError } from '../../commands/errors.ts';
import { table } from '../../commands/layout.ts';
import type { Terminal } from '../../commands/terminal.ts';
import { counted } from '../../errors/counted.ts';
import { CASE_STATES } from '../cases/case.ts';
import type { CasesView, CaseView, ExportedNotices, FormsView } from '../routes.ts';

const EXPORT_COLUMNS = [
  'code',
  'subscriber',
  'kind',
  'firstSeen',
  'lastSeen',
  'reports',
  'notice',
  'checkUrl',
] as const;

export async function terminals(args: Args, terminal: Terminal): Promise<number> {
  const { verb, options, flags, server } = args;
  const json = (answer: unknown, text: () => string) =>
    terminal.out(args.json ? `${JSON.stringify(answer, null, 2)}\n` : text());
  switch (verb) {
    case 'list': {
      const { subscriber, state } = options;
      const query = new URLSearchParams({
        reason: purposeOf(verb, options['reason']),
        over: String(flags.has('over')),
        ...(subscriber !== undefined && { subscriber }),
        ...(state !== undefined && { state }),
      });
      const answer = await server.get<CasesView>(`/v1/terminals/cases?${query}`);
      json(answer, () => casesText(answer, terminal));
      return 0;
    }
    case 'export': {
      const reason = purposeOf(verb, options['reason']);
      const mark = flags.has('mark-notified');
      const answer = await server.send<ExportedNotices>('POST', '/v1/terminals/export', { reason, mark });
      json(answer, () => csvText(answer));
      if (!args.json && !mark && answer.notices.length > 0)
        terminal.err(
          `${counted(answer.notices.length, 'notice')}; nobody counts as told yet: add --mark-notified when they are sent\n`,
        );
      return 0;
    }
    case 'mark': {
      const [code = '', state = ''] = args.positionals;
      if (!CASE_STATES.some((each) => each === state))
        throw usageError(`'${state}' is no state of a case; states are ${CASE_STATES.join(', ')}`);
      const body = { state, reason: options['reason'] ?? '' };
      const answer = await server.send<CaseView>('POST', `/v1/terminals/cases/${encodeURIComponent(code)}`, body);
      json(answer, () => `${answer.code} is ${answer.state}${answer.over ? ', and over' : ''}\n`);
      return 0;
    }
    case 'formats': {
      const answer = await server.get<FormsView>('/v1/terminals/forms');
      json(answer, () => formsText(answer, terminal));
      return 0;
    }
    default:
      throw new TypeError(`terminals has no verb '${verb}'`);
  }
}

/** Personal data is read for a purpose or not at all. */
export function purposeOf(verb: string, reason = ''): string {
  if (reason.trim() === '')
    throw usageError(`sekisho terminals ${verb} reads personal data: say what for with --reason TEXT; it is recorded`);
  return reason;
}

function casesText({ cases }: CasesView, terminal: Terminal): string {
  if (cases.length === 0) return 'no cases\n';
  return table(
    ['CODE', 'STATE', 'SUBSCRIBER', 'INFECTION', 'FIRST SEEN (UTC)', 'LAST SEEN (UTC)', 'REPORTS', 'TOLD', 'BY'],
    cases.map((each) => [
      each.code,
      each.over ? `${each.state} (over)` : each.state,
      each.subscriber,
      each.kind,
      utc(each.firstSeen),
      utc(each.lastSeen),
      each.reports,
      each.noticed === null ? 'never' : `${each.notices}×, ${utc(each.noticed)}`,
      each.sources.join(', '),
    ]),
    terminal,
  );
}

/** RFC 4180. Nothing in it needs quotes or can be a formula: codes, numbers and kinds begin with a letter or a digit. */
function csvText({ notices }: ExportedNotices): string {
  const rows = notices.map((notice) => EXPORT_COLUMNS.map((column) => String(notice[column])).join(','));
  return [EXPORT_COLUMNS.join(','), ...rows].map((row) => `${row}\r\n`).join('');
}

function formsText({ forms }: FormsView, terminal: Terminal): string {
  return table(
    ['FORM', 'SYNTAX', 'ADDRESS', 'PORT', 'TIME', 'WHAT', 'ZONE'],
    forms.map(({ name, syntax, columns, zone }) => [
      name,
      syntax,
      columns.address.join(' | '),
      columns.port.join(' | '),
      columns.time.join(' | '),
      columns.kind.join(' | '),
      zone ?? 'in the time',
    ]),
    terminal,
  );
}

function utc(iso: string): string {
  return iso.slice(0, 16).replace('T', ' ');
}
