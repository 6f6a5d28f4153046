/**
 * `npm run soak -- resolve [--minutes 60] [--zones 12000] [--rate 2000]`: finding answers from the root down for a long time, in the
 * synthetic internet, with unbound beside it in turns. A third of the questions was never asked before, one in twenty is about a
 * zone whose servers misbehave. Fails where memory grows once the caches are full, where a question gets no answer, where rcodes are not those
 * that unbound gives, or where the slow tail is more than one and a half times unbound's. Needs root.
 */
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { memory } from '../test/support/cpu.ts';
import { runDnsperf } from '../test/support/dnsperf.ts';
import { freePort } from '../test/support/free-port.ts';
import { internetScripts, startInternet } from '../test/support/internet/internet.ts';
import { startSekisho } from '../test/support/sekisho.ts';
import { queryFile, randomNumbers } from './load/queries.ts';
import { median } from './load/statistics.ts';

const SLICE_SECONDS = 15;
const MAX_GROWTH_MIB = 12;
const TAIL = 1.5;
/** Zones of odd.py that answer somehow; those that are silent for ever only fill the time of their questions. */
const BROKEN = [
  'refused',
  'servfail',
  'formerr',
  'noedns',
  'lowercase',
  'tcponly',
  'upward',
  'garbage',
  'nxns',
  'silent',
];
const TLDS = ['com', 'com', 'com', 'net', 'jp', 'org'];

interface Slice {
  readonly residentMiB: number;
  readonly lost: number;
  readonly p99Ms: number;
  readonly rcodes: Readonly<Record<string, number>>;
}

export async function soakResolve(minutes: number, zones: number, rate: number): Promise<void> {
  process.stderr.write(`building a synthetic internet of ${zones} zones\n`);
  const internet = await startInternet({ bulk: zones });
  const server = await startSekisho({
    config: {
      server: { log: { level: 'warn' } },
      resolve: { 'delegations-size': '8MiB' },
      dnssec: { 'trust-anchor': internet.anchor, 'follow-rollovers': false },
      cache: { size: '32MiB' },
      plugins: {},
    },
  });
  const peer = await startPeer(internet.folder);
  const slices = Math.max(4, Math.ceil((minutes * 60) / (2 * SLICE_SECONDS)));
  const ours: Slice[] = [];
  const theirs: Slice[] = [];
  try {
    for (let slice = 0; slice < slices; slice++) {
      process.stderr.write(`\rslice ${slice + 1} of ${slices} `);
      const file = questions(slice, zones, rate * SLICE_SECONDS);
      ours.push(await run(server.port, server.pid, file, rate));
      theirs.push(await run(peer.port, peer.pid, file, rate));
    }
  } finally {
    process.stderr.write('\n');
    peer.stop();
    await server.stop();
    await internet.stop();
  }
  report(ours, theirs);
}

async function run(port: number, pid: number, queries: string, rate: number): Promise<Slice> {
  const { lost, latenciesMs, rcodes } = await runDnsperf({
    port,
    queryFile: queries,
    rate,
    seconds: SLICE_SECONDS,
    outstanding: 2000,
    clients: 8,
    latencies: true,
    timeoutSeconds: 15,
  });
  const p99Ms = latenciesMs[Math.floor(latenciesMs.length * 0.99)] ?? 0;
  return { residentMiB: memory(pid).rssBytes / 2 ** 20, lost, p99Ms, rcodes };
}

/** The same for both. */
function questions(slice: number, zones: number, count: number): string {
  const random = randomNumbers(20261128 + slice);
  return queryFile(`resolve-${slice}`, count, (i) => {
    const draw = random();
    if (draw < 0.05) return `q${slice}-${i}.${BROKEN[Math.floor(random() * BROKEN.length)]}.net A`;
    const zone = Math.floor(random() * zones);
    const apex = `d${String(zone).padStart(6, '0')}.${TLDS[zone % 6]}`;
    if (draw < 0.38) return `new${slice}-${i}.${apex} A`;
    return `${random() < 0.8 ? 'www' : 'mail'}.${apex} ${random() < 0.7 ? 'A' : 'AAAA'}`;
  });
}

async function startPeer(folder: string): Promise<{ port: number; pid: number; stop(): void }> {
  const port = await freePort();
  const started = spawn('/usr/bin/python3', [`${internetScripts()}/peers.py`, 'unbound', folder, String(port)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  for await (const line of createInterface({ input: started.stdout })) {
    const pid = Number(line.split(' ')[0]);
    return {
      port,
      pid,
      stop: () => {
        process.kill(pid);
        started.kill();
      },
    };
  }
  throw new Error('unbound did not start');
}

function report(ours: readonly Slice[], theirs: readonly Slice[]): void {
  const half = Math.floor(ours.length / 2);
  const quarters = Math.floor((ours.length * 3) / 4);
  const middle = (slices: readonly Slice[], of: (slice: Slice) => number) => median(slices.map(of));
  const growth =
    middle(ours.slice(quarters), ({ residentMiB }) => residentMiB) -
    middle(ours.slice(half, quarters), ({ residentMiB }) => residentMiB);
  const tail = middle(ours.slice(1), ({ p99Ms }) => p99Ms) / middle(theirs.slice(1), ({ p99Ms }) => p99Ms);
  const lost = ours.reduce((sum, slice) => sum + slice.lost, 0);
  console.log(
    '| slice | Sekisho MiB | lost | p99 ms | rcodes | unbound MiB | lost | p99 ms | rcodes |\n|---|---|---|---|---|---|---|---|---|',
  );
  for (const [i, slice] of ours.entries()) {
    if (i % Math.ceil(ours.length / 20) !== 0 && i < ours.length - 1) continue;
    console.log(`| ${i + 1} | ${cells(slice)} | ${cells(theirs[i]!)} |`);
  }
  const faults: string[] = [];
  if (growth > MAX_GROWTH_MIB) faults.push(`memory grew by ${growth.toFixed(1)} MiB`);
  if (lost > 0) faults.push(`${lost} questions got no answer`);
  if (tail > TAIL) faults.push(`p99 is ${tail.toFixed(2)} × unbound's`);
  console.log(
    `\np99 ${tail.toFixed(2)} × unbound's, growth ${growth.toFixed(1)} MiB: ${faults.length === 0 ? 'well' : faults.join(', ')}`,
  );
  if (faults.length > 0) process.exitCode = 1;
}

function cells({ residentMiB, lost, p99Ms, rcodes }: Slice): string {
  const codes = Object.entries(rcodes).map(([code, count]) => `${code} ${count}`);
  return `${residentMiB.toFixed(0)} | ${lost} | ${p99Ms.toFixed(1)} | ${codes.join(', ')}`;
}
