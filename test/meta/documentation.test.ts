/**
 * The documentation cannot drift from the code: tables of options are compared with the schemas they describe, and the
 * example of every plugin boots a server. `SEKISHO_WRITE_TABLES=1 npx vitest run test/meta` writes the tables again.
 */
import { accessSync, constants, existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { builtInPlugins } from '../../plugins/index.ts';
import { allCommands } from '../../src/cli/commands.ts';
import { sectionsOf, wholeSchema } from '../../src/config/schema.ts';
import { FEATURES } from '../../src/features.ts';
import { pluginTable } from '../../src/settings/plugin-table.ts';
import { EMERGENCY_END, NEXT_REVIEW } from '../support/dates.ts';
import { freePort } from '../support/free-port.ts';
import { repositoryRoot } from '../support/root.ts';
import { type SekishoConfig, sekishoMain, startSekisho } from '../support/sekisho.ts';

const root = repositoryRoot();
const BEGIN = '<!-- options:begin -->\n';
const END = '<!-- options:end -->';

function tableIn(file: string, expected: string): string {
  const text = readFileSync(file, 'utf8');
  const from = text.indexOf(BEGIN);
  const to = text.indexOf(END);
  if (from < 0 || to < 0) throw new Error(`${file} has no place for the table of options`);
  if (process.env['SEKISHO_WRITE_TABLES']) writeFileSync(file, text.slice(0, from) + BEGIN + expected + text.slice(to));
  return readFileSync(file, 'utf8').slice(from + BEGIN.length, readFileSync(file, 'utf8').indexOf(END));
}

test('docs/configuration.md lists every key as the parser knows it', async () => {
  const expected = pluginTable(wholeSchema(await sectionsOf(FEATURES)));
  expect(tableIn(join(root, 'docs', 'configuration.md'), expected)).toBe(expected);
});

test('docs/operations.md says of every command, verb by verb, who may use it and what it leaves in the audit log', async () => {
  const table = readFileSync(join(root, 'docs', 'operations.md'), 'utf8')
    .split('\n')
    .filter((line) => line.startsWith('| `'));
  const named = table.flatMap((line) =>
    [...(line.split('|')[1] ?? '').matchAll(/`([a-z][a-z0-9 -]*)`/g)].map(([, words]) => words),
  );
  const called = (await allCommands()).flatMap(({ name, verbs }) =>
    Object.keys(verbs).map((verb) => `${name} ${verb}`.trim()),
  );
  expect(called.filter((verb) => !named.includes(verb))).toEqual([]);
});

test('what `npx sekisho` runs may be run, also after it was built again', () => {
  accessSync(sekishoMain(), constants.X_OK);
});

test('every folder of plugins/ is in the list of built-in plugins, and the other way round', () => {
  const folders = readdirSync(join(root, 'plugins'), { withFileTypes: true }).filter((entry) => entry.isDirectory());
  expect(folders.map(({ name }) => name).sort()).toEqual(builtInPlugins.map(({ name }) => name).sort());
});

describe.each(builtInPlugins.map((plugin) => [plugin.name, plugin] as const))(
  'plugins/%s/README.md',
  (name, plugin) => {
    const file = join(root, 'plugins', name, 'README.md');

    test('exists and begins with the name', () => {
      expect(existsSync(file)).toBe(true);
      expect(readFileSync(file, 'utf8').startsWith(`# ${name}\n`)).toBe(true);
    });

    test('lists every option as the parser knows it', () => {
      const expected = pluginTable(plugin.options);
      expect(tableIn(file, expected)).toBe(expected);
    });

    test('its first example boots a server, whose metrics of the plugin are those that it lists', async () => {
      const text = readFileSync(file, 'utf8');
      const example = /## Example\n```yaml\n([\s\S]*?)```/.exec(text)?.[1];
      expect(example, 'a section "Example" with a YAML block').toBeDefined();
      // Terms are bounded, so that no date in a text stays right.
      const dated = example!.replaceAll(
        /(review|expires): \d{4}-\S+/g,
        (_, key) => `${key}: ${key === 'review' ? NEXT_REVIEW : EMERGENCY_END}`,
      );
      const config = parse(dated) as SekishoConfig;
      const upstream = { servers: [`127.0.0.1:${await freePort()}`] };
      const server = await startSekisho({ config: { ...config, upstream } });
      try {
        const page = await (await fetch(`http://127.0.0.1:${server.adminPort}/metrics`)).text();
        const own = [...page.matchAll(new RegExp(`^(sekisho_${name.replaceAll('-', '_')}_[a-z_]+)`, 'gm'))].map(
          (match) => match[1]!,
        );
        expect(own.length).toBeGreaterThan(0);
        for (const metric of own) expect(text, metric).toContain(`\`${metric}`);
        // And the other way round: what the README names is there.
        const named = [...text.matchAll(new RegExp(`\`(sekisho_${name.replaceAll('-', '_')}_[a-z_]+)`, 'g'))];
        expect([...new Set(named.map((match) => match[1]!))].filter((metric) => !own.includes(metric))).toEqual([]);
      } finally {
        await server.stop();
      }
    });
  },
);
