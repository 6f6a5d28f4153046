/** `fleet` in the configuration. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { definePlugin, type Plugin, z } from '../contract/plugin.ts';
import { parseConfig } from './load.ts';

const folder = mkdtempSync(join(tmpdir(), 'sekisho-fleet-section-'));
afterAll(() => rmSync(folder, { recursive: true }));
writeFileSync(join(folder, 'url'), 'postgres://u:secret-word@db.example.net/sekisho\n');
writeFileSync(join(folder, 'mysql'), 'mysql://u:secret-word@db.example.net/sekisho\n');

const load = (fleet: string) =>
  parseConfig(
    `plugins: {}\nfleet: ${fleet}\n`,
    { source: 'x.yaml', file: join(folder, 'x.yaml'), baseFolder: folder },
    {
      resolvePlugin: async (name) =>
        definePlugin({ name, stage: 'guard', summary: '', options: z.strictObject({}) }) as unknown as Plugin,
      systemResolvers: () => ['192.0.2.53'],
    },
  );

describe('fleet in the configuration', () => {
  it('is taken with its defaults, and paths relative to the file', async () => {
    const loaded = await load('{ node: tokyo-1, postgres: { url-file: ./url }, fence: 2s }');
    expect(loaded.ok && loaded.config.fleet).toEqual({
      node: 'tokyo-1',
      postgres: {
        urlFile: join(folder, 'url'),
        tls: 'auto',
        pool: 4,
        statementTimeoutMs: 5000,
        connectTimeoutMs: 3000,
      },
      fenceMs: 2000,
      lists: { canary: undefined, watchMs: 600_000 },
      readyWithFence: false,
    });
  });

  it('is a danger where consents cross the network unencrypted', async () => {
    const loaded = await load('{ node: a, postgres: { url-file: url, tls: off } }');
    expect(loaded.ok && loaded.config.warnings.join()).toContain('unencrypted');
  });

  it.each([
    ['{ node: Tokyo, postgres: { url-file: url } }', /a node is named with/],
    ['{ node: a }', /postgres/],
    ['{ node: a, postgres: {} }', /url-file/],
    ['{ node: a, postgres: { url-file: none } }', /cannot be read/],
    ['{ node: a, postgres: { url-file: mysql } }', /postgres:\/\//],
    ['{ node: a, postgres: { url-file: url, ca-file: none } }', /ca-file/],
    ['{ node: a, postgres: { url-file: url }, fence: 10ms }', /fence/],
    ['{ node: a, postgres: { url-file: url, pool: 1 } }', /pool/],
    ['{ node: a, postgres: { url-file: url }, fense: 1s }', /did you mean 'fence'/],
  ])('refuses %s, with the place and without a secret', async (text, message) => {
    const loaded = await load(text);
    const problems = loaded.ok ? [] : loaded.problems;
    const told = problems.map((each) => `${each.path} ${each.message}`).join('\n');
    expect(loaded.ok ? 'taken' : told).toMatch(message);
    expect(problems.every(({ line }) => line === 2)).toBe(true);
    expect(told).not.toContain('secret-word');
  });
});
