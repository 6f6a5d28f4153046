import { setEnvironmentData, Worker } from 'node:worker_threads';
import { expect, it, vi } from 'vitest';
import { systemClock } from './clock.ts';
import { goByTurnedClock, TurnedClock, threadClock, turnedClockMemory } from './turned-clock.ts';

const HOUR = 3_600_000;

it('goes with the system’s until it is turned, and the same in every thread', async () => {
  const clock = new TurnedClock(turnedClockMemory());
  const behind = systemClock.nowMs();
  expect(clock.nowMs()).toBeGreaterThanOrEqual(behind);
  expect(threadClock()).toBe(systemClock);
  goByTurnedClock(clock.memory);
  const thread = new Worker(
    `const { getEnvironmentData, parentPort } = require('node:worker_threads');
     parentPort.postMessage(getEnvironmentData('sekisho: turned clock'));`,
    { eval: true },
  );
  const inherited = await new Promise<SharedArrayBuffer>((resolve) => thread.once('message', resolve));
  clock.turn({ onMs: HOUR });
  expect(threadClock()).toBeInstanceOf(TurnedClock);
  setEnvironmentData('sekisho: turned clock', undefined);
  expect(Math.abs(new TurnedClock(inherited).nowMs() - clock.nowMs())).toBeLessThan(60_000);
  expect(clock.wallMs() - Date.now()).toBeGreaterThan(HOUR - 1_000);
});

it('goes faster from where it stands, and takes the wall clock along but for a step', () => {
  const clock = new TurnedClock(turnedClockMemory());
  const before = clock.nowMs();
  clock.turn({ speed: 1000 });
  expect(clock.speed).toBe(1000);
  const from = [systemClock.nowMs(), clock.nowMs()] as const;
  while (systemClock.nowMs() < from[0] + 3);
  expect(clock.nowMs() - from[1]).toBeGreaterThanOrEqual(2_900);
  expect(clock.nowMs()).toBeGreaterThan(before);
  const wall = clock.wallMs() - clock.nowMs();
  clock.stepWall(-HOUR);
  expect(clock.wallMs() - clock.nowMs() - wall).toBeLessThan(-HOUR + 1_000);
  expect(() => clock.turn({ onMs: -1 })).toThrow(RangeError);
  expect(() => clock.turn({ speed: 0 })).toThrow(RangeError);
});

it('brings work back by its own time, once for what fell due several times', async () => {
  const clock = new TurnedClock(turnedClockMemory());
  let ran = 0;
  const stop = clock.every(HOUR, () => ran++);
  clock.turn({ onMs: 10.5 * HOUR });
  await vi.waitFor(() => expect(ran).toBe(1));
  clock.turn({ onMs: HOUR / 2 });
  await vi.waitFor(() => expect(ran).toBe(2));
  stop();
  expect(() => clock.every(0, () => {})).toThrow(RangeError);
});
