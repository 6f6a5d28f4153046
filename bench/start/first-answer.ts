/**
 * From the start of the process to its first answer, to `/readyz`, and the time of short commands: of this program and of others beside it,
 * interleaved, as medians of time of the clock and of CPU time (all threads; what other programs on the machine disturb less).
 * `npm run bench -- start first [--rounds N] [MAIN.js …]`; each MAIN.js is the compiled command line of another installation.
 */
import { spawn, spawnSync } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { loadavg } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { queryBytes } from '../../test/support/dns-client.ts';
import { freePort } from '../../test/support/free-port.ts';
import { temporaryFolder } from '../../test/support/process.ts';
import { sekishoMain } from '../../test/support/sekisho.ts';

const { values, positionals } = parseArgs({
  options: { rounds: { type: 'string', default: '7' } },
  allowPositionals: true,
});
const mains = [sekishoMain(), ...positionals];
const COMMANDS = [['--version'], ['--help'], ['history', '--help'], ['check'], ['status']];
const LONGEST_MS = 60_000;

interface Figures {
  readonly [what: string]: number;
}

const all = new Map<string, Figures[]>(mains.map((main) => [main, []]));
for (let round = 0; round < Number(values.rounds); round++)
  for (const main of mains) all.get(main)?.push({ ...(await start(main)), ...commands(main) });

const [first] = all.values();
console.log(`median of ${values.rounds} rounds, ${process.version}, load ${loadavg()[0]?.toFixed(1)}`);
for (const what of Object.keys(first?.[0] ?? {})) {
  const medians = [...all.values()].map((rounds) => median(rounds.map((figures) => figures[what] ?? Number.NaN)));
  const ratios = medians.slice(1).map((other) => `${((medians[0] ?? Number.NaN) / other).toFixed(2)} ×`);
  console.log(
    `${what.padEnd(24)} ${medians.map((seconds) => `${seconds.toFixed(3)} s`).join('  ')}  ${ratios.join('  ')}`,
  );
}

async function start(main: string): Promise<Figures> {
  const folder = temporaryFolder('start');
  const [port, admin, notice] = [await freePort(), await freePort(), await freePort()];
  const config = join(folder, 'sekisho.yaml');
  writeFileSync(
    config,
    JSON.stringify({
      server: { listen: [`127.0.0.1:${port}`], data: './data' },
      upstream: { servers: ['127.0.0.1:9'] },
      admin: { listen: `127.0.0.1:${admin}` },
      notice: { listen: `127.0.0.1:${notice}` },
    }),
  );
  const begun = performance.now();
  const child = spawn(process.execPath, [main, 'run', '--config', config], { cwd: folder, stdio: 'ignore' });
  const seconds = () => (performance.now() - begun) / 1000;
  await until(() => answers(port));
  const answered = { 'first answer': seconds(), 'first answer, CPU': cpuSeconds(child.pid ?? 0) };
  await until(async () => (await fetch(`http://127.0.0.1:${admin}/readyz`)).status === 200);
  const ready = { ready: seconds(), 'ready, CPU': cpuSeconds(child.pid ?? 0) };
  const ended = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGTERM');
  await ended;
  return { ...answered, ...ready };
}

/** A name that the server answers by itself (RFC 6761 §6.3). */
function answers(port: number): Promise<boolean> {
  const socket = createSocket('udp4');
  return new Promise<boolean>((resolve) => {
    const late = setTimeout(() => resolve(false), 20);
    socket.once('message', () => resolve(true)).once('error', () => resolve(false));
    socket.connect(port, '127.0.0.1', () => socket.send(queryBytes({ name: 'localhost' })));
    late.unref();
  }).finally(() => socket.close());
}

async function until(holds: () => Promise<boolean>): Promise<void> {
  const begun = performance.now();
  while (!(await holds().catch(() => false))) {
    if (performance.now() - begun > LONGEST_MS) throw new Error('the server did not come up');
    await pause(4);
  }
}

/** Of all threads that live, by the scheduler's own count (nanoseconds). */
function cpuSeconds(pid: number): number {
  return readdirSync(`/proc/${pid}/task`).reduce((sum, thread) => {
    try {
      return sum + Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8').split(' ')[0]) / 1e9;
    } catch {
      // The thread has ended.
      return sum;
    }
  }, 0);
}

function commands(main: string): Figures {
  const figures: Record<string, number> = {};
  for (const words of COMMANDS) {
    const begun = performance.now();
    const script = '"$@" > /dev/null 2>&1; times';
    const { stdout } = spawnSync('bash', ['-c', script, 'bash', process.execPath, main, ...words], {
      encoding: 'utf8',
    });
    figures[words.join(' ')] = (performance.now() - begun) / 1000;
    // The second line is of the children: user and system time, as 0m0.123s.
    const times = [...(stdout.split('\n')[1] ?? '').matchAll(/(\d+)m([\d.]+)s/g)];
    figures[`${words.join(' ')}, CPU`] = times.reduce(
      (sum, [, minutes, rest]) => sum + Number(minutes) * 60 + Number(rest),
      0,
    );
  }
  return figures;
}

function median(numbers: readonly number[]): number {
  const sorted = [...numbers].sort((one, other) => one - other);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}
