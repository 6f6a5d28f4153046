import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { addressText, addressWords } from '../../src/address/address.ts';
import { BudgetTable, createBudgetMemory, ENTRY_BYTES, type Level, tableTime } from './budget-table.ts';

const LEVELS: readonly Level[] = [
  { family: 4, bits: 32, budget: 1000 },
  { family: 4, bits: 24, budget: 4000 },
  { family: 6, bits: 64, budget: 1000 },
  { family: 6, bits: 20, budget: 4000 },
];
const PACE = { burstMs: 1000, windowMs: 5000 };
const tableOf = (bytes = 1 << 20) => new BudgetTable(createBudgetMemory(bytes), LEVELS, PACE, [1, 2]);
/** Instants are multiples of the table's 16 ms. */
const T0 = 160_000;

test('a network is over its budget above the burst, and again within when that has drained', () => {
  const table = tableOf();
  const words = addressWords('192.0.2.1');
  expect(table.charge(0, words, 1000, tableTime(T0))).toBe(false);
  expect(table.charge(0, words, 1, tableTime(T0))).toBe(true);
  expect(table.charge(0, words, 0, tableTime(T0 + 16))).toBe(false);
  expect(table.owed(0, words, tableTime(T0 + 512))).toBe(985 - 496);
  expect(table.owed(0, words, tableTime(T0 + 1600))).toBe(0);
});

test('a flood keeps it over; after the flood it is within again when the window has passed, not before and not much later', () => {
  const table = tableOf();
  const words = addressWords('192.0.2.1');
  for (let t = 0; t < 10_000; t += 16) table.charge(0, words, 500, tableTime(T0 + t));
  expect(table.charge(0, words, 0, tableTime(T0 + 10_000 + 4800))).toBe(true);
  expect(table.charge(0, words, 0, tableTime(T0 + 10_000 + 5200))).toBe(false);
});

describe('what is one network', () => {
  test.each([
    [1, '192.0.2.1', '192.0.2.255', true],
    [1, '192.0.2.1', '192.0.3.1', false],
    [0, '192.0.2.1', '192.0.2.2', false],
    [2, '2001:db8:0:1::1', '2001:db8:0:1:ffff::', true],
    [2, '2001:db8:0:1::1', '2001:db8:0:2::1', false],
    [3, '2001:db8::', '2001:dff:ffff::', true],
    [3, '2001:db8::', '2001:1000::', false],
  ])('level %i: %s and %s: %s', (level, one, other, same) => {
    const table = tableOf();
    table.charge(level, addressWords(one), 700, tableTime(T0));
    expect(table.owed(level, addressWords(other), tableTime(T0))).toBe(same ? 700 : 0);
  });
});

describe('what ordinary answers earn', () => {
  const words = addressWords('192.0.2.1');

  test('is there to amplify with, up to four bursts, and forgotten like a debt', () => {
    const table = tableOf();
    for (let i = 0; i < 100; i++) table.earn(0, words, 500, tableTime(T0));
    expect(table.charge(0, words, 5000, tableTime(T0))).toBe(false);
    expect(table.charge(0, words, 1, tableTime(T0))).toBe(true);
    const idle = tableOf();
    idle.earn(0, words, 4000, tableTime(T0));
    expect(idle.charge(0, words, 1001, tableTime(T0 + 4000))).toBe(true);
  });

  test('does not count as bytes beyond what came in; the burst does, until it is paid or the window has passed', () => {
    const table = tableOf();
    table.earn(0, words, 400, tableTime(T0));
    table.charge(0, words, 400, tableTime(T0));
    expect(table.unpaid(0, words, tableTime(T0))).toBe(0);
    table.charge(0, words, 300, tableTime(T0));
    expect(table.unpaid(0, words, tableTime(T0))).toBe(300);
    // Over the budget nothing of it is sent.
    table.charge(0, words, 5000, tableTime(T0));
    expect(table.unpaid(0, words, tableTime(T0))).toBe(300);
    table.pay(0, words, 100);
    expect(table.unpaid(0, words, tableTime(T0))).toBe(200);
    expect(table.unpaid(0, words, tableTime(T0 + 2000))).toBe(0);
  });
});

test('levels do not mix, and reading changes nothing', () => {
  const table = tableOf();
  const words = addressWords('192.0.2.0');
  table.charge(0, words, 300, tableTime(T0));
  expect([0, 1].map((level) => table.owed(level, words, tableTime(T0)))).toEqual([300, 0]);
  expect([0, 1].map((level) => table.owed(level, words, tableTime(T0)))).toEqual([300, 0]);
});

test('as exact accounts as long as there is room, whatever is charged to whom and when', () => {
  const charge = fc.record({ host: fc.nat(5), price: fc.nat(2000), waitMs: fc.nat(60).map((n) => n * 16) });
  fc.assert(
    fc.property(fc.array(charge, { maxLength: 60 }), (charges) => {
      const table = tableOf();
      const model = new Map<number, { owed: number; at: number }>();
      let now = T0;
      return charges.every(({ host, price, waitMs }) => {
        now += waitMs;
        const { owed, at } = model.get(host) ?? { owed: 0, at: now };
        const expected = Math.min(6000, Math.max(0, owed - (now - at)) + price);
        model.set(host, { owed: expected, at: now });
        return table.charge(0, addressWords(`192.0.2.${host}`), price, tableTime(now)) === expected > 1000;
      });
    }),
  );
});

test('a million forged networks in a table for 4096: memory stays, and the heavy ones stay limited', () => {
  const memory = createBudgetMemory(4096 * ENTRY_BYTES);
  expect(memory.byteLength).toBe(4096 * ENTRY_BYTES);
  const table = new BudgetTable(memory, LEVELS, PACE, [1, 2]);
  const heavy = Array.from({ length: 20 }, (_, i) => addressWords(`203.0.${i}.7`));
  const forged = new Int32Array([0, 0, 0xffff, 0]);
  let seed = 1;
  let limited = 0;
  let asked = 0;
  for (let i = 0; i < 1_000_000; i++) {
    const now = T0 + Math.floor(i / 100);
    seed = (Math.imul(seed, 1664525) + 1013904223) | 0;
    forged[3] = seed;
    table.charge(1, forged, 100, tableTime(now));
    // Each heavy network at ten times its budget.
    if (i % 10 !== 0) continue;
    const over = table.charge(1, heavy[(i / 10) % heavy.length]!, 800, tableTime(now));
    if (now < T0 + 2000) continue;
    asked++;
    if (over) limited++;
  }
  expect(asked).toBeGreaterThan(50_000);
  expect(limited / asked).toBeGreaterThan(0.99);
  expect(table.displaced).toBeGreaterThan(100_000);
  const shown = table.heaviest(20, tableTime(T0 + 10_000)).map(({ words }) => addressText(words));
  expect(shown.sort()).toEqual(heavy.map((_, i) => `203.0.${i}.0`).sort());
});

test('the heaviest come first, with the network they are', () => {
  const table = tableOf();
  table.charge(1, addressWords('192.0.2.9'), 500, tableTime(T0));
  table.charge(2, addressWords('2001:db8:0:1::9'), 1500, tableTime(T0));
  table.charge(0, addressWords('192.0.2.9'), 100, tableTime(T0));
  const shown = table
    .heaviest(2, tableTime(T0))
    .map(({ level, words, owed, over }) => [level, addressText(words), owed, over]);
  expect(shown).toEqual([
    [2, '2001:db8:0:1::', 1500, true],
    [1, '192.0.2.0', 500, false],
  ]);
  expect(table.heaviest(5, tableTime(T0 + 60_000))).toEqual([]);
});

test('where an entry lies depends on the key: nobody outside can aim at one set', () => {
  const memory = [createBudgetMemory(1 << 16), createBudgetMemory(1 << 16)] as const;
  const words = addressWords('192.0.2.1');
  new BudgetTable(memory[0], LEVELS, PACE, [1, 2]).charge(0, words, 5, tableTime(T0));
  new BudgetTable(memory[1], LEVELS, PACE, [3, 4]).charge(0, words, 5, tableTime(T0));
  expect(new Int32Array(memory[0])).not.toEqual(new Int32Array(memory[1]));
});

test('two workers on one table charge the same account', () => {
  const memory = createBudgetMemory(1 << 16);
  const [one, other] = [0, 1].map(() => new BudgetTable(memory, LEVELS, PACE, [1, 2]));
  const words = addressWords('192.0.2.1');
  one!.charge(0, words, 600, tableTime(T0));
  // The other one's round began a little earlier.
  expect(other!.charge(0, words, 600, tableTime(T0 - 32))).toBe(true);
});
