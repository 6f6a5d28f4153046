/** The nodes of a fleet in a real PostgreSQL. */
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { type Postgres, postgresMissing, startPostgres } from '../../test/support/postgres.ts';
import { Engine } from './engine/engine.ts';
import { migrate } from './migrations/migrate.ts';
import { PostgresRegistry } from './postgres-registry.ts';

vi.setConfig({ testTimeout: 60_000, hookTimeout: 120_000 });
const missing = postgresMissing();
const silent = { info: () => {}, warn: () => {} };
const ROW = {
  name: 'a',
  id: 'folder',
  session: 's1',
  fenceMs: 1000,
  resting: true,
  applied: 0,
  head: '',
  facts: { version: '1' },
};

describe.skipIf(missing)('the nodes in PostgreSQL', () => {
  let postgres: Postgres;
  let engine: Engine;
  let registry: PostgresRegistry;

  beforeAll(async () => {
    postgres = await startPostgres();
    engine = new Engine({ urlFile: postgres.urlFile(postgres.createDatabase()), name: 'a' }, silent);
    await migrate(engine, 'a');
    registry = new PostgresRegistry(engine);
  });
  afterAll(async () => {
    await engine.close();
    await postgres.stop();
  });

  it('has one row a name, which belongs to one session, and moves on only from what was seen', async () => {
    expect(await registry.add(ROW)).toBe(true);
    expect(await registry.add({ ...ROW, id: 'another' })).toBe(false);
    const before = await registry.read();
    expect(before.nodes).toEqual([{ ...ROW, beat: 0, seenMs: expect.any(Number) }]);
    const said = await registry.beat('a', 's1', { applied: 5, head: 'abc' });
    expect(said).toMatchObject({ engine: before.engine, fleet: before.fleet, objections: [] });
    expect(await registry.beat('a', 's2', { applied: 0, head: '' })).toBeUndefined();
    const next = { ...ROW, session: 's2' };
    expect(await registry.succeed(next, { session: 's1', beat: 0 })).toBe(false);
    expect(await registry.succeed({ ...next, id: 'another' }, { session: 's1', beat: 1 })).toBe(false);
    expect(await registry.succeed(next, { session: 's1', beat: 1 })).toBe(true);
    expect(await registry.beat('a', 's1', { applied: 0, head: '' })).toBeUndefined();
    expect(await registry.rest('a', 's1', false)).toBe(false);
    expect(await registry.rest('a', 's2', false)).toBe(true);
    const [row] = (await registry.read()).nodes;
    expect(row).toMatchObject({ session: 's2', beat: 2, resting: false });
    expect(await registry.forget('a', { session: 's2', beat: 1 })).toBe(false);
    await registry.object({ node: 'a', seq: 7, hash: 'h' });
    expect((await registry.read()).objections).toEqual([{ node: 'a', seq: 7, hash: 'h' }]);
    expect(await registry.forget('a', { session: 's2', beat: 2 })).toBe(true);
    expect(await registry.read()).toMatchObject({ nodes: [], objections: [] });
  });

  it('tells those who wait that something acts, and a restart of the engine by another identity', async () => {
    await registry.add(ROW);
    let heard = 0;
    engine.listen('sekisho_applied', { heard: () => void heard++ });
    engine.start();
    await vi.waitFor(() => expect(engine.connected).toBe(true), 20_000);
    await registry.report('a', 's1', { applied: 9, head: 'x' });
    await vi.waitFor(() => expect(heard).toBe(1), 20_000);
    const { engine: before } = await registry.read();
    await postgres.kill();
    await postgres.start();
    await vi.waitFor(async () => expect((await registry.read()).engine).not.toBe(before), 20_000);
  });

  it('believes no row that no version of Sekisho writes', async () => {
    await engine.query(`UPDATE sekisho.node SET facts = '[1]' WHERE name = 'a'`);
    await expect(registry.read()).rejects.toMatchObject({ code: 'SEKISHO_FLEET_LEDGER_ALTERED' });
  });
});
