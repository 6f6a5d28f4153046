/** docs/secrecy.md and its Japanese twin name every test of test/secrecy/, and no test that does not exist. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { repositoryRoot } from '../support/root.ts';

const docs = join(repositoryRoot(), 'docs');
const named = (page: string): string[] => {
  const links = readFileSync(join(docs, page), 'utf8').matchAll(/\]\(([^)]+\.test\.ts)\)/g);
  return [...new Set([...links].map(([, path = '']) => path))].sort();
};

describe.each(['secrecy.md', 'secrecy.ja.md'])('docs/%s', (page) => {
  test('names every file of test/secrecy', () => {
    const files = readdirSync(join(repositoryRoot(), 'test', 'secrecy')).filter((file) => file.endsWith('.test.ts'));
    expect(files.length).toBeGreaterThan(0);
    expect(named(page)).toEqual(expect.arrayContaining(files.map((file) => `../test/secrecy/${file}`)));
  });

  const missing = (): string[] => named(page).filter((path) => !existsSync(join(docs, path)));

  test('names tests that exist, outside test/secrecy/', () => {
    expect(missing().filter((path) => !path.startsWith('../test/secrecy/'))).toEqual([]);
  });

  test('names tests that exist', () => {
    expect(missing()).toEqual([]);
  });
});

test('both pages name the same tests, row by row', () => {
  const rows = (page: string): string[] =>
    [...readFileSync(join(docs, page), 'utf8').matchAll(/\]\(([^)]+\.test\.ts)\)/g)].map(([, path = '']) => path);
  expect(rows('secrecy.ja.md')).toEqual(rows('secrecy.md'));
});
