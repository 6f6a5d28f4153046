/**
 * `node dist/bench/internet.js [--bulk N] [--signed PERCENT] [--random N] [--seed S] COMMAND …`: run a command inside a synthetic internet
 * (test/support/internet/). `SEKISHO_INTERNET` names the folder with root hints, trust anchor and expected answers; everything
 * ends with the command. Needs root.
 */
import { spawn } from 'node:child_process';
import { parseArgs } from 'node:util';
import { startInternet } from '../test/support/internet/internet.ts';

const words = process.argv.slice(2);
const options = {
  bulk: { type: 'string', default: '500' },
  signed: { type: 'string', default: '30' },
  random: { type: 'string', default: '0' },
  seed: { type: 'string', default: '1' },
} as const;
/** Options of ours stand before the command's first word. */
let first = 0;
while (words[first]?.startsWith('--')) first += words[first]!.includes('=') ? 1 : 2;
const { values } = parseArgs({ args: words.slice(0, first), options });
const [command, ...args] = words.slice(first);
if (command === undefined) {
  console.error('Usage: node dist/bench/internet.js [--bulk N] [--signed PERCENT] [--random N] [--seed S] COMMAND …');
  process.exit(2);
}
const internet = await startInternet({
  bulk: Number(values.bulk),
  signed: Number(values.signed),
  random: Number(values.random),
  seed: Number(values.seed),
});
console.error(`A synthetic internet: ${internet.expected.length} questions with known answers in ${internet.folder}`);
const child = spawn(command, args, { stdio: 'inherit', env: { ...process.env, SEKISHO_INTERNET: internet.folder } });
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => child.kill(signal));
child.once('error', (error) => {
  console.error(`${command}: ${error.message}`);
  process.exit(1);
});
child.once('close', (code) => void internet.stop().then(() => process.exit(code ?? 1)));
