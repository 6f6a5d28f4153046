/** Desks of three nodes on one real PostgreSQL. */
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type Postgres, postgresMissing } from '../../test/support/postgres.ts';
import { PostgresPlaces, SILENT } from '../../test/support/stores/postgres.ts';
import { Engine } from '../fleet/engine/engine.ts';
import { EngineTime } from '../fleet/engine/engine-time.ts';
import { ManualClock } from '../time/clock.ts';
import { RulesDesk } from './desk.ts';
import { FleetRules } from './fleet-rules.ts';
import type { PublishedMeasures } from './in-force.ts';
import { openSqliteRulesCopy } from './sqlite-rules-copy.ts';

const HOUR = 3_600_000;
const by = (who: string) => ({ who, role: 'operator', action: 'sinkhole.add' });
const lifting = { who: 'mori', role: 'operator', action: 'rule.lift' };

async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await holds())) await new Promise((resolve) => setTimeout(resolve, 10));
}

describe.skipIf(postgresMissing() !== undefined)('rules of a fleet', () => {
  const places = new PostgresPlaces();
  let postgres: Postgres;
  let urlFile: string;
  const nodes: { end(): Promise<void> }[] = [];
  beforeAll(async () => {
    postgres = await places.start();
    urlFile = await places.urlFile();
  });
  afterEach(async () => {
    await postgres.start();
    await Promise.all(nodes.splice(0).map((node) => node.end()));
    await places.urlFile();
  });
  afterAll(() => places.stop());

  async function start(name: string, folder = mkdtempSync(join(tmpdir(), 'fleet-rules-')), clock = new ManualClock()) {
    const engine = new Engine({ urlFile, name }, SILENT);
    const { copy } = await openSqliteRulesCopy(join(folder, 'fleet-rules.db'), 0);
    const time = new EngineTime(clock);
    const fleet = new FleetRules({ engine, node: name, time, copy, log: SILENT });
    const audited: string[] = [];
    const audit = { record: ({ action }: { action: string }) => void audited.push(action) };
    const warned: string[] = [];
    const log = { ...SILENT, warn: (_: object, text: string) => void warned.push(text) };
    const desk = new RulesDesk({ store: fleet.store, rules: await fleet.kept(), clock: time, audit, log, fleet });
    let held: PublishedMeasures | undefined;
    await desk.attach({
      plugins: new Set(['sinkhole']),
      carriers: new Map(),
      publish: async (measures) => {
        held = measures;
      },
    });
    fleet.begin(desk);
    engine.start();
    let ended = false;
    const node = {
      name,
      folder,
      clock,
      desk,
      engine,
      audited,
      warned,
      acts: () => (held?.measures ?? []).filter(({ endsMs }) => endsMs > clock.nowMs()).length,
      up: () => until(() => engine.connected && time.aheadMs !== undefined),
      add: (label: string, expires = '2h') => {
        const ground = {
          ...{ kind: 'self-defence', effect: 'floods', evidence: `ticket ${label}`, approver: 'lead' },
          expires: new Date(time.wallMs() + Number.parseInt(expires, 10) * HOUR).toISOString(),
        } as const;
        const endsAtMs = Date.parse(ground.expires);
        const match = { name: `${label}.example` };
        return desk.add(
          { plugin: 'sinkhole', match, dryRun: false, ground, endsAtMs, reviewAtMs: undefined } as never,
          by(`${name}-desk`),
        );
      },
      ids: () => desk.list().map(({ rule }) => `${rule.id} ${rule.match.name} ${rule.state}`),
      async end() {
        if (ended) return;
        ended = true;
        await desk.close();
        await engine.close();
      },
    };
    nodes.push(node);
    return node;
  }

  const codeOf = (work: Promise<unknown>) =>
    work.then(
      () => 'done',
      ({ code }) => code as string,
    );

  it('acts everywhere by one command, ends everywhere by another, and each node says what it sees', async () => {
    const [a, b, c] = await Promise.all([start('a'), start('b'), start('c')]);
    await Promise.all([a.up(), b.up(), c.up()]);
    await a.add('one');
    await until(() => [a, b, c].every((node) => node.acts() === 1));
    expect(c.desk.list()[0]?.rule).toMatchObject({ id: 'm1', addedBy: 'a-desk', node: 'a' });
    await until(async () => {
      for (const node of [a, b, c]) await node.desk.tick();
      return (await b.desk.sights()).length === 3;
    });
    expect((await b.desk.sights()).map(({ node, rule, state }) => [node, rule, state])).toEqual(
      ['a', 'b', 'c'].map((node) => [node, 'm1', 'in-force']),
    );
    await b.desk.lift({ id: 'm1' }, 'over', lifting);
    await until(() => [a, b, c].every((node) => node.acts() === 0));
    expect(a.ids()).toEqual(['m1 one.example lifted']);
    const changes = await c.desk.changes(10);
    expect(changes.map(({ id, action, who }) => [id, action, who])).toEqual([
      [2, 'lift', 'mori'],
      [1, 'add', 'a-desk'],
    ]);
    expect(await codeOf(c.desk.lift({ id: 'm1' }, 'over', lifting))).toBe('SEKISHO_MEASURE_UNKNOWN');
  });

  it('gives two nodes that ask at once numbers of their own, and one of them the name', async () => {
    const [a, b] = await Promise.all([start('a'), start('b')]);
    await Promise.all([a.up(), b.up()]);
    expect(await Promise.all([codeOf(a.add('x')), codeOf(b.add('y'))])).toEqual(['done', 'done']);
    const both = await Promise.all([codeOf(a.add('same')), codeOf(b.add('same'))]);
    expect(both.filter((code) => code === 'done')).toHaveLength(1);
    await until(() => a.acts() === 3 && b.acts() === 3);
    expect(a.ids().sort()).toEqual(b.ids().sort());
    expect(new Set(a.ids().map((id) => id.split(' ')[0])).size).toBe(3);
  });

  it('keeps what it has while PostgreSQL is gone, also over a restart; what ends, ends, once', async () => {
    const [a, b] = await Promise.all([start('a'), start('b')]);
    await Promise.all([a.up(), b.up()]);
    await a.add('short', '1h');
    await a.add('long', '5h');
    await until(() => a.acts() === 2 && b.acts() === 2);
    await postgres.kill();
    await until(() => !a.engine.connected && !b.engine.connected);
    expect(await codeOf(a.add('other'))).toBe('SEKISHO_ENGINE_UNREACHABLE');
    expect(await codeOf(b.desk.lift({ id: 'm1' }, 'over', lifting))).toBe('SEKISHO_ENGINE_UNREACHABLE');
    await b.end();
    const again = await start('b', b.folder, b.clock);
    expect([a.acts(), again.acts()]).toEqual([2, 2]);
    a.clock.advance(2 * HOUR);
    again.clock.advance(2 * HOUR);
    await Promise.all([a.desk.tick(), again.desk.tick()]);
    expect([a.acts(), again.acts()]).toEqual([1, 1]);
    await postgres.start();
    await until(() => a.engine.connected && again.engine.connected);
    await until(async () => {
      await Promise.all([a.desk.tick(), again.desk.tick()]);
      return (await a.desk.changes(10, { actions: ['expire'] })).length > 0;
    });
    await Promise.all([a.desk.tick(), again.desk.tick(), a.desk.follow(), again.desk.follow()]);
    expect(await a.desk.changes(10, { actions: ['expire'] })).toHaveLength(1);
    expect(again.desk.list().map(({ rule }) => [rule.id, rule.state])).toEqual([
      ['m2', 'in-force'],
      ['m1', 'expired'],
    ]);
  });

  it('lets nothing return that has ended, where the database was put back', async () => {
    const [a, b] = await Promise.all([start('a'), start('b')]);
    await Promise.all([a.up(), b.up()]);
    await a.add('one');
    const before = postgres.sql('SELECT rule FROM sekisho.rule WHERE number = 1');
    await b.desk.lift({ id: 'm1' }, 'over', lifting);
    await until(() => a.acts() === 0 && b.acts() === 0);
    postgres.sql(`UPDATE sekisho.rule SET state = 'in-force', running = true, rule = '${before}'`);
    await Promise.all([a.desk.follow(), b.desk.follow()].map((each) => codeOf(each)));
    await until(() => postgres.sql('SELECT state FROM sekisho.rule') === 'lifted');
    expect([a.acts(), b.acts()]).toEqual([0, 0]);
    expect([...a.warned, ...b.warned].join()).toMatch(/was the database put back/);
  });
});
