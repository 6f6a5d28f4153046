/**
 * Attacks on loopback, against Sekisho and its peers, each with the defence that its manual offers. bench/README.md says how.
 *
 *     node dist/bench/attacks/run.js [amplification|random-subdomain|shared-address…] [--seconds 15] [--servers a,b]
 */
import { parseArgs } from 'node:util';
import { amplification } from './amplification.ts';
import { randomSubdomain } from './random-subdomain.ts';
import { sharedAddress } from './shared-address.ts';

const SCENARIOS = { amplification, 'random-subdomain': randomSubdomain, 'shared-address': sharedAddress } as const;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { seconds: { type: 'string', default: '15' }, servers: { type: 'string', default: '' } },
});
const seconds = Number(values.seconds);
const chosen = positionals.length > 0 ? positionals : Object.keys(SCENARIOS);
const unknown = chosen.filter((name) => !(name in SCENARIOS));
if (unknown.length > 0 || !(seconds >= 1 && seconds <= 120)) {
  console.error(`usage: run.js [${Object.keys(SCENARIOS).join('|')}…] [--seconds 1–120] [--servers NAME,…]`);
  process.exit(2);
}
const only = values.servers.split(',').filter((name) => name !== '');
for (const name of chosen) {
  const rows = await SCENARIOS[name as keyof typeof SCENARIOS](seconds, only);
  console.log(`\n**${name}**, ${seconds} s\n\n${table(rows)}`);
}
// dnsperf and the servers have ended; sockets of clients that still wait have not.
process.exit(0);

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
