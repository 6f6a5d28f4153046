/**
 * How long a start takes that fails late: every listener, its address taken by a plugin when everything else has begun, without
 * and with everything that a configuration can have. Time of the clock until the process has ended, and its CPU time, which
 * other programs on the machine disturb less; and the same start undisturbed, until it serves.
 * `npm run bench -- start`.
 */
import { spawn } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { loadavg } from 'node:os';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { freePort } from '../../test/support/free-port.ts';
import { honest, startScriptedUpstream } from '../../test/support/scripted-upstream.ts';
import { sekishoMain } from '../../test/support/sekisho.ts';
import { ALL, configurationOf, folderWithFiles, into, LISTENERS, thief } from '../../test/support/start-sections.ts';

const ROUNDS = 3;
const TICKS_A_SECOND = 100;
const upstream = await startScriptedUpstream(honest());
const module = thief();

interface Ended {
  readonly code: number | null;
  readonly seconds: number;
  readonly cpuSeconds: number;
  readonly reason: string;
}

for (const sections of ['subscribers', ALL])
  for (const { setting, transport, add } of LISTENERS.filter((listener) => listener.setting !== 'server.listen')) {
    const runs: Ended[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      const port = await freePort();
      const config = await configurationOf(sections, upstream.port);
      add(config, `127.0.0.1:${port}`);
      into(config, 'plugins', { thief: { module, text: `${transport}:${port}` } });
      runs.push(await ended(config));
    }
    const [worst] = runs.sort((one, other) => other.seconds - one.seconds);
    console.log(
      `${setting} (${transport}) with ${sections}: exit ${runs.map(({ code }) => code).join(', ')} after ${runs.map(({ seconds }) => seconds.toFixed(2)).join(', ')} s; CPU ${worst!.cpuSeconds.toFixed(2)} s; load ${loadavg()[0]!.toFixed(1)}; ${worst!.reason}`,
    );
  }
await upstream.close();

async function ended(config: Record<string, unknown>): Promise<Ended> {
  const folder = folderWithFiles();
  const file = join(folder, 'sekisho.yaml');
  writeFileSync(file, stringify(config));
  const begun = performance.now();
  const child = spawn(process.execPath, [sekishoMain(), 'run', '--config', file], { cwd: folder });
  let stderr = '';
  child.stdout.resume();
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  let cpuSeconds = 0;
  // A process that has ended tells nothing any more: the last look counts.
  const looking = setInterval(() => {
    try {
      const fields = readFileSync(`/proc/${child.pid}/stat`, 'utf8')
        .replace(/^.*\) /, '')
        .split(' ');
      cpuSeconds = (Number(fields[11]) + Number(fields[12])) / TICKS_A_SECOND;
    } catch {
      // It has ended.
    }
  }, 20);
  const code = await new Promise<number | null>((resolve) => child.once('exit', resolve));
  clearInterval(looking);
  const seconds = (performance.now() - begun) / 1000;
  return { code, seconds, cpuSeconds, reason: stderr.split('\n').find((line) => line.includes('SEKISHO_')) ?? '' };
}
