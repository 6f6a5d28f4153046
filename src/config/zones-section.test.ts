import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { resolvePlugin } from '../loading/plugins.ts';
import { loadConfig } from './load.ts';

const folder = mkdtempSync(join(tmpdir(), 'sekisho-zones-'));
writeFileSync(join(folder, 'lab.zone'), 'www A 192.0.2.1\n');
writeFileSync(join(folder, 'broken.zone'), 'www A 192.0.2.1\nwww2 A 192.0.2\n');

async function load(text: string) {
  const path = join(folder, 'x.yaml');
  writeFileSync(path, `upstream: { servers: ["192.0.2.53"] }\n${text}`);
  return loadConfig({ path, resolvePlugin });
}

test('zones stand in their order, special-use names behind them', async () => {
  const result = await load(`zones:
  - { zone: Corp.Example., forward: ["192.0.2.1", { address: "192.0.2.2:5300", trusted: true }] }
  - { zone: lab.example, records: ./lab.zone }
  - { zone: 10.in-addr.arpa, forward: ["192.0.2.1"] }
special-use: { onion: false, test: true }
`);
  const zones = result.ok ? result.config.zones : [];
  expect(zones.slice(0, 2)).toMatchObject([
    {
      zone: 'corp.example',
      way: {
        kind: 'forward',
        servers: [
          { address: '192.0.2.1', port: 53, trusted: false },
          { address: '192.0.2.2', port: 5300, trusted: true },
        ],
      },
    },
    { zone: 'lab.example', way: { kind: 'records', specialUse: false } },
  ]);
  const special = zones.filter(({ way }) => way.kind === 'records' && way.specialUse).map(({ zone }) => zone);
  expect(special).toContain('test');
  expect(special).toContain('168.192.in-addr.arpa');
  expect(special).not.toContain('onion');
  expect(special).not.toContain('10.in-addr.arpa');
});

test.each([
  ['zones: [{ zone: a..b, forward: ["192.0.2.1"] }]', /:2:.*zones\[0\]\.zone: 'a\.\.b' has an empty label/],
  ['zones: [{ zone: a.example }]', /zones\[0\]: needs one of forward, stub, records/],
  ['zones: [{ zone: a.example, forward: ["192.0.2.1"], records: ./lab.zone }]', /needs one of forward, stub, records/],
  [
    'zones:\n  - { zone: a.example, forward: ["192.0.2.1"] }\n  - { zone: A.example., forward: ["192.0.2.2"] }',
    /:4:.*'a\.example' is listed twice \(entry 1\)/,
  ],
  ['zones: [{ zone: a.example, forward: ["127.0.0.1:5353"] }]', /zones\[0\]\.forward\[0\]: .* forwarding loop/],
  ['zones: [{ zone: a.example, records: ./none.zone }]', /'\.\/none\.zone' cannot be read/],
  [
    'zones: [{ zone: lab.example, records: ./broken.zone }]',
    /^\.\/broken\.zone:2:\d+: zones\[0\]\.records: .*does not fit/,
  ],
  ['zones: [{ zone: a.example, forwad: ["192.0.2.1"] }]', /unknown key; did you mean 'forward'\?/],
  ['special-use: { onoin: true }', /special-use\.onoin: unknown key; did you mean 'onion'\?/],
])('%s is refused', async (text, problem) => {
  const result = await load(text);
  expect(result.ok).toBe(false);
  const { problemText } = await import('../settings/yaml-source.ts');
  expect(result.ok ? [] : result.problems.map(problemText)).toContainEqual(expect.stringMatching(problem));
});
