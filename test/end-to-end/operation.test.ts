/** Start, look, reload, stop: the server as its operator meets it. */
import { spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { parse, stringify } from 'yaml';
import { NEXT_REVIEW } from '../support/dates.ts';
import { ensurePackages } from '../support/debian.ts';
import { askTcp, askUdp, dataOf, queryBytes, readReply, TcpConnection } from '../support/dns-client.ts';
import { runDnsperf } from '../support/dnsperf.ts';
import { sekisho } from '../support/field.ts';
import { freePort } from '../support/free-port.ts';
import { logOf, openDescriptors, pause, scrape, stoppedAfterwards, waitFor } from '../support/observe.ts';
import { temporaryFolder } from '../support/process.ts';
import { honest, type ScriptedUpstream, startScriptedUpstream } from '../support/scripted-upstream.ts';
import { type SekishoServer, sekishoMain, startSekisho } from '../support/sekisho.ts';
import { writePlugin } from '../support/third-party-plugin.ts';

vi.setConfig({ testTimeout: 180_000, hookTimeout: 240_000 });
const keep = stoppedAfterwards();
const missing = ensurePackages(['dnsperf']);
let upstream: ScriptedUpstream;
beforeAll(async () => {
  upstream = keep(await startScriptedUpstream(honest()));
});
afterEach(() => {
  upstream.script = honest();
});

type Section = Record<string, unknown>;
const start = async (config: { server?: Section; plugins?: Section } = {}): Promise<SekishoServer> =>
  keep(
    await startSekisho({
      config: { ...config, upstream: { servers: [`127.0.0.1:${upstream.port}`] }, cache: { size: '1MiB' } },
    }),
  );

const ground = {
  kind: 'legitimate-business',
  purpose: 'show that a rule is in force',
  necessity: 'nothing else would show it',
  proportionality: 'one name that nobody owns',
  approver: 'somebody',
  review: NEXT_REVIEW,
};
const sinkholeOf = (...names: string[]) => ({
  sinkhole: { ipv4: '198.51.100.1', rules: names.map((name) => ({ name, ground })) },
});

describe('looking', () => {
  let server: SekishoServer;
  beforeAll(async () => {
    server = await start({ plugins: sinkholeOf('victim.example.test') });
    for (let i = 0; i < 3; i++) await askUdp({ name: 'www.example.test' }, { port: server.port });
    await askTcp({ name: 'victim.example.test' }, { port: server.port });
  });
  const get = (path: string, headers: Record<string, string> = {}) =>
    fetch(`http://127.0.0.1:${server.adminPort}${path}`, { headers });

  it('says that it is well and ready, without a token', async () => {
    expect((await get('/healthz')).status).toBe(200);
    const ready = await get('/readyz');
    expect([ready.status, await ready.json()]).toEqual([200, { ready: true }]);
  });

  it('keeps the rest behind a token', async () => {
    expect((await get('/v1/status')).status).toBe(401);
    expect((await get('/v1/status', { authorization: 'Bearer wrong' })).status).toBe(401);
    const file = join(server.folder, 'data', 'admin.token');
    expect(statSync(file).mode & 0o777).toBe(0o600);
    const authorization = `Bearer ${readFileSync(file, 'utf8').trim()}`;
    expect((await get('/v1/status', { authorization })).status).toBe(200);
  });

  it('counts in the format of Prometheus', async () => {
    const response = await get('/metrics');
    expect(response.headers.get('content-type')).toMatch(/^text\/plain; version=0\.0\.4/);
    const metrics = await scrape(server);
    expect(metrics.total('sekisho_queries_total', { transport: 'udp' })).toBe(3);
    expect(metrics.total('sekisho_queries_total', { transport: 'tcp' })).toBe(1);
    expect(metrics.total('sekisho_responses_total', { rcode: 'NOERROR' })).toBe(4);
    expect(metrics.total('sekisho_cache_lookups_total', { result: 'hit' })).toBe(2);
    expect(metrics.total('sekisho_query_duration_seconds_count')).toBe(4);
    expect(metrics.total('sekisho_upstream_up')).toBe(1);
    expect(metrics.total('sekisho_udp_kernel_drops_total')).toBe(0);
    expect(metrics.total('sekisho_workers_serving')).toBe(1);
    // No qname and no client in a label.
    expect(metrics.text).not.toMatch(/example\.test/);
  });

  it('shows its state', async () => {
    const { code, stdout } = await sekisho(['status', '--json', '--config', server.configFile]);
    expect(code).toBe(0);
    const status = JSON.parse(stdout) as Record<string, never>;
    expect(status).toMatchObject({
      ready: true,
      pid: server.pid,
      queries: { total: 4, udp: 3, tcp: 1 },
      cache: { hits: 2, misses: 1 },
      upstreams: [{ address: `127.0.0.1:${upstream.port}`, state: 'up', trusted: false }],
      workers: [{ number: 0, state: 'running', restarts: 0 }],
      plugins: [{ name: 'access' }, { name: 'sinkhole' }],
    });
    const plain = await sekisho(['status', '--config', server.configFile]);
    expect(plain.code).toBe(0);
    expect(plain.stdout).toContain(`127.0.0.1:${upstream.port}`);
  });

  it('explains who would decide, and sends nothing', async () => {
    const asked = upstream.queries.length;
    const explain = async (...args: string[]) => {
      const { code, stdout, stderr } = await sekisho(['explain', ...args, '--json', '--config', server.configFile]);
      expect(code, stderr).toBe(0);
      return JSON.parse(stdout) as { decidedBy: string | null; outcome: string; steps: { who: string }[] };
    };
    expect((await explain('victim.example.test', '--client', '127.0.0.1')).decidedBy).toBe('sinkhole');
    expect((await explain('www.example.test', 'A', '--client', '127.0.0.1')).decidedBy).toBe('cache');
    expect((await explain('new.example.test', 'HTTPS', '--client', '127.0.0.1')).decidedBy).toBeNull();
    expect((await explain('victim.example.test', '--client', '192.0.2.1')).decidedBy).toBe('access');
    expect(upstream.queries.length).toBe(asked);
    expect((await scrape(server)).total('sekisho_queries_total')).toBe(4);
  });

  it('prints at the start where it listens, whom it asks and what decides', () => {
    expect(logOf(server).find(({ msg }) => msg === 'serving')).toMatchObject({
      listeners: [`127.0.0.1:${server.port}`],
      upstreams: [`127.0.0.1:${upstream.port}`],
      chain: ['guard:access', 'policy:sinkhole'],
      workers: 1,
    });
    expect(server.stdout()).not.toMatch(/example\.test/);
  });
});

describe('a reload', () => {
  let server: SekishoServer;
  const asking = () => ({ port: server.port });
  beforeAll(async () => {
    server = await start({ server: { workers: 2 }, plugins: sinkholeOf('old.example.test') });
  });

  /** Change the configuration file, send SIGHUP, wait until the log says how it went. */
  async function reload(text: string): Promise<Record<string, unknown>> {
    const before = outcomes().length;
    writeFileSync(server.configFile, text);
    process.kill(server.pid, 'SIGHUP');
    const outcome = await waitFor('the reload', () => outcomes()[before]);
    // Until the old workers have gone. That a signal is not lost meanwhile has a test of its own.
    await pause(500);
    return outcome;
  }
  const outcomes = () => logOf(server).filter(({ msg }) => msg === 'reloaded' || /reload refused/.test(String(msg)));
  const changed = (change: (config: Record<string, Section>) => void): string => {
    const config = parse(server.config) as Record<string, Section>;
    change(config);
    return stringify(config);
  };
  const withRule = (...names: string[]) =>
    changed((config) => Object.assign(config, { plugins: sinkholeOf(...names) }));
  const discarded = async (name: string) =>
    dataOf((await askUdp({ name }, asking())).answers, 'A')[0] === '198.51.100.1';

  it.skipIf(missing.size > 0)(
    'puts a new rule in force and loses no query',
    async () => {
      const queries = join(server.folder, 'queries');
      writeFileSync(queries, Array.from({ length: 500 }, (_, i) => `load-${i}.example.test A`).join('\n'));
      const load = runDnsperf({ port: server.port, queryFile: queries, seconds: 5, rate: 2_000, timeoutSeconds: 3 });
      await pause(500);
      expect(await discarded('new.example.test')).toBe(false);
      expect((await reload(withRule('new.example.test')))['msg']).toBe('reloaded');
      await waitFor('the rule is in force', () => discarded('new.example.test'), 2_000);
      expect(await discarded('old.example.test')).toBe(false);
      await pause(500);
      expect((await reload(withRule('newer.example.test', 'new.example.test')))['msg']).toBe('reloaded');
      await waitFor('the rule is in force', () => discarded('newer.example.test'), 2_000);
      const result = await load;
      expect(result.sent).toBeGreaterThan(5_000);
      expect(result.lost).toBe(0);
      expect(result.rcodes).toEqual({ NOERROR: result.sent });
    },
    30_000,
  );

  it('keeps counters, cache and the number of descriptors', async () => {
    await askUdp({ name: 'kept.example.test' }, asking());
    const before = await scrape(server);
    const descriptors = openDescriptors(server.pid);
    const asked = upstream.queries.filter(({ name }) => name === 'kept.example.test').length;
    for (let i = 0; i < 4; i++) await reload(withRule('new.example.test', `again-${i}.example.test`));
    await askUdp({ name: 'kept.example.test' }, asking());
    const after = await scrape(server);
    expect(upstream.queries.filter(({ name }) => name === 'kept.example.test').length).toBe(asked);
    expect(after.total('sekisho_queries_total')).toBe(before.total('sekisho_queries_total') + 1);
    await waitFor('the old workers are gone', () => openDescriptors(server.pid) <= descriptors + 40, 8_000);
  });

  it.each<[string, () => string, RegExp | { words: string; place: RegExp }]>([
    ['a syntax error', () => 'server: [', /sekisho\.yaml:\d+:\d+/],
    ['an unknown key', () => changed((config) => Object.assign(config['server'] ?? {}, { lisen: [] })), /lisen/],
    [
      'a plugin that throws',
      () =>
        changed((config) =>
          Object.assign(config, {
            plugins: {
              broken: { module: writePlugin('broken', '...(() => { throw new Error("set-up broke"); })(),') },
            },
          }),
        ),
      { words: 'set-up broke', place: /\bbroken\.mjs\b/ },
    ],
    [
      'a plugin whose control throws',
      () =>
        changed((config) =>
          Object.assign(config, {
            plugins: {
              broken: {
                module: writePlugin('broken', '', { parts: 'control() { throw new Error("control broke"); },' }),
              },
            },
          }),
        ),
      { words: 'control broke', place: /\bbroken\.mjs\b/ },
    ],
    [
      'an address that this machine does not have',
      () => changed((config) => Object.assign(config['server'] ?? {}, { listen: ['192.0.2.200:5353'] })),
      /192\.0\.2\.200/,
    ],
    [
      'another data folder',
      () => changed((config) => Object.assign(config['server'] ?? {}, { data: './elsewhere' })),
      /server\.data/,
    ],
  ])(
    'is refused for %s, and what was in force runs on',
    async (_, text, problem) => {
      await reload(withRule('standing.example.test'));
      const descriptors = openDescriptors(server.pid);
      const outcome = await reload(text());
      expect(outcome['msg']).toMatch(/reload refused/);
      if (problem instanceof RegExp) expect(JSON.stringify(outcome['problems'])).toMatch(problem);
      else {
        // A plugin's words may hold anything: whoever asks for the reload is told them, and the log where the fault arose.
        expect(JSON.stringify(outcome['fault'])).toMatch(problem.place);
        const asked = await sekisho(['reload', '--config', server.configFile]);
        expect([asked.code, asked.stderr]).toEqual([1, expect.stringContaining(problem.words)]);
        expect(server.stdout()).not.toContain(problem.words);
      }
      expect(await discarded('standing.example.test')).toBe(true);
      expect((await askTcp({ name: 'www.example.test' }, asking())).rcode).toBe(0);
      expect(openDescriptors(server.pid)).toBeLessThanOrEqual(descriptors + 40);
    },
    20_000,
  );

  it('is not lost where it is asked for while another one is under way', async () => {
    const before = outcomes().length;
    for (const name of ['first', 'second', 'third', 'last']) {
      writeFileSync(server.configFile, withRule(`${name}.example.test`));
      process.kill(server.pid, 'SIGHUP');
      await waitFor('a reload', () => outcomes().length > before);
    }
    await waitFor('what was written last is in force', () => discarded('last.example.test'));
    // Another one may still be under way; one that is asked for over the API is answered when none is any more.
    const token = readFileSync(join(server.folder, 'data', 'admin.token'), 'utf8').trim();
    const request = { method: 'POST', headers: { authorization: `Bearer ${token}` } };
    const answer = await fetch(`http://127.0.0.1:${server.adminPort}/v1/reload`, request);
    expect(await answer.json()).toEqual({ ok: true, problems: [] });
  });

  it('can add and take away addresses, and loses no query to those that stay', async () => {
    const other = await freePort();
    const both = changed((config) =>
      Object.assign(config['server'] ?? {}, { listen: [`127.0.0.1:${server.port}`, `127.0.0.1:${other}`] }),
    );
    let asked = 0;
    let answered = 0;
    let asks = true;
    const asking = Array.from({ length: 4 }, async () => {
      while (asks) {
        asked++;
        const where = { port: server.port, timeoutMs: 2_000 };
        if ((await askUdp({ name: 'www.example.test' }, where).catch(() => undefined))?.rcode === 0) answered++;
      }
    });
    await pause(200);
    const outcome = await reload(both);
    expect(outcome['msg']).toBe('reloaded');
    expect((await askUdp({ name: 'www.example.test' }, { port: other })).rcode).toBe(0);
    expect((await askTcp({ name: 'www.example.test' }, { port: other })).rcode).toBe(0);
    expect((await reload(server.config))['msg']).toBe('reloaded');
    asks = false;
    await Promise.all(asking);
    await expect(askTcp({ name: 'www.example.test' }, { port: other })).rejects.toThrow();
    expect(asked).toBeGreaterThan(100);
    expect(asked - answered).toBe(0);
  });
});

describe('SIGTERM', () => {
  it('answers what waits, takes nothing new, and exits with 0', async () => {
    const server = await start({ server: { workers: 2 } });
    upstream.queries.length = 0;
    upstream.script = (query) => setTimeout(() => honest()(query), 1_000);
    const connection = await TcpConnection.open({ port: server.port });
    connection.send(queryBytes({ name: 'waiting-tcp.example.test' }));
    const waiting = Array.from({ length: 10 }, (_, i) => askUdp({ name: `w${i}.example.test` }, { port: server.port }));
    await waitFor('the upstream was asked', () => new Set(upstream.queries.map(({ name }) => name)).size >= 11);
    process.kill(server.pid, 'SIGTERM');
    const replies = await Promise.all(waiting);
    expect(replies.map(({ rcode }) => rcode)).toEqual(waiting.map(() => 0));
    const bytes = await connection.next();
    expect(bytes && readReply(bytes).rcode).toBe(0);
    expect(await server.ended).toBe(0);
    expect(logOf(server).at(-1)?.['msg']).toBe('stopped');
  });

  it('does not wait for ever', async () => {
    const server = await start();
    upstream.script = () => {};
    const lost = askUdp({ name: 'never.example.test' }, { port: server.port, timeoutMs: 8_000 }).catch(() => undefined);
    await waitFor('the upstream was asked', () => upstream.queries.some(({ name }) => name === 'never.example.test'));
    process.kill(server.pid, 'SIGTERM');
    expect(await server.ended).toBe(0);
    await lost;
  });
});

describe('a start that cannot be', () => {
  function configuration(config: Section | string): string {
    const folder = temporaryFolder('refused');
    const file = join(folder, 'sekisho.yaml');
    writeFileSync(file, typeof config === 'string' ? config : stringify(config));
    return file;
  }

  it.each(['udp', 'tcp'] as const)('a %s port in use is said clearly', async (transport) => {
    const port = await freePort();
    const held = transport === 'udp' ? createSocket('udp4') : createServer();
    await new Promise<void>((resolve) => {
      if ('bind' in held) held.bind(port, '127.0.0.1', resolve);
      else held.listen(port, '127.0.0.1', resolve);
    });
    const file = configuration({
      server: { listen: [`127.0.0.1:${port}`] },
      admin: { listen: '127.0.0.1:0' },
      upstream: { servers: ['127.0.0.1:5300'] },
    });
    const { code, stderr } = await sekisho(['run', '--config', file]);
    await new Promise<void>((resolve) => void held.close(() => resolve()));
    expect(code).toBe(1);
    expect(stderr).toContain(`127.0.0.1:${port}`);
    expect(stderr).toContain('SEKISHO_PORT_IN_USE');
    expect(stderr).not.toMatch(/^\s+at /m);
  });

  it('the admin port in use is said clearly, and nothing stays behind', async () => {
    const held = createServer();
    await new Promise<void>((resolve) => void held.listen(0, '127.0.0.1', resolve));
    const { port } = held.address() as { port: number };
    const file = configuration({
      server: { listen: [`127.0.0.1:${await freePort()}`] },
      admin: { listen: `127.0.0.1:${port}` },
      upstream: { servers: ['127.0.0.1:5300'] },
    });
    const { code, stderr } = await sekisho(['run', '--config', file]);
    await new Promise<void>((resolve) => void held.close(() => resolve()));
    expect(code).toBe(1);
    expect(stderr).toContain(`127.0.0.1:${port}`);
    expect(stderr).toContain('SEKISHO_PORT_IN_USE');
  });

  it('names every problem of the configuration with its place', async () => {
    const file = configuration(
      [
        'server:',
        '  listen: ["127.0.0.1:99999"]',
        '  wrokers: 2',
        'cache:',
        '  size: 3 apples',
        'plugins:',
        '  sinkhole: { ipv4: nonsense }',
        '  nobody: {}',
        '',
      ].join('\n'),
    );
    for (const command of ['run', 'check']) {
      const { code, stderr } = await sekisho([command, '--config', file]);
      expect(code).toBe(1);
      expect(stderr).toMatch(/sekisho\.yaml:2:12: server\.listen/);
      expect(stderr).toMatch(/sekisho\.yaml:3:3: server.*wrokers.*workers/);
      expect(stderr).toMatch(/sekisho\.yaml:5:9: cache\.size/);
      expect(stderr).toMatch(/sekisho\.yaml:7:\d+: plugins\.sinkhole\.ipv4/);
      expect(stderr).toMatch(/sekisho\.yaml:8:\d+: plugins\.nobody/);
    }
  });

  it('an unreadable configuration is exit code 1', async () => {
    for (const file of [join(temporaryFolder('none'), 'missing.yaml'), temporaryFolder('folder')]) {
      const { code, stderr } = await sekisho(['run', '--config', file]);
      expect(code).toBe(1);
      expect(stderr).toContain(file);
    }
  });

  it('a data folder that cannot be made is exit code 1', async () => {
    const file = configuration({
      server: { listen: [`127.0.0.1:${await freePort()}`], data: './sekisho.yaml/data' },
      admin: { listen: '127.0.0.1:0' },
      upstream: { servers: ['127.0.0.1:5300'] },
    });
    const { code, stderr } = await sekisho(['run', '--config', file]);
    expect(code).toBe(1);
    expect(stderr).toContain('SEKISHO_DATA_UNWRITABLE');
  });

  it.each([
    [[]],
    [['nonsense']],
    [['run', '--nonsense']],
    [['run', 'extra']],
    [['explain']],
    [['explain', 'www.example.test']],
    [['explain', 'www.example.test', '--client', 'nobody']],
    [['explain', 'a..b', '--client', '127.0.0.1']],
  ])('wrong use is exit code 2: sekisho %j', async (args) => {
    const { code, stderr, stdout } = await sekisho(args);
    expect(code).toBe(2);
    expect(stderr).not.toBe('');
    expect(stdout).toBe('');
  });

  it('asking a server that does not run is exit code 1', async () => {
    const file = configuration({ admin: { listen: `127.0.0.1:${await freePort()}` } });
    const { code, stderr } = await sekisho(['status', '--config', file], { env: { SEKISHO_TOKEN: 'any' } });
    expect(code).toBe(1);
    expect(stderr).toContain('SEKISHO_SERVER_UNREACHABLE');
  });
});

describe('the log', () => {
  it('whose reader has gone away does not take the server along', async () => {
    const folder = temporaryFolder('closed-log');
    mkdirSync(join(folder, 'data'));
    const [port, adminPort] = [await freePort(), await freePort()];
    const file = join(folder, 'sekisho.yaml');
    const config = {
      server: { listen: [`127.0.0.1:${port}`], data: join(folder, 'data') },
      admin: { listen: `127.0.0.1:${adminPort}` },
      upstream: { servers: [`127.0.0.1:${upstream.port}`] },
    };
    writeFileSync(file, stringify(config));
    const child = spawn(process.execPath, [sekishoMain(), 'run', '--config', file], {
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    keep({ close: () => child.kill('SIGKILL') });
    child.stdout.once('data', () => child.stdout.destroy());
    const ready = async () =>
      (await fetch(`http://127.0.0.1:${adminPort}/readyz`).catch(() => undefined))?.status === 200;
    await waitFor('the server is ready', ready);
    for (let i = 0; i < 3; i++) {
      child.kill('SIGHUP');
      await pause(300);
    }
    expect((await askUdp({ name: 'www.example.test' }, { port })).rcode).toBe(0);
    expect(child.exitCode).toBeNull();
    child.kill('SIGTERM');
    const code = await new Promise((resolve) => child.once('exit', (status, signal) => resolve(status ?? signal)));
    expect(code).toBe(0);
  });
});
