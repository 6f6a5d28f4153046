/** What only tests use lies in test/support, and nothing of it, nor of the benches, is in the package. */
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { repositoryRoot } from '../support/root.ts';

const root = repositoryRoot();
const files = ['src', 'plugins'].flatMap((folder) =>
  readdirSync(join(root, folder), { recursive: true, encoding: 'utf8', withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(root.length + 1)),
);
const production = files.filter((file) => !file.endsWith('.test.ts'));

test('beside the code lie its tests alone', () => {
  expect(files.length).toBeGreaterThan(300);
  const scaffolding = /(?:for-tests?|-suite|fixture|mock|fake|stand-in|-test-)[^/]*$|\.mjs$/;
  expect(production.filter((file) => scaffolding.test(file))).toEqual([]);
});

test('nothing that is shipped imports a tool of the tests', () => {
  const tools = /from '(?:vitest|fast-check|playwright-core|[./]*test\/support[^']*|[^']*\.test\.ts)'/;
  expect(
    production.filter((file) => file.endsWith('.ts') && tools.test(readFileSync(join(root, file), 'utf8'))),
  ).toEqual([]);
});

test('the package holds the program, its plugins, lists, pages and what monitoring needs', () => {
  const { stdout } = spawnSync('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], {
    cwd: root,
    encoding: 'utf8',
  });
  const [{ files: packed }] = JSON.parse(stdout) as [{ files: { path: string }[] }];
  const paths = packed.map(({ path }) => path);
  expect(paths).toEqual(expect.arrayContaining(['dist/src/main.js', 'dist/program/loader.cjs']));
  expect(paths.filter((path) => /(?:^|\/)(?:test|bench)\/|\.test\.|vitest/.test(path))).toEqual([]);
  const places =
    /^(?:dist\/(?:program|src|plugins|console)\/|lists\/|pages\/|monitoring\/|(?:package\.json|LICENSE|README(?:\.\w+)?\.md)$)/;
  expect(paths.filter((path) => !places.test(path))).toEqual([]);
});
