/** The process carries the features of `src/features.ts` without knowing one by name. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { FEATURES } from '../../src/features.ts';
import { repositoryRoot } from '../support/root.ts';

const root = repositoryRoot();
const read = (file: string) => readFileSync(join(root, file), 'utf8');
/** Rooms of the list: those that src/features.ts imports a feature from. */
const rooms = [...read('src/features.ts').matchAll(/from '\.\/([a-z-]+)\/feature\.ts'/g)]
  .map(([, room]) => room!)
  .filter((room) => room !== 'feature');

/** Lines of `text` that name one of the rooms, or one of their features, by hand. */
function named(text: string): string[] {
  const imports = new RegExp(`from '\\.\\./(${rooms.join('|')})/`);
  const word = new RegExp(`\\b(${FEATURES.map(({ name }) => name.replaceAll('-', '_').toUpperCase()).join('|')})\\b`);
  return text.split('\n').filter((line) => imports.test(line) || word.test(line));
}

test('every feature has a name and a room of its own', () => {
  expect(rooms.length).toBe(FEATURES.length);
  expect(new Set(FEATURES.map(({ name }) => name)).size).toBe(FEATURES.length);
  expect(FEATURES.map(({ name }) => name).filter((name) => !/^[a-z]+(-[a-z]+)*$/.test(name))).toEqual([]);
});

test('a line that names a feature is found', () => {
  expect(
    named(
      "import type { ListDesk } from '../lists/desk.ts';\nconst desk = features.desk(LISTS);\nfor (const each of features)",
    ),
  ).toHaveLength(2);
});

test.each([
  'src/process/generation.ts',
  'src/process/worker.ts',
  'src/process/workers.ts',
  'src/admin/app.ts',
  'src/admin/deps.ts',
])('%s names no feature', (file) => {
  expect(named(read(file))).toEqual([]);
});
