/** Proposals of a diagnosis as rules of the sinkhole desk: both desks are real, their stores as well. */
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { MeasureDesk } from '../../src/rules/desk.ts';
import { MeasureStore } from '../../src/rules/store.ts';
import { ManualClock } from '../../src/time/clock.ts';
import { Desk } from './desk.ts';
import { sinkholeCarrier } from './measures.ts';
import { ruleName } from './rule-name.ts';
import { Store } from './store.ts';

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
  const sinkhole = new Desk({
    store: new Store(folder, clock.wallMs()),
    clock,
    hashKey: [1, 2],
    audit: { record: () => {} },
  });
  await sinkhole.attach({ rules: [], log, publish: async () => {} });
  const store = new MeasureStore(folder, clock.wallMs());
  const desk = new MeasureDesk({ store, clock, audit: { record: () => {} }, log });
  await desk.attach({
    plugins: new Set(['sinkhole']),
    carriers: new Map([['sinkhole', sinkholeCarrier(sinkhole)]]),
    publish: async () => {},
  });
  const apply = (dryRun = false, diagnosis = 'd1') =>
    desk.apply({ ...proposal, diagnosis }, { ground, dryRun, escalate: '' }, 'sato', 'operator');
  /** Minutes in which workers count so many hits a second of the first rule. */
  const pass = async (minutes: number, perSecond: number) => {
    for (let i = 0; i < minutes * 12; i++) {
      const slot = sinkhole.entries()[0]?.slot;
      if (slot !== undefined) Atomics.add(new Int32Array(sinkhole.slots.buffer), slot, perSecond * 5);
      clock.advance(5000);
      sinkhole.tick();
      await desk.tick();
    }
  };
  const states = () => desk.list().map(({ measure: { id, state } }) => [id, state]);
  return { sinkhole, desk, apply, pass, states };
}

test('it becomes a rule of the desk, with its ground, and lifts itself when the name is asked for as ever', async () => {
  const { sinkhole, apply, pass, states } = await begin();
  await apply();
  expect(sinkhole.entries()).toMatchObject([
    { name: { text: 'live.victim.example' }, subtree: false, dryRun: false, ground: { approver: 'shift lead' } },
  ]);
  await pass(5, 400);
  await pass(9, 4);
  expect(states()).toEqual([['m1', 'in-force']]);
  await pass(3, 4);
  expect(states()).toEqual([['m1', 'lifted']]);
  expect(sinkhole.entries()).toEqual([]);
  expect(sinkhole.changes(1)[0]?.reason).toMatch(/back to normal/);
});

test('a dry run only counts, and the rule follows on the same evidence', async () => {
  const { sinkhole, desk, apply, pass } = await begin();
  await apply(true);
  expect(sinkhole.entries()).toMatchObject([{ dryRun: true }]);
  await pass(1, 10);
  expect(desk.list()[0]?.counted).toEqual({ matched: 600, limited: 0 });
  await apply();
  expect(sinkhole.entries()).toMatchObject([{ dryRun: false }]);
});

test('a rule that somebody removed at the sinkhole desk is no measure any more', async () => {
  const { sinkhole, apply, pass, states } = await begin();
  await apply();
  await sinkhole.remove(ruleName('live.victim.example'), 'suzuki', 'not an attack');
  await pass(1, 0);
  expect(states()).toEqual([['m1', 'lifted']]);
});

test('what the sinkhole desk refuses is not in force, and says why', async () => {
  const { sinkhole, apply, states } = await begin();
  await sinkhole.add({ name: 'live.victim.example', ground: { ...ground, evidence: 'ticket 4711' } }, 'suzuki');
  await expect(apply()).rejects.toThrow(/has a rule in force/);
  expect(states()).toEqual([]);
});
