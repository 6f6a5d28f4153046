import { describe, expect, it, test } from 'vitest';
import { parse } from 'yaml';
import { builtInPlugins } from '../../plugins/index.ts';
import { NEXT_REVIEW } from '../../test/support/dates.ts';
import { parseConfig } from '../config/load.ts';
import { absentPlugins, notConfigured } from './absent-plugins.ts';
import { resolvePlugin } from './plugins.ts';

const found = { source: 'x.yaml', file: undefined, baseFolder: '/' };
const load = async (text: string) => {
  const loaded = await parseConfig(text, found, { resolvePlugin, systemResolvers: () => ['192.0.2.53'] });
  if (!loaded.ok) throw new Error(loaded.problems.map(({ message }) => message).join());
  return loaded.config;
};
/** What stands between backquotes, with what only the operator knows filled in. */
const linesIn = (message: string) =>
  (/`(.*)`/.exec(message)?.[1] ?? '')
    .replaceAll('"…"', '"finds out why queries fail in the new region"')
    .replaceAll('YYYY-MM-DD', NEXT_REVIEW);

const others = builtInPlugins.filter(({ name }) => name !== 'access').map(({ name }) => name);

describe.each(others)('%s, where it is not configured', (name) => {
  it('comes with the lines that the message names', async () => {
    const without = await load('plugins: { access: {} }\n');
    const plugin = absentPlugins(without).find((absent) => absent.name === name)!;
    const { message } = notConfigured(plugin);
    expect(message).toMatch(new RegExp(`^the plugin ${name} is not configured; add \`${name}: .*\` below plugins`));
    const config = await load(`plugins:\n  access: {}\n  ${linesIn(message)}\n`);
    expect(config.plugins.map((each) => each.name)).toContain(name);
    expect(absentPlugins(config).map((absent) => absent.name)).not.toContain(name);
  });
});

test('where the section plugins is absent the lines bring it, and keep what stood there by default', async () => {
  const byDefault = await load('');
  const plugin = absentPlugins(byDefault).find(({ name }) => name === 'query-history')!;
  const { message, status, code } = notConfigured(plugin);
  expect([code, status]).toEqual(['SEKISHO_PLUGIN_NOT_CONFIGURED', 404]);
  expect(parse(linesIn(message))).toEqual({
    plugins: { access: {}, 'amp-shaper': {}, sinkhole: {}, 'query-history': {} },
  });
  const config = await load(linesIn(message));
  expect(config.plugins.map(({ name }) => name)).toEqual([
    ...byDefault.plugins.map(({ name }) => name),
    'query-history',
  ]);
});
