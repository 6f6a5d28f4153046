/** Several nodes and one PostgreSQL: what one of them is told acts on all, and what cannot be known inspects nobody (docs/fleet.md, docs/fleet.ja.md). */
import { cpSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { AUDIT_FILE } from '../../src/audit/log.ts';
import type { FleetStatusView } from '../../src/fleet/view.ts';
import { openDatabase } from '../../src/store/database.ts';
import { clientsOf, RealNode } from '../support/fleet/real-fleet.ts';
import { scrape, stoppedAfterwards, waitFor } from '../support/observe.ts';
import { type Postgres, postgresMissing, startPostgres } from '../support/postgres.ts';
import { temporaryFolder } from '../support/process.ts';
import { honest, type ScriptedUpstream, startScriptedUpstream } from '../support/scripted-upstream.ts';

vi.setConfig({ testTimeout: 180_000, hookTimeout: 240_000 });
const keep = stoppedAfterwards();
const missing = postgresMissing();

describe.skipIf(missing)('a fleet of two nodes', () => {
  let postgres: Postgres;
  let upstream: ScriptedUpstream;
  let database: string;
  let tokyo: RealNode;
  let osaka: RealNode;
  const clients = clientsOf(9);
  const start = async (name: string, more: { data?: string } = {}) =>
    keep(await RealNode.start({ name, postgres, database, upstreamPort: upstream.port, clients, ...more }));

  beforeAll(async () => {
    postgres = keep(await startPostgres());
    upstream = keep(await startScriptedUpstream(honest()));
    database = postgres.createDatabase();
    [tokyo, osaka] = await Promise.all([start('tokyo-1'), start('osaka-1')]);
  });

  it('serves and inspects nobody before its tables were made, and says what to do', async () => {
    for (const node of [tokyo, osaka]) {
      expect(await node.seen(1)).toBe('truth');
      await node.problem('SEKISHO_FLEET_NOT_INITIALISED');
    }
    const planned = await tokyo.cli('fleet', 'init', '--dry-run', '--reason', 'first node, ticket 4711');
    expect([planned.code, planned.stdout]).toEqual([
      0,
      expect.stringContaining('would bring the schema from version 0'),
    ]);
    const before = await tokyo.cli('fleet', 'status');
    expect([before.code, before.stdout]).toEqual([1, expect.stringContaining('sekisho fleet init')]);
    const made = await tokyo.cli('fleet', 'init', '--reason', 'first node, ticket 4711');
    expect([made.code, made.stdout]).toEqual([0, expect.stringContaining('joined the fleet as node tokyo-1')]);
    // The other one needs nobody.
    for (const node of [tokyo, osaka]) await node.inspects();
    const again = await tokyo.cli('fleet', 'init', '--reason', 'said twice');
    expect(again.stdout).toBe('nothing is to be done\n');
    const { stdout } = await osaka.cli('fleet');
    expect(stdout).toMatch(/node osaka-1: inspects[\s\S]*osaka-1 +inspecting[\s\S]*tokyo-1 +inspecting/);
    expect((await osaka.status()).nodes.some(({ drifts }) => drifts)).toBe(false);
    expect((await scrape(osaka.server)).total('sekisho_fleet_nodes')).toBe(2);
  });

  it('takes an opt-out at any node, and no node inspects when it is acknowledged', async () => {
    for (const [i, node] of [tokyo, osaka].entries()) {
      const { status, body } = await node.toggle(`s${i + 2}`, 'opt-out');
      for (const each of [tokyo, osaka]) expect(await each.seen(i + 2)).toBe('truth');
      expect([status, body.durable]).toEqual([200, true]);
    }
    expect((await osaka.toggle('s2', 'opt-in')).status).toBe(200);
    await tokyo.inspects(2);
    const verified = await tokyo.cli('consent', 'verify');
    expect(verified.stdout).toMatch(/intact: 3 entries, .*ends of 2 nodes/);
  });

  it('inspects nobody while PostgreSQL is gone, and keeps what it is told', async () => {
    await postgres.kill();
    for (const node of [tokyo, osaka]) await node.inspectsNobody();
    await tokyo.problem('SEKISHO_ENGINE_UNREACHABLE');
    const { status, body } = await tokyo.toggle('s4', 'opt-out');
    expect([status, body.durable]).toEqual([202, false]);
    expect((await tokyo.toggle('s3', 'opt-in')).status).toBe(503);
    expect((await osaka.json('GET', '/v1/consent/subscribers/s1?reason=asked+by+phone')).status).toBe(200);
    expect((await fetch(`http://127.0.0.1:${tokyo.server.adminPort}/readyz`)).status).toBe(200);
    expect((await scrape(tokyo.server)).total('sekisho_fleet_fenced')).toBe(1);
    await postgres.start();
    for (const node of [tokyo, osaka]) await node.inspects();
    await waitFor('the opt-out to be recorded', async () => {
      const shown = await osaka.json<{ purposes: { state: string }[] }>(
        'GET',
        '/v1/consent/subscribers/s4?reason=asked+by+phone',
      );
      return shown.body.purposes[0]?.state === 'opted-out';
    });
    for (const node of [tokyo, osaka]) expect([await node.seen(4), await node.seen(3)]).toEqual(['truth', 'truth']);
  });

  it('goes on without a node that was killed, which has heard of it before it inspects again', async () => {
    await osaka.kill();
    expect((await tokyo.toggle('s5', 'opt-out')).status).toBe(200);
    await osaka.startAgain();
    await osaka.inspects();
    expect(await osaka.seen(5)).toBe('truth');
  });

  it('inspects nobody anywhere with a database that was restored to an older state, until a node has given back what it lacks', async () => {
    const entries = Number(postgres.sql('SELECT seq FROM sekisho.consent_end', database));
    postgres.sql(
      `ALTER TABLE sekisho.consent DISABLE TRIGGER ALL; DELETE FROM sekisho.consent WHERE seq > ${entries - 2};
       ALTER TABLE sekisho.consent ENABLE TRIGGER ALL;
       UPDATE sekisho.consent_end e SET seq = c.seq, hash = c.hash FROM sekisho.consent c WHERE c.seq = ${entries - 2};`,
      database,
    );
    for (const node of [tokyo, osaka]) await node.problem('SEKISHO_FLEET_OLDER_DATABASE');
    expect((await tokyo.cli('consent', 'verify')).stdout).toContain('IS NOT INTACT');
    expect((await osaka.cli('fleet', 'init', '--dry-run', '--reason', 'restored, ticket 7')).stdout).toContain(
      'would give 2 entries',
    );
    const given = await osaka.init();
    expect(given.body).toMatchObject({ done: [expect.stringContaining('give 2 entries')] });
    for (const node of [tokyo, osaka]) await node.inspects();
    expect(await tokyo.seen(5)).toBe('truth');
    expect((await tokyo.cli('consent', 'verify')).code).toBe(0);
  });

  it('tells a second folder of the same name and a copy of a folder apart from the node', async () => {
    const second = await start('osaka-1');
    await second.problem('SEKISHO_FLEET_NAME_TAKEN');
    expect(await second.seen(1)).toBe('truth');
    await second.stop();
    const data = join(temporaryFolder('copied'), 'data');
    cpSync(tokyo.data, data, { recursive: true });
    const copy = await start('tokyo-1', { data });
    await copy.problem('SEKISHO_FLEET_COPY');
    expect(await copy.seen(1)).toBe('truth');
    await copy.stop();
    // The nodes themselves have noticed nothing.
    for (const node of [tokyo, osaka]) expect((await node.status()).problem).toBeNull();
  });

  it('forgets a node that stopped, which then says so; and records who decided', async () => {
    const path = '/v1/fleet/nodes/osaka-1/forget';
    expect((await tokyo.json('POST', path, { reason: 'too early' })).status).toBe(409);
    await osaka.stop();
    // Seen with tokyo's next beat.
    const rests = async () => (await tokyo.status()).nodes.find(({ name }) => name === 'osaka-1')?.state === 'resting';
    await waitFor('osaka to rest', rests);
    const forgotten = await tokyo.json<FleetStatusView>('POST', path, { reason: 'scrapped, ticket 9' });
    expect(forgotten.body.nodes.map(({ name }) => name)).toEqual(['tokyo-1']);
    expect((await tokyo.json('POST', path, { reason: 'again' })).status).toBe(404);
    await osaka.startAgain();
    await osaka.problem('SEKISHO_FLEET_FORGOTTEN');
    expect(await osaka.seen(1)).toBe('truth');
    // POST /v1/fleet/init, as the command line does.
    expect((await osaka.init()).body.problem).toBeNull();
    await osaka.inspects();
    const { database: audit } = openDatabase(
      join(tokyo.data, AUDIT_FILE),
      { durability: 'full', schema: '', whenDamaged: 'refuse' },
      0,
    );
    const actions = audit
      .prepare("SELECT DISTINCT action FROM audit WHERE action LIKE 'fleet.%' ORDER BY action")
      .all();
    audit.close();
    expect(actions).toEqual([{ action: 'fleet.forget' }, { action: 'fleet.init' }]);
  });
});
