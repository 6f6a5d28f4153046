/**
 * `node dist/bench/fleet/run.js [quiet|faults|leases|join]`: what a fleet on a real PostgreSQL costs and keeps. `npm run soak -- fleet` is `faults`, large.
 *
 * - `quiet --nodes 3 --toggles 1000`: opt-outs one after the other at random nodes, from the request to the answer, which comes when
 *   every node acts on it; afterwards every node is asked.
 * - `faults --toggles 10000`: the same while nodes are killed and stopped, and PostgreSQL is killed and frozen; clients ask all the while.
 * - `leases --rate 5000 --seconds 10`: leases reported to all nodes in turn, from the report until every node has heard of it.
 * - `join --entries 1000000`: a new node against a ledger of that length.
 */
import { parseArgs } from 'node:util';
import { FIRST_HASH } from '../../src/subscribers/consent/ledger-store.ts';
import { chained } from '../../src/subscribers/fleet/fleet-ledger.ts';
import { clientsOf, RealNode } from '../../test/support/fleet/real-fleet.ts';
import { FAULTS, quantile, trial } from '../../test/support/fleet/trial.ts';
import { randomFrom } from '../../test/support/fleet/virtual-time.ts';
import { waitFor } from '../../test/support/observe.ts';
import { startPostgres } from '../../test/support/postgres.ts';
import { honest, startScriptedUpstream } from '../../test/support/scripted-upstream.ts';

const SUBSCRIBERS = 20;

export async function fleetBench(words: readonly string[]): Promise<void> {
  const { values, positionals } = parseArgs({
    args: [...words],
    allowPositionals: true,
    options: {
      nodes: { type: 'string', default: '3' },
      toggles: { type: 'string' },
      seed: { type: 'string', default: '1' },
      entries: { type: 'string', default: '1000000' },
      rate: { type: 'string', default: '5000' },
      seconds: { type: 'string', default: '10' },
    },
  });
  const what = positionals[0] ?? 'quiet';
  const postgres = await startPostgres();
  if (what === 'leases') {
    const { leaseBench } = await import('./leases.ts');
    print(await leaseBench(postgres, Number(values.nodes), Number(values.rate), Number(values.seconds)));
    await postgres.stop();
    return;
  }
  const upstream = await startScriptedUpstream(honest());
  const common = {
    postgres,
    database: postgres.createDatabase(),
    upstreamPort: upstream.port,
    clients: clientsOf(SUBSCRIBERS),
  };
  const nodes: RealNode[] = [];
  const start = async (name: string) => {
    const node = await RealNode.start({ name, ...common });
    nodes.push(node);
    return node;
  };
  try {
    for (let i = 1; i <= (what === 'join' ? 1 : Number(values.nodes)); i++) await start(`node-${i}`);
    await nodes[0]!.init();
    for (const node of nodes) await node.inspects(1, 60_000);
    if (what === 'quiet') await quiet(nodes, Number(values.toggles ?? '1000'), Number(values.seed));
    else if (what === 'faults') await faults(Number(values.toggles ?? '10000'));
    else if (what === 'join') await join(Number(values.entries));
    else throw new Error(`'${what}' is none of quiet, faults, leases, join`);
  } finally {
    for (const node of nodes) await node.stop();
    upstream.close();
    await postgres.stop();
  }

  async function faults(toggles: number): Promise<void> {
    const result = await trial({
      nodes,
      postgres,
      subscribers: SUBSCRIBERS,
      toggles,
      seed: Number(values.seed),
      everyMs: 4000,
      faults: FAULTS,
    });
    const { tookMs, inspectedAfterOptOut, lost, ...counts } = result;
    print({
      nodes: nodes.length,
      toggles,
      ...times(tookMs),
      ...counts,
      inspectedAfterOptOut: inspectedAfterOptOut.length,
      lost: lost.length,
    });
    for (const each of [...inspectedAfterOptOut, ...lost].slice(0, 20)) process.stdout.write(`  ${each}\n`);
    if (inspectedAfterOptOut.length + lost.length + result.answersLost > 0) process.exitCode = 1;
  }

  async function join(entries: number): Promise<void> {
    const STEP = 10_000;
    let base = { seq: 0, hash: FIRST_HASH };
    // Written as the first node writes them, by the way of the superuser: as much in a minute.
    for (let from = 0; from < entries; from += STEP) {
      const records = Array.from({ length: STEP }, (_, i) => ({
        subscriber: `t${(from + i) % (entries / 2)}`,
        purpose: 'c2',
        action: 'opt-out' as const,
        who: 'bench',
        channel: 'import',
        terms: '2026-04',
        reason: 'bench',
      }));
      const rows = chained(records, base, 1_790_000_000_000);
      base = rows.at(-1)!;
      const lines = rows.map((row) => JSON.stringify(row)).join(',');
      postgres.sqlFile(
        `INSERT INTO sekisho.consent SELECT seq, "atMs", subscriber, purpose, action, who, channel, terms, reason, hash, gen_random_uuid(), 'bench'
         FROM json_to_recordset('[${lines}]') AS r(seq BIGINT, "atMs" BIGINT, subscriber TEXT, purpose TEXT, action TEXT, who TEXT, channel TEXT, terms TEXT, reason TEXT, hash TEXT);
         UPDATE sekisho.consent_end SET seq = ${base.seq}, hash = '${base.hash}';`,
        common.database,
      );
    }
    const first = nodes[0]!;
    await waitFor(
      'the first node to have all of them',
      async () => (await first.status().catch(() => undefined))?.nodes[0]?.applied === entries,
      300_000,
    );
    const beganMs = performance.now();
    const late = await start('late');
    const servedMs = performance.now() - beganMs;
    await late.inspects(1, 300_000);
    print({
      entries,
      servingAfterMs: Math.round(servedMs),
      inspectingAfterMs: Math.round(performance.now() - beganMs),
    });
  }
}

async function quiet(nodes: readonly RealNode[], toggles: number, seed: number): Promise<void> {
  const random = randomFrom(seed);
  const tookMs: number[] = [];
  let wrong = 0;
  for (let i = 0; i < toggles; i++) {
    const number = 1 + Math.floor(random() * SUBSCRIBERS);
    const node = nodes[Math.floor(random() * nodes.length)]!;
    const beganMs = performance.now();
    const { status } = await node.toggle(`s${number}`, 'opt-out');
    tookMs.push(performance.now() - beganMs);
    const seen = await Promise.all(nodes.map((each) => each.seen(number)));
    if (status !== 200 || seen.some((each) => each !== 'truth')) wrong++;
    await node.toggle(`s${number}`, 'opt-in');
  }
  tookMs.sort((one, other) => one - other);
  print({ nodes: nodes.length, toggles, ...times(tookMs), wrong });
}

function times(sorted: readonly number[]) {
  const at = (q: number) => Math.round(quantile(sorted, q) * 10) / 10;
  return { p50Ms: at(0.5), p99Ms: at(0.99), p999Ms: at(0.999), maxMs: at(1) };
}

function print(result: object): void {
  process.stdout.write(`${JSON.stringify(result)}\n`);
}
