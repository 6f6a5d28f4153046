/** `sekisho consent show|opt-out|opt-in|export SUBSCRIBER`, `import FILE`, `verify`, `accept-damage`. */

import type { SekishoError } from '../errors/errors.ts';
import { didYouMean } from '../settings/did-you-mean.ts';
import type { AcceptedDamage, ConsentExport, ConsentView, LedgerView } from '../subscribers/consent/routes.ts';
import { getJson, sendJson } from './admin-client.ts';
import type { Args } from './args.ts';
import { importConsents } from './consent-import.ts';
import { cliError } from './errors.ts';
import { table } from './layout.ts';
import { bold, type Terminal } from './terminal.ts';

const VERBS = ['show', 'opt-out', 'opt-in', 'export', 'import', 'verify', 'accept-damage'];
const CHANNEL = 'command-line';
/** A large ledger is read from one end to the other, without a pause in which the server could say that it lives. */
const READING = { doing: 'reading the ledger', silentMs: 10 * 60_000 };

export async function consent(args: Args, terminal: Terminal): Promise<number> {
  const [verb = '', subject] = args.positionals;
  const { reason = '', purpose } = args.options;
  if (purpose !== undefined && verb !== 'opt-out' && verb !== 'opt-in')
    throw usage('--purpose belongs to opt-out and opt-in');
  switch (verb) {
    case 'show': {
      const query = new URLSearchParams({ reason: purposeOf(verb, subject, reason), channel: CHANNEL });
      const view = await getJson<ConsentView>(`${pathOf(subject, verb)}?${query}`, args.config, terminal);
      return shown(view, args, terminal);
    }
    case 'opt-out':
    case 'opt-in': {
      const body = { reason, channel: CHANNEL, ...(purpose !== undefined && { purpose }) };
      const path = `${pathOf(subject, verb)}/${verb}`;
      return shown(await sendJson<ConsentView>('POST', path, body, args.config, terminal), args, terminal);
    }
    case 'export': {
      const query = new URLSearchParams({ reason: purposeOf(verb, subject, reason), channel: CHANNEL });
      const all = await getJson<ConsentExport>(`${pathOf(subject, verb)}/export?${query}`, args.config, terminal);
      terminal.out(args.json ? `${JSON.stringify(all, null, 2)}\n` : exportText(all, terminal));
      return 0;
    }
    case 'import':
      if (subject === undefined) throw usage('which file? sekisho consent import FILE');
      return importConsents(subject, args, terminal);
    case 'verify': {
      const path = '/v1/consent/ledger';
      const view = await sendJson<LedgerView>('GET', path, undefined, args.config, terminal, READING);
      const text = view.holds
        ? `the ledger holds: ${view.entries} entries`
        : `the ledger DOES NOT HOLD: ${view.problem}`;
      terminal.out(args.json ? `${JSON.stringify(view, null, 2)}\n` : `${text}\n`);
      return view.holds ? 0 : 1;
    }
    case 'accept-damage': {
      if (reason.trim() === '') throw usage('say what happened and why inspection may go on: --reason TEXT');
      const path = '/v1/consent/ledger/accept-damage';
      const view = await sendJson<AcceptedDamage>('POST', path, { reason }, args.config, terminal, READING);
      const text = `accepted, and recorded: ${view.damage}\nconsents are in force again as the ledger says: ${view.entries} entries`;
      terminal.out(args.json ? `${JSON.stringify(view, null, 2)}\n` : `${text}\n`);
      return 0;
    }
    default: {
      const close = didYouMean(verb, VERBS);
      throw usage(
        `sekisho consent takes ${VERBS.join(', ')}, not '${verb}'${close === undefined ? '' : `; did you mean '${close}'?`}`,
      );
    }
  }
}

/** Personal data is read for a purpose or not at all. */
function purposeOf(verb: string, subject: string | undefined, reason: string): string {
  if (subject !== undefined && reason.trim() === '')
    throw usage(`sekisho consent ${verb} reads personal data: say what for with --reason TEXT; it is recorded`);
  return reason;
}

function pathOf(subscriber: string | undefined, verb: string): string {
  if (subscriber === undefined) throw usage(`whose? sekisho consent ${verb} SUBSCRIBER`);
  return `/v1/consent/subscribers/${encodeURIComponent(subscriber)}`;
}

function shown(view: ConsentView, args: Args, terminal: Terminal): number {
  terminal.out(args.json ? `${JSON.stringify(view, null, 2)}\n` : consentText(view, terminal));
  if (!view.durable)
    terminal.err('The withdrawal acts, but is NOT YET ON THE DISK: the server tries again until it is. See its log.\n');
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

function exportText({ consent: view, history, notices, names }: ConsentExport, terminal: Terminal): string {
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
  ].join('\n');
}

function usage(message: string): SekishoError {
  return cliError('SEKISHO_USAGE', message);
}
