/**
 * Attacks on loopback, against Sekisho and its peers, each with the defence that its manual offers. bench/README.md says how.
 *
 *     node dist/bench/attacks/run.js [amplification|forged-networks|random-subdomain|failing|filling|shared-address|overload…]
 *                                    [--seconds 15] [--servers a,b] [--plots FOLDER]
 *     node dist/bench/attacks/run.js --rows FILE,… --plots FOLDER      plots of runs whose output was kept
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { type AmplificationRow, amplification } from './amplification.ts';
import { type FailingRow, failing } from './failing.ts';
import { filling } from './filling.ts';
import { forgedNetworks } from './forged-networks.ts';
import { type OverloadRow, overload } from './overload.ts';
import { barChart } from './plot.ts';
import { type RandomSubdomainRow, randomSubdomain } from './random-subdomain.ts';
import { sharedAddress } from './shared-address.ts';

const SCENARIOS = {
  amplification,
  'forged-networks': forgedNetworks,
  'random-subdomain': randomSubdomain,
  failing,
  filling,
  'shared-address': sharedAddress,
  overload,
} as const;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seconds: { type: 'string', default: '15' },
    servers: { type: 'string', default: '' },
    plots: { type: 'string' },
    rows: { type: 'string', default: '' },
  },
});
const kept = values.rows
  .split(',')
  .filter((file) => file !== '')
  .flatMap((file) => readFileSync(file, 'utf8').split('\n'))
  .filter((line) => line.startsWith('{'));
if (kept.length > 0 && values.plots !== undefined) {
  plot(
    kept.map((line) => JSON.parse(line) as object),
    values.plots,
  );
  process.exit(0);
}
const seconds = Number(values.seconds);
const chosen = positionals.length > 0 ? positionals : Object.keys(SCENARIOS);
const unknown = chosen.filter((name) => !(name in SCENARIOS));
if (unknown.length > 0 || !(seconds >= 1 && seconds <= 120)) {
  console.error(`usage: run.js [${Object.keys(SCENARIOS).join('|')}…] [--seconds 1–120] [--servers NAME,…]`);
  process.exit(2);
}
const only = values.servers.split(',').filter((name) => name !== '');
for (const name of chosen) {
  const rows: object[] = [];
  // Each as it comes: what was measured before something fails is not lost.
  await SCENARIOS[name as keyof typeof SCENARIOS](seconds, only, (row) => {
    rows.push(row);
    console.error(JSON.stringify(row));
  });
  console.log(`\n**${name}**, ${seconds} s\n\n${table(rows)}`);
  if (values.plots !== undefined) plot(rows, values.plots);
}
// dnsperf and the servers have ended; sockets of clients that still wait have not.
process.exit(0);

/** What each scenario is about, as pictures. */
function plot(rows: readonly object[], folder: string): void {
  const amplified = rows.filter((row): row is AmplificationRow => 'ratio' in row);
  if (amplified.length > 0) {
    const bars = amplified.map(({ server, flood, rate, ratio }) => ({
      label: `${server}: ${flood === 'one host' ? 'host' : '/24'}, ${rate}/s`,
      value: ratio,
      text: ratio.toFixed(2),
    }));
    writeFileSync(
      join(folder, 'amplification.svg'),
      barChart('Bytes towards the victim per byte of the flood', bars, 4, 1),
    );
  }
  const attacked = rows.filter((row): row is RandomSubdomainRow => 'upstreamPerSecond' in row);
  if (attacked.length > 0) {
    const bars = attacked.map(({ server, authority, others }) => ({
      label: `${server}: ${authority}`,
      value: others,
      text: `${(others * 100).toFixed(1)} %`,
    }));
    writeFileSync(
      join(folder, 'random-subdomain.svg'),
      barChart('Other names answered during the attack', bars, 1, 0.99),
    );
  }
  const failed = rows.filter((row): row is FailingRow => 'vainPerSecond' in row);
  if (failed.length > 0) {
    const label = ({ server, attack, rate }: FailingRow) =>
      `${server}: ${attack.startsWith('a ') ? 'delegation' : 'zones'}, ${rate}/s`;
    const answered = failed.map((row) => ({
      label: label(row),
      value: row.ordinary,
      text: `${(row.ordinary * 100).toFixed(1)} %`,
    }));
    const sent = failed.map((row) => ({
      label: label(row),
      value: row.vainPerSecond / row.rate,
      text: `${Math.round(row.vainPerSecond)}/s`,
    }));
    writeFileSync(
      join(folder, 'failing-others.svg'),
      barChart('Other names answered while a delegation, or 20 000 zones, are silent', answered, 1, 0.99),
    );
    writeFileSync(
      join(folder, 'failing-upstream.svg'),
      barChart('Sent to the upstream in vain, per query of the attack', sent, 4, 1),
    );
  }
  const overloaded = rows.filter((row): row is OverloadRow => 'offered' in row);
  if (overloaded.length > 0) plotOverload(overloaded, folder);
}

function plotOverload(rows: readonly OverloadRow[], folder: string): void {
  const bars = rows.map(({ server, flood, answered }) => ({
    label: `${server}: ${flood}`,
    value: answered,
    text: `${(answered * 100).toFixed(1)} %`,
  }));
  writeFileSync(
    join(folder, 'overload.svg'),
    barChart('Modest clients answered while others ask more than the server can answer', bars, 1, 0.99),
  );
}

function table(rows: readonly object[]): string {
  const keys = Object.keys(rows[0] ?? {});
  const lines = rows.map((row) =>
    Object.values(row).map((value) => (typeof value === 'number' ? short(value) : (value ?? '–'))),
  );
  return [keys, keys.map(() => '---'), ...lines].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}

function short(value: number): string {
  return Number.isInteger(value) ? String(value) : value.toPrecision(value < 1 ? 4 : 3);
}
