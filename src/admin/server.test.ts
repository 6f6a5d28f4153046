import { chmod, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { cacheWithout } from '../../test/support/desk-without-cache.ts';
import { featureRoutes } from '../../test/support/feature-routes.ts';
import type { Config } from '../config/config.ts';
import { parseConfig } from '../config/load.ts';
import { definePlugin, type Plugin, z } from '../contract/plugin.ts';
import { SUBSCRIBERS_STATUS } from '../subscribers/status.ts';
import type { AdminDeps } from './deps.ts';
import { type Admin, startAdmin } from './server.ts';
import { ensureAdminToken, readAdminToken } from './tokens.ts';

let folder = '';
let running: Admin[] = [];
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sekisho-admin-'));
  running = [];
});
afterEach(async () => {
  await Promise.all(running.map((admin) => admin.close()));
  await rm(folder, { recursive: true });
});

async function config(listen = '127.0.0.1:0'): Promise<Config> {
  const options = z.strictObject({});
  const loaded = await parseConfig(
    `admin: { listen: "${listen}" }`,
    { source: 'x.yaml', file: undefined, baseFolder: folder },
    {
      resolvePlugin: async (name) => definePlugin({ name, stage: 'guard', summary: '', options }) as unknown as Plugin,
      systemResolvers: () => ['192.0.2.53'],
    },
  );
  if (!loaded.ok) throw new Error('refused');
  return loaded.config;
}

async function deps(changes: Partial<AdminDeps> = {}): Promise<AdminDeps> {
  const unused = () => {
    throw new Error('not asked for in this test');
  };
  return {
    config: await config(),
    version: '0.1.0',
    log: pino({ level: 'silent' }),
    metricsText: () => 'x 1\n',
    status: unused,
    explain: unused,
    reload: unused,
    ready: () => true,
    pluginRoutes: [],
    entrances: [],
    statusSchemas: SUBSCRIBERS_STATUS.schemas,
    featureRoutes: await featureRoutes(await config()),
    audit: { record: () => {} },
    cache: cacheWithout(),
    ...changes,
  };
}

async function start(changes: Partial<AdminDeps> = {}, ...limits: [Parameters<typeof startAdmin>[1]?]): Promise<Admin> {
  const admin = await startAdmin(await deps(changes), ...limits);
  running.push(admin);
  return admin;
}

describe('the admin server', () => {
  it('answers over HTTP with the token that it wrote at its first start', async () => {
    const admin = await start({ reload: async () => ({ ok: true, problems: [] }) });
    const reload = (token: string) =>
      fetch(`http://127.0.0.1:${admin.port}/reload`, { method: 'POST', headers: { authorization: `Bearer ${token}` } });
    expect((await fetch(`http://127.0.0.1:${admin.port}/metrics`)).status).toBe(200);
    expect((await reload(await readAdminToken(join(folder, 'data')))).status).toBe(200);
    expect((await reload('x'.repeat(43))).status).toBe(401);
  });

  it('says which port is in use', async () => {
    const { port } = await start();
    await expect(startAdmin(await deps({ config: await config(`127.0.0.1:${port}`) }))).rejects.toMatchObject({
      code: 'SEKISHO_PORT_IN_USE',
      message: expect.stringContaining(`127.0.0.1:${port} (admin.listen)`),
    });
  });

  it('swaps routes on a reload that came over itself, without losing the answer', async () => {
    const routes = (answer: string): AdminDeps['pluginRoutes'] => [
      {
        plugin: 'own',
        register: (app) =>
          void app.get('/x', { config: { roles: ['viewer'], noAudit: 'an answer of a test' } }, async () => ({
            answer,
          })),
      },
    ];
    const second = await deps({ pluginRoutes: routes('second') });
    const admin: Admin = await start({
      pluginRoutes: routes('first'),
      reload: async () => {
        (await admin.prepare(second)).commit();
        return { ok: true, problems: [] };
      },
    });
    const headers = { authorization: `Bearer ${await readAdminToken(join(folder, 'data'))}` };
    const url = `http://127.0.0.1:${admin.port}`;
    const get = async () => (await fetch(`${url}/v1/own/x`, { headers })).json();
    expect(await get()).toEqual({ answer: 'first' });
    const reloaded = await fetch(`${url}/v1/reload`, { method: 'POST', headers });
    expect([reloaded.status, await reloaded.json()]).toEqual([200, { ok: true, problems: [] }]);
    expect(await get()).toEqual({ answer: 'second' });
  });

  it('keeps the old routes where the new ones are wrong', async () => {
    const admin = await start();
    const bad = await deps({
      pluginRoutes: [{ plugin: 'bad', register: (app) => void app.get('/x', async () => 'x') }],
    });
    await expect(admin.prepare(bad)).rejects.toThrow('names no role');
    expect((await fetch(`http://127.0.0.1:${admin.port}/healthz`)).status).toBe(200);
  });

  it('does not count the work of a handler as a connection that stands still', async () => {
    // As long as two limits: the handler ends when the connection has been spared twice, and not before.
    let times = 0;
    let worked = () => {};
    const longWork = new Promise<void>((resolve) => {
      worked = resolve;
    });
    const spared = () => {
      times++;
      if (times === 2) worked();
    };
    const reload = async () => {
      await longWork;
      return { ok: true, problems: [] };
    };
    const admin = await start({ reload }, { idleMs: 20, spared });
    const headers = { authorization: `Bearer ${await readAdminToken(join(folder, 'data'))}` };
    const reloaded = await fetch(`http://127.0.0.1:${admin.port}/v1/reload`, { method: 'POST', headers });
    expect([reloaded.status, await reloaded.json()]).toEqual([200, { ok: true, problems: [] }]);
    expect(times).toBeGreaterThanOrEqual(2);
  });

  it.each([
    ['brings nothing', ''],
    ['brings half a header', 'GET /healthz HTTP/1.1\r\nHost: x\r\nX-Half: '],
    [
      'brings half a body',
      'POST /v1/reload HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer TOKEN\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{',
    ],
  ])('closes a connection that stands still and %s', async (_, beginning) => {
    const spared: string[] = [];
    const admin = await start({}, { idleMs: 20, spared: () => spared.push('spared') });
    const token = await readAdminToken(join(folder, 'data'));
    const socket = connect(admin.port, '127.0.0.1', () => socket.write(beginning.replace('TOKEN', token)));
    socket.on('error', () => {});
    socket.resume();
    await new Promise((resolve) => socket.once('close', resolve));
    expect(spared).toEqual([]);
  });

  it('closes although a client holds a connection open', async () => {
    const admin = await startAdmin(await deps());
    const socket = connect(admin.port, '127.0.0.1');
    await new Promise((resolve) => socket.once('connect', resolve));
    const gone = new Promise((resolve) => socket.once('close', resolve));
    socket.on('error', () => {});
    await admin.close();
    await gone;
    await expect(fetch(`http://127.0.0.1:${admin.port}/healthz`)).rejects.toThrow();
  });
});

describe('the admin token', () => {
  it('is made once, of 32 random bytes, for its owner alone', async () => {
    const first = await ensureAdminToken(folder);
    expect(first).toEqual({ token: expect.stringMatching(/^[A-Za-z0-9_-]{43}$/), made: true, loose: false });
    expect((await stat(join(folder, 'admin.token'))).mode & 0o777).toBe(0o600);
    expect(await readFile(join(folder, 'admin.token'), 'utf8')).toBe(`${first.token}\n`);
    expect(await ensureAdminToken(folder)).toEqual({ ...first, made: false });
  });

  it('that others may read is told', async () => {
    await ensureAdminToken(folder);
    await chmod(join(folder, 'admin.token'), 0o644);
    expect((await ensureAdminToken(folder)).loose).toBe(true);
  });

  it.each(['', 'short', 'x'.repeat(42), `${'x'.repeat(43)} y`])('%j is refused', async (text) => {
    await writeFile(join(folder, 'admin.token'), text);
    await expect(ensureAdminToken(folder)).rejects.toMatchObject({ code: 'SEKISHO_TOKEN_UNREADABLE' });
  });

  it('cannot be made where the data folder is a file', async () => {
    await writeFile(join(folder, 'data'), '');
    await expect(ensureAdminToken(join(folder, 'data'))).rejects.toMatchObject({ code: 'SEKISHO_DATA_UNWRITABLE' });
  });
});
