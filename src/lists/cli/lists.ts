/** `sekisho lists [status|reload|rollback] [NAME]`. */

import type { Args } from '../../commands/command.ts';
import { usageError } from '../../commands/errors.ts';
import { bytesText, durationWords, numberText, table } from '../../commands/layout.ts';
import { bold, type Terminal } from '../../commands/terminal.ts';
import { counted } from '../../errors/counted.ts';
import { SekishoError } from '../../errors/errors.ts';
import { listUnknown, NO_LISTS } from '../errors.ts';
import type { HeldBack, ListReload, ListStatus, ListsStatus } from '../routes.ts';

export async function listsRollback(args: Args, terminal: Terminal): Promise<number> {
  const [name = ''] = args.positionals;
  const changed = await args.server.send<ListStatus>(
    'POST',
    `/v1/lists/${encodeURIComponent(name)}/rollback`,
    responsible(args.options, 'rollback'),
    { doing: `putting the previous version of ${name} back into force` },
  );
  return shown(changed, `${name}: rolled back to the version of ${changed.current?.fetchedAt ?? '?'}`, args, terminal);
}

/** All that helps to decide about a version that is held back. */
export async function listsHeld(args: Args, terminal: Terminal): Promise<number> {
  const [name = ''] = args.positionals;
  const path = `/v1/lists/${encodeURIComponent(name)}/held`;
  const found = await args.server.get<HeldBack>(path);
  terminal.out(args.json ? `${JSON.stringify(found, null, 2)}\n` : heldText(found, terminal));
  return 0;
}

export function heldText({ name, findings, samples, advice }: HeldBack, terminal: Terminal): string {
  return [
    `${bold(name, terminal)}\n${findings.map(({ message }) => `${message}\n`).join('')}`,
    ...findings
      .filter(({ names }) => names.length > 0)
      .map(({ reason, names }) =>
        table(
          [`${reason} (${numberText(names.length)})`],
          names.map((each) => [each]),
          terminal,
        ),
      ),
    ...(samples.length > 0 ? [samplesText(samples, terminal)] : []),
    `What would accept it:\n${advice.map((each) => `  ${each}\n`).join('')}`,
  ].join('\n');
}

function samplesText(lines: ListStatus['rejectedLines'], terminal: Terminal): string {
  return table(
    ['LINE', 'COLUMN', 'REASON', 'TEXT'],
    lines.map(({ line, column, reason, excerpt }) => [line, column, reason, excerpt]),
    terminal,
  );
}

export async function listsStatus(args: Args, terminal: Terminal): Promise<number> {
  const [name] = args.positionals;
  const all = await args.server.get<ListsStatus>('/v1/lists');
  if (name === undefined) {
    terminal.out(args.json ? `${JSON.stringify(all, null, 2)}\n` : overview(all.lists, terminal));
    return 0;
  }
  const list = all.lists.find((each) => each.name === name);
  if (!list)
    throw listUnknown(
      name,
      all.lists.map((each) => each.name),
    );
  terminal.out(args.json ? `${JSON.stringify(list, null, 2)}\n` : details(list, terminal));
  return 0;
}

/** One list or all of them; one that fails does not keep the others from being asked. */
export async function listsReload(args: Args, terminal: Terminal): Promise<number> {
  const [name] = args.positionals;
  if (args.flags.has('override') || args.flags.has('without')) return override(name, args, terminal);
  const names =
    name === undefined ? (await args.server.get<ListsStatus>('/v1/lists')).lists.map((list) => list.name) : [name];
  if (names.length === 0) {
    terminal.out(args.json ? `${JSON.stringify({ lists: [] }, null, 2)}\n` : `${NO_LISTS}\n`);
    return 0;
  }
  const { reason } = args.options;
  const done: ListReload[] = [];
  let failure: SekishoError | undefined;
  for (const each of names) {
    try {
      const result = await args.server.send<ListReload>(
        'POST',
        `/v1/lists/${encodeURIComponent(each)}/reload`,
        { again: args.flags.has('again'), ...(reason !== undefined && { reason }) },
        { doing: `still fetching ${each}` },
      );
      done.push(result);
      if (!args.json)
        terminal.out(`${each}: ${result.result}, ${counted(result.list.current?.names ?? 0, 'name')} in force\n`);
    } catch (error) {
      if (!(error instanceof SekishoError) || names.length === 1) throw error;
      terminal.err(`${error.message}\n`);
      failure = error;
    }
  }
  if (args.json) terminal.out(`${JSON.stringify({ lists: done }, null, 2)}\n`);
  return failure === undefined ? 0 : failure.exitCode;
}

async function override(name: string | undefined, args: Args, terminal: Terminal): Promise<number> {
  if (name === undefined) throw usageError('an override is for one list: sekisho lists reload NAME --override …');
  const changed = await args.server.send<ListStatus>(
    'POST',
    `/v1/lists/${encodeURIComponent(name)}/override`,
    {
      ...responsible(args.options, 'reload --override'),
      ...(args.flags.has('without') && { withoutOffenders: true }),
    },
    { doing: `putting ${name} into force` },
  );
  return shown(
    changed,
    `${name}: in force by override, ${counted(changed.current?.names ?? 0, 'name')}`,
    args,
    terminal,
  );
}

function responsible({ approver, reason }: Args['options'], what: string): { approver: string; reason: string } {
  const missing = [
    approver === undefined ? '--approver WHO' : undefined,
    reason === undefined ? '--reason TEXT' : undefined,
  ].filter((each) => each !== undefined);
  if (missing.length > 0 || approver === undefined || reason === undefined)
    throw usageError(`sekisho lists ${what} is recorded with who and why: ${missing.join(' and ')} missing`);
  return { approver, reason };
}

function shown(list: ListStatus, text: string, args: Args, terminal: Terminal): number {
  terminal.out(args.json ? `${JSON.stringify(list, null, 2)}\n` : `${text}\n`);
  return 0;
}

export function overview(all: readonly ListStatus[], terminal: Terminal): string {
  if (all.length === 0) return `${NO_LISTS}\n`;
  const rows = all.map((list) => [
    list.name,
    list.category,
    list.category === 'policy' ? (list.ground ?? '') : list.tier,
    list.current?.names ?? 0,
    list.current?.fetchedAt.slice(0, 16).replace('T', ' ') ?? 'never',
    stateText(list),
  ]);
  return table(['LIST', 'CATEGORY', 'TIER/GROUND', 'NAMES', 'FETCHED (UTC)', 'STATE'], rows, terminal);
}

function stateText(list: ListStatus): string {
  const parts: string[] = [list.state];
  if (list.dryRun) parts.push(`dry run (${numberText(list.dryRunHits)} would have been hit)`);
  else if (list.hits > 0) parts.push(counted(list.hits, 'hit'));
  if (list.heldBack) parts.push('a new version is HELD BACK');
  if (list.warnings.length > 0) parts.push('rules that CANNOT ACT');
  if (list.failure !== null) parts.push(`FAILED: ${list.failure}`);
  if (list.expired) parts.push('the zone has EXPIRED');
  return parts.join('; ');
}

export function details(list: ListStatus, terminal: Terminal): string {
  const version = (of: ListStatus['current']) =>
    of === null
      ? 'none'
      : `${counted(of.names, 'name')}, ${bytesText(of.bytes)}, fetched ${of.fetchedAt}${of.serial === undefined ? '' : `, serial ${of.serial}`}${of.transfer === undefined ? '' : ` (${of.transfer})`}, ${of.sha256.slice(0, 12)}${of.override === undefined ? '' : `\n            accepted by override: ${of.override.approver}, ${of.override.at}: ${of.override.reason}`}`;
  const facts = [
    ['source', `${list.source} (${list.format})`],
    ['category', `${list.category}, ${list.category === 'policy' ? `ground ${list.ground}` : list.tier}`],
    ['state', stateText(list)],
    ['in force', version(list.current)],
    ['before', version(list.previous)],
    ...(list.heldBack === null ? [] : [['held back', version(list.heldBack)] as const]),
    ...list.findings.map((finding) => ['', finding] as const),
    ...(list.heldBack === null ? [] : [['', `to decide: sekisho lists held ${list.name}`] as const]),
    ...(list.current?.notes ?? []).map((note) => ['note', note] as const),
    ...list.warnings.map((warning) => ['warning', warning] as const),
    ['next fetch', list.nextInSeconds === null ? 'now' : `in ${durationWords(list.nextInSeconds)}`],
    ['skipped', counted(list.rejected, 'line')],
    [
      'distinct',
      `${counted(list.different, 'name')} (${counted(list.duplicates, 'duplicate')}, ${counted(list.conflicts, 'conflict')})`,
    ],
  ] as const;
  const reasons = Object.entries(list.reasons).sort(([, one], [, other]) => other - one);
  return [
    `${bold(list.name, terminal)}\n${facts.map(([name, text]) => `${name.padEnd(10)}  ${text}\n`).join('')}`,
    ...(reasons.length > 0 ? [table(['REASON', 'LINES'], reasons, terminal)] : []),
    ...(list.rejectedLines.length > 0 ? [samplesText(list.rejectedLines, terminal)] : []),
  ].join('\n');
}
