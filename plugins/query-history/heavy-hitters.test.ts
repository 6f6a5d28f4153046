import fc from 'fast-check';
import { expect, test } from 'vitest';
import { mergeTables } from './collector.ts';
import { HeavyHitters } from './heavy-hitters.ts';
import { planTable, type Shape } from './layout.ts';

const SMALL: Shape = { slots: 64, width: 1024, keyBytes: 16, distinct: true };
const open = (shape = SMALL) => new HeavyHitters(new Int32Array(planTable(shape, 0).end), shape, 0);

/** A stand-in for the keyed hash. */
function mix(key: number, salt: number): number {
  let h = Math.imul(key ^ salt, 0x9e3779b1);
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  return h ^ (h >>> 13);
}
const add = (table: HeavyHitters, key: number, weight = 1) => table.add(mix(key, 1), mix(key, 2), weight);
const estimate = (table: HeavyHitters, key: number) => table.estimate(mix(key, 1), mix(key, 2));

test('no count is ever too low, whatever came in which order', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(400), fc.integer({ min: 1, max: 8 })), { maxLength: 2000 }), (stream) => {
      const table = open();
      const truth = new Map<number, number>();
      for (const [key, weight] of stream) {
        add(table, key, weight);
        truth.set(key, (truth.get(key) ?? 0) + weight);
      }
      for (const [key, count] of truth) expect(estimate(table, key)).toBeGreaterThanOrEqual(count);
    }),
  );
});

test('what has more than 1/slots of the stream is listed, with its count', () => {
  const table = open();
  const truth = new Map<number, number>();
  // A heavy head, and a tail of names that come once.
  for (let i = 0; i < 40_000; i++) {
    const key = i % 4 === 0 ? i % 10 : 1000 + i;
    add(table, key);
    truth.set(key, (truth.get(key) ?? 0) + 1);
  }
  const listed = Array.from({ length: SMALL.slots }, (_, slot) => [table.low(slot), table.count(slot)] as const);
  for (const [key, count] of truth) {
    if (count < 400) continue;
    const found = listed.find(([low]) => low === mix(key, 1));
    expect(found, String(key)).toBeDefined();
    expect(found![1] - count).toBeLessThanOrEqual(400);
  }
});

test('tables of several workers merge: a key that is listed by one and only sketched by another has both counts', () => {
  const [one, other] = [open(), open()];
  for (let i = 0; i < 50; i++) add(one, 7);
  // In `other`, eight heavier keys of the same bucket keep it out of the table.
  const bucket = mix(7, 2) & 7;
  const rivals = Array.from({ length: 4000 }, (_, i) => i + 100).filter((key) => (mix(key, 2) & 7) === bucket);
  for (const key of rivals.slice(0, 8)) for (let i = 0; i < 100; i++) add(other, key);
  for (let i = 0; i < 20; i++) expect(add(other, 7)).toBe(-1);
  const { entries } = mergeTables([one, other], (table, slot) => `${table.low(slot)}`);
  expect(entries.get(String(mix(7, 1)))?.count).toBe(70);
});

test('distinct names below a key are estimated by linear counting', () => {
  const table = open();
  const slot = add(table, 1);
  for (let i = 0; i < 200; i++) table.markDistinct(slot, mix(i, 9));
  expect(table.distinct(slot)).toBeGreaterThan(170);
  expect(table.distinct(slot)).toBeLessThan(230);
  for (let i = 0; i < 50; i++) table.markDistinct(slot, mix(3, 9));
  expect(table.distinct(slot)).toBeLessThan(230);
});

test('a key that takes a slot over finds no attributes of its predecessor', () => {
  const table = open({ ...SMALL, slots: 8 });
  for (let key = 0; key < 8; key++) {
    const slot = add(table, key);
    table.attributes[slot * 17 + 3] = 99;
    table.markDistinct(slot, key);
  }
  let taken = -1;
  for (let i = 0; i < 3; i++) taken = add(table, 1000);
  expect(taken).toBeGreaterThanOrEqual(0);
  expect(table.attributes[taken * 17 + 3]).toBe(0);
  expect(table.distinct(taken)).toBe(0);
});
