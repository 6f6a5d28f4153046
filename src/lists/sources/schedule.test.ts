import { describe, expect, it } from 'vitest';
import { Schedule, type ScheduleOptions } from './schedule.ts';
import type { FetchOptions, FetchResult, ListSource, Provenance } from './source.ts';
import { ManualTimers } from './timers.ts';

const MINUTE = 60_000;
const provenance: Provenance = { source: 'x', fetchedAtMs: 0, sha256: '', bytes: 0 };

/** A source that answers when it is told to. */
function make(more: Partial<ScheduleOptions> = {}) {
  const timers = new ManualTimers();
  const asked: (FetchOptions | undefined)[] = [];
  const results: FetchResult[] = [];
  let answer: ((result: FetchResult) => void) | undefined;
  let changed = (): void => {};
  const source: ListSource = {
    description: 'x',
    fetch(signal, options) {
      asked.push(options);
      return new Promise((resolve) => {
        answer = resolve;
        signal.addEventListener('abort', () => resolve({ kind: 'failed', reason: 'was given up' }));
      });
    },
    watch(report) {
      changed = report;
      return () => {
        changed = () => {};
      };
    },
  };
  const schedule = new Schedule({
    source,
    refreshMs: 10 * MINUTE,
    retryMs: 10_000,
    // The middle: no jitter, back-off at three quarters.
    random: () => 0x80000000,
    clock: timers.clock,
    timers,
    onResult: (result) => void results.push(result),
    ...more,
  });
  return {
    schedule,
    timers,
    asked,
    results,
    changed: () => changed(),
    async reply(result: FetchResult): Promise<void> {
      answer?.(result);
      await new Promise((resolve) => setImmediate(resolve));
    },
  };
}

const UNCHANGED: FetchResult = { kind: 'unchanged' };
const FAILED: FetchResult = { kind: 'failed', reason: 'no' };

describe('the schedule', () => {
  it('asks at once, then at the interval, one fetch at a time', async () => {
    const { schedule, timers, asked, reply } = make();
    schedule.start();
    timers.advance(0);
    expect(asked).toHaveLength(1);
    timers.advance(60 * MINUTE);
    expect(asked).toHaveLength(1);
    await reply(UNCHANGED);
    expect(schedule.state).toMatchObject({
      running: false,
      nextInMs: 10 * MINUTE,
      confirmedAtMs: timers.clock.wallMs(),
    });
    timers.advance(10 * MINUTE);
    expect(asked).toHaveLength(2);
  });

  it('waits longer from failure to failure, then as always again', async () => {
    const { schedule, timers, reply } = make();
    schedule.start();
    const waits: (number | undefined)[] = [];
    for (let i = 0; i < 8; i++) {
      timers.advance(schedule.state.nextInMs ?? 0);
      await reply(FAILED);
      waits.push(schedule.state.nextInMs);
    }
    expect(waits).toEqual([15_000, 30_000, 60_000, 120_000, 240_000, 450_000, 450_000, 450_000]);
    expect(schedule.state).toMatchObject({ failures: 8, lastFailure: 'no' });
    timers.advance(450_000);
    await reply(UNCHANGED);
    expect(schedule.state).toMatchObject({ failures: 0, lastFailure: undefined, nextInMs: 10 * MINUTE });
  });

  it('does not ask before the other side wants', async () => {
    const { schedule, timers, reply } = make();
    schedule.start();
    timers.advance(0);
    await reply({ kind: 'failed', reason: 'busy', retryAfterMs: 3_600_000 });
    expect(schedule.state.nextInMs).toBe(3_600_000);
  });

  it('spreads its intervals by a tenth to either side', async () => {
    for (const [random, expected] of [
      [0, 9 * MINUTE],
      [0xffffffff, 11 * MINUTE],
    ] as const) {
      const { schedule, timers, reply } = make({ random: () => random });
      schedule.start();
      timers.advance(0);
      await reply(UNCHANGED);
      expect(schedule.state.nextInMs).toBe(expected);
    }
  });

  it("keeps to a zone's own timers, and says when it has expired", async () => {
    const zoneTimers = { refreshMs: 5 * MINUTE, retryMs: MINUTE, expireMs: 60 * MINUTE };
    const { schedule, timers, reply } = make();
    schedule.start();
    timers.advance(0);
    await reply({ kind: 'unchanged', provenance: { ...provenance, timers: zoneTimers } });
    expect(schedule.state.nextInMs).toBe(5 * MINUTE);
    timers.advance(5 * MINUTE);
    for (let i = 0; i < 55; i++) {
      await reply(FAILED);
      expect(schedule.state).toMatchObject({ nextInMs: MINUTE, expired: false });
      timers.advance(MINUTE);
    }
    timers.advance(1);
    expect(schedule.state.expired).toBe(true);
    await reply(UNCHANGED);
    expect(schedule.state.expired).toBe(false);
  });

  it('knows from the store, after a restart, when the source was last heard', () => {
    const timers = new ManualTimers();
    const zoneTimers = { refreshMs: MINUTE, retryMs: MINUTE, expireMs: 60 * MINUTE };
    const confirmedAtMs = timers.clock.wallMs() - 61 * MINUTE;
    expect(make({ clock: timers.clock, zoneTimers, confirmedAtMs }).schedule.state.expired).toBe(true);
  });

  it('takes what could not be used for a failure', async () => {
    const onResult = (): never => {
      throw new Error('the compiler fell over');
    };
    const { schedule, timers, reply } = make({ onResult });
    schedule.start();
    timers.advance(0);
    const now = schedule.fetchNow();
    await reply({ kind: 'content', path: '/x', provenance });
    await reply(UNCHANGED);
    expect(await now).toEqual({ kind: 'failed', reason: 'what came could not be used: the compiler fell over' });
    expect(schedule.state.failures).toBe(2);
  });
});

describe('fetching now', () => {
  it('follows the fetch that runs, once for all who want it', async () => {
    const { schedule, timers, asked, reply, results } = make();
    schedule.start();
    timers.advance(0);
    const wishes = [schedule.fetchNow(), schedule.fetchNow({ again: true })];
    expect(asked).toHaveLength(1);
    await reply(UNCHANGED);
    expect(asked).toEqual([{}, { again: true }]);
    await reply(FAILED);
    expect(await Promise.all(wishes)).toEqual([FAILED, FAILED]);
    expect(results).toEqual([UNCHANGED, FAILED]);
  });

  it('can be wished for again in the moment in which it ends', async () => {
    const { schedule, asked, reply } = make();
    const second = schedule.fetchNow().then(() => schedule.fetchNow());
    await reply(UNCHANGED);
    expect(asked).toHaveLength(2);
    await reply(FAILED);
    expect(await second).toEqual(FAILED);
  });
});

describe('a notification', () => {
  it('brings the next fetch forward, but a flood does not', async () => {
    const { schedule, timers, asked, reply, changed } = make();
    schedule.start();
    timers.advance(0);
    await reply(UNCHANGED);
    timers.advance(MINUTE);
    changed();
    timers.advance(0);
    expect(asked).toHaveLength(2);
    await reply(UNCHANGED);
    for (let i = 0; i < 1000; i++) changed();
    timers.advance(999);
    expect(asked).toHaveLength(2);
    timers.advance(1);
    expect(asked).toHaveLength(3);
  });

  it('during a fetch causes one more, after the gap', async () => {
    const { schedule, timers, asked, reply } = make();
    schedule.start();
    timers.advance(0);
    for (let i = 0; i < 10; i++) schedule.notify();
    timers.advance(400);
    await reply(UNCHANGED);
    expect(asked).toHaveLength(1);
    timers.advance(600);
    expect(asked).toHaveLength(2);
    await reply(UNCHANGED);
    expect(schedule.state.nextInMs).toBe(10 * MINUTE);
  });
});

describe('stopping', () => {
  it('gives up the fetch that runs, plans nothing, and answers who still asks', async () => {
    const { schedule, timers, asked, changed } = make();
    schedule.start();
    timers.advance(0);
    const waiting = schedule.fetchNow();
    await schedule.stop();
    expect(await waiting).toMatchObject({ kind: 'failed' });
    expect(await schedule.fetchNow()).toMatchObject({ reason: 'the server is stopping' });
    changed();
    schedule.notify();
    timers.advance(60 * MINUTE);
    expect(asked).toHaveLength(1);
    expect(timers.delaysMs).toEqual([]);
  });
});
