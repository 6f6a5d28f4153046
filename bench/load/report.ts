/**
 * Makes the tables of a run.
 *
 *     node dist/bench/load/report.js [bench/out/load.json]            prints them
 *     node dist/bench/load/report.js [bench/out/load.json] --write    puts them into bench/README.md
 */
import { existsSync, readdirSync, readFileSync, realpathSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { repositoryRoot } from '../../test/support/root.ts';
import {
  cheapestPeer,
  judge,
  medianOf,
  type Results,
  readResults,
  type ScenarioResult,
  type ServerResult,
  series,
  type Verdict,
} from './results.ts';
import type { Metric } from './scenarios.ts';
import { medianRatio } from './statistics.ts';

const BEGIN = '<!-- results: made by bench/load/report.ts -->';
const END = '<!-- end of results -->';

/** The whole run as Markdown. */
export function report(results: Results): string {
  const { machine, versions } = results;
  const lines = [
    `Measured ${results.date.slice(0, 10)} on ${machine.cores} × ${machine.cpu}, ${machine.memoryGiB} GiB, Linux ` +
      `${machine.kernel}, Node.js ${machine.node}. ` +
      Object.entries(versions)
        .filter(([, version]) => version)
        .map(([name, version]) => `${name} ${version}`)
        .join(', ') +
      '.',
  ];
  const verdicts = results.scenarios.flatMap((scenario) =>
    scenario.goals.map((goal) => ({ scenario, verdict: judge(scenario, goal) })),
  );
  if (verdicts.length > 0) {
    lines.push('', '| scenario | goal | measured | |', '|---|---|---|---|');
    for (const { scenario, verdict } of verdicts) lines.push(goalRow(scenario, verdict));
  }
  for (const scenario of results.scenarios) lines.push('', ...scenarioTable(scenario));
  for (const [name, reason] of Object.entries(results.skipped)) lines.push('', `Not measured: ${name} (${reason}).`);
  return `${lines.join('\n')}\n`;
}

const METRIC_TEXT: Record<Metric, string> = {
  cpuMicroseconds: 'CPU per query',
  p99Ms: 'p99 latency',
  maxMs: 'longest pause',
  bytesPerEntry: 'bytes per entry above the wire',
};

function goalRow(scenario: ScenarioResult, { goal, reference, value, met }: Verdict): string {
  const unit = goal.against === 'none' ? (goal.metric === 'maxMs' ? ' ms' : ' B') : ' ×';
  const against = goal.against === 'none' ? '' : ` ${reference ?? goal.against}`;
  const measured = Number.isNaN(value) ? '–' : `${digits(value)}${unit}${against}`;
  const verdict = Number.isNaN(value) ? 'not measured' : met ? 'met' : '**missed**';
  const asked = `${METRIC_TEXT[goal.metric]} ≤ ${goal.atMost}${unit}${goal.against === 'none' ? '' : ` ${goal.against}`}`;
  return `| ${scenario.name} | ${asked} | ${measured} | ${verdict} |`;
}

/** One row a server: medians, and ratios to the echo and to the cheapest peer. */
function scenarioTable(scenario: ScenarioResult): string[] {
  const { metric } = scenario;
  const echo = scenario.servers.find((server) => server.name === 'echo');
  const cheapest = cheapestPeer(scenario, metric);
  const rounds = Math.max(0, ...scenario.servers.map((server) => server.rounds.length));
  const memory = metric === 'bytesPerEntry';
  const latencies = scenario.servers.some((server) => !Number.isNaN(medianOf(server, 'p99Ms')));
  const head = memory ? ['server', 'B per entry', '× cheapest'] : ['server', 'µs per query', '× echo', '× cheapest'];
  if (!memory) head.push('queries/s', 'core used', 'others', 'lost', 'errors');
  if (latencies) head.push('p50 ms', 'p99 ms', 'longest ms');
  const size = scenario.servers.length === 0 ? '' : memory ? `${scenario.entries} answers` : `${scenario.seconds} s`;
  const rows = scenario.servers.map((server) => {
    const ratio = (reference: ServerResult | undefined, of: Metric): string =>
      reference ? digits(medianRatio(series(server, of), series(reference, of))) : '–';
    const ratioMetric = memory ? metric : 'cpuMicroseconds';
    const cells = memory
      ? [server.name, digits(medianOf(server, metric)), ratio(cheapest, metric)]
      : [server.name, digits(medianOf(server, 'cpuMicroseconds')), ratio(echo, ratioMetric)];
    if (!memory) {
      cells.push(ratio(cheapestPeer(scenario, ratioMetric), ratioMetric));
      cells.push(String(Math.round(medianOf(server, 'queriesPerSecond'))));
      cells.push(percent(server, 'utilisation'), percent(server, 'disturbance'));
      cells.push(String(total(server, 'lost')), String(total(server, 'errors')));
    }
    if (latencies) cells.push(digits(medianOf(server, 'p50Ms')), digits(medianOf(server, 'p99Ms')));
    if (latencies) cells.push(digits(Math.max(...series(server, 'maxMs'))));
    return `| ${cells.join(' | ')} |`;
  });
  return [
    `**${scenario.name}**: ${scenario.text}; medians of ${rounds} round${rounds === 1 ? '' : 's'}, ${size}.`,
    '',
    `| ${head.join(' | ')} |`,
    `|${head.map(() => '---').join('|')}|`,
    ...rows,
  ];
}

function total(server: ServerResult, metric: 'lost' | 'errors'): number {
  return server.rounds.reduce((sum, figures) => sum + figures[metric], 0);
}

function percent(server: ServerResult, metric: 'utilisation' | 'disturbance'): string {
  return `${Math.round(medianOf(server, metric) * 100)} %`;
}

/** Three significant digits, which is more than the machine repeats. */
function digits(value: number): string {
  if (!Number.isFinite(value)) return '–';
  return Math.abs(value) >= 100 ? String(Math.round(value)) : value.toPrecision(3);
}

/** The newest JSON file of a run. */
function latest(folder: string): string {
  const files = existsSync(folder) ? readdirSync(folder).filter((name) => /^load.*\.json$/.test(name)) : [];
  const newest = files.sort().at(-1);
  if (newest === undefined) throw new Error(`no results in ${folder}: run the load bench first`);
  return join(folder, newest);
}

function main(): void {
  const { values, positionals } = parseArgs({ options: { write: { type: 'boolean' } }, allowPositionals: true });
  const bench = join(repositoryRoot(), 'bench');
  const text = report(readResults(positionals[0] ?? latest(join(bench, 'out'))));
  if (!values.write) {
    process.stdout.write(text);
    return;
  }
  const path = join(bench, 'README.md');
  const page = readFileSync(path, 'utf8');
  const begin = page.indexOf(BEGIN);
  const end = page.indexOf(END);
  if (begin < 0 || end < begin) throw new Error(`${path} has no place for results ('${BEGIN}' … '${END}')`);
  writeFileSync(path, `${page.slice(0, begin + BEGIN.length)}\n${text}${page.slice(end)}`);
}

if (process.argv[1] !== undefined && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) main();
