/** `sekisho diagnose`: what explains an overload, in one screen. */

import {
  type Args,
  appliedText,
  bold,
  durationWords,
  type MeasureView,
  numberText,
  printable,
  readingRequest,
  sparkline,
  statedGround,
  type Terminal,
  table,
  usageError,
} from '../../../src/contract/commands.ts';
import type { DiagnosisReport, PreviewReport } from '../report-shapes.ts';

export async function diagnose(args: Args, terminal: Terminal): Promise<number> {
  const { apply: number } = args.options;
  if (number !== undefined) return apply(number, args, terminal);
  const given = [...Object.keys(args.options), ...args.flags];
  const strange = given.find((option) => !['reason', 'window', 'approver'].includes(option));
  if (strange !== undefined) throw usageError(`--${strange} belongs to \`sekisho diagnose --apply N\``);
  const { approver } = args.options;
  const request = {
    ...readingRequest(args.options['reason'], args.options['window'], undefined),
    ...(approver !== undefined && { approver }),
  };
  const report = await args.server.send<DiagnosisReport>('POST', '/v1/query-history/diagnose', request);
  terminal.out(args.json ? `${JSON.stringify(report, null, 2)}\n` : diagnosisText(report, terminal));
  return 0;
}

/** `--apply N`: what a diagnosis proposed, put in force as it was shown. */
async function apply(text: string, args: Args, terminal: Terminal): Promise<number> {
  const proposal = Number(text);
  for (const option of ['reason', 'window'] as const)
    if (args.options[option] !== undefined) throw usageError(`--${option} belongs to a new diagnosis, not to --apply`);
  const { diagnosis, escalate } = args.options;
  const request = {
    proposal,
    ...(diagnosis !== undefined && { diagnosis }),
    ...(escalate !== undefined && { escalate }),
    'dry-run': args.flags.has('dry-run'),
    ground: statedGround(args),
  };
  if (args.flags.has('preview')) {
    const preview = await args.server.send<PreviewReport>('POST', '/v1/query-history/preview', request);
    terminal.out(args.json ? `${JSON.stringify(preview, null, 2)}\n` : previewText(preview));
    return 0;
  }
  const measure = await args.server.send<MeasureView>('POST', '/v1/query-history/apply', request);
  terminal.out(args.json ? `${JSON.stringify(measure, null, 2)}\n` : appliedText(measure));
  return 0;
}

function previewText({ text, plugin, limitPerSecond, limitRationale, trial, problems }: PreviewReport): string {
  const { seconds, matchedPerSecond, limitedPerSecond } = trial;
  return [
    `${plugin}: ${printable(text)}; ${limitPerSecond} a second would pass (${printable(limitRationale)})\n`,
    `dry run over the last ${durationWords(seconds)}: ${numberText(matchedPerSecond)}/s matched, ${numberText(limitedPerSecond)}/s would be limited\n`,
    ...problems.map((problem) => `would be refused: ${printable(problem)}\n`),
    'Nothing was changed.\n',
  ].join('');
}

const percent = (share: number) => `${(share * 100).toFixed(share < 0.1 ? 1 : 0)} %`;
const KINDS = [
  ['domain', 'domain'],
  ['pattern', 'pattern'],
  ['name', 'name'],
  ['network', 'source network'],
  ['address', 'source address'],
  ['types', 'type'],
  ['rcodes', 'response'],
  ['transports', 'transport'],
  ['cache', 'cache'],
  ['upstreams', 'upstream'],
] as const;
const PARTS_SHOWN = 2;

/** The diagnosis for people. */
export function diagnosisText(report: DiagnosisReport, terminal: Terminal): string {
  const { rate, servfail, latencyMs, baseline, overload, causes } = report;
  const [first, ...others] = causes;
  const factor = rate.normal > 0 ? `, ${(rate.now / rate.normal).toFixed(1)} times the normal` : '';
  const head = [
    `${bold(printable(first?.text ?? 'Nothing can be said.'), terminal)}\n`,
    ...(first?.signs ?? []).map((sign) => `  · ${printable(sign)}\n`),
    `  Confidence: ${report.sure}${report.doubts.length > 0 ? ` (${report.doubts.join('; ')})` : ''}\n`,
    ...others.map((cause) => `  Less likely: ${printable(cause.text)}\n`),
  ].join('');
  const normal = baseline.basis === 'none' ? 'unknown yet' : `${baseline.basis}, ${baseline.samples} samples`;
  const load = table(
    ['LOAD', 'NOW', 'NORMAL', 'SPREAD'],
    [
      ['queries/s', numberText(rate.now), numberText(rate.normal), `± ${numberText(rate.spread)}`],
      ['SERVFAIL', percent(servfail.now), percent(servfail.normal), `± ${percent(servfail.spread)}`],
      [
        'latency, 95 % below',
        `${latencyMs.now.toFixed(1)} ms`,
        `${latencyMs.normal.toFixed(1)} ms`,
        `± ${latencyMs.spread.toFixed(1)} ms`,
      ],
    ],
    terminal,
  );
  const rows = KINDS.flatMap(([kind, title]) =>
    report.explains[kind]
      .slice(0, PARTS_SHOWN)
      .map(({ key, now, normal, share }) => [title, key, numberText(now), numberText(normal), percent(share)]),
  );
  const several = report.incidents.length > 1;
  const incidents = report.incidents.map(({ cause, share }, i) => [
    String(i + 1),
    cause.cause,
    cause.about,
    percent(share),
  ]);
  const proposals = report.proposals.map((proposal) => [
    String(proposal.number),
    ...(several ? [String(proposal.incident)] : []),
    proposal.text,
    percent(proposal.removes),
    `${proposal.hitsIsUpperBound ? '≤ ' : ''}${percent(proposal.hits)}`,
    `${proposal.plugin}${proposal.escalation ? ', whole zone' : ''}`,
  ]);
  return [
    head,
    `${sparkline(report.series.values)}  ${durationWords(report.series.values.length * report.series.stepSeconds)}${factor}\n`,
    load,
    ...(several
      ? [
          table(['', 'AT THE SAME TIME', 'ABOUT', 'OF THE RISE'], incidents, terminal),
          report.incidents.map(({ cause }, i) => `${i + 1}. ${printable(cause.text)}\n`).join(''),
        ]
      : []),
    `Looked at: ${durationWords(report.window.seconds)} from ${report.window.from.slice(11, 19)} UTC on${report.window.why === '' ? '' : ` (${printable(report.window.why)})`}.\n`,
    `Normal: ${normal}. Overload ${overload.by} since ${overload.since}: ${printable(overload.reason)}\n`,
    rate.rise > 0
      ? table(['WHAT ROSE', '', 'NOW/S', 'NORMAL/S', 'OF THE RISE'], rows, terminal)
      : 'The load has not risen.\n',
    proposals.length > 0
      ? table(['', ...(several ? ['FOR'] : []), 'NARROWEST RULES', 'REMOVES', 'OTHERS HIT', 'BY'], proposals, terminal)
      : noRuleText(report),
    ...(report.proposals.length > 0 ? [commandsText(report)] : []),
  ].join('\n');
}

/** Why there is none. */
function noRuleText({ inForce }: DiagnosisReport): string {
  if (inForce.length > 0)
    return `No further rule is proposed; in force already: ${inForce.map(({ id, text }) => `${id} (${printable(text)})`).join(', ')}.\n`;
  return 'No rule is proposed: nothing narrow would end it, or a dry run over the last minutes matched too little.\n';
}

/** What to type for each proposal: whole lines, so that one can be copied. */
function commandsText({ proposals }: DiagnosisReport): string {
  const lines = proposals.map(({ number, command, obstacle, trial }) => {
    if (obstacle) return `${number}. cannot be put in force: ${obstacle}\n`;
    const { seconds, matchedPerSecond, limitedPerSecond } = trial;
    const tried = `dry run over the last ${durationWords(seconds)}: ${numberText(matchedPerSecond)}/s matched, ${numberText(limitedPerSecond)}/s would be limited`;
    return `${number}. ${command}\n   ${tried}\n`;
  });
  return `To put one in force (--dry-run first only counts):\n${lines.join('')}`;
}
