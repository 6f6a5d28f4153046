import { createHash } from 'node:crypto';
import type { FastifyInstance } from 'fastify';
import { pino } from 'pino';
import { describe, expect, it } from 'vitest';
import { cacheWithout } from '../../test/support/desk-without-cache.ts';
import { featureRoutes } from '../../test/support/feature-routes.ts';
import type { AuditEntry } from '../audit/entry.ts';
import { auditError } from '../audit/errors.ts';
import { ROLES, type Role } from '../audit/roles.ts';
import { recordTogether } from '../audit/together.ts';
import { parseConfig } from '../config/load.ts';
import { definePlugin, errorsOf, type Plugin, z } from '../contract/plugin.ts';
import { SUBSCRIBERS_STATUS } from '../subscribers/status.ts';
import { createApp } from './app.ts';
import type { AdminDeps } from './deps.ts';
import type { Status } from './status.ts';
import { Tokens } from './tokens.ts';

const ADMIN_TOKEN = 'A'.repeat(43);
const tokenOf = (role: Role) => `token-of-${role}`;
const tokens = new Tokens(
  ADMIN_TOKEN,
  ROLES.map((role) => ({ name: `a-${role}`, role, sha256: createHash('sha256').update(tokenOf(role)).digest('hex') })),
);
const bearer = (token: string) => ({ authorization: `Bearer ${token}` });

const status: Status = {
  version: '0.1.0',
  node: 'v20.19.0',
  pid: 1,
  startedAt: '2026-01-01T00:00:00.000Z',
  uptimeSeconds: 5,
  configuration: 'sekisho.yaml',
  configuredAt: '2026-01-01T00:00:00.000Z',
  ready: true,
  warnings: [],
  workers: [{ number: 0, state: 'running', restarts: 0, uptimeSeconds: 5, queries: 7 }],
  listeners: [{ address: '127.0.0.1:5353', transports: ['udp', 'tcp'], packets: 'batched' }],
  resolve: null,
  fastPath: { asked: false, interfaces: [], reasons: [] },
  kernelDrops: [],
  upstreams: [
    { address: '192.0.2.53:53', state: 'unknown', rttMs: null, trusted: false, tls: null, queries: 0, failures: 0 },
  ],
  views: [],
  plugins: [{ name: 'access', stage: 'guard', meanCostNs: 120.5, errors: 0 }],
  cache: { entries: 1, usedBytes: 200, sizeBytes: 2 ** 28, hits: 3, misses: 4, stale: 0 },
  leases: null,
  ranges: null,
  queries: { total: 7, udp: 6, tcp: 1, dropped: 0, shed: 0, rcodes: { NOERROR: 7 } },
};

/** An application whose log ends in `lines`. */
async function app(changes: Partial<AdminDeps> = {}): Promise<{ app: FastifyInstance; lines: string[] }> {
  const lines: string[] = [];
  const options = z.strictObject({});
  const loaded = await parseConfig(
    '',
    { source: 'x.yaml', file: undefined, baseFolder: '/' },
    {
      resolvePlugin: async (name) => definePlugin({ name, stage: 'guard', summary: '', options }) as unknown as Plugin,
      systemResolvers: () => ['192.0.2.53'],
    },
  );
  if (!loaded.ok) throw new Error('the defaults are refused');
  const deps: AdminDeps = {
    config: loaded.config,
    version: '0.1.0',
    log: pino({ level: 'info' }, { write: (line: string) => lines.push(line) }),
    metricsText: () => '# HELP x x\n# TYPE x counter\nx 1\n',
    status: () => status,
    explain: async ({ name, type, client }) => ({
      name,
      type: String(type),
      client,
      view: null,
      steps: [{ place: 'guard', who: 'access', verdict: 'refuse', reason: 'not in server.access' }],
      lists: [],
      decidedBy: 'access',
      outcome: 'REFUSED',
      fate: 'answered',
      reply: { rcode: 'REFUSED', truncated: false, answers: 0, ede: 18, stale: false },
    }),
    reload: async () => ({ ok: true, problems: [] }),
    ready: () => true,
    pluginRoutes: [],
    entrances: [],
    statusSchemas: SUBSCRIBERS_STATUS.schemas,
    featureRoutes: await featureRoutes(loaded.config),
    audit: { record: () => {} },
    cache: cacheWithout(),
    ...changes,
  };
  return { app: await createApp(deps, tokens), lines };
}

describe('the cache', () => {
  it('is flushed by name, subtree and type, as text or as what is wrong with it', async () => {
    const { app: admin } = await app();
    const flush = async (payload: object) =>
      (await admin.inject({ method: 'POST', url: '/v1/cache/flush', payload, headers: bearer(ADMIN_TOKEN) })).json();
    expect(await flush({ name: 'WWW.Example.' })).toEqual({
      name: 'www.example',
      subtree: false,
      type: null,
      removed: 1,
    });
    expect(await flush({ name: '.', subtree: true, type: 'AAAA' })).toMatchObject({ name: '.', removed: 128 });
    for (const wrong of [{}, { name: 'a..b' }, { name: 'a', type: 'AAAAA' }, { name: 'a', kind: 1 }])
      expect(await flush(wrong)).toMatchObject({ error: { code: 'SEKISHO_REQUEST_INVALID' } });
  });
});

describe('routes without a token', () => {
  it('say that the process lives and whether queries are answered', async () => {
    let ready = false;
    const { app: admin } = await app({ ready: () => ready });
    expect((await admin.inject('/healthz')).json()).toEqual({ status: 'ok' });
    const before = await admin.inject('/readyz');
    expect([before.statusCode, before.json()]).toEqual([503, { ready: false }]);
    ready = true;
    const after = await admin.inject('/readyz');
    expect([after.statusCode, after.json()]).toEqual([200, { ready: true }]);
  });

  it('send every answer with headers that let a browser load, run and frame nothing of it', async () => {
    const { app: admin } = await app();
    for (const url of ['/healthz', '/metrics', '/v1/status', '/v1/nowhere']) {
      const { headers } = await admin.inject(url);
      expect([url, headers]).toEqual([
        url,
        expect.objectContaining({
          'cache-control': 'no-store',
          'content-security-policy': "default-src 'none';frame-ancestors 'none'",
          'cross-origin-resource-policy': 'same-origin',
          'referrer-policy': 'no-referrer',
          'x-content-type-options': 'nosniff',
          'x-frame-options': 'DENY',
        }),
      ]);
      expect(headers).not.toHaveProperty('x-powered-by');
    }
  });

  it('show the counters as Prometheus wants them', async () => {
    const { app: admin } = await app();
    const page = await admin.inject('/metrics');
    expect(page.headers['content-type']).toBe('text/plain; version=0.0.4; charset=utf-8');
    expect(page.body).toContain('\nx 1\n');
  });
});

describe('tokens and roles', () => {
  const paths = [
    ['GET', '/v1/status', ['viewer', 'operator', 'security', 'privacy']],
    ['GET', '/v1/explain?name=example.com&client=127.0.0.1', ['operator', 'security', 'privacy']],
    ['POST', '/v1/reload', ['operator']],
    ['POST', '/reload', ['operator']],
    ['GET', '/openapi.json', [...ROLES]],
  ] as const;

  it.each(paths)('%s %s admits exactly its roles, and the admin token', async (method, url, admitted) => {
    const { app: admin } = await app();
    for (const role of ROLES) {
      const answer = await admin.inject({ method, url, headers: bearer(tokenOf(role)) });
      expect([role, answer.statusCode]).toEqual([role, (admitted as readonly Role[]).includes(role) ? 200 : 403]);
      if (answer.statusCode === 403) {
        expect(answer.json().error).toMatchObject({
          code: 'SEKISHO_ROLE_MISSING',
          message: expect.stringContaining(`a-${role}`),
        });
      }
    }
    expect((await admin.inject({ method, url, headers: bearer(ADMIN_TOKEN) })).statusCode).toBe(200);
  });

  it.each([
    undefined,
    '',
    'Bearer',
    'Bearer ',
    `Basic ${ADMIN_TOKEN}`,
    `Bearer ${ADMIN_TOKEN}x`,
    `Bearer ${ADMIN_TOKEN.slice(1)}`,
    `Bearer ${'A'.repeat(600)}`,
    'Bearer a b',
  ])('%j is nobody', async (authorization) => {
    const { app: admin } = await app();
    for (const [method, url] of paths) {
      const answer = await admin.inject({ method, url, headers: authorization === undefined ? {} : { authorization } });
      expect([url, answer.statusCode]).toEqual([url, 401]);
      expect(answer.json()).toEqual({
        error: {
          code: 'SEKISHO_TOKEN_MISSING',
          message: expect.any(String),
          remedy: expect.stringMatching(/^Send `Authorization/),
        },
      });
      expect(answer.headers['www-authenticate']).toMatch(/^Bearer /);
    }
  });
});

describe('GET /v1/status', () => {
  it('answers what the server says, and not a field more', async () => {
    const { app: admin } = await app({ status: () => ({ ...status, secret: 'x' }) as Status });
    expect((await admin.inject({ url: '/v1/status', headers: bearer(ADMIN_TOKEN) })).json()).toEqual(status);
  });
});

describe('GET /v1/explain', () => {
  const ask = async (query: Record<string, string>) => {
    const { app: admin } = await app();
    return admin.inject({ url: '/v1/explain', query, headers: bearer(ADMIN_TOKEN) });
  };

  it('hands over name, type and address in canonical form', async () => {
    expect((await ask({ name: 'Example.COM.', type: 'aaaa', client: '::FFFF:127.0.0.1' })).json()).toMatchObject({
      name: 'example.com',
      type: '28',
      client: '127.0.0.1',
      decidedBy: 'access',
    });
    expect((await ask({ name: '例え.jp', client: '::1' })).json()).toMatchObject({ name: 'xn--r8jz45g.jp', type: '1' });
  });

  it.each([
    [{ client: '127.0.0.1' }, 'name'],
    [{ name: 'example.com' }, 'client'],
    [{ name: 'a..b', client: '127.0.0.1' }, 'name: has an empty label'],
    [{ name: 'example.com', client: 'localhost' }, "client: 'localhost' is no IP address"],
    [{ name: 'example.com', client: '127.0.0.1', type: 'AAAAA' }, "type: 'AAAAA' is not a record type"],
    [{ name: 'example.com', client: '127.0.0.1', typo: 'A' }, 'must NOT have additional properties'],
    [{ name: 'a'.repeat(2000), client: '127.0.0.1' }, 'must NOT have more than 1100 characters'],
  ])('refuses %j', async (query, message) => {
    const answer = await ask(query as Record<string, string>);
    expect(answer.statusCode).toBe(400);
    expect(answer.json()).toEqual({
      error: {
        code: 'SEKISHO_REQUEST_INVALID',
        message: expect.stringContaining(message),
        remedy: expect.stringContaining('/openapi.json'),
      },
    });
  });
});

describe('POST /v1/reload', () => {
  it('tells the problems of a configuration that was refused', async () => {
    const problems = ['x.yaml:1:1: sever: unknown key'];
    const { app: admin } = await app({ reload: async () => ({ ok: false, problems }) });
    const answer = await admin.inject({ method: 'POST', url: '/v1/reload', headers: bearer(ADMIN_TOKEN) });
    expect([answer.statusCode, answer.json()]).toEqual([422, { ok: false, problems }]);
  });
});

describe('what is not configured', () => {
  it.each([
    ['POST', '/v1/query-history/read', 'query-history'],
    ['POST', '/v1/query-history/diagnose?window=60', 'query-history'],
    ['GET', '/v1/random-subdomain', 'random-subdomain'],
  ] as const)('%s %s says which lines bring the plugin', async (method, url, plugin) => {
    const { app: admin } = await app();
    const answer = await admin.inject({ method, url, headers: bearer(ADMIN_TOKEN) });
    expect([answer.statusCode, answer.json()]).toEqual([
      404,
      {
        error: {
          code: 'SEKISHO_PLUGIN_NOT_CONFIGURED',
          message: `the plugin ${plugin} is not configured; add \`plugins: { access: {}, amp-shaper: {}, sinkhole: {}, ${plugin}: {} }\` in the configuration, and reload`,
          remedy: expect.stringContaining('sekisho reload'),
        },
      },
    ]);
  });

  it('is told for built-in plugins alone, and for those that lack', async () => {
    const { app: admin } = await app();
    for (const url of ['/v1/sinkhole/rules/x', '/v1/query-histories', '/v1/nobodys-plugin/read', '/query-history']) {
      const answer = await admin.inject({ url, headers: bearer(ADMIN_TOKEN) });
      expect([url, answer.statusCode, answer.json().error.code]).toEqual([url, 404, 'SEKISHO_NOT_FOUND']);
    }
  });

  it.each([
    ['GET', '/v1/consent/subscribers/4711?reason=asked+by+the+subscriber+on+the+phone&channel=call-centre'],
    ['GET', '/v1/consent/subscribers/4711/export?reason=asked+by+the+subscriber+on+the+phone'],
    ['GET', '/v1/consent/ledger'],
  ] as const)('%s %s says which lines bring subscribers', async (method, url) => {
    const { app: admin } = await app();
    const answer = await admin.inject({ method, url, headers: bearer(ADMIN_TOKEN) });
    const { code, message } = answer.json().error;
    expect([answer.statusCode, code]).toEqual([409, 'SEKISHO_NO_SUBSCRIBERS']);
    expect(message).toContain('the section subscribers is not configured; add `subscribers: { ranges:');
  });

  it('names the lines that bring a list, where there is none', async () => {
    const { app: admin } = await app();
    const answer = await admin.inject({
      method: 'POST',
      url: '/v1/lists/feed/reload',
      headers: bearer(ADMIN_TOKEN),
      payload: {},
    });
    expect([answer.statusCode, answer.json().error.code]).toEqual([404, 'SEKISHO_LIST_UNKNOWN']);
    expect(answer.json().error.message).toContain('add `lists: [{ name: c2-feed,');
  });
});

describe('an error of a plugin that the server does not know', () => {
  it('is answered with its own code, status and remedy, and logged nowhere', async () => {
    const teapotError = errorsOf({
      TEAPOT_EMPTY: { status: 418, exitCode: 1, meaning: 'There is no tea left in the pot.', remedy: 'Make new tea.' },
    });
    const register = (scope: FastifyInstance) => {
      scope.get('/tea', { config: { roles: ['viewer'], noAudit: 'tea is nobody’s' } }, async () => {
        throw teapotError('TEAPOT_EMPTY', 'no tea', { details: ['neither green', 'nor black'] });
      });
    };
    const { app: admin, lines } = await app({ pluginRoutes: [{ plugin: 'teapot', register }] });
    const answer = await admin.inject({ url: '/v1/teapot/tea', headers: bearer(tokenOf('viewer')) });
    expect([answer.statusCode, answer.json()]).toEqual([
      418,
      {
        error: {
          code: 'TEAPOT_EMPTY',
          message: 'no tea',
          remedy: 'Make new tea.',
          details: ['neither green', 'nor black'],
        },
      },
    ]);
    expect(lines).toEqual([]);
  });
});

describe('bounds and failures', () => {
  it('answers 404 and 413 in the shape of every error', async () => {
    const { app: admin } = await app();
    const missing = await admin.inject({ url: '/v1/nothing', headers: bearer(ADMIN_TOKEN) });
    expect([missing.statusCode, missing.json().error.code]).toEqual([404, 'SEKISHO_NOT_FOUND']);
    expect(missing.json().error.remedy).toContain('/openapi.json');
    const large = await admin.inject({
      method: 'POST',
      url: '/reload',
      headers: { ...bearer(ADMIN_TOKEN), 'content-type': 'application/json' },
      payload: JSON.stringify('x'.repeat(100_000)),
    });
    expect([large.statusCode, large.json().error.code]).toEqual([413, 'SEKISHO_REQUEST_INVALID']);
  });

  it('keeps the inside of a failure, tokens and names out of the answer and the log', async () => {
    const { app: admin, lines } = await app({
      explain: async ({ name }) => {
        throw new Error(`cannot explain ${name}`);
      },
    });
    const url = '/v1/explain?name=secret.example&client=192.0.2.77';
    const answer = await admin.inject({ url, headers: bearer(ADMIN_TOKEN) });
    await admin.inject({ url, headers: bearer('wrong-token') });
    await admin.inject({ url: '/v1/secret.example', headers: bearer(ADMIN_TOKEN) });
    expect(answer.statusCode).toBe(500);
    expect(answer.json().error.code).toBe('SEKISHO_INTERNAL');
    expect(answer.body).not.toContain('secret.example');
    expect(lines).toHaveLength(1);
    expect(lines[0]).toContain('"route":"/v1/explain"');
    expect(lines.join('')).not.toMatch(/secret\.example|192\.0\.2\.77|wrong-token|AAAAA/);
  });
});

describe('/openapi.json', () => {
  it('describes every route with its answers', async () => {
    const { app: admin } = await app();
    const api = (await admin.inject({ url: '/openapi.json', headers: bearer(ADMIN_TOKEN) })).json();
    // 3.1, because its schemas are JSON Schema: 3.0 has no `null`.
    expect(api.openapi).toBe('3.1.0');
    expect(Object.keys(api.paths).sort()).toEqual([
      '/healthz',
      '/metrics',
      '/openapi.json',
      '/readyz',
      '/reload',
      '/v1/audit/acknowledge',
      '/v1/audit/verify',
      '/v1/backup',
      '/v1/cache/flush',
      '/v1/cache/stats',
      '/v1/consent/import/{id}',
      '/v1/consent/ledger',
      '/v1/consent/ledger/accept-damage',
      '/v1/consent/subscribers/{subscriber}',
      '/v1/consent/subscribers/{subscriber}/export',
      '/v1/consent/subscribers/{subscriber}/{action}',
      '/v1/dnssec',
      '/v1/dnssec/exceptions',
      '/v1/explain',
      '/v1/export/ip53b',
      '/v1/fleet',
      '/v1/fleet/init',
      '/v1/fleet/nodes/{node}/forget',
      '/v1/leases',
      '/v1/lists',
      '/v1/lists/{name}/held',
      '/v1/lists/{name}/override',
      '/v1/lists/{name}/reload',
      '/v1/lists/{name}/rollback',
      '/v1/measures',
      '/v1/measures/changes',
      '/v1/measures/{id}',
      '/v1/measures/{id}/renew',
      '/v1/reload',
      '/v1/report',
      '/v1/rules',
      '/v1/rules/changes',
      '/v1/rules/{id}',
      '/v1/rules/{id}/renew',
      '/v1/share/indicators',
      '/v1/share/statistics',
      '/v1/status',
      '/v1/terminals/cases',
      '/v1/terminals/cases/{code}',
      '/v1/terminals/check',
      '/v1/terminals/export',
      '/v1/terminals/forms',
      '/v1/terminals/reports',
      '/v1/time',
      '/v1/time/accept',
    ]);
    expect(api.paths['/v1/explain'].get.parameters.map(({ name }: { name: string }) => name).sort()).toEqual([
      'client',
      'listener',
      'name',
      'reason',
      'type',
    ]);
    expect(api.paths['/v1/status'].get.responses['200'].content['application/json'].schema.properties).toHaveProperty(
      'workers',
    );
    expect(api.paths['/healthz'].get.security).toEqual([]);
  });
});

const READ = { of: 'read' as const, actions: ['test.read'] };

describe('a route that declares an entry of the audit log', () => {
  const answering = async (handler: (audit: () => Promise<void>) => unknown) => {
    const written: string[] = [];
    const record = (entry: AuditEntry) => recordTogether({ record: ({ action }) => void written.push(action) }, entry);
    const { app: admin } = await app({
      pluginRoutes: [
        {
          plugin: 'own',
          register: (scope) =>
            void scope.get('/x', { config: { roles: ['viewer'], audit: READ } }, async () =>
              handler(() => record({ who: 'x', role: 'viewer', action: 'test.read', purpose: 'a test' })),
            ),
        },
      ],
    });
    const answer = await admin.inject({ url: '/v1/own/x', headers: bearer(tokenOf('viewer')) });
    return { answer, written };
  };

  it('answers when the entry was written, however far from the route', async () => {
    const { answer, written } = await answering(async (audit) => {
      await new Promise((resolve) => setTimeout(resolve, 1));
      await audit();
      return { secret: 'x' };
    });
    expect([answer.statusCode, answer.json(), written]).toEqual([200, { secret: 'x' }, ['test.read']]);
  });

  it('withholds its answer where it was not', async () => {
    const { answer } = await answering(() => ({ secret: 'x' }));
    expect([answer.statusCode, answer.json().error.code]).toEqual([500, 'SEKISHO_INTERNAL']);
    expect(answer.body).not.toContain('secret');
  });

  it('tells of its own failures as ever', async () => {
    const { answer } = await answering(() => {
      throw auditError('SEKISHO_AUDIT_FAILED', 'the disk is full');
    });
    expect([answer.statusCode, answer.json().error.code]).toEqual([503, 'SEKISHO_AUDIT_FAILED']);
  });
});

describe("plugins' routes", () => {
  it('stand below /v1/<plugin>/ with the roles that they name', async () => {
    const { app: admin } = await app({
      pluginRoutes: [
        {
          plugin: 'sinkhole',
          register: (scope) =>
            void scope.get(
              '/rules',
              { config: { roles: ['security'], noAudit: 'the rules of a test' } },
              async ({ identity }) => ({
                by: identity?.name,
              }),
            ),
        },
      ],
    });
    const get = (role: Role) => admin.inject({ url: '/v1/sinkhole/rules', headers: bearer(tokenOf(role)) });
    expect((await get('security')).json()).toEqual({ by: 'a-security' });
    expect((await get('viewer')).statusCode).toBe(403);
  });

  it.each([
    [{}, 'names no role'],
    [{ roles: [] }, 'names no role'],
    [{ open: true }, 'cannot be open'],
    [{ roles: ['king' as Role] }, "the role 'king'"],
    [{ roles: ['viewer' as Role], noAudit: undefined }, 'must say what it leaves in the audit log'],
    [{ roles: ['viewer' as Role], noAudit: 'none' }, 'in a sentence why'],
    [{ roles: ['viewer' as Role], audit: READ }, 'must say what it leaves in the audit log'],
    [{ roles: ['viewer' as Role], noAudit: undefined, audit: { ...READ, actions: [] } }, 'names no action'],
    [{ roles: ['viewer' as Role], noAudit: undefined, audit: { ...READ, unless: '-' } }, 'in a sentence why'],
  ])('with %j are refused when they are registered', async (declared, message) => {
    const { noAudit, ...rest } = { noAudit: 'nothing but an x', ...declared };
    const config = { ...rest, ...(noAudit !== undefined && { noAudit }) };
    const register = (scope: FastifyInstance) => void scope.get('/x', { config }, async () => 'x');
    await expect(app({ pluginRoutes: [{ plugin: 'bad', register }] })).rejects.toThrow(message);
  });
});
