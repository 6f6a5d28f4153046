/** Several nodes and one PostgreSQL: what one of them is told acts on all, and what cannot be known inspects nobody. */
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { clientsOf, RealNode } from '../support/fleet/real-fleet.ts';
import { stoppedAfterwards, waitFor } from '../support/observe.ts';
import { type Postgres, postgresMissing, startPostgres } from '../support/postgres.ts';
import { honest, type ScriptedUpstream, startScriptedUpstream } from '../support/scripted-upstream.ts';

vi.setConfig({ testTimeout: 180_000, hookTimeout: 240_000 });
const keep = stoppedAfterwards();
const missing = postgresMissing();

describe.skipIf(missing)('a fleet of two nodes', () => {
  let postgres: Postgres;
  let upstream: ScriptedUpstream;
  let nodes: RealNode[];
  const clients = clientsOf(4);
  const start = async (name: string, database: string) =>
    keep(await RealNode.start({ name, postgres, database, upstreamPort: upstream.port, clients }));

  beforeAll(async () => {
    postgres = keep(await startPostgres());
    upstream = keep(await startScriptedUpstream(honest()));
    const database = postgres.createDatabase();
    nodes = await Promise.all([start('tokyo-1', database), start('osaka-1', database)]);
  });

  it('serves and inspects nobody before it was made, and says what to do', async () => {
    for (const node of nodes) {
      expect(await node.seen(1)).toBe('truth');
      await waitFor('what to do', async () => (await node.status()).problem?.code === 'SEKISHO_FLEET_NOT_INITIALISED');
    }
    const made = await nodes[0]!.init();
    expect(made.body).toMatchObject({ problem: null });
    for (const node of nodes) await node.inspects();
  });

  it('takes an opt-out at any node, and no node inspects when it is acknowledged', async () => {
    for (const [i, node] of nodes.entries()) {
      const { status, body } = await node.toggle(`s${i + 2}`, 'opt-out');
      for (const each of nodes) expect(await each.seen(i + 2)).toBe('truth');
      expect([status, body.durable]).toEqual([200, true]);
    }
    const [one, other] = nodes as [RealNode, RealNode];
    expect((await other.toggle('s2', 'opt-in')).status).toBe(200);
    await one.inspects(2);
  });
});
