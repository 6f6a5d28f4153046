import { mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { TIME_FILE, TimeStore } from '../store/time-store.ts';
import { ManualClock } from './clock.ts';
import { LatestTime } from './latest-time.ts';
import { SharedTime } from './shared-time.ts';

const HOUR = 3_600_000;

class SteppingClock extends ManualClock {
  stepMs = 0;
  override wallMs(): number {
    return super.wallMs() + this.stepMs;
  }
}

const silent = { error: () => {} };
const folder = () => mkdtempSync(join(tmpdir(), 'time-'));

function begin(clock: SteppingClock, data = folder()) {
  const store = new TimeStore(data, silent, clock.wallMs());
  return { clock, data, store, time: new LatestTime(clock, store) };
}

test('follows the clock forward, and goes on by itself where the clock is set back', () => {
  const { clock, time } = begin(new SteppingClock());
  const first = time.wallMs();
  clock.stepMs = 4 * HOUR;
  expect(time.wallMs()).toBe(first + 4 * HOUR);
  clock.stepMs = 0;
  clock.advance(1000);
  expect(time.wallMs()).toBe(first + 4 * HOUR + 1000);
  expect(time.termMs()).toBe(time.wallMs());
  expect(time.state).toMatchObject({ behindMs: 4 * HOUR, inDoubt: false });
});

test('a start behind the mark is in doubt until the clock has caught up: the time stands, and nothing with a term acts', () => {
  const clock = new SteppingClock();
  const one = begin(clock);
  one.time.flush();
  const seen = one.time.wallMs();
  one.store.close();
  clock.stepMs = -4 * HOUR;
  clock.advance(HOUR);
  const { time, store } = begin(clock, one.data);
  expect(time.wallMs()).toBeGreaterThanOrEqual(seen - 1);
  expect(time.termMs()).toBe(Number.POSITIVE_INFINITY);
  expect(time.state.inDoubt).toBe(true);
  // What is not known is not kept either.
  time.flush();
  clock.stepMs = 0;
  expect(time.termMs()).toBe(clock.wallMs());
  expect(time.state).toMatchObject({ behindMs: 0, inDoubt: false });
  store.close();
});

test('the packet threads see the same time, and the doubt', () => {
  const clock = new SteppingClock();
  const { data, time, store } = begin(clock);
  const worker = new SharedTime(clock, time.shared.memory);
  clock.stepMs = HOUR;
  time.tick();
  expect(worker.wallMs()).toBe(time.wallMs());
  time.flush();
  store.close();
  clock.stepMs = 0;
  const again = begin(clock, data);
  const other = new SharedTime(clock, again.time.shared.memory);
  expect(other.termMs()).toBe(Number.POSITIVE_INFINITY);
  again.store.close();
});

test('the mark only grows, but for `accept`', () => {
  const clock = new SteppingClock();
  const { data, store, time } = begin(clock);
  time.flush();
  store.keepMark(time.wallMs() - 5 * HOUR);
  store.close();
  const again = new TimeStore(data, silent, clock.wallMs());
  expect(again.mark).toBe(Math.floor(time.wallMs()));
  again.accepted(again.mark!, again.mark! - HOUR, 'sato', 'the clock had run ahead');
  again.close();
  expect(new TimeStore(data, silent, clock.wallMs()).mark).toBe(Math.floor(time.wallMs()) - HOUR);
});

test('a clock that has run ahead by mistake: what has ended is on record before the time is set back', async () => {
  const clock = new SteppingClock();
  const { time, store, data } = begin(clock);
  const right = time.wallMs();
  clock.stepMs = 73 * 365 * 24 * HOUR;
  const far = time.wallMs();
  time.flush();
  clock.stepMs = 0;
  const seen: number[] = [];
  time.onAccept(() => void seen.push(time.termMs()));
  await time.accept('sato', 'NTP server sent the year 2099');
  expect(seen).toEqual([far]);
  expect(time.wallMs()).toBe(right);
  expect(time.termMs()).toBe(right);
  store.close();
  const again = begin(clock, data);
  expect(again.time.state).toMatchObject({ behindMs: 0, inDoubt: false });
  again.store.close();
});

test('also after a restart into the doubt; and where an end cannot be recorded, the time stays', async () => {
  const clock = new SteppingClock();
  const one = begin(clock);
  clock.stepMs = 1000 * HOUR;
  const far = one.time.wallMs();
  one.time.flush();
  one.store.close();
  clock.stepMs = 0;
  const { time, store } = begin(clock, one.data);
  const remove = time.onAccept(() => {
    throw new Error('the disk is full');
  });
  await expect(time.accept('sato', 'the clock had run ahead')).rejects.toThrow(/full/);
  expect(time.state.inDoubt).toBe(true);
  remove();
  const seen: number[] = [];
  time.onAccept(() => void seen.push(time.termMs()));
  await time.accept('sato', 'the clock had run ahead');
  expect(Math.round(seen[0]! - far)).toBeGreaterThanOrEqual(-1);
  expect(time.termMs()).toBe(clock.wallMs());
  store.close();
});

test('a mark that was taken away or damaged: the newest file says how late it was at least', () => {
  for (const spoil of [
    (file: string) => rmSync(file),
    (file: string) => writeFileSync(file, 'no database '.repeat(900)),
  ]) {
    const clock = new SteppingClock();
    const { data, store, time } = begin(clock);
    time.flush();
    store.close();
    spoil(join(data, TIME_FILE));
    const audit = join(data, 'audit.db');
    writeFileSync(audit, 'x');
    const later = (clock.wallMs() + HOUR) / 1000;
    for (const file of [audit]) utimesSync(file, later, later);
    const again = new TimeStore(data, silent, clock.wallMs());
    expect(again.mark).toBeGreaterThanOrEqual(Math.floor(later * 1000) - 1);
    again.close();
  }
});

test('a ground that has ended is known again, and one that is stated again is another one', () => {
  const { store, data, time } = begin(new SteppingClock());
  const ground = {
    kind: 'self-defence',
    effect: 'floods the resolvers',
    evidence: 'ticket 4711',
    approver: 'shift lead',
    expires: '2026-12-01',
  } as const;
  expect(store.hasEnded(ground)).toBe(false);
  store.recordEnd(ground, time.wallMs());
  store.recordEnd(ground, time.wallMs());
  store.close();
  const again = new TimeStore(data, silent, 0);
  expect(again.hasEnded({ ...ground })).toBe(true);
  expect(again.hasEnded({ ...ground, ended: 'on record' })).toBe(true);
  expect(again.hasEnded({ ...ground, expires: '2026-12-02' })).toBe(false);
  expect(again.hasEnded({ ...ground, evidence: 'ticket 4712' })).toBe(false);
  again.close();
});

test('tells whole milliseconds, also where the monotonic clock has fractions: stores keep integers', () => {
  const clock = new SteppingClock(1_000_000.123);
  clock.stepMs = -0.123;
  const { time, store } = begin(clock);
  clock.advance(0.4567);
  clock.stepMs = -HOUR;
  for (const ms of [time.wallMs(), time.termMs(), time.shared.wallMs()]) expect(Number.isInteger(ms)).toBe(true);
  store.close();
});
