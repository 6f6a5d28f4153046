/**
 * The load bench: real servers on loopback, one after the other in each round, the server alone on one core and the load
 * on the other. bench/README.md says how and why.
 *
 *     node dist/bench/load/run.js [scenario…] [--rounds 5] [--seconds 5] [--entries 1000000] [--servers a,b] [--quick]
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { ensurePackages, type Program } from '../../test/support/debian.ts';
import { startNsd } from '../../test/support/nsd.ts';
import { repositoryRoot } from '../../test/support/root.ts';
import { goFirst } from './priority.ts';
import { nameOf, SHORT_APEX, ZONES } from './queries.ts';
import { report } from './report.ts';
import { describeMachine, describeVersions, type Results, type ScenarioResult } from './results.ts';
import { SCENARIOS, type Scenario, type Size } from './scenarios.ts';
import { LOAD_CORE, missing, SERVER_CORE, SERVERS, type ServerKind, type Target } from './servers.ts';

const USAGE = `usage: run.js [scenario…] [--rounds N] [--seconds S] [--entries N] [--servers a,b] [--quick] [--priority] [--out FILE]
scenarios: ${SCENARIOS.map((scenario) => scenario.name).join(', ')}
servers:   ${SERVERS.map((server) => server.name).join(', ')}
--quick:   2 rounds of 1 second, 100 000 entries: shows that everything works; its figures are not to be quoted
--priority: run everything at nice -20 (root only), for a machine that others use too`;

const startedMs = performance.now();

function progress(text: string): void {
  const seconds = ((performance.now() - startedMs) / 1000).toFixed(0).padStart(4);
  process.stderr.write(`${seconds} s  ${text}\n`);
}

interface Plan {
  scenarios: Scenario[];
  servers: ServerKind[];
  size: Size;
  out: string;
  priority: boolean;
}

function plan(): Plan {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      rounds: { type: 'string' },
      seconds: { type: 'string' },
      entries: { type: 'string' },
      servers: { type: 'string' },
      quick: { type: 'boolean', default: false },
      priority: { type: 'boolean', default: false },
      out: { type: 'string' },
      help: { type: 'boolean' },
    },
  });
  if (values.help) {
    console.log(USAGE);
    process.exit(0);
  }
  const number = (name: 'rounds' | 'seconds' | 'entries', quick: number, usual: number, most: number): number => {
    const value = Number(values[name] ?? (values.quick ? quick : usual));
    if (!(value > 0 && value <= most)) throw new UsageError(`--${name} must be above 0, at most ${most}`);
    return value;
  };
  const size = {
    rounds: Math.ceil(number('rounds', 2, 5, 100)),
    seconds: number('seconds', 1, 5, 60),
    entries: Math.ceil(number('entries', 100_000, 1_000_000, 2_000_000)),
  };
  const stamp = new Date().toISOString().slice(0, 19).replaceAll(':', '');
  return {
    size,
    priority: values.priority,
    scenarios: positionals.length === 0 ? [...SCENARIOS] : positionals.map((name) => named(SCENARIOS, name)),
    servers: values.servers ? values.servers.split(',').map((name) => named(SERVERS, name)) : [...SERVERS],
    out: values.out ?? join(repositoryRoot(), 'bench', 'out', `load-${stamp}.json`),
  };
}

class UsageError extends Error {}

function named<T extends { name: string }>(all: readonly T[], name: string): T {
  const found = all.find((item) => item.name === name);
  if (found === undefined) throw new UsageError(`'${name}' is not one of ${all.map((item) => item.name).join(', ')}`);
  return found;
}

async function main(): Promise<void> {
  const { scenarios, servers, size, out, priority } = plan();
  if (process.platform !== 'linux' || cpus().length < 2) throw new Error('the load bench needs Linux and two cores');
  const tools: Program[] = ['nsd', 'dnsperf', 'taskset'];
  progress('looking for the programs');
  const absent = ensurePackages([...tools, ...servers.flatMap(({ program }) => (program ? [program] : []))]);
  for (const tool of tools) if (absent.has(tool)) throw new Error(`${tool}: ${absent.get(tool)}`);
  // What this process starts inherits it: servers, authority and load alike.
  if (priority) goFirst();
  // This process shares the load's core: the server has the other one for itself.
  spawnSync('taskset', ['-a', '-c', '-p', String(LOAD_CORE), String(process.pid)]);

  const results: Results = {
    date: new Date().toISOString(),
    machine: describeMachine(),
    versions: describeVersions(),
    skipped: {},
    configs: {},
    scenarios: [],
  };
  const measurable = servers.filter((server) => {
    const reason = missing(server, absent);
    if (reason !== undefined) {
      results.skipped[server.name] = reason;
      progress(`${server.name} is left out: ${reason}`);
    }
    return reason === undefined;
  });
  for (const scenario of scenarios) {
    results.scenarios.push(await runScenario(scenario, measurable, size, results));
    // After each scenario: an interrupted run keeps what it has.
    mkdirSync(join(out, '..'), { recursive: true });
    writeFileSync(out, `${JSON.stringify(results, undefined, 1)}\n`);
  }
  process.stdout.write(`\n${report(results)}`);
  progress(`written to ${out}`);
}

/** Start the servers of one scenario, take them through its rounds in turn, stop them. */
async function runScenario(scenario: Scenario, all: ServerKind[], size: Size, into: Results): Promise<ScenarioResult> {
  const kinds = all.filter((server) => scenario.servers.includes(server.name));
  const result: ScenarioResult = {
    name: scenario.name,
    text: scenario.text,
    metric: scenario.metric,
    goals: scenario.goals,
    seconds: size.seconds,
    entries: size.entries,
    servers: kinds.map(({ name, peer }) => ({ name, peer, rounds: [] })),
  };
  progress(`${scenario.name}: ${scenario.text}`);
  const authority = await startNsd({ zones: ZONES, core: LOAD_CORE });
  const targets: { kind: ServerKind; target: Target }[] = [];
  const start = async (kind: ServerKind): Promise<void> => {
    progress(`${scenario.name}: ${kind.name} starts and warms up`);
    const target = await kind.start({
      upstreamPort: authority.port,
      probeName: nameOf(SHORT_APEX, 'probe', 0),
      core: SERVER_CORE,
      cache: scenario.cache,
    });
    targets.push({ kind, target });
    into.configs[`${scenario.name} ${kind.name}`] = target.config;
    await scenario.prepare(target, size);
  };
  try {
    for (const kind of kinds) await start(kind);
    const rounds = scenario.once ? 1 : size.rounds;
    for (let round = 0; round < rounds; round++) {
      for (const { kind, target } of targets) {
        progress(`${scenario.name}: round ${round + 1} of ${rounds}, ${kind.name}`);
        const figures = await scenario.round(target, size, round);
        result.servers.find((server) => server.name === kind.name)?.rounds.push(figures);
      }
    }
    return result;
  } finally {
    await Promise.all([authority, ...targets.map(({ target }) => target)].map((server) => server.stop()));
  }
}

// The harness ends its children when this process exits, whatever the reason.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => process.exit(130));
main().catch((error: unknown) => {
  const usage = error instanceof UsageError || (error as NodeJS.ErrnoException).code?.startsWith('ERR_PARSE_ARGS');
  console.error(usage ? `${(error as Error).message}\n${USAGE}` : error);
  process.exit(usage ? 2 : 1);
});
