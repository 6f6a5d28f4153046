/** Scenarios on the real server, two workers, IPv4, IPv6 and a CG-NAT, with imported weeks, by a turned clock; and a rule until its end. */
import { beforeAll, expect, it, vi } from 'vitest';
import type { MeasuresView } from '../../src/rules/rule-view.ts';
import { LiveServer } from '../scenarios/live.ts';
import { SCENARIOS, type Scenario } from '../scenarios/scenarios.ts';
import { stoppedAfterwards, waitFor } from '../support/observe.ts';

vi.setConfig({ testTimeout: 240_000, hookTimeout: 240_000 });
const keep = stoppedAfterwards();
/** What a minute holds fewer than ten of is not kept: at half the rate that alone might be more than a hundredth of a part of a minute. */
const RATE = 75;
const MINUTE = 60_000;
let live: LiveServer;
const named = (name: string) => SCENARIOS.find((scenario) => scenario.name === name) as Scenario;
const ordinary = () => live.world.second(RATE);

beforeAll(async () => {
  live = keep(await LiveServer.start({ seed: 901, rate: RATE, speed: 5 }));
  live.world.strength = [4, 5];
  await live.play(30, ordinary);
});

it('users behind one address who come back are not accused, and no rule is offered against them', async () => {
  const { prepare } = named('users behind one address come back after an outage');
  await live.play(30, prepare(live.world, RATE));
  const report = await live.diagnose();
  expect(report.baseline).toMatchObject({ basis: 'hour of the week', imported: 12 });
  expect(report.causes[0]).toMatchObject({ cause: 'shared-address' });
  expect(report.proposals).toEqual([]);
});

it('random names from IPv6 are named, and the rule is lifted within 15 minutes of the end, not before', async () => {
  await live.server.turn({ onMs: 30 * MINUTE });
  await live.play(20, ordinary);
  const attack = named('random names below a zone with a wildcard').prepare(live.world, RATE);
  await live.play(30, attack);
  const report = await live.diagnose();
  expect(report.causes[0]).toMatchObject({ cause: 'random-subdomain' });
  const [proposal] = report.proposals;
  expect(proposal?.removes, report.doubts.join()).toBeGreaterThanOrEqual(0.85);
  const applied = await live.call<{ id: string }>('POST', 'query-history/apply', {
    diagnosis: report.id,
    proposal: 1,
    ground: { kind: 'self-defence', approver: 'shift lead', expires: '2h' },
  });
  expect(applied.status).toBe(200);
  const state = async () => (await live.call<MeasuresView>('GET', 'measures?reason=watched')).body.measures[0];
  await live.play(40, attack);
  expect((await state())?.state).toBe('in-force');
  const { nowMs: endMs } = await live.server.turn();
  // A quarter of an hour in seconds: nobody asks for these names any more.
  await live.server.turn({ speed: 60 });
  const lifted = await waitFor(
    'the rule to be lifted',
    async () => ((await state())?.state === 'lifted' ? live.server.turn() : undefined),
    120_000,
  );
  const minutes = (lifted.nowMs - endMs) / MINUTE;
  expect(minutes).toBeGreaterThanOrEqual(9);
  expect(minutes).toBeLessThanOrEqual(16);
  expect((await state())?.endedWhy).toMatch(/back to normal/);
});
