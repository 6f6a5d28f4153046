/** A real fleet under kills, pauses and an engine that dies: nobody is inspected after an acknowledged opt-out. `npm run soak -- fleet` is the long run. */
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { clientsOf, RealNode } from '../support/fleet/real-fleet.ts';
import { FAULTS, trial } from '../support/fleet/trial.ts';
import { stoppedAfterwards } from '../support/observe.ts';
import { type Postgres, postgresMissing, startPostgres } from '../support/postgres.ts';
import { honest, startScriptedUpstream } from '../support/scripted-upstream.ts';

vi.setConfig({ testTimeout: 240_000, hookTimeout: 240_000 });
const keep = stoppedAfterwards();
const SUBSCRIBERS = 6;

describe.skipIf(postgresMissing())('a fleet of three nodes', () => {
  let postgres: Postgres;
  let nodes: RealNode[];
  beforeAll(async () => {
    postgres = keep(await startPostgres());
    const upstream = keep(await startScriptedUpstream(honest()));
    const common = {
      postgres,
      database: postgres.createDatabase(),
      upstreamPort: upstream.port,
      clients: clientsOf(SUBSCRIBERS),
    };
    nodes = await Promise.all(['a', 'b', 'c'].map(async (name) => keep(await RealNode.start({ name, ...common }))));
    await nodes[0]!.init();
    for (const node of nodes) await node.inspects();
  });

  it('keeps its promise', async () => {
    const result = await trial({
      nodes,
      postgres,
      subscribers: SUBSCRIBERS,
      toggles: 80,
      seed: 7,
      everyMs: 700,
      faults: FAULTS,
      leastFaults: 4,
    });
    expect(result).toMatchObject({ inspectedAfterOptOut: [], lost: [], answersLost: 0 });
    // Else nothing was shown.
    expect(result.acknowledged).toBeGreaterThan(10);
    expect(result.faults).toBeGreaterThan(2);
    expect(result.inspected).toBeGreaterThan(20);
  });
});
