/** `sekisho audit verify [SEQUENCE:HASH]`: does the chain of the audit log hold? `acknowledge`: a person accepts that it did not. */
import type { AuditVerdict } from '../../audit/audit-store.ts';
import { auditError } from '../../audit/errors.ts';
import type { Args } from '../../commands/command.ts';
import { usageError } from '../../commands/errors.ts';
import { entriesText, numberText } from '../../commands/layout.ts';
import type { Terminal } from '../../commands/terminal.ts';

/** A long log is read from one end to the other, without a pause in which the server could say that it lives. */
const READING = { doing: 'reading the audit log', silentMs: 10 * 60_000 };

export async function auditVerify(args: Args, terminal: Terminal): Promise<number> {
  const [anchor] = args.positionals;
  if (anchor !== undefined && !/^\d+:[0-9a-f]{64}$/.test(anchor))
    throw usageError(`'${anchor}' is not of the form SEQUENCE:HASH`);
  const query = anchor === undefined ? '' : `?${new URLSearchParams({ anchor })}`;
  const verdict = await args.server.get<AuditVerdict>(`/v1/audit/verify${query}`, READING);
  if (args.json) terminal.out(`${JSON.stringify(verdict, null, 2)}\n`);
  if (!verdict.ok) {
    if (args.json) return 1;
    throw auditError('SEKISHO_AUDIT_BROKEN', `after ${numberText(verdict.entries)} good entries: ${verdict.problem}`);
  }
  if (!args.json)
    terminal.out(
      verdict.head === null
        ? 'The audit log is empty.\n'
        : `${entriesText(verdict.entries)}, and the chain is intact. Record its last entry in another place:\n${verdict.head}\n`,
    );
  return 0;
}

export async function auditAcknowledge(args: Args, terminal: Terminal): Promise<number> {
  const { reason = '' } = args.options;
  if (reason.trim() === '') throw usageError('say why, and what was found out: --reason TEXT');
  const verdict = await args.server.send<AuditVerdict>('POST', '/v1/audit/acknowledge', { reason }, READING);
  terminal.out(
    args.json
      ? `${JSON.stringify(verdict, null, 2)}\n`
      : `Acknowledged, and recorded as the last entry. Personal data can be read again. Record the last entry in another place:\n${verdict.head}\n`,
  );
  return 0;
}
