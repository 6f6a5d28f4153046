/**
 * What a rule would do, before there is one, as far as that can be known without inspecting everybody: without a ground
 * nobody's queries are compared with the name, so there is nothing to count them by. What a dry run, or another rule that
 * reaches the name, has counted is shown; clients are not counted at all (that would be a record of who asks for what).
 */

import {
  type Clock,
  type DeskRules,
  errorText,
  type RuleEntry,
  ruleStateOf,
  SekishoError,
} from '../../src/contract/plugin.ts';
import { PLUGIN, readDraft } from './request.ts';
import { ruleName } from './rule-name.ts';
import { nameOf, type PreviewView, ruleView } from './views.ts';

export async function preview(desk: DeskRules, body: unknown, clock: Clock): Promise<PreviewView> {
  const given = (body ?? {}) as { name?: unknown; subtree?: unknown; ground?: unknown };
  const name = nameText(given.name);
  const problems = await problemsOf(desk, body, given.ground === undefined, clock);
  const nowMs = clock.nowMs();
  const running = desk.entries(PLUGIN).filter((entry) => ruleStateOf(entry, nowMs) !== 'expired');
  const counting = running.filter((entry) => name !== null && reaches(entry, name));
  const below = running.filter((entry) => name !== null && isBelow(nameOf(entry), name));
  return {
    name,
    problems,
    counted: counting.map((entry) => ruleView(entry, clock)),
    below: below.map(nameOf),
    note:
      counting.length > 0
        ? 'Counted by the rules shown, since they began; the lowest quarter of an hour stands in for the baseline. Clients are not counted.'
        : 'Nobody compares queries with this name without a rule, so there is no rate yet, now or before. A dry run, on a ground of its own, counts without acting.',
  };
}

/** Why the rule would be refused. With no ground stated at all, only the name is looked at. */
async function problemsOf(desk: DeskRules, body: unknown, nameOnly: boolean, clock: Clock): Promise<string[]> {
  try {
    const conflict = await desk.conflictOf(readDraft(body, clock.wallMs()));
    return conflict ? [conflict.message] : [];
  } catch (error) {
    if (!(error instanceof SekishoError)) throw error;
    const problems = error.details.length > 0 ? [...error.details] : [errorText(error)];
    return nameOnly ? problems.filter((problem) => problem.startsWith('name:')) : problems;
  }
}

function nameText(given: unknown): string | null {
  try {
    return ruleName(String(given ?? '')).text;
  } catch {
    return null;
  }
}

function reaches(entry: RuleEntry, name: string): boolean {
  return nameOf(entry) === name || (entry.rule.match.domain !== undefined && isBelow(name, nameOf(entry)));
}

function isBelow(name: string, above: string): boolean {
  return name.endsWith(`.${above}`);
}
