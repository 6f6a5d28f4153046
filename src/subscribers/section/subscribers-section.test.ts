import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { parseConfig } from '../../config/load.ts';
import { definePlugin, type Plugin, z } from '../../contract/plugin.ts';

const folder = mkdtempSync(join(tmpdir(), 'sekisho-subscribers-'));
afterAll(() => rmSync(folder, { recursive: true }));
writeFileSync(join(folder, 'subscribers.csv'), '');
writeFileSync(join(folder, 'secret'), 'xyzzy5461\n');

const load = (text: string) =>
  parseConfig(
    text,
    { source: 'x.yaml', file: join(folder, 'x.yaml'), baseFolder: folder },
    {
      resolvePlugin: async (name) =>
        definePlugin({ name, stage: 'guard', summary: '', options: z.strictObject({}) }) as unknown as Plugin,
      systemResolvers: () => ['192.0.2.53'],
    },
  );

describe('subscribers in the configuration', () => {
  it('are nobody where the section is missing', async () => {
    const loaded = await load('plugins: {}');
    expect(loaded.ok && loaded.config.subscribers).toBeUndefined();
    expect(loaded.ok && 'subscribers' in loaded.config).toBe(false);
  });

  it('have terms that cover c2 alone unless more is said, and every path absolute', async () => {
    const loaded = await load(
      'server: { listen: ["127.0.0.1:53", "127.0.0.2:53"] }\nplugins: {}\nsubscribers: { ranges: subscribers.csv, terms: "2026-04", unfiltered: ["127.0.0.2"], groups: [{ name: "@home", covers: [c2] }] }',
    );
    expect(loaded.ok && loaded.config.subscribers).toEqual({
      rangesFile: join(folder, 'subscribers.csv'),
      unreadableRows: 'refuse',
      terms: { version: '2026-04', covers: ['c2'] },
      groups: [{ name: '@home', covers: ['c2'] }],
      unfiltered: [false, true],
      leaseMs: 7_200_000,
      leaseAfterRestartMs: 900_000,
      provisioning: { shortestIpv4: 32, shortestIpv6: 48, portal: false },
    });
  });

  it('warn where the file of ranges is missing, and start anyway', async () => {
    const loaded = await load('plugins: {}\nsubscribers: { ranges: none.csv }');
    expect(loaded.ok && loaded.config.warnings.join()).toContain('none.csv');
  });

  it.each([
    ['{ terms: "<b>" }', /terms is named|version of the terms/],
    ['{ covers: [phishing] }', /covers/],
    ['{ groups: [{ name: home, covers: [] }] }', /is no name of a group/],
    ['{ groups: [{ name: "@a", covers: [] }, { name: "@a", covers: [c2] }] }', /has this name already/],
    ['{ groups: [{ name: "@a" }] }', /covers/],
    ['{ unfiltered: ["127.0.0.9:53"] }', /none of server\.listen/],
    ['{ unfiltered: ["localhost"] }', /is no IP address|address/],
    ['{ lease: 10s }', /lease/],
    ['{ range: x }', /did you mean 'ranges'/],
    ['{ radius: {} }', /secret-file/],
    ['{ radius: { secret-file: none } }', /cannot be read/],
    ['{ radius: { secret-file: secret, listen: "x:1" } }', /is no IP address/],
    ['{ radius: { secret-file: secret, clients: ["10.0.0.1/8"] } }', /bits set beyond/],
  ])('refuse %s', async (text, message) => {
    const loaded = await load(`plugins: {}\nsubscribers: ${text}`);
    expect(loaded.ok ? 'taken' : loaded.problems.map((each) => `${each.path} ${each.message}`).join('\n')).toMatch(
      message,
    );
  });
});
