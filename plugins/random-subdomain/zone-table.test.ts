import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { nameToText, textToName } from '../../src/contract/plugin.ts';
import {
  createZoneMemory,
  FADE_MS,
  KNOWN,
  OVER_LIMIT,
  PASS,
  SPARED,
  TOO_MUCH_OUTSTANDING,
  UNKNOWN,
  ZoneTable,
} from './zone-table.ts';

const LIMITS = { limit: 20, outstanding: 40, least: 20, slowMs: 1000 };
const T0 = 1_000_000;

function rig(zones = 64, memory = createZoneMemory(zones)) {
  const table = new ZoneTable(memory, LIMITS, [1, 2]);
  const add = (text: string, nowMs = T0) => table.add(textToName(text), text.split('.').length, nowMs);
  /** One question, asked and answered at once. */
  const ask = (zone: number, nowMs: number, failed: boolean, worth = UNKNOWN, elapsedMs = 5): number => {
    const said = table.ask(zone, worth, nowMs);
    if (said !== PASS) return said;
    table.release(zone);
    table.judge(zone, failed, elapsedMs, nowMs);
    return said;
  };
  return { table, add, ask, memory };
}

test('a zone is found by its name, and by nothing else', () => {
  const { table, add } = rig();
  const zone = add('example.com');
  const name = textToName('www.example.com');
  expect(table.find(name, 4, name.length)).toBe(zone);
  expect(table.find(name, 0, name.length)).toBe(-1);
  expect(table.find(name, 12, name.length)).toBe(-1);
  expect(add('example.com')).toBe(zone);
});

describe('a zone that is well', () => {
  test('is not limited, however much is asked', () => {
    const { add, ask } = rig();
    const zone = add('example.com');
    for (let i = 0; i < 10_000; i++) expect(ask(zone, T0 + i / 10, false)).toBe(PASS);
  });

  test('is not in trouble for a few failures, nor for a third', () => {
    const { table, add, ask } = rig();
    const few = add('few.example');
    for (let i = 0; i < LIMITS.least - 1; i++) ask(few, T0, true);
    expect(table.isInTrouble(few)).toBe(false);
    const third = add('third.example');
    for (let i = 0; i < 3000; i++) ask(third, T0 + i, i % 3 === 2);
    expect(table.isInTrouble(third)).toBe(false);
    expect(table.inTrouble).toBe(0);
  });
});

describe('a zone in trouble', () => {
  const troubled = () => {
    const one = rig();
    const zone = one.add('victim.example');
    for (let i = 0; i < 20; i++) one.ask(zone, T0, true);
    expect(one.table.isInTrouble(zone)).toBe(true);
    expect(one.table.inTrouble).toBe(1);
    return { ...one, zone };
  };

  test('because its answers are slow', () => {
    const { table, add, ask } = rig();
    const zone = add('slow.example');
    for (let i = 0; i < 20; i++) ask(zone, T0, false, UNKNOWN, 1000);
    expect(table.isInTrouble(zone)).toBe(true);
  });

  /** Ask everything that can be asked, once a millisecond for 20 s; `most` in any one second. */
  const flooded = (step: (now: number) => boolean[]) => {
    const sent: number[] = [];
    let most = 0;
    for (let i = 0; i < 20_000; i++) {
      sent.push(...step(T0 + 1000 + i).flatMap((passed) => (passed ? [i] : [])));
      most = Math.max(most, sent.filter((at) => at > i - 1000).length);
    }
    return { sent: sent.length, most };
  };

  test('gets no more than its limit in any second, and most of it', () => {
    const { ask, zone } = troubled();
    const { sent, most } = flooded((now) => [ask(zone, now, true) === PASS]);
    expect(most).toBeLessThanOrEqual(20);
    expect(sent).toBeGreaterThanOrEqual(20 * 15 - 5);
  });

  test('the limit holds for all that is sent, whatever it is', () => {
    const { table, ask, zone } = troubled();
    const { most } = flooded((now) => [
      ask(zone, now, true) === PASS,
      ask(zone, now, true, KNOWN) === PASS,
      table.spend(zone, SPARED, now),
    ]);
    expect(most).toBeLessThanOrEqual(20);
  });

  test('what others leave is for known names, most of it for those of them that somebody waits for', () => {
    const { table, ask, zone } = troubled();
    const now = T0 + 2000;
    const passed = (asked: () => boolean) => Array.from({ length: 20 }, asked).filter(Boolean).length;
    // Five have gathered.
    expect(passed(() => ask(zone, now, true) === PASS)).toBe(3);
    expect(passed(() => table.spend(zone, SPARED, now))).toBe(1);
    expect(passed(() => ask(zone, now, true, KNOWN) === PASS)).toBe(1);
  });

  test('leaves its neighbours alone', () => {
    const { add, ask } = troubled();
    const other = add('other.example');
    for (let i = 0; i < 1000; i++) expect(ask(other, T0 + 1000, false)).toBe(PASS);
  });

  test('is well again when what passes is answered, and stays in trouble while it is not', () => {
    const { table, ask, zone } = troubled();
    let now = T0;
    for (; now < T0 + 10 * FADE_MS; now += 50) ask(zone, now, true);
    expect(table.isInTrouble(zone)).toBe(true);
    const back = now;
    for (; table.isInTrouble(zone) && now < back + 10 * FADE_MS; now += 50) ask(zone, now, false);
    expect(table.isInTrouble(zone)).toBe(false);
    expect(now - back).toBeLessThan(3 * FADE_MS);
    expect(table.inTrouble).toBe(0);
  });

  test('is shown', () => {
    const { table } = troubled();
    expect(table.troubled().map(({ name, failedShare }) => [nameToText(name), failedShare])).toEqual([
      ['victim.example', 1],
    ]);
  });
});

describe('what is outstanding', () => {
  test('has a cap, which names known to exist may exceed once', () => {
    const { table, add } = rig();
    const zone = add('silent.example');
    for (let i = 0; i < 40; i++) expect(table.ask(zone, UNKNOWN, T0)).toBe(PASS);
    expect(table.ask(zone, UNKNOWN, T0)).toBe(TOO_MUCH_OUTSTANDING);
    expect(table.isInTrouble(zone)).toBe(true);
    for (let i = 0; i < 40; i++) expect(table.ask(zone, KNOWN, T0 + 1000 + 100 * i)).toBe(PASS);
    expect(table.ask(zone, KNOWN, T0 + 5000)).toBe(TOO_MUCH_OUTSTANDING);
  });

  test('a successor of a worker begins with nothing outstanding, and what is in trouble stays so', () => {
    const memory = createZoneMemory(64);
    const { table, add } = rig(64, memory);
    const zone = add('silent.example');
    for (let i = 0; i < 41; i++) table.ask(zone, UNKNOWN, T0);
    const successor = new ZoneTable(memory, LIMITS, [1, 2]);
    successor.forgetOutstanding();
    expect(successor.inTrouble).toBe(1);
    expect(successor.troubled()).toMatchObject([{ outstanding: 0 }]);
  });

  test('never goes below nothing, nor above twice the cap, whatever order things happen in', () => {
    const step = fc.tuple(fc.constantFrom('ask', 'known', 'release', 'withdraw'), fc.nat(3));
    fc.assert(
      fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
        const { table, add } = rig();
        const zones = ['a.example', 'b.example', 'c.example', 'd.example'].map((name) => add(name));
        const outstanding = [0, 0, 0, 0];
        return steps.every(([what, i], at) => {
          const zone = zones[i]!;
          if (what === 'release') table.release(zone);
          else if (what === 'withdraw') table.withdraw(zone);
          if (what === 'release' || what === 'withdraw') {
            outstanding[i] = Math.max(0, outstanding[i]! - 1);
            return true;
          }
          const known = what === 'known';
          const said = table.ask(zone, known ? KNOWN : UNKNOWN, T0 + at);
          if (said === PASS) outstanding[i]! += 1;
          const tooMuch = outstanding[i]! >= (known ? 80 : 40);
          return said === PASS ? outstanding[i]! <= 80 : said === OVER_LIMIT || tooMuch;
        });
      }),
    );
  });
});

test('a full table forgets what was asked longest ago, what is in trouble last', () => {
  const { table, add, ask, memory } = rig(64);
  const victim = add('victim.example');
  for (let i = 0; i < 20; i++) ask(victim, T0, true);
  for (let i = 0; i < 10_000; i++) add(`n${i}.example`, T0 + 1 + i);
  expect(memory.words.byteLength).toBe(64 * 5 * 4);
  const name = textToName('victim.example');
  expect(table.find(name, 0, name.length)).toBe(victim);
  expect(table.isInTrouble(victim)).toBe(true);
  const first = textToName('n0.example');
  expect(table.find(first, 0, first.length)).toBe(-1);
  const last = textToName('n9999.example');
  expect(table.find(last, 0, last.length)).toBeGreaterThanOrEqual(0);
});

test('a zone that answers everything cannot make all the world known', () => {
  const { table, add } = rig();
  const zone = add('wildcard.example');
  let learnt = 0;
  for (let i = 0; i < 20_000; i++) if (table.mayLearn(zone, T0 + i / 20)) learnt++;
  expect(learnt).toBeGreaterThanOrEqual(1000);
  expect(learnt).toBeLessThan(1300);
});
