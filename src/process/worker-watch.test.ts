import { describe, expect, it } from 'vitest';
import type { ThreadTime } from '../system/thread-time.ts';
import { type Finding, WorkerWatch } from './worker-watch.ts';

const LOOK_MS = 50;

/** A thread whose times a test sets, and a watch over it. */
function watched({ hangTimeoutMs = 500, coldAllowance = 6, warm = true } = {}) {
  const state = { ranMs: 100, delayedMs: 0, asleep: false, processDelayedMs: 0, unknown: false };
  let beat = 0;
  const watch = new WorkerWatch(
    { lookMs: LOOK_MS, hangTimeoutMs, coldAllowance },
    {
      time: (): ThreadTime | undefined => (state.unknown ? undefined : { ...state }),
      processDelayedMs: () => state.processDelayedMs,
    },
  );
  const alive = () => watch.look(++beat, 1);
  if (warm) for (let i = 0; i < 100; i++) alive();
  return {
    state,
    watch,
    alive,
    /** Looks without a heartbeat, `each` before every one of them; the first finding that is not 'late'. */
    until(looks: number, each: () => void, patience = 1): { finding: Finding; looks: number } | undefined {
      for (let i = 1; i <= looks; i++) {
        each();
        const finding = watch.look(beat, patience);
        if (finding.kind !== 'late') return { finding, looks: i };
      }
      return undefined;
    },
  };
}

describe('a worker without a heartbeat', () => {
  it('that runs all the time hangs after as much time of its own', () => {
    const { until, state } = watched();
    const found = until(100, () => (state.ranMs += LOOK_MS));
    expect(found?.finding).toMatchObject({ kind: 'hung', ranMs: 500, why: expect.stringContaining('come round') });
    expect(found?.looks).toBeLessThanOrEqual(13);
  });

  it('that sleeps hangs after the same time', () => {
    const { until, state } = watched();
    state.asleep = true;
    const found = until(100, () => {});
    expect(found?.finding).toMatchObject({ kind: 'hung', asleepMs: 500 });
  });

  it('that is ready to run and gets no processor does not hang, however long it takes', () => {
    const { until, state, alive } = watched();
    // The kernel adds run delay up only when it lets the thread run: 1 ms in each second here.
    let looks = 0;
    const starved = () => {
      if (++looks % 20 === 0) state.ranMs += 1;
    };
    expect(until(100, starved)?.finding.kind).toBe('starved');
    // Said once, until it has given a sign of life.
    expect(until(2_000, starved)).toBeUndefined();
    expect(alive().kind).toBe('alive');
    expect(until(100, starved)?.finding.kind).toBe('starved');
  });

  it('that is starved hangs once it has had its time', () => {
    const { until, state } = watched();
    // 2 % of a processor: 1 ms in 50.
    const slowly = () => {
      state.ranMs += 1;
      state.delayedMs += 49;
    };
    expect(until(100, slowly)?.finding.kind).toBe('starved');
    const found = until(1_000, slowly);
    expect(found?.finding).toMatchObject({ kind: 'hung', ranMs: 500 });
  });

  it("that sleeps while the process's threads wait for processors is given far longer", () => {
    const { until, state } = watched();
    state.asleep = true;
    const crowded = () => (state.processDelayedMs += 20);
    expect(until(100, crowded)?.finding.kind).toBe('starved');
    const found = until(1_000, crowded);
    expect(found?.finding).toMatchObject({ kind: 'hung', asleepMs: 10_000 });
  });

  it('that sleeps now and then does not hang', () => {
    const { until, state } = watched();
    let looks = 0;
    const found = until(200, () => {
      state.asleep = ++looks % 2 === 0;
      if (state.asleep) state.ranMs += 0.5;
      else state.delayedMs += 30;
    });
    expect(found?.finding.kind).toBe('starved');
  });

  it('that is cold is allowed more, and who hangs again and again too', () => {
    const cold = watched({ warm: false });
    expect(cold.until(1_000, () => (cold.state.ranMs += 50))?.finding).toMatchObject({ ranMs: 3_000 });
    const again = watched();
    expect(again.until(1_000, () => (again.state.ranMs += 50), 4)?.finding).toMatchObject({ ranMs: 2_000 });
  });

  it('where the system tells nothing hangs by the looks', () => {
    const { until, state } = watched();
    state.unknown = true;
    const found = until(100, () => {});
    expect([found?.finding.kind, found?.looks]).toEqual(['hung', 10]);
  });
});

it('a single look without a heartbeat asks the system nothing', () => {
  let asked = 0;
  const watch = new WorkerWatch(
    { lookMs: LOOK_MS, hangTimeoutMs: 500, coldAllowance: 6 },
    {
      time: () => {
        asked++;
        return undefined;
      },
      processDelayedMs: () => 0,
    },
  );
  for (let beat = 1; beat < 50; beat++) {
    expect(watch.look(beat, 1).kind).toBe('alive');
    expect(watch.look(beat, 1).kind).toBe('late');
  }
  expect(asked).toBe(0);
});
