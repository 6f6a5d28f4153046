/**
 * Moments at which a promise is easily broken: each brings the world of a test to it and returns when the server serves
 * again. A table of doubts is asked at every one of them:
 *
 *     describe.each(MOMENTS)('$name', ({ come }) => {
 *       beforeAll(() => come(world));
 *       it.each(doubts)(…);
 *     });
 *
 * They come one after the other over the same server and the same data folder.
 */
import { clockCanStep } from './stepping-clock.ts';
import type { World } from './world.ts';

export interface Moment {
  readonly name: string;
  come(world: World): Promise<void>;
}

const HOUR = 3600;

export const STEADY: Moment = { name: 'in steady service', come: async () => {} };
export const RELOAD: Moment = { name: 'after a reload', come: (world) => world.reload() };
export const WORKER_RESTART: Moment = {
  name: 'after a restart of the workers',
  come: (world) => world.restartWorkers(),
};
export const KILL_9: Moment = { name: 'after kill -9 and a new start', come: (world) => world.kill9() };
export const CLOCK_FORWARD: Moment = {
  name: 'after the clock was put forward by 26 hours',
  come: (world) => world.stepClock(26 * HOUR),
};
export const CLOCK_BACK: Moment = {
  name: 'after the clock was put back by 30 hours',
  come: (world) => world.stepClock(-30 * HOUR),
};
/** A machine whose clock is not set yet when it starts. */
export const START_WITH_CLOCK_BEHIND: Moment = {
  name: 'after kill -9 and a start with the clock 4 hours behind',
  come: (world) => world.kill9(() => world.clock.step(-4 * HOUR)),
};

const CLOCK = [CLOCK_FORWARD, CLOCK_BACK, START_WITH_CLOCK_BEHIND];

/** All of them, in an order in which each finds what the others left behind. */
export const MOMENTS: readonly Moment[] = [STEADY, RELOAD, WORKER_RESTART, KILL_9, ...(clockCanStep ? CLOCK : [])];
if (!clockCanStep) console.warn('moments at which the clock steps are left out: package faketime is not installed');
