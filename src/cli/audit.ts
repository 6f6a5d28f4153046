/** `sekisho audit verify [SEQUENCE:HASH]`: does the chain of the audit log hold? `acknowledge`: a person accepts that it did not. */
import { auditError } from '../audit/errors.ts';
import type { AuditVerdict } from '../audit/log.ts';
import { getJson, sendJson } from './admin-client.ts';
import type { Args } from './args.ts';
import { cliError } from './errors.ts';
import { entriesText, numberText } from './layout.ts';
import type { Terminal } from './terminal.ts';

/** A long log is read from one end to the other, without a pause in which the server could say that it lives. */
const READING = { doing: 'reading the audit log', silentMs: 10 * 60_000 };

export async function audit(args: Args, terminal: Terminal): Promise<number> {
  const [verb, anchor] = args.positionals;
  if (verb === 'acknowledge') return acknowledge(args, terminal);
  if (verb !== 'verify')
    throw cliError('SEKISHO_USAGE', `audit knows 'verify', not '${verb}'; it takes verify and acknowledge`);
  if (anchor !== undefined && !/^\d+:[0-9a-f]{64}$/.test(anchor))
    throw cliError('SEKISHO_USAGE', `'${anchor}' is not of the form SEQUENCE:HASH`);
  const query = anchor === undefined ? '' : `?${new URLSearchParams({ anchor })}`;
  const verdict = await getJson<AuditVerdict>(`/v1/audit/verify${query}`, args.config, terminal, READING);
  if (args.json) terminal.out(`${JSON.stringify(verdict, null, 2)}\n`);
  if (!verdict.ok) {
    if (args.json) return 1;
    throw auditError('SEKISHO_AUDIT_BROKEN', `after ${numberText(verdict.entries)} good entries: ${verdict.problem}`);
  }
  if (!args.json)
    terminal.out(
      verdict.head === null
        ? 'The audit log is empty.\n'
        : `${entriesText(verdict.entries)}, and the chain holds. Note its end somewhere else:\n${verdict.head}\n`,
    );
  return 0;
}

async function acknowledge(args: Args, terminal: Terminal): Promise<number> {
  const { reason = '' } = args.options;
  if (reason.trim() === '') throw cliError('SEKISHO_USAGE', 'say why, and what was found out: --reason TEXT');
  const verdict = await sendJson<AuditVerdict>(
    'POST',
    '/v1/audit/acknowledge',
    { reason },
    args.config,
    terminal,
    READING,
  );
  terminal.out(
    args.json
      ? `${JSON.stringify(verdict, null, 2)}\n`
      : `Acknowledged, and recorded as the last entry. Personal data can be read again. Note the end somewhere else:\n${verdict.head}\n`,
  );
  return 0;
}
