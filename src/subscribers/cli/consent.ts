/** `sekisho consent show|opt-out|opt-in|export SUBSCRIBER`, `import FILE`, `verify`, `accept-damage`. */

import type { Args } from '../../commands/command.ts';
import { usageError } from '../../commands/errors.ts';
import { table } from '../../commands/layout.ts';
import { bold, type Terminal } from '../../commands/terminal.ts';
import { counted } from '../../errors/counted.ts';
import type { AcceptedDamage, ConsentExport, ConsentView, LedgerView } from '../consent/routes.ts';
import { importConsents } from './consent-import.ts';

const CHANNEL = 'command-line';
/** A large ledger is read from one end to the other, without a pause in which the server could say that it lives. */
const READING = { doing: 'reading the ledger', silentMs: 10 * 60_000 };

export async function consent(args: Args, terminal: Terminal): Promise<number> {
  const { verb } = args;
  const [subject = ''] = args.positionals;
  const { reason = '', purpose } = args.options;
  switch (verb) {
    case 'show': {
      const query = new URLSearchParams({ reason: purposeOf(verb, reason), channel: CHANNEL });
      const view = await args.server.get<ConsentView>(`${pathOf(subject)}?${query}`);
      return shown(view, args, terminal);
    }
    case 'opt-out':
    case 'opt-in': {
      const body = { reason, channel: CHANNEL, ...(purpose !== undefined && { purpose }) };
      const path = `${pathOf(subject)}/${verb}`;
      return shown(await args.server.send<ConsentView>('POST', path, body), args, terminal);
    }
    case 'export': {
      const query = new URLSearchParams({ reason: purposeOf(verb, reason), channel: CHANNEL });
      const all = await args.server.get<ConsentExport>(`${pathOf(subject)}/export?${query}`);
      terminal.out(args.json ? `${JSON.stringify(all, null, 2)}\n` : exportText(all, terminal));
      return 0;
    }
    case 'import':
      return importConsents(subject, args, terminal);
    case 'verify': {
      const path = '/v1/consent/ledger';
      const view = await args.server.send<LedgerView>('GET', path, undefined, READING);
      const text = view.holds
        ? `the ledger is intact: ${counted(view.entries, 'entry', 'entries')}${view.nodes === null ? '' : `, the same in the database of the fleet, and so are the ends of ${counted(view.nodes, 'node')}`}`
        : `the ledger IS NOT INTACT: ${view.problem}`;
      terminal.out(args.json ? `${JSON.stringify(view, null, 2)}\n` : `${text}\n`);
      return view.holds ? 0 : 1;
    }
    case 'accept-damage': {
      if (reason.trim() === '') throw usageError('say what happened and why inspection may go on: --reason TEXT');
      const path = '/v1/consent/ledger/accept-damage';
      const view = await args.server.send<AcceptedDamage>('POST', path, { reason }, READING);
      const text = `accepted, and recorded: ${view.damage}\nconsents are in force again as recorded in the ledger: ${counted(view.entries, 'entry', 'entries')}`;
      terminal.out(args.json ? `${JSON.stringify(view, null, 2)}\n` : `${text}\n`);
      return 0;
    }
    default:
      throw new TypeError(`consent has no verb '${verb}'`);
  }
}

/** Personal data is read for a purpose or not at all. */
function purposeOf(verb: string, reason: string): string {
  if (reason.trim() === '')
    throw usageError(`sekisho consent ${verb} reads personal data: say what for with --reason TEXT; it is recorded`);
  return reason;
}

function pathOf(subscriber: string): string {
  return `/v1/consent/subscribers/${encodeURIComponent(subscriber)}`;
}

function shown(view: ConsentView, args: Args, terminal: Terminal): number {
  terminal.out(args.json ? `${JSON.stringify(view, null, 2)}\n` : consentText(view, terminal));
  if (!view.durable)
    terminal.err(
      'The withdrawal acts on this server, but is NOT YET RECORDED (on the disk, or by the fleet): it tries again until it is. See its log.\n',
    );
  return 0;
}

const STATES: Readonly<Record<ConsentView['purposes'][number]['state'], string>> = {
  contract: 'covered by contract',
  'opted-out': 'opted out',
  individual: 'consented individually',
  unknown: 'no consent',
};

function consentText({ subscriber, known, terms, purposes }: ConsentView, terminal: Terminal): string {
  return [
    `${bold(`subscriber ${subscriber}`, terminal)}, ${terms === null ? 'no terms in force' : `terms ${terms}`}${known ? '' : ' (no address of this subscriber was seen yet)'}\n`,
    table(
      ['PURPOSE', 'CONSENT', 'INSPECTED'],
      purposes.map(({ purpose, state, inspected }) => [purpose, STATES[state], inspected ? 'yes' : 'no']),
      terminal,
    ),
  ].join('');
}

function exportText({ consent: view, history, notices, names, cases }: ConsentExport, terminal: Terminal): string {
  return [
    consentText(view, terminal),
    table(
      ['WHEN (UTC)', 'WHAT', 'PURPOSE', 'TERMS', 'BY', 'CHANNEL', 'WHY'],
      history.map(({ at, action, purpose, terms, who, channel, reason }) => [
        at.slice(0, 19).replace('T', ' '),
        action,
        purpose,
        terms,
        who,
        channel,
        reason,
      ]),
      terminal,
    ),
    ...(notices.length === 0
      ? ['No look-up of a listed name is kept.\n']
      : [
          table(
            ['CATEGORY', 'LIST', 'FIRST (UTC)', 'LAST (UTC)', 'COUNT'],
            notices.map(({ category, list, first, last, count }) => [
              category,
              list,
              first.slice(0, 19).replace('T', ' '),
              last.slice(0, 19).replace('T', ' '),
              count,
            ]),
            terminal,
          ),
        ]),
    ...(names.length === 0
      ? []
      : [
          table(
            ['LIST', 'NAME', 'FIRST (UTC)', 'LAST (UTC)', 'COUNT'],
            names.map(({ list, name, first, last, count }) => [
              list,
              name,
              first.slice(0, 19).replace('T', ' '),
              last.slice(0, 19).replace('T', ' '),
              count,
            ]),
            terminal,
          ),
        ]),
    ...(cases.length === 0
      ? []
      : [
          table(
            ['CODE', 'INFECTION', 'FIRST (UTC)', 'LAST (UTC)', 'REPORTS', 'STATE'],
            cases.map(({ code, kind, first, last, reports, state }) => [
              code,
              kind,
              first.slice(0, 19).replace('T', ' '),
              last.slice(0, 19).replace('T', ' '),
              reports,
              state,
            ]),
            terminal,
          ),
        ]),
  ].join('\n');
}
