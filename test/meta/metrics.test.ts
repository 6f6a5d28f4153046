/** Names of metrics follow Prometheus' conventions, and no label can hold what belongs to a subscriber. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { makeCertificate } from '../support/certificates.ts';
import { EMERGENCY_END } from '../support/dates.ts';
import { freePort } from '../support/free-port.ts';
import { alertRules, dashboardQueries, unknownIn } from '../support/monitoring.ts';
import { missingAnswers, openApiProblems } from '../support/openapi-lint.ts';
import { temporaryFolder } from '../support/process.ts';
import { startSekisho } from '../support/sekisho.ts';

/** Labels that come from the configuration or from a fixed list. A new one is a decision, to be made here. */
const LABELS = [
  'action',
  'category',
  'code',
  'cpu',
  'dry_run',
  'io',
  'kind',
  'le',
  'limit',
  'list',
  'listener',
  'nodejs',
  'outcome',
  'plugin',
  'rcode',
  'resumed',
  'reason',
  'result',
  'rule',
  'server',
  'state',
  'transport',
  'trigger',
  'trust',
  'verdict',
  'version',
  'view',
  'worker',
];

/** dnstap runs on a ground only. */
const ground = {
  kind: 'self-defence',
  effect: 'floods the resolvers',
  evidence: 'ticket 4711',
  approver: 'shift lead',
  expires: EMERGENCY_END,
};

test('every metric has a help text, a unit or _total, and known labels only', async () => {
  const upstream = { servers: [`127.0.0.1:${await freePort()}`] };
  const folder = temporaryFolder('metrics');
  const secretFile = join(folder, 'radius.secret');
  writeFileSync(secretFile, 'xyzzy5461\n', { mode: 0o600 });
  const { certificate, key } = makeCertificate(folder, 'dns');
  const plain = `127.0.0.1:${await freePort()}`;
  const server = await startSekisho({
    config: {
      server: { listen: [plain, { address: `127.0.0.1:${await freePort()}`, transport: 'tls', certificate, key }] },
      upstream,
      dnssec: {},
      subscribers: { radius: { listen: `127.0.0.1:${await freePort()}`, 'secret-file': secretFile } },
      terminals: {},
      plugins: {
        'c2-block': {},
        whoami: {},
        sinkhole: {},
        'query-history': {},
        'amp-shaper': {},
        'random-subdomain': {},
        dnstap: { file: 'x', ground },
      },
    },
  });
  try {
    const page = await (await fetch(`http://127.0.0.1:${server.adminPort}/metrics`)).text();
    const types = new Map([...page.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map((match) => [match[1]!, match[2]!]));
    expect(types.size).toBeGreaterThan(30);
    for (const [name, type] of types) {
      expect(name).toMatch(/^sekisho_[a-z][a-z0-9_]*$/);
      expect(page).toContain(`# HELP ${name} `);
      expect(type).not.toBe('untyped');
      if (type === 'counter') expect(name).toMatch(/_total$/);
      else expect(name).not.toMatch(/_total$/);
    }
    const labels = new Set(
      [...page.matchAll(/^[^#\n]*?\{([^}]*)\}/gm)].flatMap((match) =>
        [...match[1]!.matchAll(/([a-z_]+)="/g)].map((label) => label[1]!),
      ),
    );
    for (const label of labels) expect(LABELS).toContain(label);
    // Alerts and dashboard ask for nothing that is not there.
    const queries = [...alertRules().map(({ expr }) => expr), ...dashboardQueries()];
    expect(queries.flatMap((query) => unknownIn(query, page))).toEqual([]);
    // The description of the API is one that other programs can work with.
    const token = readFileSync(join(server.folder, 'data', 'admin.token'), 'utf8').trim();
    const headers = { authorization: `Bearer ${token}` };
    const description = await (await fetch(`http://127.0.0.1:${server.adminPort}/openapi.json`, { headers })).text();
    expect(await openApiProblems(description)).toEqual([]);
    expect(missingAnswers(description)).toEqual([]);
    expect(JSON.parse(description).servers[0].url).toBe(`http://127.0.0.1:${server.adminPort}`);
  } finally {
    await server.stop();
  }
});
