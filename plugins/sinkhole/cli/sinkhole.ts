/** `sekisho sinkhole`: the rules of the sinkhole desk in the running server. */

import {
  type Args,
  bold,
  durationWords,
  numberText,
  printable,
  statedGround,
  statements,
  type Terminal,
  table,
} from '../../../src/contract/commands.ts';
import type { AppliedView, ChangesView, PreviewView, RulesView, RuleView } from '../views.ts';

type Verb = (name: string, args: Args, terminal: Terminal) => Promise<Shown>;

/** The server's answer, and the same for people. */
interface Shown {
  readonly answer: unknown;
  readonly text: string;
}

const RULES = '/v1/sinkhole/rules';

const VERBS: Readonly<Record<string, Verb>> = {
  add: async (name, args) => {
    const answer = await send<AppliedView>('POST', RULES, draft(name, args), args);
    const what = answer.rule.state === 'dry-run' ? 'only counted, not discarded,' : 'discarded';
    return { answer, text: `${nameOf(answer.rule)} is ${what} ${everyWorker(answer)}; ${termText(answer.rule)}\n` };
  },
  preview: async (name, args, terminal) => {
    const path = withReason('/v1/sinkhole/preview', 'preview', args);
    const answer = await send<PreviewView>('POST', path, draft(name, args), args);
    return { answer, text: previewText(answer, terminal) };
  },
  renew: async (name, args) => {
    const path = `${RULES}/${encodeURIComponent(name)}/renew`;
    const answer = await send<AppliedView>('POST', path, statements(args), args);
    return {
      answer,
      text: `${nameOf(answer.rule)} has another term ${everyWorker(answer)}; ${termText(answer.rule)}\n`,
    };
  },
  remove: async (name, args) => {
    const body = args.options['reason'] === undefined ? {} : { reason: args.options['reason'] };
    const answer = await send<AppliedView>('DELETE', `${RULES}/${encodeURIComponent(name)}`, body, args);
    return { answer, text: `${nameOf(answer.rule)} is lifted ${everyWorker(answer)}\n` };
  },
  list: async (_, args, terminal) => {
    const answer = await send<RulesView>('GET', withReason(RULES, 'list', args), undefined, args);
    return { answer, text: rulesText(answer, terminal) };
  },
  changes: async (_, args, terminal) => {
    const path = withReason('/v1/sinkhole/changes', 'changes', args);
    const answer = await send<ChangesView>('GET', path, undefined, args);
    return { answer, text: changesText(answer, terminal) };
  },
};

export async function sinkhole(args: Args, terminal: Terminal): Promise<number> {
  const verb = VERBS[args.verb];
  if (!verb) throw new TypeError(`sinkhole has no verb '${args.verb}'`);
  const [name = ''] = args.positionals;
  const { answer, text } = await verb(name, args, terminal);
  terminal.out(args.json ? `${JSON.stringify(answer, null, 2)}\n` : text);
  return 0;
}

function send<Body>(method: 'GET' | 'POST' | 'DELETE', path: string, body: unknown, args: Args): Promise<Body> {
  return args.server.send<Body>(method, path, body);
}

/** What was stated with a rule may name somebody's address: looking at it is recorded, with what it is for. */
function withReason(path: string, verb: string, { options }: Args): string {
  const reason = options['reason'] ?? `to see which rules there are (sekisho sinkhole ${verb})`;
  return `${path}?${new URLSearchParams({ reason })}`;
}

function draft(name: string, args: Args): object {
  const ground = statedGround(args);
  const stated = Object.keys(ground).length > 0 ? { ground } : {};
  return { name, subtree: args.flags.has('subtree'), 'dry-run': args.flags.has('dry-run'), ...stated };
}

/** The rules for people. */
export function rulesText({ rules, warnings }: RulesView, terminal: Terminal): string {
  const blocks = warnings.map((warning) => `warning: ${printable(warning)}\n`);
  if (rules.length === 0) return [...blocks, 'no sinkhole rules\n'].join('');
  blocks.push(
    table(
      ['NAME', 'STATE', 'NOW q/s', 'BASELINE', 'PEAK', 'HITS', 'ENDS', 'GROUND', 'APPROVER', 'FROM'],
      rules.map((rule) => [
        nameOf(rule),
        rule.state,
        rateText(rule.ratePerSecond),
        rateText(rule.baselinePerSecond),
        rateText(rule.peakPerSecond),
        rule.hits,
        endText(rule),
        `${rule.ground['kind']} (${rule.groundTerm})`,
        rule.ground['approver'] ?? '',
        rule.addedBy ?? rule.source,
      ]),
      terminal,
    ),
  );
  for (const rule of rules) {
    if (rule.warning !== null) blocks.push(`! ${nameOf(rule)}: ${rule.warning} (${endText(rule)})\n`);
    if (rule.proposal !== null) blocks.push(`→ ${nameOf(rule)} could be lifted: ${rule.proposal}\n`);
  }
  return blocks.join('');
}

export function previewText({ name, problems, counted, below, note }: PreviewView, terminal: Terminal): string {
  const blocks = [`${bold(printable(name ?? 'no name that a rule may have'), terminal)}\n`];
  blocks.push(...problems.map((problem) => `would be refused: ${printable(problem)}\n`));
  if (counted.length > 0) blocks.push(rulesText({ rules: counted, warnings: [], limit: 0 }, terminal));
  if (below.length > 0) blocks.push(`rules below it: ${below.map(printable).join(', ')}\n`);
  return [...blocks, `${note}\n`].join('');
}

export function changesText({ changes }: ChangesView, terminal: Terminal): string {
  if (changes.length === 0) return 'no changes yet\n';
  return table(
    ['WHEN', 'WHO', 'WHAT', 'NAME', 'GROUND', 'APPROVER', 'WHY'],
    changes.map(({ at, who, action, name, subtree, dryRun, ground, reason }) => [
      at,
      who,
      `${action}${dryRun ? ' (dry run)' : ''}`,
      `${name}${subtree ? ' +below' : ''}`,
      ground['kind'] ?? '',
      ground['approver'] ?? '',
      reason || (ground['evidence'] ?? ground['purpose'] ?? ''),
    ]),
    terminal,
  );
}

function nameOf({ name, subtree }: RuleView): string {
  return `${printable(name)}${subtree ? ' +below' : ''}`;
}

function everyWorker({ appliedInMs }: AppliedView): string {
  return `on every worker (after ${appliedInMs.toFixed(1)} ms)`;
}

function termText(rule: RuleView): string {
  return rule.reviewAt === null ? `it ends by itself in ${endText(rule)}` : `to be reviewed ${rule.reviewAt}`;
}

function endText({ state, secondsLeft, reviewAt }: RuleView): string {
  if (secondsLeft === null) return `review ${reviewAt ?? '–'}`;
  return state === 'expired' ? `${durationWords(-secondsLeft)} ago` : durationWords(secondsLeft);
}

function rateText(rate: number | null): string {
  if (rate === null) return '–';
  return rate >= 10 ? numberText(rate) : rate.toFixed(rate >= 1 ? 1 : 2);
}
