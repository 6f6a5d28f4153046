/** `npm run demo`, as docs/console.md and docs/console.ja.md have it: it starts, plays scenes, ends, and leaves nothing behind. */
import { spawn, spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test, vi } from 'vitest';
import { waitFor } from '../support/observe.ts';
import { temporaryFolder } from '../support/process.ts';
import { repositoryRoot } from '../support/root.ts';

vi.setConfig({ testTimeout: 120_000 });
const DEMO = join(repositoryRoot(), 'dist', 'demo', 'demo.js');

test('teaches, and says what is wrong with an option', () => {
  const help = spawnSync(process.execPath, [DEMO, '--help'], { encoding: 'utf8' });
  expect([help.status, help.stderr]).toEqual([0, '']);
  for (const scene of [
    'c2',
    'attacked-name',
    'random-subdomains',
    'amplification',
    'wrong-list',
    'opt-out',
    'infected-terminal',
    'dead-upstream',
  ])
    expect(help.stdout).toContain(` ${scene} `);
  const refused = spawnSync(process.execPath, [DEMO, '--rate', '501'], { encoding: 'utf8' });
  expect([refused.status, refused.stdout]).toEqual([2, '']);
  expect(refused.stderr).toMatch(/--rate 501: a whole number from 1 to 500[\s\S]*--help/);
});

test('plays scenes and ends, with nothing left of it', async () => {
  // Others on this machine have temporary folders, too.
  const folder = temporaryFolder('demo-test');
  const child = spawn(process.execPath, [DEMO, '--rate', '20', '--scene', 'opt-out', '--scene', 'infected-terminal'], {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: { ...process.env, TMPDIR: folder },
  });
  // Also where this test fails.
  onTestFinished(() => void child.kill());
  let told = '';
  child.stdout.on('data', (text: Buffer) => {
    told += text.toString();
  });
  child.stderr.on('data', (text: Buffer) => {
    told += text.toString();
  });
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve));
  await waitFor('the scenes', () => told.includes('Type a number or a name') || child.exitCode !== null, 90_000);
  expect(told).toMatch(/opt-out is over[\s\S]*1 of 2 reports matched to a lease, 1 case\(s\) opened/);
  const url = /Console +(\S+)/.exec(told)?.[1] ?? '';
  const token = /Token +(\S+)/.exec(told)?.[1] ?? '';
  expect((await (await fetch(url)).text()).length).toBeGreaterThan(100);
  const login = await fetch(`${url}session`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ token }),
  });
  expect(login.status).toBe(200);
  child.stdin.write('no such scene\n?\nquit\n');
  expect(await ended).toBe(0);
  expect(told).toMatch(/There is no scene "no such scene"[\s\S]*Stopped; nothing is left behind/);
  expect(told).not.toMatch(/warn|Warning|Error:/);
  await expect(fetch(url)).rejects.toThrow();
  expect(readdirSync(folder)).toEqual([]);
});
