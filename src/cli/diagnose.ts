/** `sekisho diagnose`: what explains an overload, in one screen. */
import type { DiagnosisReport } from '../../plugins/query-history/reading.ts';
import { sendJson } from './admin-client.ts';
import type { Args } from './args.ts';
import { durationWords, numberText, table } from './layout.ts';
import { readingRequest } from './span.ts';
import { sparkline } from './sparkline.ts';
import { bold, type Terminal } from './terminal.ts';

export async function diagnose(args: Args, terminal: Terminal): Promise<number> {
  const request = readingRequest(args.options.reason, args.options.window, 60);
  const report = await sendJson<DiagnosisReport>('POST', '/v1/query-history/diagnose', request, args.config, terminal);
  terminal.out(args.json ? `${JSON.stringify(report, null, 2)}\n` : diagnosisText(report, terminal));
  return 0;
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
] as const;
const PARTS_SHOWN = 2;

/** The diagnosis for people. */
export function diagnosisText(report: DiagnosisReport, terminal: Terminal): string {
  const { rate, servfail, latencyMs, baseline, overload, causes } = report;
  const [first, ...others] = causes;
  const factor = rate.normal > 0 ? `, ${(rate.now / rate.normal).toFixed(1)} times the normal` : '';
  const head = [
    `${bold(first?.text ?? 'Nothing can be said.', terminal)}\n`,
    ...(first?.signs ?? []).map((sign) => `  · ${sign}\n`),
    `  Sure of it: ${report.sure}${report.doubts.length > 0 ? ` (${report.doubts.join('; ')})` : ''}\n`,
    ...others.map((cause) => `  Less likely: ${cause.text}\n`),
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
  const proposals = report.proposals.map((proposal, i) => [
    String(i + 1),
    proposal.text,
    percent(proposal.removes),
    `${proposal.hitsIsUpperBound ? '≤ ' : ''}${percent(proposal.hits)}`,
    `${proposal.plugin}${proposal.escalation ? ', whole zone' : ''}`,
  ]);
  return [
    head,
    `${sparkline(report.series.values)}  ${durationWords(report.series.values.length * report.series.stepSeconds)}${factor}\n`,
    load,
    `Normal: ${normal}. Overload ${overload.by} since ${overload.since}: ${overload.reason}\n`,
    rate.rise > 0
      ? table(['WHAT ROSE', '', 'NOW/S', 'NORMAL/S', 'OF THE RISE'], rows, terminal)
      : 'The load has not risen.\n',
    proposals.length > 0
      ? table(['', 'NARROWEST RULES', 'REMOVES', 'NORMAL HIT', 'BY'], proposals, terminal)
      : 'No rule is proposed: nothing narrow would end it.\n',
    ...[...new Set(report.proposals.map(({ plugin, inForce }) => `${plugin}: ${inForce}.\n`))],
  ].join('\n');
}
