/** `sekisho rules`: every temporary rule of the running server, whoever brought it in, and the one change log of all. */
import type { Args } from '../../commands/command.ts';
import { durationWords, numberText, table } from '../../commands/layout.ts';
import { statements } from '../../commands/statements.ts';
import { printable, type Terminal } from '../../commands/terminal.ts';
import type { DeskChangesView, DeskRulesView, DeskRuleView } from '../rule-view.ts';

export async function rules(args: Args, terminal: Terminal): Promise<number> {
  const { answer, text } = await answered(args, terminal);
  terminal.out(args.json ? `${JSON.stringify(answer, null, 2)}\n` : text);
  return 0;
}

async function answered(args: Args, terminal: Terminal) {
  const { verb, server } = args;
  const [id = ''] = args.positionals;
  if (verb === 'list') {
    const answer = await server.get<DeskRulesView>(withReason('/v1/rules', verb, args));
    return { answer, text: rulesText(answer, terminal) };
  }
  if (verb === 'changes') {
    const answer = await server.get<DeskChangesView>(withReason('/v1/rules/changes', verb, args));
    return { answer, text: changesText(answer, terminal) };
  }
  const path = `/v1/rules/${encodeURIComponent(id)}`;
  if (verb === 'renew') {
    const answer = await server.send<DeskRuleView>('POST', `${path}/renew`, statements(args));
    return { answer, text: `${answer.id} (${printable(answer.text)}) has another term on every worker\n` };
  }
  const { reason } = args.options;
  const answer = await server.send<DeskRuleView>('DELETE', path, reason === undefined ? {} : { reason });
  return { answer, text: `${answer.id} is lifted on every worker: ${printable(answer.text)}\n` };
}

/** What was stated with a rule may name somebody's address: looking at it is recorded, with what it is for. */
function withReason(path: string, verb: string, { options }: Args): string {
  const reason = options['reason'] ?? `to see which rules there are (sekisho rules ${verb})`;
  return `${path}?${new URLSearchParams({ reason })}`;
}

/** The rules for people. */
export function rulesText({ rules: shown, warnings }: DeskRulesView, terminal: Terminal): string {
  const blocks = warnings.map((warning) => `warning: ${printable(warning)}\n`);
  if (shown.length === 0) return [...blocks, 'no rules\n'].join('');
  blocks.push(
    table(
      ['ID', 'STATE', 'ON', 'BY', 'MATCHED', 'LIMITED', 'ENDS', 'GROUND', 'APPROVER', 'FROM'],
      shown.map((rule) => [
        rule.id,
        rule.state,
        rule.text,
        rule.plugin,
        countText(rule.matched),
        countText(rule.limited),
        endText(rule),
        `${rule.ground['kind']} (${rule.groundTerm})`,
        rule.ground['approver'] ?? '',
        rule.origin === 'diagnosis' ? `${rule.addedBy}, diagnosed` : rule.addedBy,
      ]),
      terminal,
    ),
  );
  for (const { id, nodes = [] } of shown) {
    const seen = nodes.map(({ node, state, matched }) => `${printable(node)} ${state}, ${numberText(matched)} matched`);
    if (seen.length > 0) blocks.push(`  ${id} on ${seen.length} nodes: ${seen.join('; ')}\n`);
  }
  for (const { id, proposal } of shown)
    if (proposal !== null) blocks.push(`→ ${id} could be lifted: ${printable(proposal)}\n`);
  return blocks.join('');
}

function changesText({ changes }: DeskChangesView, terminal: Terminal): string {
  if (changes.length === 0) return 'no changes yet\n';
  return table(
    ['WHEN', 'WHO', 'WHAT', 'ID', 'ON', 'BY', 'GROUND', 'APPROVER', 'WHY'],
    changes.map(({ at, who, action, reason, rule }) => [
      at,
      who,
      `${action}${rule.state === 'dry-run' ? ' (dry run)' : ''}`,
      rule.id,
      rule.text,
      rule.plugin,
      rule.ground['kind'] ?? '',
      rule.ground['approver'] ?? '',
      reason || (rule.ground['evidence'] ?? rule.ground['purpose'] ?? ''),
    ]),
    terminal,
  );
}

function endText({ endsAt, reviewAt, endedAt, endedWhy }: DeskRuleView): string {
  if (endedAt !== null) return `${endedAt}: ${endedWhy || 'no reason was given'}`;
  if (endsAt === null) return `review ${reviewAt ?? '–'}`;
  return durationWords((Date.parse(endsAt) - Date.now()) / 1000);
}

function countText(count: number | null): string {
  return count === null ? '–' : numberText(count);
}
