/** `sekisho measures`: what proposals of diagnoses are in force in the running server. */

import type { Args } from '../../commands/command.ts';
import { durationWords, numberText, table } from '../../commands/layout.ts';
import { statements } from '../../commands/statements.ts';
import { printable, type Terminal } from '../../commands/terminal.ts';
import type { MeasureChangesView, MeasuresView, MeasureView } from '../rule-view.ts';

export async function measures(args: Args, terminal: Terminal): Promise<number> {
  const { answer, text } = await answered(args, terminal);
  terminal.out(args.json ? `${JSON.stringify(answer, null, 2)}\n` : text);
  return 0;
}

async function answered(args: Args, terminal: Terminal) {
  const { verb } = args;
  const [id = ''] = args.positionals;
  const { reason } = args.options;
  if (verb === 'list') {
    const answer = await args.server.get<MeasuresView>(withReason('/v1/measures', verb, args));
    return { answer, text: measuresText(answer, terminal) };
  }
  if (verb === 'changes') {
    const answer = await args.server.get<MeasureChangesView>(withReason('/v1/measures/changes', verb, args));
    return { answer, text: measureChangesText(answer, terminal) };
  }
  if (verb === 'renew') {
    const path = `/v1/measures/${encodeURIComponent(id)}/renew`;
    const answer = await args.server.send<MeasureView>('POST', path, statements(args));
    const ends = durationWords((Date.parse(answer.endsAt) - Date.now()) / 1000);
    return { answer, text: `${answer.id} has another term on every worker; it ends by itself in ${ends}\n` };
  }
  const body = reason === undefined ? {} : { reason };
  const path = `/v1/measures/${encodeURIComponent(id)}`;
  const answer = await args.server.send<MeasureView>('DELETE', path, body);
  return { answer, text: `${answer.id} is lifted on every worker: ${printable(answer.text)}\n` };
}

/** What they are on may be somebody's address: looking at them is recorded, with what it is for. */
function withReason(path: string, verb: string, { options }: Args): string {
  const reason = options['reason'] ?? `to see which measures there are (sekisho measures ${verb})`;
  return `${path}?${new URLSearchParams({ reason })}`;
}

/** The measures for people. */
export function measuresText({ measures, warnings }: MeasuresView, terminal: Terminal): string {
  const blocks = warnings.map((warning) => `warning: ${printable(warning)}\n`);
  if (measures.length === 0) return [...blocks, 'no measures\n'].join('');
  blocks.push(
    table(
      ['ID', 'STATE', 'ON', 'BY', 'PASS/S', 'NOW/S', 'BACK BELOW', 'MATCHED', 'LIMITED', 'ENDS', 'GROUND', 'APPROVER'],
      measures.map((measure) => [
        measure.id,
        measure.state,
        measure.text,
        measure.plugin,
        measure.limitPerSecond,
        rateText(measure.ratePerSecond),
        rateText(measure.backBelowPerSecond),
        measure.matched === null ? '–' : numberText(measure.matched),
        measure.limited === null ? '–' : numberText(measure.limited),
        endText(measure),
        `${measure.ground['kind']} (${measure.groundTerm})`,
        measure.ground['approver'] ?? '',
      ]),
      terminal,
    ),
  );
  for (const { id, note } of measures) if (note !== null) blocks.push(`! ${id}: ${printable(note)}\n`);
  for (const { id, quietMinutes, quietMinutesNeeded } of measures)
    if (quietMinutes !== null && quietMinutes > 0)
      blocks.push(`→ ${id} has been back to normal for ${quietMinutes} of ${quietMinutesNeeded} minutes\n`);
  return blocks.join('');
}

/** What the answer to `diagnose --apply` says to people. */
export function appliedText(measure: MeasureView): string {
  const { id, text, plugin, limitPerSecond, state, endsAt, backBelowPerSecond } = measure;
  const acts =
    state === 'dry-run'
      ? `is only counted: what is above ${limitPerSecond} a second would be limited`
      : `is in force on every worker: ${limitPerSecond} a second pass`;
  const normal =
    backBelowPerSecond === null
      ? 'been back to normal'
      : `stayed at or below ${rateText(backBelowPerSecond)} queries/s`;
  const lifts =
    state === 'dry-run'
      ? ''
      : `It is lifted automatically once the rate has ${normal} for ${measure.quietMinutesNeeded} minutes. `;
  return [
    `${id} (${plugin}: ${printable(text)}) ${acts}.\n`,
    `  Of the rise it removes ${percent(measure.removes)}, of the last day’s normal traffic it would have hit ${percent(measure.hits)}.\n`,
    `  ${lifts}It ends at ${endsAt} at the latest.\n`,
    `  sekisho measures             how much it hits\n`,
    `  sekisho measures lift ${id}     lift it now\n`,
  ].join('');
}

function measureChangesText({ changes }: MeasureChangesView, terminal: Terminal): string {
  if (changes.length === 0) return 'no changes yet\n';
  return table(
    ['WHEN', 'WHO', 'WHAT', 'ID', 'ON', 'GROUND', 'APPROVER', 'WHY'],
    changes.map(({ at, who, action, reason, measure }) => [
      at,
      who,
      `${action}${measure.state === 'dry-run' ? ' (dry run)' : ''}`,
      measure.id,
      measure.text,
      measure.ground['kind'] ?? '',
      measure.ground['approver'] ?? '',
      reason || measure.diagnosis,
    ]),
    terminal,
  );
}

function endText({ endsAt, endedAt, endedWhy }: MeasureView): string {
  if (endedAt !== null) return `${endedAt}: ${endedWhy || 'no reason was given'}`;
  return durationWords((Date.parse(endsAt) - Date.now()) / 1000);
}

function percent(share: number): string {
  return `${(share * 100).toFixed(share < 0.1 ? 1 : 0)} %`;
}

function rateText(rate: number | null): string {
  if (rate === null) return '–';
  return rate >= 10 ? numberText(rate) : rate.toFixed(1);
}
