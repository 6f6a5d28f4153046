/** Routes, timers and files of the control half. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { mountBoth } from '../../src/testing/testing.ts';
import plugin from './index.ts';

test('known names are saved every ten minutes and at the end, and outlive a reload', async () => {
  const both = await mountBoth(plugin, { 'known-names': { size: '1MiB' } });
  try {
    const file = join(both.folder, 'random-subdomain', 'known-names.bin');
    await both.ask({ name: 'www.example.com' });
    expect(existsSync(file)).toBe(false);
    await both.advance(10 * 60_000);
    await expect.poll(() => existsSync(file)).toBe(true);
    const saved = readFileSync(file);
    await both.reload();
    await expect.poll(() => readFileSync(file).length).toBe(saved.length);
  } finally {
    await both.close();
  }
});

test('zones in trouble are shown for a purpose, to operator and security', async () => {
  const both = await mountBoth(plugin, {});
  try {
    const path = '/v1/random-subdomain/zones';
    for (const role of ['viewer', 'privacy', 'portal'] as const)
      expect([role, (await both.request(role, 'GET', path)).status]).toEqual([role, 403]);
    expect((await both.request('operator', 'GET', path)).status).toBe(400);
    const seen = await both.request('security', 'GET', `${path}?reason=a+customer+asks+why`);
    expect([seen.status, both.audited.map(({ action, who }) => [action, who])]).toEqual([
      200,
      [['random-subdomain.zones', 'security']],
    ]);
    both.auditFails = true;
    expect((await both.request('security', 'GET', `${path}?reason=a+customer+asks+why`)).status).toBe(503);
  } finally {
    await both.close();
  }
});
