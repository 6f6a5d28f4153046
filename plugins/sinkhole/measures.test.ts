/** Proposals of a diagnosis that this plugin carries: one rule each, at the one desk. */
import { mkdirSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { RulesDesk } from '../../src/rules/desk.ts';
import { deskRuleView } from '../../src/rules/rule-view.ts';
import { openSqliteRuleStore, RULES_FILE } from '../../src/rules/sqlite-rule-store.ts';
import { ManualClock } from '../../src/time/clock.ts';
import { carrierFor } from './carrier.ts';
import { PLUGIN, readDraft } from './request.ts';

const log = { info: () => {}, warn: () => {}, error: () => {} };
const ground = {
  kind: 'self-defence',
  effect: 'floods the resolvers',
  evidence: 'diagnosis d1: four fifths of the rise',
  approver: 'shift lead',
  expires: '6h',
};
const proposal = {
  plugin: 'sinkhole',
  match: { name: 'live.victim.example' },
  limitPerSecond: 0,
  limitRationale: '',
  escalation: false,
  normalPerSecond: 5,
  startPerSecond: 500,
  removes: 0.9,
  hits: 0,
  diagnosis: 'd1',
  cause: 'popular-event',
};

async function begin() {
  const clock = new ManualClock();
  const folder = mkdtempSync(join(tmpdir(), 'sinkhole-measures-'));
  mkdirSync(join(folder, 'rules'));
  const { store } = await openSqliteRuleStore(join(folder, 'rules', RULES_FILE), folder, clock.wallMs());
  const desk = new RulesDesk({ store, rules: [], clock, audit: { record: () => {} }, log });
  await desk.attach({
    plugins: new Set([PLUGIN]),
    carriers: new Map([[PLUGIN, carrierFor([], [1, 2], async () => {})]]),
    publish: async () => {},
  });
  const apply = (dryRun = false, diagnosis = 'd1') =>
    desk.apply({ ...proposal, diagnosis }, { ground, dryRun, escalate: '' }, 'sato', 'operator');
  /** Minutes in which workers count so many hits a second of the first rule. */
  const pass = async (minutes: number, perSecond: number) => {
    for (let i = 0; i < minutes * 12; i++) {
      const slot = desk.entries(PLUGIN)[0]?.slot;
      if (slot !== undefined) Atomics.add(new Int32Array(desk.slots.buffer), 2 * slot, perSecond * 5);
      clock.advance(5000);
      await desk.tick();
    }
  };
  const states = () => desk.list().map(({ rule: { id, state } }) => [id, state]);
  return { desk, apply, pass, states };
}

test('it becomes a rule of the desk, with its ground, and lifts itself when the name is asked for as ever', async () => {
  const { desk, apply, pass, states } = await begin();
  await apply();
  expect(desk.entries(PLUGIN)).toMatchObject([
    { rule: { match: { name: 'live.victim.example' }, dryRun: false, ground: { approver: 'shift lead' } } },
  ]);
  await pass(5, 400);
  await pass(9, 4);
  expect(states()).toEqual([['m1', 'in-force']]);
  await pass(3, 4);
  expect(states()).toEqual([['m1', 'lifted']]);
  expect(desk.entries(PLUGIN)).toEqual([]);
  expect((await desk.changes(1))[0]?.reason).toMatch(/back to normal/);
});

test('a dry run only counts, and the rule follows on the same evidence', async () => {
  const { desk, apply, pass } = await begin();
  await apply(true);
  expect(desk.entries(PLUGIN)).toMatchObject([{ rule: { dryRun: true } }]);
  await pass(1, 10);
  const [first] = desk.list();
  expect(first && deskRuleView(first.rule, first.entry, desk)).toMatchObject({ matched: 600, limited: 0 });
  await apply();
  expect(desk.entries(PLUGIN)).toMatchObject([{ rule: { dryRun: false } }]);
});

test('a rule that somebody removed by its name is no measure any more', async () => {
  const { desk, apply, pass, states } = await begin();
  await apply();
  const by = { who: 'suzuki', role: 'operator', action: 'sinkhole.remove' };
  await desk.lift({ plugin: PLUGIN, name: 'live.victim.example' }, 'not an attack', by);
  await pass(1, 0);
  expect(states()).toEqual([['m1', 'lifted']]);
});

test('a name that has a rule already gets no measure besides', async () => {
  const { desk, apply, states } = await begin();
  const draft = readDraft(
    { name: 'live.victim.example', ground: { ...ground, evidence: 'ticket 4711' } },
    desk.clock.wallMs(),
  );
  await desk.add(draft, { who: 'suzuki', role: 'operator', action: 'sinkhole.add' });
  await expect(apply()).rejects.toThrow(/has a rule in force/);
  expect(states()).toEqual([['m1', 'in-force']]);
});
