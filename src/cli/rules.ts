/** `sekisho rules`: every temporary rule of the running server, whoever brought it in, and the one change log of all. */
import type { SekishoError } from '../errors/errors.ts';
import type { DeskChangesView, DeskRulesView, DeskRuleView } from '../rules/rule-view.ts';
import { getJson, sendJson } from './admin-client.ts';
import type { Args } from './args.ts';
import { cliError } from './errors.ts';
import { durationWords, numberText, table } from './layout.ts';
import { STATEMENTS, statements } from './statements.ts';
import { printable, type Terminal } from './terminal.ts';

/** What each verb takes; other options are a mistake that must not pass unseen. */
const VERBS: Readonly<Record<string, readonly string[]>> = {
  list: ['reason'],
  changes: ['reason'],
  renew: STATEMENTS,
  lift: ['reason'],
};

export async function rules(args: Args, terminal: Terminal): Promise<number> {
  const [verb = 'list', id] = args.positionals;
  const taken = Object.hasOwn(VERBS, verb) ? VERBS[verb] : undefined;
  if (!taken) throw usage(`rules takes ${Object.keys(VERBS).join(', ')}, not '${verb}'`);
  const strange = [...Object.keys(args.options), ...args.flags].find((option) => !taken.includes(option));
  if (strange !== undefined) throw usage(`rules ${verb} does not take --${strange}`);
  if ((verb === 'renew' || verb === 'lift') !== (id !== undefined))
    throw usage(id === undefined ? `which rule? sekisho rules ${verb} ID` : `one word too many for rules ${verb}`);
  const { answer, text } = await answered(verb, id ?? '', args, terminal);
  terminal.out(args.json ? `${JSON.stringify(answer, null, 2)}\n` : text);
  return 0;
}

async function answered(verb: string, id: string, args: Args, terminal: Terminal) {
  const { config } = args;
  if (verb === 'list') {
    const answer = await getJson<DeskRulesView>(withReason('/v1/rules', verb, args), config, terminal);
    return { answer, text: rulesText(answer, terminal) };
  }
  if (verb === 'changes') {
    const answer = await getJson<DeskChangesView>(withReason('/v1/rules/changes', verb, args), config, terminal);
    return { answer, text: changesText(answer, terminal) };
  }
  const path = `/v1/rules/${encodeURIComponent(id)}`;
  if (verb === 'renew') {
    const answer = await sendJson<DeskRuleView>('POST', `${path}/renew`, statements(args), config, terminal);
    return { answer, text: `${answer.id} (${printable(answer.text)}) has another term on every worker\n` };
  }
  const body = args.options.reason === undefined ? {} : { reason: args.options.reason };
  const answer = await sendJson<DeskRuleView>('DELETE', path, body, config, terminal);
  return { answer, text: `${answer.id} is lifted on every worker: ${printable(answer.text)}\n` };
}

/** What was stated with a rule may name somebody's address: looking at it is recorded, with what it is for. */
function withReason(path: string, verb: string, { options }: Args): string {
  const reason = options.reason ?? `to see which rules there are (sekisho rules ${verb})`;
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

function usage(message: string): SekishoError {
  return cliError('SEKISHO_USAGE', message);
}
