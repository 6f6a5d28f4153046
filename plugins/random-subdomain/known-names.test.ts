import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type Question, textToName } from '../../src/contract/plugin.ts';
import { Question as QuestionClass } from '../../src/wire/question.ts';
import {
  AGEING,
  createKnownMemory,
  createShareMemory,
  KnownNames,
  knownMemoryBytes,
  ZoneShares,
} from './known-names.ts';
import { loadKnownNames, saveKnownNames } from './known-names-file.ts';

const DAY = 86_400;
const NOW = 1_760_000_000;

function asked(text: string): Question {
  const question = new QuestionClass();
  const wire = textToName(text);
  question.name.set(wire);
  question.nameLength = wire.length;
  for (let at = 0; wire[at] !== 0; at += wire[at]! + 1) question.labelStarts[question.labelCount++] = at;
  return question;
}

let seed = 1;
const random32 = () => (seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0);
const filterOf = (bytes: number) => new KnownNames(createKnownMemory(bytes, NOW, random32));

test('what was put in is there, always', () => {
  const label = fc.stringMatching(/^[a-z0-9-]{1,20}$/);
  fc.assert(
    fc.property(fc.uniqueArray(label, { maxLength: 50 }), (labels) => {
      const known = filterOf(1 << 16);
      for (const name of labels) known.add(asked(`${name}.example`));
      return labels.every((name) => known.has(asked(`${name}.example`)));
    }),
  );
});

test('few strangers are taken for known when it is as full as it may get', () => {
  const known = filterOf(1 << 16);
  // New names may take half of what sets half of the 256 Ki bits of a generation, by 6 bits a name.
  for (let i = 0; i < 30_000; i++) known.add(asked(`known-${i}.example`));
  expect(known.taken).toBe(1);
  expect(known.rotate(NOW, 7 * DAY)).toBe(false);
  let taken = 0;
  for (let i = 0; i < 10_000; i++) if (known.has(asked(`stranger-${i}.example`))) taken++;
  expect(taken).toBeLessThan(300);
});

test('a name is known for half the time at least, and no longer than all of it', () => {
  const known = filterOf(1 << 16);
  known.add(asked('www.example'));
  expect(known.rotate(NOW + 3.4 * DAY, 7 * DAY)).toBe(false);
  expect(known.rotate(NOW + 3.5 * DAY, 7 * DAY)).toBe(true);
  expect(known.has(asked('www.example'))).toBe(true);
  // Seen again: it goes into the newer generation as well.
  known.add(asked('again.example'));
  expect(known.rotate(NOW + 7 * DAY, 7 * DAY)).toBe(true);
  expect(known.has(asked('www.example'))).toBe(false);
  expect(known.has(asked('again.example'))).toBe(true);
});

test('who fills it keeps new names out, and drives none out', () => {
  const known = filterOf(1 << 16);
  for (let i = 0; i < 1000; i++) known.add(asked(`honest-${i}.example`));
  expect(known.rotate(NOW + 3.5 * DAY, 7 * DAY)).toBe(true);
  for (let i = 0; i < 100_000; i++) known.add(asked(`filled-${i}.attack.example`));
  expect(known.rotate(NOW + 4 * DAY, 7 * DAY)).toBe(false);
  expect(known.taken).toBe(1);
  expect(known.add(asked('late.example'))).toBe(false);
  // What was known is known, and stays so when it is asked for again.
  for (let i = 0; i < 1000; i++) {
    expect(known.has(asked(`honest-${i}.example`))).toBe(true);
    expect(known.ageOf(asked(`honest-${i}.example`))).toBe(AGEING);
    expect(known.add(asked(`honest-${i}.example`))).toBe(true);
  }
  expect(known.rotate(NOW + 7 * DAY, 7 * DAY)).toBe(true);
  for (let i = 0; i < 1000; i++) expect(known.has(asked(`honest-${i}.example`))).toBe(true);
});

test('a zone is known apart from the name of the same labels', () => {
  const known = filterOf(1 << 16);
  known.addZone(asked('www.example.com'), 2);
  expect(known.hasZone(asked('other.example.com'), 2)).toBe(true);
  expect(known.hasZone(asked('www.example.com'), 3)).toBe(false);
  expect(known.has(asked('example.com'))).toBe(false);
});

test('one zone has its share of what is new, and leaves the rest to others', () => {
  const shares = new ZoneShares(createShareMemory(), 1 << 16);
  const taken = (low: number) => Array.from({ length: 5000 }, () => shares.take(low, low * 7)).filter(Boolean).length;
  expect(taken(1)).toBeLessThan(1000);
  expect(taken(2)).toBe(taken(3));
  shares.clear();
  expect(taken(1)).toBe(taken(4));
});

test('it survives a restart, hash key and all', async () => {
  const file = join(mkdtempSync(join(tmpdir(), 'known-')), 'known-names.bin');
  const memory = createKnownMemory(1 << 16, NOW, random32);
  new KnownNames(memory).add(asked('www.example'));
  await saveKnownNames(file, memory);
  // A new process draws another key; the file's is the one that its bits belong to.
  const later = createKnownMemory(1 << 16, NOW + DAY, random32);
  expect(loadKnownNames(file, later)).toBe(true);
  expect(new KnownNames(later).has(asked('www.example'))).toBe(true);
  expect(new KnownNames(later).has(asked('ftp.example'))).toBe(false);
  expect(readFileSync(file, 'latin1')).not.toContain('example');
});

test('a file of another size, of another kind, or none, is not taken', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'known-'));
  const file = join(folder, 'known-names.bin');
  const memory = createKnownMemory(1 << 16, NOW, random32);
  const before = new Uint8Array(memory).slice();
  expect(loadKnownNames(file, memory)).toBe(false);
  await saveKnownNames(file, createKnownMemory(1 << 17, NOW, random32));
  expect(loadKnownNames(file, memory)).toBe(false);
  writeFileSync(file, Buffer.alloc(4 + memory.byteLength));
  expect(loadKnownNames(file, memory)).toBe(false);
  expect(new Uint8Array(memory)).toEqual(before);
});

test('memory is what was asked for, as powers of two', () => {
  expect(knownMemoryBytes(1 << 20)).toBe((1 << 20) + 64);
  expect(knownMemoryBytes(1_500_000)).toBe((1 << 20) + 64);
});
