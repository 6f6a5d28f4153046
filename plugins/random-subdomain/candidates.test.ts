import { expect, test } from 'vitest';
import { Candidates, createCandidateMemory } from './candidates.ts';

const NOW = 5000;
const candidates = (networks: number, overSeconds: number) =>
  new Candidates(createCandidateMemory(), { networks, overSeconds });

test('a name is asked for by several networks, over some time', () => {
  const table = candidates(2, 2);
  expect(table.note(1, 2, 77, NOW)).toBe(false);
  // Often by one network, or by several at once, is not enough.
  for (let i = 0; i < 100; i++) expect(table.note(1, 2, 77, NOW + i)).toBe(false);
  expect(table.note(3, 4, 77, NOW)).toBe(false);
  expect(table.note(3, 4, 78, NOW + 1)).toBe(false);
  expect(table.note(3, 4, 77, NOW + 2)).toBe(true);
});

test('three networks where three are wanted, or one more while many names come', () => {
  const table = candidates(3, 0);
  expect([7, 8, 7, 8, 9].map((network) => table.note(1, 2, network, NOW))).toEqual([false, false, false, false, true]);
  const two = candidates(2, 0);
  expect([7, 8, 9].map((network) => two.note(1, 2, network, NOW, 1))).toEqual([false, false, true]);
});

test('one network is enough where the operator says that there is one', () => {
  expect(candidates(1, 0).note(1, 2, 7, NOW)).toBe(true);
  const table = candidates(1, 2);
  expect(table.note(1, 2, 7, NOW)).toBe(false);
  expect(table.note(1, 2, 7, NOW + 2)).toBe(true);
});

test('a candidate keeps its place for some seconds, however many come, and no longer', () => {
  const table = candidates(2, 0);
  table.note(1, 2, 7, NOW);
  for (let i = 3; i < 1000; i++) table.note(1, i, 7, NOW + 2);
  expect(table.note(1, 2, 8, NOW + 2)).toBe(true);
  table.note(1, 5, 7, NOW + 3);
  expect(table.note(1, 2, 8, NOW + 3)).toBe(false);
});

test('what has become known is none any more', () => {
  const table = candidates(2, 0);
  table.note(1, 2, 7, NOW);
  table.remove(1, 3);
  expect(table.note(1, 2, 8, NOW)).toBe(true);
  table.remove(1, 2);
  expect(table.note(1, 2, 9, NOW)).toBe(false);
});
