/**
 * The program is upgraded on disk while the server runs: versions are never mixed. A reload is refused, a worker that dies is not
 * replaced by another version's, what serves goes on serving, and it is said that a restart is due.
 */
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, renameSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test, vi } from 'vitest';
import { askUdp, exchangeDatagram, queryBytes } from '../support/dns-client.ts';
import { logOf, stoppedAfterwards, waitFor } from '../support/observe.ts';
import { temporaryFolder } from '../support/process.ts';
import { repositoryRoot } from '../support/root.ts';
import { honest, startScriptedUpstream } from '../support/scripted-upstream.ts';
import { startSekisho } from '../support/sekisho.ts';
import { writePlugin } from '../support/third-party-plugin.ts';

vi.setConfig({ testTimeout: 120_000 });
const keep = stoppedAfterwards();

test('the program changes on disk under a running server', async () => {
  const installed = join(temporaryFolder('installed'), 'sekisho');
  mkdirSync(installed);
  for (const part of ['dist', 'lists', 'pages', 'package.json'])
    cpSync(join(repositoryRoot(), part), join(installed, part), { recursive: true });
  symlinkSync(join(repositoryRoot(), 'node_modules'), join(installed, 'node_modules'));
  const main = join(installed, 'dist', 'src', 'main.js');

  const upstream = keep(await startScriptedUpstream(honest()));
  const module = writePlugin(
    'fragile',
    "query(query) { if (is(query, 'exit.test')) process.exit(3); return CONTINUE; },",
  );
  const server = keep(
    await startSekisho({
      main,
      config: {
        server: { workers: 2 },
        upstream: { servers: [`127.0.0.1:${upstream.port}`] },
        cache: { size: '4MiB' },
        plugins: { 'amp-shaper': false, fragile: { module } },
      },
    }),
  );
  const where = { port: server.port };
  expect((await askUdp({ name: 'before.test' }, where)).rcode).toBe(0);

  // As a package manager does it: the new version beside the old one, then in its place.
  cpSync(join(installed, 'dist'), join(installed, 'dist.new'), { recursive: true });
  renameSync(join(installed, 'dist'), join(installed, 'dist.old'));
  renameSync(join(installed, 'dist.new'), join(installed, 'dist'));

  const reload = spawnSync(process.execPath, [main, 'reload', '--config', server.configFile], { encoding: 'utf8' });
  expect(reload.status).toBe(1);
  expect(reload.stderr).toMatch(/a restart is due: the program on disk has changed/);
  expect((await askUdp({ name: 'after.test' }, where)).rcode).toBe(0);

  await exchangeDatagram(queryBytes({ name: 'exit.test' }), { ...where, timeoutMs: 500 });
  await waitFor('the log to say that a restart is due', async () =>
    logOf(server).some(({ msg }) => String(msg).startsWith('A RESTART IS DUE')),
  );
  expect(logOf(server).some(({ msg }) => msg === 'the new worker is serving')).toBe(false);
  // The other worker has the sockets of its own, and answers what comes there.
  await waitFor('the worker that is left to answer', async () => {
    const bytes = await exchangeDatagram(queryBytes({ name: 'left.test' }), { ...where, timeoutMs: 250 });
    return bytes !== undefined;
  });

  // Put back what the process began with, and it is whole again.
  rmSync(join(installed, 'dist'), { recursive: true });
  renameSync(join(installed, 'dist.old'), join(installed, 'dist'));
  await waitFor(
    'the replacement',
    async () => logOf(server).some(({ msg }) => msg === 'the new worker is serving'),
    60_000,
  );
});
