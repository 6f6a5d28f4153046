/** The process carries the features of `src/features.ts` without knowing one by name. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect, test } from 'vitest';
import { builtInPlugins } from '../../plugins/index.ts';
import { STANDING } from '../../plugins/standing.ts';
import type { AnyFeature } from '../../src/feature/feature.ts';
import { FEATURES } from '../../src/features.ts';
import { metricPrefix } from '../../src/metrics/registry.ts';
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
  'src/process/status-report.ts',
  'src/process/server.ts',
  'src/cli/cli.ts',
  'src/cli/commands.ts',
  'src/cli/status.ts',
  'src/config/schema.ts',
])('%s names no feature', (file) => {
  expect(named(read(file))).toEqual([]);
});

test.each(rooms)('src/%s: its feature declares the codes of its errors.ts', async (room) => {
  const file = join(root, 'src', room, 'errors.ts');
  const modules = (await import(pathToFileURL(join(root, 'src', room, 'feature.ts')).href)) as Record<
    string,
    AnyFeature
  >;
  const feature = Object.values(modules).find((each) => FEATURES.some(({ name }) => name === each.name));
  const catalogue = existsSync(file)
    ? Object.entries((await import(pathToFileURL(file).href)) as Record<string, object>).find(([name]) =>
        name.endsWith('_ERRORS'),
      )?.[1]
    : undefined;
  expect(Object.keys(feature?.errors ?? {})).toEqual(Object.keys(catalogue ?? {}));
});

/** Words of the configuration that are names of plugins as well. */
const WORDS = ['access', 'rpz'];
/** Formats of the data folders of former versions, in which rules of the desk carried the name of the plugin that kept them. */
const FORMER = ['src/rules/former-rules.ts', 'src/rules/former-stores.ts'];
/** What it reads are words of other products, some of them our plugins' names too; what it writes is a configuration. */
const CONVERTER = /^src\/convert\//;

test('the core knows no plugin by name: what it does without being told is in plugins/standing.ts', () => {
  const names = builtInPlugins.map(({ name }) => name);
  const quoted = new RegExp(`['"\`](${names.filter((name) => !WORDS.includes(name)).join('|')})['"\`]`);
  const metric = new RegExp(
    `\\b(${names
      .filter((name) => !WORDS.includes(name))
      .map(metricPrefix)
      .join('|')})_`,
  );
  const files = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' })
    .map((file) => `src/${file.replaceAll('\\', '/')}`)
    .filter(
      (file) => file.endsWith('.ts') && !file.endsWith('.test.ts') && !FORMER.includes(file) && !CONVERTER.test(file),
    );
  expect(files.length).toBeGreaterThan(400);
  const code = (file: string) => read(file).replaceAll(/\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm, '');
  const found = files.flatMap((file) =>
    code(file)
      .split('\n')
      .filter(
        (line) => quoted.test(line) || metric.test(line) || /from '.*\/plugins\/(?!index\.ts|standing\.ts)/.test(line),
      )
      .map((line) => `${file}: ${line.trim()}`),
  );
  expect(found).toEqual([]);
});

test('what stands in plugins/standing.ts are plugins that come along, with what they are there for', () => {
  const { gate, forPolicyLists, protectsOthers, byDefault } = STANDING;
  const names = builtInPlugins.map(({ name }) => name);
  for (const name of [gate, forPolicyLists, protectsOthers, ...byDefault]) expect(names).toContain(name);
  expect(builtInPlugins.find(({ name }) => name === forPolicyLists)?.listCategories).toContain('policy');
  expect(builtInPlugins.find(({ name }) => name === gate)?.stage).toBe('guard');
});
