/** The console's door, with the real admin application around it. */
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { InjectOptions } from 'fastify';
import { pino } from 'pino';
import { afterEach, expect, test } from 'vitest';
import { cacheWithout } from '../../test/support/desk-without-cache.ts';
import { featureRoutes } from '../../test/support/feature-routes.ts';
import { createApp } from '../admin/app.ts';
import { Tokens } from '../admin/tokens.ts';
import type { AuditEntry } from '../audit/entry.ts';
import { ROLES, type Role } from '../audit/roles.ts';
import { parseConfig } from '../config/load.ts';
import { definePlugin, type Plugin, z } from '../contract/plugin.ts';
import { ManualClock } from '../time/clock.ts';
import { consoleEntrance } from './entrance.ts';
import { FailedLogins, MOST_FAILURES } from './failed-logins.ts';
import { EVERY_MS, FIRST_MS, LiveFigures, MOST_CLIENTS } from './live-figures.ts';
import { Sessions } from './sessions.ts';
import { readConsoleFiles } from './static-files.ts';

const FOR_ALL = 'A'.repeat(43);
const tokenOf = (role: Role) => `token-of-${role}`;
const entry = (role: Role) => ({
  name: `a-${role}`,
  role,
  sha256: createHash('sha256').update(tokenOf(role)).digest('hex'),
});
const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

async function door(roles: readonly Role[] = ROLES) {
  const clock = new ManualClock();
  const audited: AuditEntry[] = [];
  const log = pino({ level: 'silent' });
  const loaded = await parseConfig(
    '',
    { source: 'x.yaml', file: undefined, baseFolder: '/' },
    {
      resolvePlugin: async (name) =>
        definePlugin({ name, stage: 'guard', summary: '', options: z.strictObject({}) }) as unknown as Plugin,
      systemResolvers: () => ['192.0.2.53'],
    },
  );
  if (!loaded.ok) throw new Error(JSON.stringify(loaded.problems));
  const sessions = new Sessions(clock, 15 * 60_000);
  let queries = 0;
  const live = new LiveFigures({
    samples: (name) => {
      if (name !== 'sekisho_queries_total') return [];
      queries += 100;
      return [{ labels: { transport: 'udp' }, value: queries }];
    },
    timers: clock,
    clock,
    log,
  });
  const audit = { record: (each: AuditEntry) => void audited.push(each) };
  const entrance = consoleEntrance({
    sessions,
    failures: new FailedLogins(clock),
    live,
    audit,
    log,
    version: '1.2.3',
    files: new Map([
      ['index.html', file('<!doctype html><title>x</title>', 'text/html; charset=utf-8')],
      ['main-1.js', file('1', 'text/javascript; charset=utf-8')],
    ]),
  });
  const app = await createApp(
    {
      config: loaded.config,
      version: '1.2.3',
      log,
      metricsText: () => '',
      status: () => ({ ready: true }) as never,
      explain: async () => ({}) as never,
      reload: async () => ({ ok: true, problems: [] }),
      ready: () => true,
      pluginRoutes: [],
      statusSchemas: {},
      featureRoutes: await featureRoutes(loaded.config, audit),
      entrances: [entrance],
      audit,
      cache: cacheWithout(),
    },
    new Tokens(FOR_ALL, roles.map(entry)),
  );
  closing.push(() => app.close());
  const asked = (options: InjectOptions) => app.inject(options);
  const login = (token: string, headers: Record<string, string> = {}) =>
    asked({ method: 'POST', url: '/console/session', payload: { token }, headers });
  return { app, asked, login, clock, audited, sessions, live };
}

function file(text: string, type: string) {
  return { type, etag: '"e"', plain: Buffer.from(text), gzip: Buffer.from('zipped') };
}

const cookieOf = (response: { headers: Record<string, unknown> }) =>
  String(response.headers['set-cookie']).split(';')[0] ?? '';

test('a login makes a session that is for this page alone, and a logout ends it on the server', async () => {
  const { asked, login, audited } = await door();
  const entered = await login(` ${tokenOf('operator')}\n`);
  expect(entered.statusCode).toBe(200);
  const { session } = entered.json();
  expect(session).toMatchObject({ name: 'a-operator', roles: ['operator'], secondsLeft: 900 });
  const set = String(entered.headers['set-cookie']);
  expect(set).toMatch(/^sekisho_session=[\w-]{43}; Path=\/; HttpOnly; SameSite=Strict$/);
  expect(set).not.toContain(tokenOf('operator'));
  const cookie = cookieOf(entered);
  expect((await asked({ url: '/v1/lists', headers: { cookie } })).statusCode).toBe(200);
  expect((await asked({ url: '/console/session', headers: { cookie } })).json().session.csrf).toBe(session.csrf);

  const unmarked = await asked({ method: 'DELETE', url: '/console/session', headers: { cookie } });
  expect([unmarked.statusCode, unmarked.json().error.code]).toEqual([403, 'SEKISHO_CSRF_REFUSED']);
  const left = await asked({
    method: 'DELETE',
    url: '/console/session',
    headers: { cookie, 'x-sekisho-csrf': session.csrf },
  });
  expect([left.statusCode, String(left.headers['set-cookie'])]).toEqual([200, expect.stringContaining('Max-Age=0')]);
  expect((await asked({ url: '/v1/lists', headers: { cookie } })).statusCode).toBe(401);
  expect(audited.map(({ who, role, action }) => [who, role, action])).toEqual([
    ['a-operator', 'operator', 'console.login'],
    ['a-operator', 'operator', 'console.logout'],
  ]);
});

test('behind a proxy that speaks TLS the cookie is for TLS alone', async () => {
  const { asked, login } = await door();
  const headers = { 'x-forwarded-proto': 'https' };
  const entered = await login(FOR_ALL, headers);
  expect(String(entered.headers['set-cookie'])).toMatch(
    /^__Host-sekisho_session=.*; Path=\/; HttpOnly; Secure; SameSite=Strict$/,
  );
  const cookie = cookieOf(entered);
  expect((await asked({ url: '/v1/lists', headers: { ...headers, cookie } })).statusCode).toBe(200);
  expect((await asked({ url: '/v1/lists', headers: { cookie } })).statusCode).toBe(401);
});

test('a change by cookie comes from the console’s own page; one by bearer token needs neither', async () => {
  const { asked, login } = await door();
  const entered = await login(tokenOf('operator'));
  const { csrf } = entered.json().session;
  const cookie = cookieOf(entered);
  const reload = async (headers: Record<string, string>) => {
    const { statusCode, body } = await asked({ method: 'POST', url: '/v1/reload', headers, payload: {} });
    return [statusCode, JSON.parse(body).error?.code];
  };
  const refused = [403, 'SEKISHO_CSRF_REFUSED'];
  expect(await reload({ cookie })).toEqual(refused);
  expect(await reload({ cookie, 'x-sekisho-csrf': 'x' })).toEqual(refused);
  for (const site of ['cross-site', 'same-site', 'none'])
    expect(await reload({ cookie, 'x-sekisho-csrf': csrf, 'sec-fetch-site': site })).toEqual(refused);
  expect(await reload({ cookie, 'x-sekisho-csrf': csrf, 'sec-fetch-site': 'same-origin' })).toEqual([200, undefined]);
  expect(await reload({ authorization: `Bearer ${tokenOf('operator')}` })).toEqual([200, undefined]);
  // A bearer token that is wrong is not helped by a cookie.
  expect((await reload({ cookie, authorization: 'Bearer x', 'x-sekisho-csrf': csrf }))[0]).toBe(401);
  // The role is that of the token: no more than it may.
  expect((await asked({ url: '/v1/report?from=2026-01-01&to=2026-01-02', headers: { cookie } })).statusCode).toBe(403);
  // Nobody is logged in by the page of another site.
  expect((await login(tokenOf('operator'), { 'sec-fetch-site': 'cross-site' })).statusCode).toBe(403);
});

test('logins that fail are audited without the token, and limited', async () => {
  const { login, audited, clock } = await door();
  for (let i = 0; i < MOST_FAILURES; i++) {
    const refused = await login('s3cret-guess');
    expect([refused.statusCode, refused.json().error]).toEqual([
      401,
      expect.objectContaining({ code: 'SEKISHO_LOGIN_REFUSED', remedy: expect.stringContaining('tokens-file') }),
    ]);
  }
  const limited = await login(tokenOf('operator'));
  expect([limited.statusCode, limited.json().error.code]).toEqual([429, 'SEKISHO_LOGIN_LIMITED']);
  expect(limited.json().error.message).toMatch(/600 seconds/);
  expect(audited).toHaveLength(MOST_FAILURES);
  expect(JSON.stringify(audited)).not.toMatch(/s3cret|127\.0\.0\.1/);
  clock.advance(600_000);
  expect((await login(tokenOf('operator'))).statusCode).toBe(200);
});

test.each(['portal', 'provisioning'] as const)(
  'a token of the role %s belongs to a program: no session',
  async (role) => {
    const { login, sessions } = await door();
    const refused = await login(tokenOf(role));
    expect([refused.statusCode, refused.json().error.code]).toEqual([403, 'SEKISHO_LOGIN_NO_VIEW']);
    expect(sessions.size).toBe(0);
  },
);

test('a session whose token is not in force any more is nobody’s', async () => {
  const { login, sessions } = await door();
  const cookie = cookieOf(await login(tokenOf('security')));
  const id = cookie.split('=')[1];
  const held = sessions.find(id, false);
  expect(held).toBeDefined();
  const without = new Tokens(FOR_ALL, [entry('viewer')]);
  expect(without.holder(held?.token ?? '')).toBeUndefined();
});

test('a session rests while the page asks by itself, and then is over', async () => {
  const { asked, login, clock } = await door();
  const cookie = cookieOf(await login(tokenOf('operator')));
  for (let minutes = 0; minutes < 14; minutes += 2) {
    clock.advance(120_000);
    const headers = { cookie, 'x-sekisho-by-itself': '1' };
    expect((await asked({ url: '/v1/lists', headers })).statusCode).toBe(200);
  }
  clock.advance(60_001);
  const over = await asked({ url: '/v1/lists', headers: { cookie } });
  expect(over.statusCode).toBe(401);
  expect((await asked({ url: '/console/session', headers: { cookie } })).json()).toEqual({
    version: '1.2.3',
    session: null,
  });
});

test('the page loads nothing from elsewhere and runs nothing inline; its files are kept by their names', async () => {
  const { asked } = await door();
  for (const url of ['/console', '/console/', '/console/index.html']) {
    const page = await asked({ url, headers: { 'accept-encoding': 'gzip' } });
    expect([page.statusCode, page.headers['content-encoding'], page.headers['cache-control']]).toEqual([
      200,
      'gzip',
      'no-cache',
    ]);
    const policy = String(page.headers['content-security-policy']);
    expect(policy).toContain("default-src 'none'");
    expect(policy).not.toMatch(/unsafe|https?:|\*/);
    expect(page.headers['x-frame-options']).toBe('DENY');
  }
  const script = await asked({ url: '/console/main-1.js' });
  expect([script.headers['cache-control'], script.body]).toEqual(['private, max-age=31536000, immutable', '1']);
  expect((await asked({ url: '/console/index.html', headers: { 'if-none-match': '"e"' } })).statusCode).toBe(304);
  for (const url of ['/console/nothing.js', '/console/..%2f..%2fpackage.json', '/console/%00'])
    expect([url, (await asked({ url })).statusCode]).toEqual([url, 404]);
  const root = await asked({ url: '/' });
  expect([root.statusCode, root.headers['location']]).toEqual([302, '/console/']);
});

test('what is built is held as it is sent, and nothing else of the folder', () => {
  const files = readConsoleFiles();
  expect([...files.keys()].filter((name) => !/^(index\.html|[\w-]+-[\w-]+\.(js|css|svg))$/.test(name))).toEqual([]);
});

test('live figures are computed once for all who look, and not at all while nobody does', async () => {
  const { app, asked, login, clock, live } = await door();
  const server = createServer((request, response) => app.routing(request, response));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  closing.push(() => server.close());
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const cookie = cookieOf(await login(tokenOf('viewer')));
  const looks = await Promise.all(
    Array.from({ length: MOST_CLIENTS }, () =>
      fetch(`${origin}/v1/live`, { headers: { cookie, accept: 'text/event-stream' } }),
    ),
  );
  expect(looks[0]?.headers.get('content-type')).toBe('text/event-stream; charset=utf-8');
  expect(live.clients).toBe(MOST_CLIENTS);
  const one = await asked({ url: '/v1/live', headers: { cookie, accept: 'text/event-stream' } });
  expect([one.statusCode, one.json().error.code]).toEqual([503, 'SEKISHO_LIVE_FULL']);

  const readers = looks.map((look) => look.body!.pipeThrough(new TextDecoderStream()).getReader());
  const next = async (reader: ReadableStreamDefaultReader<string>, event: string) => {
    let text = '';
    while (!new RegExp(`event: ${event}\ndata: .*\n\n`).test(text)) text += (await reader.read()).value ?? '';
    return text;
  };
  await Promise.all(readers.map((reader) => next(reader, 'past')));
  clock.advance(FIRST_MS);
  await Promise.all(readers.map((reader) => next(reader, 'figures')));
  clock.advance(EVERY_MS - FIRST_MS);
  const told = await Promise.all(readers.map((reader) => next(reader, 'figures')));
  expect(new Set(told).size).toBe(1);
  expect(told[0]).toContain('"queries":{"udp":57.1}');
  // The session ends, and every one of its streams with it.
  clock.advance(13 * 3_600_000);
  await Promise.all(readers.map((reader) => next(reader, 'ended')));
  await expect.poll(() => live.clients).toBe(0);
});

test('figures of a moment come without a stream, for whoever may see the state', async () => {
  const { asked } = await door();
  const figures = await asked({ url: '/v1/live', headers: { authorization: `Bearer ${tokenOf('viewer')}` } });
  expect([figures.statusCode, figures.json()]).toEqual([200, expect.objectContaining({ status: { ready: true } })]);
  expect((await asked({ url: '/v1/live' })).statusCode).toBe(401);
});
