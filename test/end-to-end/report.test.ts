/** The transparency report of the whole server: what was done is in it, who was concerned is not. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it, vi } from 'vitest';
import type { TransparencyReport } from '../../src/report/report.ts';
import { askUdp } from '../support/dns-client.ts';
import { sekisho } from '../support/field.ts';
import { stoppedAfterwards } from '../support/observe.ts';
import { temporaryFolder } from '../support/process.ts';
import { honest, startScriptedUpstream } from '../support/scripted-upstream.ts';
import { startSekisho } from '../support/sekisho.ts';

vi.setConfig({ testTimeout: 180_000 });
const keep = stoppedAfterwards();

it('tells what was blocked, read and changed, over a restart, and names nobody', async () => {
  const folder = temporaryFolder('report');
  const upstream = keep(await startScriptedUpstream(honest()));
  writeFileSync(join(folder, 'ranges.csv'), '127.0.0.11,customer-4711\n');
  writeFileSync(join(folder, 'c2.txt'), 'c2.example\n');
  const config = {
    server: { data: join(folder, 'data') },
    upstream: { servers: [`127.0.0.1:${upstream.port}`] },
    subscribers: { ranges: join(folder, 'ranges.csv'), terms: '2026-04' },
    lists: [{ name: 'c2-feed', category: 'c2', tier: 'confirmed', format: 'domains', file: join(folder, 'c2.txt') }],
    plugins: { access: {}, 'c2-block': { action: 'nxdomain' }, 'query-history': {} },
  };
  const today = () => new Date().toISOString().slice(0, 10);
  const first = today();
  let server = keep(await startSekisho({ config }));
  const where = { port: server.port, from: '127.0.0.11' };
  expect((await askUdp({ name: 'c2.example' }, where)).rcode).toBe(3);
  const cli = (...words: string[]) => sekisho([...words, '--config', server.configFile]);
  await cli('consent', 'opt-out', 'customer-4711', '--reason', 'called in');
  await cli('history', '--reason', 'is the resolver slow? ticket 4711');
  await server.stop();
  server = keep(await startSekisho({ config }));

  const args = ['report', '--from', first, '--to', today()];
  const json = await cli(...args, '--json');
  expect([json.code, json.stderr]).toEqual([0, '']);
  const report = JSON.parse(json.stdout) as TransparencyReport;
  expect(report.queries).toBeGreaterThan(0);
  const blocks = report.measures.find(({ plugin }) => plugin === 'c2-block')!;
  // One look-up is somebody's: that there was one is told, and not how many.
  expect(blocks.counts).toContainEqual(
    expect.objectContaining({
      labels: { ja: expect.stringContaining('リスト: c2-feed'), en: expect.any(String) },
      count: null,
      days: null,
    }),
  );
  expect(report.lists).toEqual([{ name: 'c2-feed', category: 'c2', tier: 'confirmed', ground: 'consent' }]);
  expect(report.consent).toContainEqual(expect.objectContaining({ action: 'opt-out', count: null }));
  const actions = report.actions.map(({ action }) => action);
  expect(actions).toEqual(expect.arrayContaining(['overload.declare', 'report.read']));
  expect(report.audit.ok).toBe(true);

  const text = await cli(...args);
  const page = await cli(...args, '--format', 'html');
  expect(text.stdout).toContain('What plugins did');
  expect(page.stdout).toMatch(/^<!DOCTYPE html>[\s\S]*c2-block[\s\S]*<\/html>\n$/);
  for (const { stdout } of [json, text, page]) {
    expect(stdout).not.toContain('4711');
    expect(stdout).not.toContain('127.0.0.11');
    expect(stdout).not.toContain('c2.example');
  }

  const wrong = await cli('report', '--from', '2026-02-30', '--to', today());
  expect([wrong.code, wrong.stderr]).toEqual([1, expect.stringContaining("'2026-02-30' is not a date")]);
  expect((await cli('report', '--from', first)).code).toBe(2);
});
