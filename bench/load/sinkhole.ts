/**
 * How long a rule takes from the API to every worker, while queries are served: `node dist/bench/load/sinkhole.js
 * [toggles] [queries per second] [other rules]`.
 *
 * Two workers under dnsperf; one rule is added and lifted again and again over a kept-alive connection. Two times are
 * taken of each change: what the client of the API waits (checks, the fsync, all workers, HTTP), and what the server says
 * passed from the moment that the rule was on the disk until every worker held it.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'libsql';
import type { Rule } from '../../src/rules/rule.ts';
import { runDnsperf } from '../../test/support/dnsperf.ts';
import { scrape } from '../../test/support/observe.ts';
import { temporaryFolder } from '../../test/support/process.ts';
import { honest, startScriptedUpstream } from '../../test/support/scripted-upstream.ts';
import { type SekishoServer, startSekisho } from '../../test/support/sekisho.ts';

const [toggles = 200, rate = 10_000, others = 0] = process.argv.slice(2).map(Number);
const ground = {
  kind: 'self-defence' as const,
  effect: 'floods the resolvers of the bench',
  approver: 'the bench',
  expires: '2h',
};

const upstream = await startScriptedUpstream(honest());
const data = join(temporaryFolder('bench'), 'data');
const config = {
  server: { workers: 2, data, log: { level: 'warn' } },
  upstream: { servers: [`127.0.0.1:${upstream.port}`] },
  cache: { size: '16MiB' },
  plugins: { sinkhole: { ipv4: '192.0.2.1' } },
};
let server = await startSekisho({ config });
if (others > 0) {
  await server.stop();
  fill(others);
  server = await startSekisho({ config });
}
const queryFile = join(temporaryFolder('bench'), 'queries');
writeFileSync(queryFile, Array.from({ length: 1000 }, (_, i) => `host${i}.example.test A\n`).join(''));
let loading = true;
const load = (async () => {
  const results = [];
  while (loading) results.push(await runDnsperf({ port: server.port, queryFile, seconds: 2, rate, clients: 16 }));
  return results;
})();

const waited: number[] = [];
const applied: number[] = [];
const beginMs = performance.now();
for (let i = 0; i < toggles; i++) {
  await change(server, 'POST', '', { name: 'victim.example.test', ground: { ...ground, evidence: `bench run ${i}` } });
  await change(server, 'DELETE', '/victim.example.test', {});
}
const seconds = (performance.now() - beginMs) / 1000;
loading = false;
const results = await load;
const sum = (pick: (one: (typeof results)[number]) => number) => results.reduce((total, one) => total + pick(one), 0);
console.log(
  `${2 * toggles} changes in ${seconds.toFixed(1)} s (${((2 * toggles) / seconds).toFixed(0)}/s), ${others} other rules`,
);
console.log(
  `${Math.round(sum((one) => one.completed) / sum((one) => one.seconds))} q/s meanwhile, ${sum((one) => one.lost)} lost`,
);
console.log(`restarts of workers: ${(await scrape(server)).total('sekisho_worker_restarts_total')}`);
console.log('\n| ms | median | 90 % | 99 % | most | above 10 ms |\n|---|---|---|---|---|---|');
line('disk → every worker', applied);
line('API, from request to answer', waited);
await server.stop();
await upstream.close();
process.exit(0);

async function change(to: SekishoServer, method: string, path: string, body: object): Promise<void> {
  const authorization = `Bearer ${readFileSync(join(data, 'admin.token'), 'utf8').trim()}`;
  const fromMs = performance.now();
  const response = await fetch(`http://127.0.0.1:${to.adminPort}/v1/sinkhole/rules${path}`, {
    method,
    headers: { authorization, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  const answer = (await response.json()) as { appliedInMs?: number };
  if (!response.ok || answer.appliedInMs === undefined)
    throw new Error(`HTTP ${response.status}: ${JSON.stringify(answer)}`);
  waited.push(performance.now() - fromMs);
  applied.push(answer.appliedInMs);
}

function line(what: string, times: number[]): void {
  const sorted = [...times].sort((one, other) => one - other);
  const at = (share: number) =>
    (sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0).toFixed(2);
  const late = sorted.filter((ms) => ms > 10).length;
  console.log(
    `| ${what} | ${at(0.5)} | ${at(0.9)} | ${at(0.99)} | ${at(1)} | ${((100 * late) / sorted.length).toFixed(1)} % |`,
  );
}

/** Rules that are there already, written into the store while nothing runs. */
function fill(count: number): void {
  const db = new Database(join(data, 'rules', 'rules.db'));
  const insert = db.prepare('INSERT INTO rule (number, rule) VALUES (?, ?)');
  const endsAtMs = Date.now() + 86_400_000;
  db.transaction(() => {
    for (let i = 0; i < count; i++) {
      const name = `other${i}.example.test`;
      const stated = { ...ground, evidence: 'the bench', expires: new Date(endsAtMs).toISOString() };
      const rule: Rule = {
        id: `m${i + 1}`,
        origin: 'operator',
        plugin: 'sinkhole',
        match: { name },
        limitPerSecond: 0,
        dryRun: false,
        ground: stated,
        addedBy: 'bench',
        addedAtMs: 0,
        termFromMs: 0,
        renewals: 0,
        endsAtMs,
        reviewAtMs: undefined,
        state: 'in-force',
        endedAtMs: undefined,
        endedWhy: '',
        proposed: undefined,
      };
      insert.run(i + 1, JSON.stringify(rule));
    }
  })();
  db.close();
}
