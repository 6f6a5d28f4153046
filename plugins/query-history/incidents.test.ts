/** Incidents side by side, each with rules of its own that were tried on what was recorded: over replayed traffic. */
import { describe, expect, test } from 'vitest';
import { CACHE_FAILURE, CACHE_MISS, type MeasureMatch, RCODE } from '../../src/contract/plugin.ts';
import { Random } from '../../test/scenarios/random.ts';
import { Replay } from '../../test/scenarios/replay.ts';
import type { Event } from '../../test/scenarios/traffic.ts';
import { diagnose } from './diagnosis.ts';
import { covers } from './trial.ts';

const random = new Random(7);
const query = (over: Partial<Event>): Event => ({
  name: 'www.example.com',
  type: 'A',
  client: `10.21.${random.below(60)}.${1 + random.below(250)}`,
  transport: 'udp',
  rcode: RCODE.NXDOMAIN,
  cacheResult: CACHE_MISS,
  replyLength: 110,
  latencyMs: 20,
  ...over,
});
const attack = (zone: string) => query({ name: `${random.letters(12)}.${zone}` });
/** A zone that fails, asked for again and again: answered from the memory of failures. */
const remembered = (zone: string) =>
  query({ name: `n${random.below(200)}.${zone}`, rcode: RCODE.SERVFAIL, cacheResult: CACHE_FAILURE, latencyMs: 0 });

/** So many of each kind a second, beside ordinary traffic; diagnosed with what is in force. */
async function diagnosed(
  kinds: readonly (readonly [perSecond: number, make: () => Event])[],
  inForce: readonly MeasureMatch[] = [],
) {
  const replay = new Replay(11);
  await replay.incident(40, function* () {
    yield* replay.world.second(replay.rate());
    for (const [perSecond, make] of kinds) for (let i = 0; i < perSecond; i++) yield make();
  });
  const { desk } = replay;
  const now = desk.recent(40)!;
  const [normal, day] = [await desk.baseline(), await desk.others(desk.wallMs() - 40_000)];
  const diagnosis = diagnose(now, normal, day, {
    slices: desk.slices(40),
    sees: (plugin) => (plugin === 'random-subdomain' ? 'misses' : 'queries'),
    isCovered: (_, match) => inForce.some((wide) => covers(wide, match)),
  });
  await desk.close();
  return diagnosis;
}

describe('two attacks at once', () => {
  const both = [
    [300, () => attack('one-victim.example')],
    [180, () => attack('other-victim.example')],
  ] as const;

  test('stand side by side with their shares, and each has rules of its own', async () => {
    const { incidents, proposals } = await diagnosed(both);
    expect(incidents.map(({ cause: { cause, about } }) => [cause, about])).toEqual([
      ['random-subdomain', expect.stringContaining('one-victim.example')],
      ['random-subdomain', expect.stringContaining('other-victim.example')],
    ]);
    expect(incidents.map(({ share }) => Math.round(share * 10))).toEqual([6, 4]);
    for (const [incident, zone] of [
      [1, 'one-victim'],
      [2, 'other-victim'],
    ] as const) {
      const own = proposals.filter((proposal) => proposal.incident === incident);
      expect(own.length).toBeGreaterThan(0);
      for (const { match } of own) expect(JSON.stringify(match)).toContain(zone);
    }
  });

  test('what is in force is not proposed again; the other one still is', async () => {
    const { incidents, proposals } = await diagnosed(both, [{ pattern: '*.one-victim.example' }]);
    expect(incidents).toHaveLength(2);
    const patterns = proposals.filter(({ escalation }) => !escalation).map(({ match }) => match.pattern);
    expect(patterns.length).toBeGreaterThan(0);
    expect(new Set(patterns)).toEqual(new Set(['*.other-victim.example']));
  });
});

test('one attack is one incident, however many names and sources it has', async () => {
  const { incidents } = await diagnosed([[400, () => attack('one-victim.example')]]);
  expect(incidents.map(({ cause }) => cause.cause)).toEqual(['random-subdomain']);
});

test('one client that floods with random names is one incident, not two', async () => {
  const { incidents } = await diagnosed([[400, () => ({ ...attack('one-victim.example'), client: '10.22.9.9' })]]);
  expect(incidents.map(({ share }) => share).reduce((sum, share) => sum + share, 0)).toBeLessThanOrEqual(1.1);
  expect(incidents).toHaveLength(1);
});

test('a rule is offered by what its dry run matched: no limit on misses against what is answered from memory', async () => {
  const fromMemory = await diagnosed([[600, () => remembered('broken-zone.example')]]);
  expect(fromMemory.proposals.filter(({ plugin }) => plugin === 'random-subdomain')).toEqual([]);
  const missing = await diagnosed([[600, () => attack('one-victim.example')]]);
  const [first] = missing.proposals;
  expect(first).toMatchObject({ plugin: 'random-subdomain', match: { pattern: '*.one-victim.example' } });
  expect(first?.trial.matchedPerSecond).toBeGreaterThan(500);
  expect(first?.removes).toBeGreaterThan(0.9);
});

test.each([
  [{ pattern: '*.a.example' }, { pattern: '*.a.example', type: 'A' }, true],
  [{ pattern: '*.a.example', type: 'A' }, { pattern: '*.a.example' }, false],
  [{ domain: 'a.example' }, { name: 'www.a.example' }, true],
  [{ domain: 'a.example' }, { name: 'a.example' }, true],
  [{ pattern: '*.a.example' }, { name: 'a.example' }, false],
  [{ pattern: '*.a.example' }, { domain: 'a.example' }, false],
  [{ name: 'www.a.example' }, { domain: 'a.example' }, false],
  [{ source: '192.0.2.7' }, { source: '192.0.2.7' }, true],
  [{ source: '192.0.2.7' }, { source: '192.0.2.8' }, false],
  [{ domain: 'a.example' }, { source: '192.0.2.8' }, false],
  [{ domain: 'a.example' }, { name: 'xa.example' }, false],
])('%o does all that %o does: %s', (wide, narrow, expected) => {
  expect(covers(wide, narrow)).toBe(expected);
});
