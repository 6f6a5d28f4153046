/**
 * Adding a feature is its folder and a line in the list: the real server and the real command line, with a list that has one line more
 * (test/support/extra-feature/), serve all that it declares.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { run, sekisho } from '../support/field.ts';
import { freePort } from '../support/free-port.ts';
import { scrape, waitFor } from '../support/observe.ts';
import { temporaryFolder } from '../support/process.ts';
import { repositoryRoot } from '../support/root.ts';
import { type SekishoServer, startSekisho } from '../support/sekisho.ts';

vi.setConfig({ testTimeout: 90_000, hookTimeout: 90_000 });

const main = join(repositoryRoot(), 'test', 'support', 'extra-feature', 'main.mjs');
const program = (...words: string[]) => run(process.execPath, [main, ...words], { limitMs: 60_000 });
const WORKERS = 2;

let server: SekishoServer;
const api = (path: string, init: RequestInit = {}) => {
  const token = readFileSync(join(server.folder, 'data', 'admin.token'), 'utf8').trim();
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
  return fetch(`http://127.0.0.1:${server.adminPort}${path}`, { ...init, headers });
};
const set = (level: number) => api('/v1/tide', { method: 'POST', body: JSON.stringify({ level }) });
const shown = async () => {
  const page = await scrape(server);
  const workers = Array.from({ length: WORKERS }, (_, worker) =>
    page.total('sekisho_tide_level', { worker: String(worker) }),
  );
  return { published: page.total('sekisho_tide_published'), workers };
};

beforeAll(async () => {
  const config = {
    server: { workers: WORKERS },
    upstream: { servers: ['127.0.0.1:9'] },
    tide: { level: 3 },
  };
  server = await startSekisho({ main, config, readyTimeoutMs: 60_000 });
});
afterAll(async () => {
  await server?.stop();
});

describe('a feature that is a folder and a line in the list', () => {
  it('has its section, and what it publishes is in every worker from the first query on', async () => {
    expect(await shown()).toEqual({ published: 3, workers: [3, 3] });
  });

  it('has its route, held to roles and to the audit log, in the description of the API', async () => {
    expect(await (await set(5)).json()).toEqual({ level: 5 });
    expect(await shown()).toEqual({ published: 5, workers: [5, 5] });
    expect((await fetch(`http://127.0.0.1:${server.adminPort}/v1/tide`, { method: 'POST' })).status).toBe(401);
    const { paths } = (await (await api('/openapi.json')).json()) as {
      paths: Record<string, { post: Record<string, unknown> }>;
    };
    expect(paths['/v1/tide']?.post).toMatchObject({ 'x-roles': ['operator'], 'x-audit': { actions: ['tide.set'] } });
    expect(server.stdout()).toContain('"action":"tide.set"');
  });

  it('has its command, beside all others, and its errors reach the terminal with code and remedy', async () => {
    const done = await program('tide', '7', '--config', server.configFile);
    expect([done.code, done.stdout, done.stderr]).toEqual([0, 'the tide stands at 7\n', '']);
    expect((await shown()).workers).toEqual([7, 7]);
    const refused = await program('tide', '13', '--config', server.configFile);
    expect([refused.code, refused.stdout]).toEqual([1, '']);
    expect(refused.stderr).toContain('sekisho: a tide of 13 is refused\n  Ask for another level. (TIDE_REFUSED)');
    expect((await program('help')).stdout).toMatch(/^ {2}tide LEVEL +set the tide of the running server$/m);
    expect((await sekisho(['tide', '7'], { limitMs: 60_000 })).code).toBe(2);
  });

  it('has its lines in the status', async () => {
    await set(8);
    expect(((await (await api('/v1/status')).json()) as { tide: number }).tide).toBe(8);
    expect((await program('status', '--config', server.configFile)).stdout).toMatch(/^tide +stands at 8$/m);
  });

  it('says when the server is not ready', async () => {
    const ready = async () => (await fetch(`http://127.0.0.1:${server.adminPort}/readyz`)).status;
    await set(0);
    expect(await ready()).toBe(503);
    expect(((await (await api('/v1/status')).json()) as { warnings: string[] }).warnings).toContain(
      'not ready: the tide is out',
    );
    await set(4);
    expect(await ready()).toBe(200);
  });

  it('refuses a reload with its reason, and what was in force runs on; a sound one is taken', async () => {
    const text = readFileSync(server.configFile, 'utf8');
    const reload = async (level: number) => {
      writeFileSync(server.configFile, text.replace(/level: \d+/, `level: ${level}`));
      return (await api('/v1/reload', { method: 'POST', body: '{}' })).json();
    };
    expect(await reload(13)).toEqual({ ok: false, problems: ['a tide of 13 is refused'] });
    expect((await shown()).workers).toEqual([4, 4]);
    expect((await set(6)).status).toBe(200);
    expect(await reload(9)).toEqual({ ok: true, problems: [] });
    await waitFor('the new configuration', async () => (await shown()).published === 9, 30_000);
    expect((await shown()).workers).toEqual([9, 9]);
  });

  it('keeps a server from starting that cannot carry it out: exit code 1, with the reason', async () => {
    const folder = temporaryFolder('tide');
    const file = join(folder, 'sekisho.yaml');
    const port = await freePort();
    const written = (tide: string) =>
      writeFileSync(
        file,
        `server: { listen: ["127.0.0.1:${port}"], data: ./data }\nupstream: { servers: ["192.0.2.53"] }\nadmin: { listen: "127.0.0.1:0" }\ntide: ${tide}\n`,
      );
    written('{ level: high, levle: 1 }');
    const checked = await program('check', '--config', file);
    expect(checked.code).toBe(1);
    expect(checked.stderr + checked.stdout).toMatch(/sekisho\.yaml:4:16: tide\.level: expected a number, found 'high'/);
    expect(checked.stderr + checked.stdout).toMatch(/tide\.levle: unknown key; did you mean 'level'\?/);
    // Without its line in the list there is no such section.
    written('{ level: 1 }');
    expect((await program('check', '--config', file)).code).toBe(0);
    const without = await sekisho(['check', '--config', file], { limitMs: 60_000 });
    expect([without.code, without.stderr + without.stdout]).toEqual([1, expect.stringMatching(/tide: unknown key/)]);

    written('{ level: 13 }');
    const failed = await program('run', '--config', file);
    expect(failed.code).toBe(1);
    expect(failed.stderr).toContain('a tide of 13 is refused');
  });
});
