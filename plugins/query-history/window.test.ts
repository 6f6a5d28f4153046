/** The window fits the incident, without anybody saying how long it has been going on; and what is said beside an open overload. */
import { beforeAll, describe, expect, test } from 'vitest';
import { CACHE_MISS, RCODE } from '../../src/contract/plugin.ts';
import { Replay } from '../../test/scenarios/replay.ts';
import type { Event } from '../../test/scenarios/traffic.ts';
import type { DiagnosisReport } from './report-shapes.ts';
import { SPAN_MS } from './spans.ts';

const READER = { who: 'sato', role: 'operator' };
const REASON = 'a customer calls, ticket 4711';
/** About thirty queries a second: hours of them are cheap. */
const SMALL = { peak: 30, worldSeed: 40 };
const SECONDS = (count: number) => count * 1000;

const look = (replay: Replay): Promise<DiagnosisReport> => replay.reading.diagnose(READER, { reason: REASON });
const ordinary = (replay: Replay, seconds: number) =>
  replay.incident(seconds, () => replay.world.second(replay.rate()));
/** So many random names a second beside ordinary traffic. */
function attack(replay: Replay, seconds: number, perSecond: number, zone = 'victim-shop.example') {
  const { random } = replay.world;
  return replay.incident(seconds, function* () {
    yield* replay.world.second(replay.rate());
    for (let i = 0; i < perSecond; i++) yield randomName(`${random.letters(12)}.${zone}`, replay);
  });
}
function randomName(name: string, { world }: Replay): Event {
  const rcode = RCODE.NXDOMAIN;
  const client = world.client();
  return { name, type: 'A', client, transport: 'udp', rcode, cacheResult: CACHE_MISS, replyLength: 110, latencyMs: 60 };
}

describe('an incident of half a minute', () => {
  const replay = new Replay(41, SMALL);
  let startedMs = 0;
  beforeAll(async () => {
    await ordinary(replay, 240);
    startedMs = replay.clock.wallMs();
    await attack(replay, 30, 120);
  });

  test('is seen while it goes on, undiluted by the minutes before', async () => {
    const report = await look(replay);
    expect(report.causes[0]).toMatchObject({ cause: 'random-subdomain' });
    expect(report.window.seconds).toBeLessThanOrEqual(41);
    expect(Math.abs(Date.parse(report.window.from) - startedMs)).toBeLessThanOrEqual(SECONDS(11));
    expect(report.rate.now - report.rate.normal).toBeGreaterThan(90);
  });

  test('and when it is over, until the quarter of an hour has passed', async () => {
    await ordinary(replay, 120);
    const report = await look(replay);
    expect(report.causes[0]).toMatchObject({ cause: 'random-subdomain' });
    expect(report.window.seconds).toBeLessThanOrEqual(41);
    await ordinary(replay, 900);
    expect((await look(replay)).causes[0]).toMatchObject({ cause: 'nothing-unusual' });
  });
});

test('what is too little for a minute and goes on for hours is found over hours, without anybody saying so', async () => {
  const replay = new Replay(42, SMALL);
  const { random } = replay.world;
  // One a second among about thirty.
  for (let minute = 70; minute > 0; minute--) {
    const startMs = replay.clock.wallMs() - minute * SPAN_MS.minute;
    replay.writeMinute(startMs, function* () {
      yield* replay.world.second(replay.rate() * 60);
      for (let i = 0; i < 60; i++) yield randomName(`${random.letters(14)}.slow-victim.example`, replay);
    });
  }
  await ordinary(replay, 60);
  const report = await look(replay);
  expect(report.causes[0]).toMatchObject({ cause: 'random-subdomain', about: expect.stringContaining('slow-victim') });
  expect(report.window.seconds).toBeGreaterThanOrEqual(3000);
  expect(report.window.why).toMatch(/the last 1 h/);
});

describe('beside an open overload nothing is called normal with confidence', () => {
  test('a declared one: nothing is unusual, and that is not sure', async () => {
    const replay = new Replay(43, SMALL);
    await ordinary(replay, 60);
    const report = await look(replay);
    expect([report.causes[0]?.cause, report.sure]).toEqual(['nothing-unusual', 'low']);
    expect(report.doubts[0]).toMatch(/declared/);
  });

  test('a detected one, of which the queries show nothing: unexplained, with what is above its threshold', async () => {
    const replay = new Replay(44, SMALL);
    let seconds = 0;
    // The processors alone, as when somebody else uses them.
    await replay.incident(
      60,
      () => replay.world.second(replay.rate()),
      () => ({
        cpuSeconds: 1.82 * ++seconds,
        kernelDrops: 0,
        upstreams: {},
      }),
    );
    const report = await look(replay);
    expect(report.overload.by).toBe('declared');
    expect(report.causes[0]?.cause).not.toBe('nothing-unusual');
    expect(`${report.causes[0]?.text} ${report.causes[0]?.signs}`).toMatch(/core|cpu/);
  });
});

test('a server without a past is compared with the moments before it began', async () => {
  const replay = new Replay(45, { ...SMALL, young: true });
  await ordinary(replay, 60);
  await attack(replay, 30, 100, 'young-victim.example');
  const report = await look(replay);
  expect(report.baseline.basis).toBe('moments before');
  expect(report.causes[0]).toMatchObject({ cause: 'random-subdomain' });
  expect(report.sure).not.toBe('high');
});
