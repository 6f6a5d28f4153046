import { mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { codeIn, newCode } from './case.ts';
import type { CaseStore, Sighting } from './case-store.ts';
import { openSqliteCases } from './sqlite-case-store.ts';

const DAY = 86_400_000;
const NOW = 1_000 * DAY;
const fileOf = () => join(mkdtempSync(join(tmpdir(), 'cases-')), 'cases.db');

async function openCases(file = fileOf()) {
  const { store } = await openSqliteCases(file, NOW);
  let codes = 0;
  const add = (sightings: readonly Sighting[], more: { nowMs?: number; rehearse?: boolean } = {}) =>
    store.add(sightings, { nowMs: NOW, newCode: () => `CODE-${++codes}`, ...more });
  return { store, add };
}

const seen = (subscriber: string, kind: string, observedMs: number, source = 'shadowserver'): Sighting => ({
  subscriber,
  kind,
  source,
  observedMs,
  count: 1,
});
const codesOf = async (store: CaseStore) => (await store.list({ closed: true }, 100)).map(({ code }) => code).sort();

test('several reports of one subscriber and one infection are one case', async () => {
  const { store, add } = await openCases();
  const results = await add([
    seen('4711', 'mirai', NOW - 3000),
    seen('4711', 'mirai', NOW - 5000, 'nict'),
    seen('4711', 'emotet', NOW - 1000),
    seen('4712', 'mirai', NOW - 2000),
  ]);
  expect(results).toEqual(['opened', 'added', 'opened', 'opened']);
  const found = await store.find('CODE-1');
  expect(found).toMatchObject({
    subscriber: '4711',
    sources: ['shadowserver', 'nict'],
    firstMs: NOW - 5000,
    lastMs: NOW - 3000,
    reports: 2,
    state: 'new',
  });
  await store.close();
});

test('what was seen before a case was over belongs to it, and what is seen after opens another', async () => {
  const { store, add } = await openCases();
  await add([seen('4711', 'mirai', NOW - DAY)]);
  await store.mark('CODE-1', 'fixed', NOW);
  expect(await add([seen('4711', 'mirai', NOW - 1)])).toEqual(['over']);
  expect(await add([seen('4711', 'mirai', NOW + DAY)])).toEqual(['opened']);
  expect(await codesOf(store)).toEqual(['CODE-1', 'CODE-2']);
  await store.close();
});

test('a rehearsal says what would come, and keeps nothing', async () => {
  const { store, add } = await openCases();
  const twice = [{ ...seen('4711', 'mirai', NOW), seen: 'aa' }, seen('4711', 'mirai', NOW)];
  expect(await add(twice, { rehearse: true })).toEqual(['opened', 'added']);
  expect(await codesOf(store)).toEqual([]);
  expect(await store.seenBefore(['aa'])).toEqual(new Set());
  expect(await add(twice)).toEqual(['opened', 'added']);
  expect(await store.seenBefore(['aa', 'bb'])).toEqual(new Set(['aa']));
  await store.close();
});

test('notices are due once, and reminders after their time, until the case is over', async () => {
  const { store, add } = await openCases();
  await add([seen('4711', 'mirai', NOW), seen('4712', 'mirai', NOW), seen('4713', 'mirai', NOW)]);
  const due = async (ms: number) => (await store.due(ms - 7 * DAY, 2, 100)).map(({ subscriber }) => subscriber);
  expect(await due(NOW)).toEqual(['4711', '4712', '4713']);
  await store.noticed(['CODE-1', 'CODE-2'], NOW);
  expect(await due(NOW)).toEqual(['4713']);
  await store.mark('CODE-1', 'seen', 0);
  await store.mark('CODE-3', 'wrong', NOW);
  expect(await due(NOW + 8 * DAY)).toEqual(['4711', '4712']);
  await store.noticed(['CODE-1', 'CODE-2'], NOW + 8 * DAY);
  expect((await store.find('CODE-1'))?.state).toBe('seen');
  // One notice and one reminder.
  expect(await due(NOW + 30 * DAY)).toEqual([]);
  await store.close();
});

test('a case without a further report ends, and is deleted with every byte when its time is over', async () => {
  const file = fileOf();
  const { store, add } = await openCases(file);
  await add(Array.from({ length: 200 }, (_, i) => seen(`S-QUIET-${i}`, 'mirai', NOW - 2 * DAY)));
  await add([seen('S-LOUD', 'mirai', NOW + 29 * DAY)]);
  expect(await store.end(NOW - 1, NOW)).toBe(0);
  expect(await store.end(NOW + 1, NOW + 31 * DAY)).toBe(200);
  expect(await store.deleteClosedBefore(NOW + 30 * DAY)).toBe(0);
  expect(await store.deleteClosedBefore(NOW + 32 * DAY)).toBe(200);
  await store.close();
  const bytes = readFileSync(file, 'latin1');
  expect(bytes).not.toContain('S-QUIET');
  expect(bytes).toContain('S-LOUD');
});

test('codes are read as people type them, and cannot be guessed', () => {
  expect(codeIn('7k3m xq2p 9rtb')).toBe('7K3M-XQ2P-9RTB');
  expect(codeIn('７Ｋ３Ｍ－ＸＱ２Ｐ－９ＲＴＢ')).toBe('7K3M-XQ2P-9RTB');
  expect(codeIn(' 7K3M‐XQ2P—9RTB\n')).toBe('7K3M-XQ2P-9RTB');
  for (const wrong of ['', '7K3M-XQ2P', '7K3M-XQ2P-9RT0', '7K3M-XQ2P-9RTB-9', "' OR 1=1 --"])
    expect(codeIn(wrong)).toBeUndefined();
  const codes = new Set(Array.from({ length: 2000 }, () => newCode()));
  expect(codes.size).toBe(2000);
  for (const code of codes) expect(codeIn(code)).toBe(code);
});
