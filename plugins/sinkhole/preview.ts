/**
 * What a rule would do, before there is one, as far as that can be known without inspecting everybody: without a ground
 * nobody's queries are compared with the name, so there is nothing to count them by. What a dry run, or another rule that
 * reaches the name, has counted is shown; clients are not counted at all (that would be a record of who asks for what).
 */

import { type Clock, errorText, SekishoError } from '../../src/contract/plugin.ts';
import type { Desk } from './desk.ts';
import { type Entry, stateOf } from './entry.ts';
import { readDraft } from './request.ts';
import { ruleName } from './rule-name.ts';
import { type PreviewView, ruleView } from './views.ts';

export function preview(desk: Desk, body: unknown, clock: Clock): PreviewView {
  const given = (body ?? {}) as { name?: unknown; subtree?: unknown; ground?: unknown };
  const name = nameText(given.name);
  const problems = problemsOf(desk, body, given.ground === undefined, clock);
  const nowMs = clock.nowMs();
  const running = desk.entries().filter((entry) => stateOf(entry, nowMs) !== 'expired');
  const counting = running.filter((entry) => name !== null && reaches(entry, name));
  const below = running.filter((entry) => name !== null && isBelow(entry.name.text, name));
  return {
    name,
    problems,
    counted: counting.map((entry) => ruleView(entry, clock)),
    below: below.map((entry) => entry.name.text),
    note:
      counting.length > 0
        ? 'Counted by the rules shown, since they began; the lowest quarter of an hour stands in for the baseline. Clients are not counted.'
        : 'Nobody compares queries with this name without a rule, so there is no rate yet, now or before. A dry run, on a ground of its own, counts without acting.',
  };
}

/** Why the rule would be refused. With no ground stated at all, only the name is looked at. */
function problemsOf(desk: Desk, body: unknown, nameOnly: boolean, clock: Clock): string[] {
  try {
    const conflict = desk.conflictOf(readDraft(body, clock.wallMs()));
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

function reaches(entry: Entry, name: string): boolean {
  return entry.name.text === name || (entry.subtree && isBelow(name, entry.name.text));
}

function isBelow(name: string, above: string): boolean {
  return name.endsWith(`.${above}`);
}
