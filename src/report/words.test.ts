/** Every row of a published report has words in both languages: whatever a built-in plugin counts, and whatever lands in the audit log. */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { actionWords, counterWords, datasetWords } from './words.ts';

const root = join(import.meta.dirname, '..', '..');
const files = (folder: string): string[] =>
  readdirSync(folder).flatMap((name) => {
    const path = join(folder, name);
    if (statSync(path).isDirectory()) return files(path);
    return path.endsWith('.ts') && !path.endsWith('.test.ts') ? [path] : [];
  });
const JAPANESE = /[\u3040-\u30ff\u4e00-\u9fff]/;

test('whatever a built-in plugin counts', () => {
  const names = readdirSync(join(root, 'plugins'))
    .filter((name) => statSync(join(root, 'plugins', name)).isDirectory())
    .flatMap((plugin) =>
      files(join(root, 'plugins', plugin)).flatMap((file) =>
        [...readFileSync(file, 'utf8').matchAll(/\bcounters?\(\s*'([a-z_]+)'/g)].map(
          ([, name]) => `sekisho_${plugin.replaceAll('-', '_')}_${name}_total`,
        ),
      ),
    );
  expect(names.length).toBeGreaterThan(20);
  expect([...new Set(names)].filter((name) => !counterWords(name))).toEqual([]);
});

test('whatever a route or the server writes into the audit log', () => {
  const actions = [...files(join(root, 'src')), ...files(join(root, 'plugins'))].flatMap((file) => {
    const text = readFileSync(file, 'utf8');
    const declared = [...text.matchAll(/\baudit: \{[^}]*actions: \[([^\]]*)\]/g)].flatMap(([, list]) =>
      [...list!.matchAll(/'([a-z0-9.-]+)'/g)].map(([, action]) => action!),
    );
    const written = [...text.matchAll(/\baction: '([a-z-]+\.[a-z.-]+)'/g)].map(([, action]) => action!);
    return [...declared, ...written];
  });
  const events = [
    'lease.start',
    'lease.interim',
    'lease.stop',
    'measure.expire',
    'sinkhole.add',
    'list.rollback.refused',
  ];
  const all = new Set([...actions, ...events]);
  expect(all.size).toBeGreaterThan(40);
  expect([...all].filter((action) => !actionWords(action))).toEqual([]);
  for (const action of all) expect(actionWords(action)?.ja).toMatch(JAPANESE);
});

test('data sets are told in both languages, also those that nobody described', () => {
  expect(datasetWords('terminals/cases').ja).toMatch(JAPANESE);
  expect(datasetWords('minute/network')).toEqual({
    ja: '問合せ統計（1分ごと）',
    en: 'query statistics, by the minute',
  });
  expect(datasetWords('something-new').ja).toMatch(JAPANESE);
});
