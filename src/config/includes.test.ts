import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { resolvePlugin } from '../loading/plugins.ts';
import { problemText } from '../settings/yaml-source.ts';
import { adminLocation, loadConfig } from './load.ts';

const UPSTREAM = 'upstream: { servers: ["192.0.2.53"] }\n';

/** A folder with these files, and its `sekisho.yaml` loaded. */
async function load(files: Readonly<Record<string, string>>) {
  const folder = mkdtempSync(join(tmpdir(), 'sekisho-includes-'));
  mkdirSync(join(folder, 'conf.d'));
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
  const options = { path: 'sekisho.yaml', resolvePlugin, workFolder: folder };
  const result = await loadConfig(options);
  return {
    config: result.ok ? result.config : undefined,
    problems: result.ok ? [] : result.problems.map(problemText),
    admin: await adminLocation({ path: 'sekisho.yaml', workFolder: folder }),
  };
}

test('sections of several files count as those of one; a folder stands for its files by name', async () => {
  const { config, problems, admin } = await load({
    'sekisho.yaml':
      'include: [common.yaml, ./conf.d]\nplugins: { sinkhole: {} }\nzones: [{ zone: own.example, forward: ["192.0.2.9"] }]\n',
    'common.yaml': `${UPSTREAM}plugins: { amp-shaper: {} }\nadmin: { listen: "127.0.0.1:8999" }\n`,
    'conf.d/20-second.yaml': 'zones: [{ zone: second.example, forward: ["192.0.2.2"] }]\n',
    'conf.d/10-first.yml': 'zones: [{ zone: first.example, forward: ["192.0.2.1"] }]\n',
    'conf.d/notes.txt': 'no yaml at all: [',
    'conf.d/.hidden.yaml': 'x: 1\n',
  });
  expect(problems).toEqual([]);
  expect(config?.zones.slice(0, 3).map(({ zone }) => zone)).toEqual(['first.example', 'second.example', 'own.example']);
  expect(config?.plugins.map(({ name }) => name)).toEqual(['access', 'amp-shaper', 'sinkhole']);
  expect(config?.upstream.servers[0]?.address).toBe('192.0.2.53');
  // The commands find the server, too.
  expect([config?.admin.listen.port, admin.listen.port]).toEqual([8999, 8999]);
});

test('a problem names the file, line and column that it is in, and its place in the whole', async () => {
  const { problems } = await load({
    'sekisho.yaml': `include: ./conf.d\n${UPSTREAM}zones:\n  - { zone: a..b, forward: ["192.0.2.1"] }\n`,
    'conf.d/zones.yaml':
      'zones:\n  - { zone: good.example, forward: ["192.0.2.1"] }\n  - { zone: c..d, forward: ["192.0.2.1"] }\n',
    'conf.d/server.yaml': 'server:\n  workrs: 2\n',
    'conf.d/plugins.yaml': 'plugins:\n  sinkhole:\n    ttl: 0\n',
  });
  expect(problems).toEqual([
    expect.stringMatching(/^conf\.d\/server\.yaml:2:3: server\.workrs: unknown key; did you mean 'workers'\?$/),
    expect.stringMatching(/^conf\.d\/zones\.yaml:3:13: zones\[1\]\.zone: 'c\.\.d'/),
    expect.stringMatching(/^sekisho\.yaml:4:13: zones\[2\]\.zone: 'a\.\.b'/),
    expect.stringMatching(/^conf\.d\/plugins\.yaml:3:10: plugins\.sinkhole\.ttl: /),
  ]);
});

test.each([
  [{ 'sekisho.yaml': `include: none.yaml\n${UPSTREAM}` }, /^sekisho\.yaml:1:10: include: 'none\.yaml' cannot be read/],
  [{ 'sekisho.yaml': `include: { a: 1 }\n${UPSTREAM}` }, /^sekisho\.yaml:1:10: include: expected a file name/],
  [
    { 'sekisho.yaml': `include: a.yaml\n${UPSTREAM}`, 'a.yaml': 'cache: {}\nupstream: {}\n' },
    /^sekisho\.yaml:2:1: upstream: stands in a\.yaml already: a section stands in one file$/,
  ],
  [
    {
      'sekisho.yaml': `include: a.yaml\nplugins: { sinkhole: {} }\n${UPSTREAM}`,
      'a.yaml': 'plugins: { sinkhole: {} }\n',
    },
    /^sekisho\.yaml:2:12: plugins\.sinkhole: stands in another file already$/,
  ],
  [
    { 'sekisho.yaml': `include: a.yaml\n${UPSTREAM}`, 'a.yaml': 'include: b.yaml\n' },
    /^a\.yaml:1:1: include: a file that is included includes no others$/,
  ],
  [{ 'sekisho.yaml': `include: a.yaml\n${UPSTREAM}`, 'a.yaml': '- 1\n' }, /^a\.yaml:1:1: expected a map/],
  [{ 'sekisho.yaml': `include: a.yaml\n${UPSTREAM}`, 'a.yaml': 'zones: [\n' }, /^a\.yaml:\d+:\d+: YAML/],
  [
    { 'sekisho.yaml': `include: a.yaml\n${UPSTREAM}`, 'a.yaml': 'zonse: []\n' },
    /^a\.yaml:1:1: zonse: unknown key; did you mean 'zones'\?$/,
  ],
])('%j is refused', async (files, problem) => {
  expect((await load(files as Record<string, string>)).problems).toContainEqual(expect.stringMatching(problem));
});
