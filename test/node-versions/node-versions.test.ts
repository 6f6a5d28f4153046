/**
 * Every version of Node.js that README.md names runs the program and the quick tests of what depends on it most: the C library, stores,
 * modules from outside, HTTP, threads. `npm run test:node` runs all quick tests on each.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import { NODE_LINES, nodeBinaries } from '../../scripts/node-binaries.mjs';
import { askTcp, askUdp } from '../support/dns-client.ts';
import { finished } from '../support/finished.ts';
import { stoppedAfterwards } from '../support/observe.ts';
import { repositoryRoot } from '../support/root.ts';
import { honest, startScriptedUpstream } from '../support/scripted-upstream.ts';
import { sekishoMain, startSekisho } from '../support/sekisho.ts';
import { writePlugin } from '../support/third-party-plugin.ts';

vi.setConfig({ testTimeout: 300_000 });
const keep = stoppedAfterwards();
const root = repositoryRoot();
const QUICK = ['src/system', 'src/store', 'src/loading', 'src/admin/app.test.ts'];

const found = nodeBinaries();
if (typeof found === 'string') console.warn(`other versions of Node.js are not tested: ${found}`);

describe.skipIf(typeof found === 'string').each(NODE_LINES)('Node.js %s', (line) => {
  const node = (typeof found === 'string' ? undefined : found.get(line)) ?? '';
  const run = (...args: string[]) => finished(node, args, { cwd: root });

  it('serves, reloads, loads a plugin from outside and ends cleanly', async () => {
    const upstream = keep(await startScriptedUpstream(honest()));
    const module = writePlugin('strange', 'query(query) { return is(query, "refused.test") ? REFUSE : CONTINUE; },');
    const server = keep(
      await startSekisho({
        node,
        config: {
          upstream: { servers: [`127.0.0.1:${upstream.port}`] },
          plugins: { strange: { module }, sinkhole: {} },
        },
      }),
    );
    const where = { port: server.port };
    expect((await askUdp({ name: 'a.test' }, where)).rcode).toBe(0);
    expect((await askTcp({ name: 'b.test' }, where)).rcode).toBe(0);
    expect((await askUdp({ name: 'refused.test' }, where)).rcode).toBe(5);
    for (const words of [['check'], ['reload'], ['status'], ['sinkhole', 'list']]) {
      const { status, stderr } = await run(sekishoMain(), ...words, '--config', server.configFile);
      expect(status, `${words.join(' ')}: ${stderr}`).toBe(0);
    }
    expect(server.stdout()).not.toContain('node:dgram');
    expect(await server.stop()).toBe(0);
  });

  it('passes the quick tests of what depends on it', async () => {
    expect((await run('--version')).stdout.trim().startsWith(`v${line}`)).toBe(true);
    const { status, stdout, stderr } = await run(
      'node_modules/vitest/vitest.mjs',
      'run',
      '--no-file-parallelism',
      ...QUICK,
    );
    expect(status, `${stdout.slice(-3000)}${stderr.slice(-1000)}`).toBe(0);
  });
});

it('README.md names each line, and until when it is supported', () => {
  for (const page of ['README.md', 'README.ja.md']) {
    const text = readFileSync(join(root, page), 'utf8');
    for (const line of NODE_LINES)
      expect(text).toMatch(new RegExp(`^\\| ${/^\d+/.exec(line)?.[0]}\\b[^|]*\\| 20\\d\\d-\\d\\d-\\d\\d \\|`, 'm'));
  }
});
