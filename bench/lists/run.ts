/**
 * What a million listed names cost the whole server, beside unbound and PowerDNS Recursor with the same policy zone:
 *
 *   load      from starting the process to the first answer, with the zone and without it: medians of several starts, which
 *             the servers have by turns
 *   memory    what the zone adds to the process (proportional set size)
 *   cpu       CPU per query, every query a cache hit on a name that is not listed; the same without the zone
 *   reload    a new version while 50 000 queries/s are served: losses and latencies
 *
 *     npm run bench -- lists [names, default 1000000] [--rounds 5] [--seconds 4] [--priority] [--loads 5] [--servers sekisho]
 *                                                                   [--only load | reload]
 *
 * How it is measured stands in bench/README.md.
 */
import { spawnSync } from 'node:child_process';
import { closeSync, openSync, renameSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { memory } from '../../test/support/cpu.ts';
import { NEXT_REVIEW } from '../../test/support/dates.ts';
import { ensurePackages } from '../../test/support/debian.ts';
import { startNsd } from '../../test/support/nsd.ts';
import { startPdnsRecursor } from '../../test/support/pdns-recursor.ts';
import { temporaryFolder } from '../../test/support/process.ts';
import { startSekisho } from '../../test/support/sekisho.ts';
import { startUnbound } from '../../test/support/unbound.ts';
import { type Figures, fill, measure, measureFlood } from '../load/measure.ts';
import { goFirst } from '../load/priority.ts';
import { nameOf, queryFile, SHORT_APEX, ZONES } from '../load/queries.ts';
import { LOAD_CORE, SERVER_CORE, type Target } from '../load/servers.ts';
import { median, medianRatio } from '../load/statistics.ts';
import { listNames } from './list-names.ts';

const HOT_NAMES = 10_000;
const RATE = 50_000;
const RELOADS = 5;
const START_MS = 300_000;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    rounds: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '4' },
    priority: { type: 'boolean', default: false },
    loads: { type: 'string', default: '5' },
    only: { type: 'string', default: '' },
    servers: { type: 'string', default: 'sekisho,unbound,pdns-recursor' },
  },
});
const count = Number(positionals[0] ?? 1_000_000);
const rounds = Number(values.rounds);
const seconds = Number(values.seconds);

interface Started {
  readonly target: Target;
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
  review: NEXT_REVIEW,
};

function sekishoWith(upstreamPort: number, probeName: string) {
  return (rpzFile: string | undefined): Promise<Target> =>
    startSekisho({
      core: SERVER_CORE,
      probeName,
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

async function timedStart(kind: Kind, rpzFile: string | undefined): Promise<{ target: Target; startMs: number }> {
  const began = performance.now();
  const target = await kind.start(rpzFile);
  return { target, startMs: performance.now() - began };
}

interface Loading {
  readonly with: number[];
  readonly without: number[];
}

/**
 * Every server in turn without the zone and with it, again and again: the machine's moods are the same for all. Each begins
 * with an empty folder of its own and the zone in the file cache.
 */
async function loadRounds(kinds: readonly Kind[], path: string, times: number): Promise<Map<string, Loading>> {
  const loads = new Map<string, Loading>(kinds.map(({ name }) => [name, { with: [], without: [] }]));
  for (let round = 0; round < times; round++) {
    for (const kind of kinds) {
      progress(`load ${round + 1} of ${times}, ${kind.name}`);
      for (const rpzFile of [undefined, path]) {
        const { target, startMs } = await timedStart(kind, rpzFile);
        await target.stop();
        loads.get(kind.name)?.[rpzFile === undefined ? 'without' : 'with'].push(startMs);
      }
    }
  }
  return loads;
}

function loadTable(loads: ReadonlyMap<string, Loading>): string[] {
  const extra = (name: string): number[] => loads.get(name)!.with.map((ms, i) => ms - loads.get(name)!.without[i]!);
  const seconds = (ms: number): string => (ms / 1000).toFixed(2);
  return [
    '| server | start without the zone, s | with it | loading: the difference in each round, s | median | sekisho ÷ it |',
    '|---|---|---|---|---|---|',
    ...[...loads.keys()].map((name) => {
      const { with: having, without } = loads.get(name)!;
      const own = loads.has('sekisho') ? medianRatio(extra('sekisho'), extra(name)).toFixed(2) : '–';
      return `| ${name} | ${seconds(median(without))} | ${seconds(median(having))} | ${extra(name).map(seconds).join(', ')} | ${seconds(median(extra(name)))} | ${own} |`;
    }),
    '',
  ];
}

async function started(kind: Kind, rpzFile: string | undefined): Promise<Started> {
  progress(`${kind.name} starts ${rpzFile === undefined ? 'without the zone' : 'with the zone'}`);
  const { target } = await timedStart(kind, rpzFile);
  // What a compiler or a loader leaves behind has time to go back.
  await new Promise((resolve) => setTimeout(resolve, 5000));
  return { target, pssBytes: memory(target.pid).pssBytes };
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
  for (let round = 0; round < RELOADS; round++) {
    progress(`reload: round ${round + 1} of ${RELOADS}, steady`);
    runs.push({ what: 'steady', figures: await measure(target, load) });
    progress(`reload: round ${round + 1} of ${RELOADS}, a new version two seconds in`);
    const running = measure(target, load);
    await new Promise((resolve) => setTimeout(resolve, 2000));
    // Written beforehand: making a file of this size would take the load's core.
    renameSync(`${path}.${round}`, path);
    runs.push({ what: 'reload', figures: await running });
  }
  return runs;
}

function reloadTable(reloads: readonly { what: string; figures: Figures }[], target: Target): string[] {
  const compiled = [...target.stdout().matchAll(/"version":(\d+),"compiledInMs":(\d+)/g)].map(
    ([, version, ms]) => `version ${version}: ${ms} ms`,
  );
  return [
    `A new version while ${RATE} queries/s are served:`,
    '',
    "| run | lost | p50, ms | p99, ms | longest, ms | of the server's core taken by others |",
    '|---|---|---|---|---|---|',
    ...reloads.map(
      ({ what, figures }) =>
        `| ${what} | ${figures.lost} | ${figures.p50Ms.toFixed(3)} | ${figures.p99Ms.toFixed(3)} | ${figures.maxMs.toFixed(1)} | ${(100 * figures.disturbance).toFixed(0)} % |`,
    ),
    '',
    `Compiled in the compiler thread (read, guard, index): ${compiled.join(', ')}.`,
  ];
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
  for (let round = 0; round < RELOADS; round++) {
    writeZone(`${path}.${round}`, names, round + 2);
  }
  const authority = await startNsd({ zones: ZONES, core: LOAD_CORE });
  const probeName = nameOf(SHORT_APEX, 'probe', 0);
  const forward = { upstreamPort: authority.port, probeName, core: SERVER_CORE, cache: true, readyTimeoutMs: START_MS };
  const withZone = (rpzFile: string | undefined) => ({ ...forward, ...(rpzFile !== undefined && { rpzFile }) });
  const all: Kind[] = [
    { name: 'sekisho', start: sekishoWith(authority.port, probeName) },
    { name: 'unbound', start: (rpzFile) => startUnbound(withZone(rpzFile)) },
    { name: 'pdns-recursor', start: (rpzFile) => startPdnsRecursor(withZone(rpzFile)) },
  ];
  const kinds = all.filter(({ name }) => values.servers.split(',').includes(name));
  if (values.only !== 'reload') {
    const loads = await loadRounds(kinds, path, Number(values.loads));
    process.stdout.write(`\n**Loading ${count} names in one policy zone**\n\n${loadTable(loads).join('\n')}\n`);
    if (values.only === 'load') return authority.stop().then(() => {});
  }
  if (values.only === 'reload') {
    const own = (await started(kinds[0]!, path)).target;
    await fill(
      own,
      queryFile('warm', HOT_NAMES, (i) => `${nameOf(SHORT_APEX, 'hot', i)} A`),
    );
    process.stdout.write(`\n${reloadTable(await reloadUnderLoad(own, path), own).join('\n')}\n`);
    await Promise.all([authority.stop(), own.stop()]);
    return;
  }
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
  const lines = [
    `**${count} names in one policy zone**, medians of ${rounds} rounds of ${seconds} s`,
    '',
    '| server | CPU per query, µs | × without the zone | × sekisho | memory of the zone, MiB | × sekisho |',
    '|---|---|---|---|---|---|',
  ];
  for (const { name } of kinds) {
    const ratio = (of: number, to: number) => (of / to).toFixed(2);
    lines.push(
      `| ${name} | ${median(cpuOf(name)).toFixed(2)} | ${medianRatio(cpuOf(name), cpuOf(`${name}, no zone`)).toFixed(3)} | ${medianRatio(cpuOf(name), cpuOf('sekisho')).toFixed(2)} | ${(added(name) / 2 ** 20).toFixed(0)} | ${ratio(added(name), added('sekisho'))} |`,
    );
  }
  process.stdout.write(`\n${lines.splice(0).join('\n')}\n`);
  process.stdout.write(`\n${reloadTable(await reloadUnderLoad(own.target, path), own.target).join('\n')}\n`);
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
