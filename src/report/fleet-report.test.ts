/** Tallies and audit sums of two nodes on one real PostgreSQL: one report, nothing twice. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type Postgres, postgresMissing } from '../../test/support/postgres.ts';
import { PostgresPlaces, SILENT } from '../../test/support/stores/postgres.ts';
import { Engine } from '../fleet/engine/engine.ts';
import { engineError } from '../fleet/engine/errors.ts';
import { FleetAudit } from './fleet-audit.ts';
import { openPostgresTallyStore } from './postgres-tally-store.ts';

const rise = (count: number) => ({ name: 'sekisho_queries_total', labels: {}, help: 'Queries.', count });
const NOON = Date.UTC(2026, 9, 2, 12);

describe.skipIf(postgresMissing() !== undefined)('the report of a fleet', () => {
  const places = new PostgresPlaces();
  let postgres: Postgres;
  let urlFile: string;
  const engines: Engine[] = [];
  beforeAll(async () => {
    postgres = await places.start();
    urlFile = await places.urlFile();
  });
  afterEach(async () => {
    await Promise.all(engines.splice(0).map((engine) => engine.close()));
  });
  afterAll(() => places.stop());

  function engineOf(node: string): Engine {
    const engine = new Engine({ urlFile, name: node }, SILENT);
    engines.push(engine);
    return engine;
  }

  it('sums the nodes, and counts once what may have been written or not', async () => {
    const engine = engineOf('a');
    let breaks = 0;
    const broken = Object.assign(Object.create(engine) as Engine, {
      async transaction(work: Parameters<Engine['transaction']>[0]) {
        const done = await engine.transaction(work);
        if (breaks-- > 0) throw engineError('SEKISHO_ENGINE_UNSURE', 'the connection broke at the commit');
        return done;
      },
    });
    const a = openPostgresTallyStore(broken, 'a');
    const b = openPostgresTallyStore(engineOf('b'), 'b');
    breaks = 1;
    await a.add('2026-10-01', [rise(3)]);
    breaks = 2;
    await a.add('2026-10-01', [rise(10)]);
    await a.add('2026-10-02', [rise(100)]);
    await b.add('2026-10-01', [rise(1000)]);
    expect(await b.between('2026-10-01', '2026-10-02')).toEqual([{ ...rise(1113), days: 2 }]);
    expect(postgres.sql("SELECT count FROM sekisho.tally WHERE node = 'a' AND day = '2026-10-01'")).toBe('13');
  });

  it('adds up what the audit logs of the nodes hold, however often they say it', async () => {
    const logOf = (count: number, hour: string) => ({
      summary: async (from: string) =>
        from.startsWith('2026-10-02')
          ? [{ action: 'consent.show', count, first: `2026-10-02T0${hour}`, last: `2026-10-02T1${hour}` }]
          : [],
      details: async (_: string, from: string) =>
        from.startsWith('2026-10-02') ? [{ at: `2026-10-02T0${hour}`, detail: { deletions: [] } }] : [],
    });
    const a = new FleetAudit(engineOf('a'), 'a', logOf(2, '1'), ['history.delete']);
    const b = new FleetAudit(engineOf('b'), 'b', logOf(5, '2'), ['history.delete']);
    await a.put(NOON);
    await a.put(NOON);
    await b.put(NOON);
    await b.put(NOON + 86_400_000);
    const sums = await a.between('2026-10-01', '2026-10-31');
    expect(sums).toMatchObject({
      actions: [{ action: 'consent.show', count: 7, first: '2026-10-02T01', last: '2026-10-02T12' }],
      nodes: ['a', 'b'],
    });
    expect(sums.deletions).toHaveLength(2);
    expect((await a.between('2026-09-01', '2026-10-01')).actions).toEqual([]);
  });
});
