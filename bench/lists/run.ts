/**
 * What a million listed names cost the whole server, beside unbound and PowerDNS Recursor with the same policy zone:
 *
 *   load      from starting the process to the first answer, with the zone and without it
 *   memory    what the zone adds to the process (proportional set size)
 *   cpu       CPU per query, every query a cache hit on a name that is not listed; the same without the zone
 *   reload    a new version while 50 000 queries/s are served: losses and latencies
 *
 *     npm run bench -- lists [names, default 1000000] [--rounds 5] [--seconds 4] [--priority] [--servers sekisho]
 *
 * How it is measured stands in bench/README.md.
 */
import { spawnSync } from 'node:child_process';
import { closeSync, openSync, renameSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { memory } from '../../test/harness/cpu.ts';
import { ensurePackages } from '../../test/harness/debian.ts';
import { startNsd } from '../../test/harness/nsd.ts';
import { startPdnsRecursor } from '../../test/harness/pdns-recursor.ts';
import { temporaryFolder } from '../../test/harness/process.ts';
import { startSekisho } from '../../test/harness/sekisho.ts';
import { startUnbound } from '../../test/harness/unbound.ts';
import { type Figures, fill, measure, measureFlood } from '../load/measure.ts';
import { goFirst } from '../load/priority.ts';
import { nameOf, queryFile, SHORT_APEX, ZONES } from '../load/queries.ts';
import { LOAD_CORE, SERVER_CORE, type Target } from '../load/servers.ts';
import { median, medianRatio } from '../load/statistics.ts';
import { listNames } from './list-names.ts';

const HOT_NAMES = 10_000;
const RATE = 50_000;
const START_MS = 300_000;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    rounds: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '4' },
    priority: { type: 'boolean', default: false },
    servers: { type: 'string', default: 'sekisho,unbound,pdns-recursor' },
  },
});
const count = Number(positionals[0] ?? 1_000_000);
const rounds = Number(values.rounds);
const seconds = Number(values.seconds);

interface Started {
  readonly target: Target;
  readonly startMs: number;
  readonly pssBytes: number;
}

interface Kind {
  readonly name: string;
  start(rpzFile: string | undefined): Promise<Target>;
}

function progress(text: string): void {
  process.stderr.write(`${(performance.now() / 1000).toFixed(0).padStart(4)} s  ${text}\n`);
}

/** A policy zone; every version after the first differs in one name in a hundred. */
function writeZone(path: string, names: readonly string[], version: number): void {
  const file = openSync(`${path}.new`, 'w');
  writeSync(
    file,
    `$TTL 300\n@ SOA ns.rpz.bench. hostmaster.rpz.bench. ${version} 3600 600 86400 300\n@ NS ns.rpz.bench.\n`,
  );
  for (let at = 0; at < names.length; at += 10_000) {
    const lines = names.slice(at, at + 10_000).map((name, i) => {
      const changed = version > 1 && (at + i) % 100 === 0;
      return `${changed ? `v${version}-` : ''}${name} CNAME .\n`;
    });
    writeSync(file, lines.join(''));
  }
  closeSync(file);
  renameSync(`${path}.new`, path);
}

const ground = {
  kind: 'legitimate-business',
  purpose: 'to be measured on loopback',
  necessity: 'nothing else would measure it',
  proportionality: 'nobody else is concerned',
  approver: 'bench',
  review: '2099-12-31',
};

function sekishoWith(upstreamPort: number) {
  return (rpzFile: string | undefined): Promise<Target> =>
    startSekisho({
      core: SERVER_CORE,
      readyTimeoutMs: START_MS,
      config: {
        server: { log: { level: 'info' } },
        upstream: { servers: [`127.0.0.1:${upstreamPort}`] },
        cache: { size: '512MiB' },
        lists:
          rpzFile === undefined
            ? []
            : [{ name: 'bench', category: 'policy', format: 'rpz', zone: 'rpz.bench', file: rpzFile, ground }],
      },
    });
}

async function started(kind: Kind, rpzFile: string | undefined): Promise<Started> {
  progress(`${kind.name} starts ${rpzFile === undefined ? 'without the zone' : 'with the zone'}`);
  const began = performance.now();
  const target = await kind.start(rpzFile);
  const startMs = performance.now() - began;
  // What the compiler thread had in its heap goes back when it has been idle for two seconds.
  await new Promise((resolve) => setTimeout(resolve, 5000));
  return { target, startMs, pssBytes: memory(target.pid).pssBytes };
}

async function cpuRounds(targets: readonly { name: string; target: Target }[]): Promise<Map<string, Figures[]>> {
  const hot = queryFile('hot', HOT_NAMES, (i) => `${nameOf(SHORT_APEX, 'hot', i)} A`);
  for (const { target } of targets) {
    for (let run = 0; run < 2; run++) await fill(target, hot);
    await measureFlood(target, hot, 2);
  }
  const figures = new Map<string, Figures[]>(targets.map(({ name }) => [name, []]));
  for (let round = 0; round < rounds; round++) {
    for (const { name, target } of targets) {
      progress(`round ${round + 1} of ${rounds}, ${name}`);
      figures.get(name)?.push(await measureFlood(target, hot, seconds));
    }
  }
  return figures;
}

/** Steady, then with a new version in the middle, then steady again. */
async function reloadUnderLoad(target: Target, path: string) {
  const hot = queryFile('reload', HOT_NAMES, (i) => `${nameOf(SHORT_APEX, 'hot', i)} A`);
  const load = { queryFile: hot, rate: RATE, outstanding: 20_000, clients: 20, seconds: 8, latencies: true };
  const runs: { what: string; figures: Figures }[] = [];
  for (let round = 0; round < 3; round++) {
    progress(`reload: round ${round + 1} of 3, steady`);
    runs.push({ what: 'steady', figures: await measure(target, load) });
    progress(`reload: round ${round + 1} of 3, a new version two seconds in`);
    const running = measure(target, load);
    await new Promise((resolve) => setTimeout(resolve, 2000));
    // Written beforehand: making a file of this size would take the load's core.
    renameSync(`${path}.${round}`, path);
    runs.push({ what: 'reload', figures: await running });
  }
  return runs;
}

async function main(): Promise<void> {
  ensurePackages(['nsd', 'dnsperf', 'unbound', 'pdns_recursor', 'cc', 'taskset']);
  if (values.priority) goFirst();
  spawnSync('taskset', ['-a', '-c', '-p', String(LOAD_CORE), String(process.pid)]);
  const folder = temporaryFolder('lists-bench');
  progress(`making ${count} names`);
  const names = listNames(count, 1);
  const path = join(folder, 'rpz.zone');
  writeZone(path, names, 1);
  for (let round = 0; round < 3; round++) {
    writeZone(`${path}.${round}`, names, round + 2);
  }
  const authority = await startNsd({ zones: ZONES, core: LOAD_CORE });
  const probeName = nameOf(SHORT_APEX, 'probe', 0);
  const forward = { upstreamPort: authority.port, probeName, core: SERVER_CORE, cache: true, readyTimeoutMs: START_MS };
  const withZone = (rpzFile: string | undefined) => ({ ...forward, ...(rpzFile !== undefined && { rpzFile }) });
  const all: Kind[] = [
    { name: 'sekisho', start: sekishoWith(authority.port) },
    { name: 'unbound', start: (rpzFile) => startUnbound(withZone(rpzFile)) },
    { name: 'pdns-recursor', start: (rpzFile) => startPdnsRecursor(withZone(rpzFile)) },
  ];
  const kinds = all.filter(({ name }) => values.servers.split(',').includes(name));
  const without = new Map<string, Started>();
  const having = new Map<string, Started>();
  for (const kind of kinds) {
    without.set(kind.name, await started(kind, undefined));
    having.set(kind.name, await started(kind, path));
  }
  const targets = [
    ...kinds.map(({ name }) => ({ name, target: having.get(name)!.target })),
    ...kinds.map(({ name }) => ({ name: `${name}, no zone`, target: without.get(name)!.target })),
  ];
  const cpu = await cpuRounds(targets);
  const own = having.get('sekisho')!;

  const cpuOf = (name: string) => (cpu.get(name) ?? []).map(({ cpuMicroseconds }) => cpuMicroseconds);
  const added = (name: string) => having.get(name)!.pssBytes - without.get(name)!.pssBytes;
  const extraMs = (name: string) => having.get(name)!.startMs - without.get(name)!.startMs;
  const lines = [
    `**${count} names in one policy zone**, medians of ${rounds} rounds of ${seconds} s`,
    '',
    '| server | CPU per query, µs | × without the zone | × sekisho | memory of the zone, MiB | × sekisho | loading, s | × sekisho |',
    '|---|---|---|---|---|---|---|---|',
  ];
  for (const { name } of kinds) {
    const ratio = (of: number, to: number) => (of / to).toFixed(2);
    lines.push(
      `| ${name} | ${median(cpuOf(name)).toFixed(2)} | ${medianRatio(cpuOf(name), cpuOf(`${name}, no zone`)).toFixed(3)} | ${medianRatio(cpuOf(name), cpuOf('sekisho')).toFixed(2)} | ${(added(name) / 2 ** 20).toFixed(0)} | ${ratio(added(name), added('sekisho'))} | ${(extraMs(name) / 1000).toFixed(2)} | ${ratio(extraMs(name), extraMs('sekisho'))} |`,
    );
  }
  process.stdout.write(`\n${lines.splice(0).join('\n')}\n`);
  const reloads = await reloadUnderLoad(own.target, path);
  lines.push(
    `A new version while ${RATE} queries/s are served:`,
    '',
    '| run | lost | p50, ms | p99, ms | longest, ms |',
    '|---|---|---|---|---|',
  );
  for (const { what, figures } of reloads)
    lines.push(
      `| ${what} | ${figures.lost} | ${figures.p50Ms.toFixed(3)} | ${figures.p99Ms.toFixed(3)} | ${figures.maxMs.toFixed(1)} |`,
    );
  const log = own.target.stdout();
  const compiled = [...log.matchAll(/"version":(\d+),"compiledInMs":(\d+)/g)].map(
    ([, version, ms]) => `version ${version}: ${ms} ms`,
  );
  lines.push('', `Compiled in the compiler thread (read, guard, index): ${compiled.join(', ')}.`);
  process.stdout.write(`\n${lines.join('\n')}\n`);
  await Promise.all([authority.stop(), ...targets.map(({ target }) => target.stop())]);
}

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => process.exit(130));
main().then(
  () => process.exit(0),
  (error: unknown) => {
    console.error(error);
    process.exit(1);
  },
);
