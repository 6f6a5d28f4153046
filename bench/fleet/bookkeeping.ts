/**
 * `npm run bench -- nodes [--nodes 3,10,30,100] [--seconds 20]`: the bookkeeping of many nodes in one process, on a real PostgreSQL that
 * this starts: beats and fences of every node, consent read on, rules followed and seen. What it costs PostgreSQL, what it costs a node, how
 * long a rule takes to reach the last node, and whether a fence ran out. docs/fleet.md draws its arithmetic from it.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { Engine } from '../../src/fleet/engine/engine.ts';
import { EngineTime } from '../../src/fleet/engine/engine-time.ts';
import { Fence } from '../../src/fleet/fence.ts';
import { Membership } from '../../src/fleet/membership.ts';
import { migrate } from '../../src/fleet/migrations/migrate.ts';
import { nodeIdentity } from '../../src/fleet/node-identity.ts';
import { PostgresRegistry } from '../../src/fleet/postgres-registry.ts';
import { openPostgresRuleStore, RULES_CHANNEL } from '../../src/rules/postgres-rule-store.ts';
import { idOf, type Rule } from '../../src/rules/rule.ts';
import { systemClock } from '../../src/time/clock.ts';
import { systemTimers } from '../../src/time/timers.ts';
import { cpuSeconds } from '../../test/support/cpu.ts';
import { type Postgres, startPostgres } from '../../test/support/postgres.ts';

const { values } = parseArgs({
  options: {
    nodes: { type: 'string', default: '3,10,30,100' },
    seconds: { type: 'string', default: '20' },
    fence: { type: 'string', default: '1000' },
  },
});
const SILENT = { info: () => {}, warn: () => {}, error: () => {} };
/** Rules put in force one after the other while the nodes beat. */
const RULES = 20;
const fenceMs = Number(values.fence);

interface Row {
  readonly nodes: number;
  readonly commitsPerSecond: number;
  /** Cores that PostgreSQL keeps busy, and what a node costs of one. */
  readonly engineCores: number;
  readonly nodeCores: number;
  readonly ruleMs: { readonly p50: number; readonly max: number };
  readonly fencesRunOut: number;
  readonly megabytes: number;
}

const rows: Row[] = [];
for (const nodes of values.nodes.split(',').map(Number)) rows.push(await measure(nodes));
console.log('nodes  commits/s  engine cores  cores a node  rule p50 ms  rule max ms  fences run out  engine MiB');
for (const row of rows)
  console.log(
    [
      String(row.nodes).padStart(5),
      row.commitsPerSecond.toFixed(0).padStart(10),
      row.engineCores.toFixed(3).padStart(13),
      row.nodeCores.toFixed(4).padStart(13),
      row.ruleMs.p50.toFixed(0).padStart(12),
      row.ruleMs.max.toFixed(0).padStart(12),
      String(row.fencesRunOut).padStart(15),
      row.megabytes.toFixed(0).padStart(11),
    ].join(' '),
  );

async function measure(nodes: number): Promise<Row> {
  const postgres = await startPostgres({ settings: [`max_connections = ${nodes * 3 + 20}`] });
  const folder = mkdtempSync(join(tmpdir(), 'sekisho-fleet-'));
  const urlFile = postgres.urlFile();
  const first = new Engine({ urlFile, name: 'bench' }, SILENT);
  await migrate(first, 'bench');
  const started = await Promise.all(Array.from({ length: nodes }, (_, i) => startNode(i, urlFile, folder)));
  try {
    await until(() => started.every(({ membership }) => !membership.isFenced), 120_000);
    return await underWay(postgres, first, started);
  } finally {
    await Promise.all(started.map((node) => node.end()));
    await first.close();
    await postgres.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

async function startNode(i: number, urlFile: string, folder: string) {
  const node = `node-${i}`;
  const engine = new Engine({ urlFile, name: node, pool: 2 }, SILENT);
  const time = new EngineTime(systemClock);
  const store = openPostgresRuleStore(engine, node);
  let known = 0;
  let following = Promise.resolve();
  const follow = () => {
    following = following.then(async () => {
      known = (await store.rules()).length;
    });
    following.catch(() => {});
  };
  engine.listen(RULES_CHANNEL, { heard: follow, connected: follow });
  const membership = new Membership({
    node,
    fenceMs,
    registry: new PostgresRegistry(engine),
    fence: new Fence(),
    identity: nodeIdentity(join(folder, node)),
    session: `${process.pid}-${i}`,
    clock: systemClock,
    timers: systemTimers,
    usable: async () => {
      if (!engine.connected) throw new Error('not connected yet');
    },
    // As large as a real node's.
    facts: () => ({ version: '0.1.0', host: node, configuration: 'c'.repeat(16), lists: { hash: 'l'.repeat(64) } }),
    log: SILENT,
  });
  membership.attach({
    catchUp: async () => {
      await engine.query('SELECT seq FROM sekisho.consent WHERE seq > $1 ORDER BY seq LIMIT 1000', [0]);
    },
    end: () => ({ applied: 0, head: '' }),
    reconcile: async () => [],
  });
  engine.start();
  membership.start();
  const stopTime = systemTimers.every(10_000, () => void time.ask(engine).catch(() => {}));
  return {
    membership,
    store,
    knows: () => known,
    async end() {
      stopTime();
      await membership.leave();
      await store.close();
      await engine.close();
    },
  };
}

async function underWay(
  postgres: Postgres,
  engine: Engine,
  nodes: readonly Awaited<ReturnType<typeof startNode>>[],
): Promise<Row> {
  const commits = async () => {
    const [row] = await engine.query<{ n: number }>(
      'SELECT sum(xact_commit)::BIGINT AS n FROM pg_stat_database WHERE datname = current_database()',
    );
    return row?.n ?? 0;
  };
  const engineCpu = () => postgres.pids().reduce((sum, pid) => sum + cpuSeconds(pid), 0);
  let fencesRunOut = 0;
  const looks = setInterval(() => {
    fencesRunOut += nodes.filter(({ membership }) => membership.isFenced).length;
  }, 50);
  const seconds = Number(values.seconds);
  const [commitsBefore, engineBefore, ownBefore, from] = [
    await commits(),
    engineCpu(),
    process.cpuUsage(),
    performance.now(),
  ];
  await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
  const took = (performance.now() - from) / 1000;
  const own = process.cpuUsage(ownBefore);
  const engineCores = (engineCpu() - engineBefore) / took;
  const commitsPerSecond = ((await commits()) - commitsBefore) / took;
  const ruleMs: number[] = [];
  for (let number = 1; number <= RULES; number++) {
    const begun = performance.now();
    const asker = nodes[number % nodes.length]!;
    await asker.store.commit([{ action: 'add', rule: ruleOf(number), who: 'bench', reason: '', atMs: Date.now() }]);
    await until(() => nodes.every((node) => node.knows() >= number), 30_000);
    ruleMs.push(performance.now() - begun);
  }
  clearInterval(looks);
  const [size] = await engine.query<{ bytes: number }>('SELECT pg_database_size(current_database()) AS bytes');
  ruleMs.sort((one, other) => one - other);
  return {
    nodes: nodes.length,
    commitsPerSecond,
    engineCores,
    nodeCores: (own.user + own.system) / 1e6 / took / nodes.length,
    ruleMs: { p50: ruleMs[ruleMs.length >> 1]!, max: ruleMs.at(-1)! },
    fencesRunOut,
    megabytes: (size?.bytes ?? 0) / 2 ** 20,
  };
}

function ruleOf(number: number): Rule {
  const now = Date.now();
  return {
    id: idOf(number),
    origin: 'operator',
    plugin: 'sinkhole',
    match: { name: `n${number}.bench` },
    limitPerSecond: 0,
    dryRun: false,
    ground: { kind: 'self-defence', effect: 'floods', evidence: 'bench', approver: 'bench', expires: '2099-01-01' },
    endsAtMs: now + 3_600_000,
    reviewAtMs: undefined,
    addedBy: 'bench',
    addedAtMs: now,
    termFromMs: now,
    renewals: 0,
    state: 'in-force',
    endedAtMs: undefined,
    endedWhy: '',
    proposed: undefined,
  };
}

async function until(holds: () => boolean, longestMs: number): Promise<void> {
  const from = performance.now();
  while (!holds()) {
    if (performance.now() - from > longestMs) throw new Error('it takes too long');
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}
