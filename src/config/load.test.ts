import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { NEXT_REVIEW } from '../../test/support/dates.ts';
import { definePlugin, type Plugin, z } from '../contract/plugin.ts';
import { moduleUrl } from '../loading/module-path.ts';
import { withCode } from '../loading/third-party.ts';
import { problemText } from '../settings/yaml-source.ts';
import type { Config } from './config.ts';
import { adminLocation, type LoadOptions, loadConfig, parseConfig } from './load.ts';
import { defaultZones } from './zones-section.ts';

const access = definePlugin({ name: 'access', stage: 'guard', summary: 'gate', options: z.strictObject({}) });
const ampShaper = definePlugin({ name: 'amp-shaper', stage: 'guard', summary: 'shapes', options: z.strictObject({}) });
const sinkhole = definePlugin({
  name: 'sinkhole',
  stage: 'policy',
  summary: 'discards',
  options: z.strictObject({
    ipv4: z.ipv4().default('192.0.2.1').describe('Discard address.'),
    ttl: z.int().min(0).max(86_400).default(60),
    rules: z.array(z.strictObject({ name: z.string(), subtree: z.boolean().default(false) })).default([]),
  }),
  check: (options, { access }) =>
    options.rules.flatMap((rule, i) =>
      rule.name === 'com' ? [{ path: ['rules', i, 'name'], message: `is a TLD (${access.length} networks)` }] : [],
    ),
});
const rpz = definePlugin({ name: 'rpz', stage: 'policy', summary: 'policy lists', options: z.strictObject({}) });
const loose = definePlugin({
  name: 'loose',
  stage: 'observe',
  summary: 'lets keys pass',
  options: z.object({ a: z.int().optional() }),
});
const throwing = definePlugin({
  name: 'throwing',
  stage: 'observe',
  summary: 'fails',
  options: z.strictObject({}),
  check: () => {
    throw new Error('boom\n  at somewhere');
  },
});
const builtIn: Record<string, Plugin> = Object.fromEntries(
  [access, ampShaper, sinkhole, rpz, loose, throwing].map((plugin) => [plugin.name, plugin as unknown as Plugin]),
);

const resolvePlugin: LoadOptions['resolvePlugin'] = async (name, module) => {
  const plugin = module === undefined ? builtIn[name] : ((await import(module)) as { default: Plugin }).default;
  if (!plugin) throw new Error(`there is no plugin '${name}'`);
  return plugin;
};

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sekisho-config-'));
});
afterAll(() => rm(folder, { recursive: true }));

const options = (): LoadOptions => ({
  resolvePlugin,
  workFolder: folder,
  defaultPaths: ['./sekisho.yaml', './etc/sekisho.yaml'],
  systemResolvers: () => ['192.0.2.53', '[2001:db8::53]:5300'],
});
const parse = (text: string) =>
  parseConfig(text, { source: 'x.yaml', file: join(folder, 'x.yaml'), baseFolder: folder }, options());

async function problems(text: string): Promise<string[]> {
  const result = await parse(text);
  return result.ok ? [] : result.problems.map(problemText);
}

async function config(text: string): Promise<Config> {
  const result = await parse(text);
  if (!result.ok) throw new Error(result.problems.map(problemText).join('\n'));
  return result.config;
}

describe('a configuration without any key', () => {
  it('has the documented defaults', async () => {
    const result = await loadConfig(options());
    const lists = result.ok ? result.config.lists : [];
    expect(lists.map(({ name, category, tier, format }) => [name, category, tier, format])).toEqual([
      ['c2-sample', 'c2', 'confirmed', 'rpz'],
      ['domains-sample', 'c2', 'suspected', 'domains'],
    ]);
    for (const { source } of lists) expect(source.kind === 'file' && existsSync(source.path)).toBe(true);
    expect(result).toEqual({
      ok: true,
      config: {
        lists,
        transfer: {},
        pluginsAreDefault: true,
        popularNamesFile: expect.stringMatching(/lists.popular\.txt$/),
        source: 'built-in defaults',
        baseFolder: folder,
        warnings: [],
        server: {
          listen: [
            { address: '127.0.0.1', port: 5353 },
            { address: '::1', port: 5353 },
          ],
          listenIsDefault: true,
          workers: 1,
          access: ['127.0.0.0/8', '::1/128'],
          dataFolder: join(folder, 'data'),
          logLevel: 'info',
          identity: {},
          tls: { handshakes: { perSecond: 400, perNetwork: 40 } },
          tcp: {
            idleTimeoutMs: 10_000,
            messageTimeoutMs: 5000,
            totalTimeoutMs: 300_000,
            maxConnections: 2000,
            maxConnectionsPerClient: 100,
            maxPipelined: 64,
          },
          udp: {
            receiveBufferBytes: 8 * 2 ** 20,
            io: 'auto',
            pause: 'auto',
            xdp: { interfaces: 'auto', queues: 'auto', zeroCopy: true, generic: false, busyPollMicroseconds: 0 },
          },
          overload: { enabled: true, targetMs: 50, limitMs: 500, exempt: [], dryRun: false },
          cookies: { enabled: true, secrets: [] },
          hangTimeoutMs: 500,
        },
        upstream: {
          servers: [
            { address: '192.0.2.53', port: 53, trusted: false },
            { address: '2001:db8::53', port: 5300, trusted: false },
          ],
          serversAreDefault: true,
          sourcePorts: 'auto',
          mixedCase: true,
          lowerCaseZones: [],
          timeoutMs: 4000,
          segments: true,
          cookies: true,
        },
        dnssec: {
          validate: false,
          anchors: [],
          followRollovers: false,
          insecure: [],
          sha1Digests: true,
          aggressiveNsec: true,
        },
        console: { enabled: true, idleMs: 900_000 },
        zones: defaultZones(),
        views: [],
        partitions: [],
        cache: { sizeBytes: 256 * 2 ** 20, serveStaleSeconds: 86_400, minTtlSeconds: 0, maxTtlSeconds: 86_400 },
        plugins: [
          { name: 'access', options: {} },
          { name: 'amp-shaper', options: {} },
          { name: 'sinkhole', options: { ipv4: '192.0.2.1', ttl: 60, rules: [] } },
        ],
        admin: { listen: { address: '127.0.0.1', port: 8053 }, tokens: [] },
        notice: {
          listen: [{ address: '127.0.0.1', port: 8080 }],
          listenIsDefault: true,
          ipv4: undefined,
          ipv6: undefined,
          languages: ['ja', 'en'],
          templatesFolder: undefined,
          operator: { name: undefined, contact: undefined },
          proxies: [],
          portal: {
            url: 'http://127.0.0.1:8080/',
            isPublic: false,
            hosts: ['127.0.0.1', 'localhost'],
            line: true,
            link: undefined,
          },
        },
        measures: { keepMs: 90 * 86_400_000 },
        ip53b: { dynamic: [], fixed: [], servers: [], inbound: [53, 123], outbound: [53] },
      },
    });
    if (result.ok) expect(structuredClone(result.config)).toEqual(result.config);
  });

  it('is the same for an empty file, empty sections and a comment', async () => {
    const { source, ...defaults } = await config('');
    for (const text of [
      '# nothing\n',
      'server:\nupstream:\ncache:\nplugins:\nadmin:\n',
      'server: { tcp: , log: }\n',
      '{}',
    ]) {
      expect({ ...(await config(text)), source }).toEqual({ source, ...defaults });
    }
  });

  it("leaves this server and addresses with a zone out of the system's resolvers", async () => {
    const loop = await loadConfig({
      ...options(),
      systemResolvers: () => ['fe80::1%eth0', '127.0.0.1:5353', '::1', '192.0.2.1'],
    });
    expect(loop.ok && loop.config.upstream.servers.map(({ address }) => address)).toEqual(['::1', '192.0.2.1']);
  });

  it('names the missing resolvers without a line where there is no file', async () => {
    const result = await loadConfig({ ...options(), systemResolvers: () => ['127.0.0.1:5353'] });
    expect(!result.ok && result.problems.map(problemText)).toEqual([
      expect.stringMatching(/^built-in defaults: upstream\.servers: the system names no resolver/),
    ]);
  });
});

describe('a full configuration', () => {
  it('is read with units, in the order of its plugins, the gate first', async () => {
    const read = await config(`
server:
  listen: ["0.0.0.0:53", { address: "[2001:db8::1]" }]
  workers: 4
  access: ["192.0.2.0/24", "2001:db8::/32"]
  data: /var/lib/sekisho
  log: { level: warn }
  identity: { version: Sekisho }
  tcp: { idle-timeout: 20s, total-timeout: 15s, max-connections: 50 }
  udp: { receive-buffer: 1MiB, pause: 50us }
  overload: { target: 100ms, limit: 50ms, exempt: ["192.0.2.0/28"], dry-run: true }
upstream:
  segments: false
  servers:
    - 127.0.0.1:5300
    - { address: "192.0.2.53", trusted: true }
cache: { size: 1GiB, serve-stale: 0, min-ttl: 1m, max-ttl: 2h }
plugins:
  loose: { a: 1 }
  sinkhole: { rules: [{ name: evil.example }] }
  access:
admin: { listen: "[::1]:8053" }
`);
    expect(read).toMatchObject({
      server: {
        listen: [
          { address: '0.0.0.0', port: 53 },
          { address: '2001:db8::1', port: 53 },
        ],
        listenIsDefault: false,
        workers: 4,
        dataFolder: '/var/lib/sekisho',
        logLevel: 'warn',
        identity: { version: 'Sekisho' },
        tcp: { idleTimeoutMs: 15_000, totalTimeoutMs: 15_000, maxConnections: 50, maxConnectionsPerClient: 50 },
        udp: { receiveBufferBytes: 2 ** 20, pause: 50 },
        // What waited for less than the target is not too old.
        overload: { targetMs: 100, limitMs: 100, exempt: ['192.0.2.0/28'], dryRun: true },
      },
      upstream: {
        servers: [
          { address: '127.0.0.1', port: 5300, trusted: false },
          { address: '192.0.2.53', port: 53, trusted: true },
        ],
        serversAreDefault: false,
        segments: false,
      },
      cache: { sizeBytes: 2 ** 30, serveStaleSeconds: 0, minTtlSeconds: 60, maxTtlSeconds: 7200 },
      admin: { listen: { address: '::1', port: 8053 } },
    });
    expect(read.plugins.map(({ name }) => name)).toEqual(['access', 'loose', 'sinkhole']);
  });

  it('puts rpz behind the others where there is a policy list, unless its place is chosen', async () => {
    const list = (category: string, rest: string) =>
      `lists: [{ name: own, category: ${category}, format: rpz, file: x, ${rest} }]`;
    const ground = `ground: { kind: legitimate-business, purpose: some purpose, necessity: some necessity, proportionality: some measure, approver: NOC, review: ${NEXT_REVIEW} }`;
    const names = async (text: string) => (await config(text)).plugins.map(({ name }) => name);
    expect(await names(list('policy', ground))).toEqual(['access', 'amp-shaper', 'sinkhole', 'rpz']);
    expect(await names(`${list('policy', ground)}\nplugins: {}`)).toEqual(['access', 'rpz']);
    expect(await names(`${list('policy', ground)}\nplugins: { rpz: {}, sinkhole: {} }`)).toEqual([
      'access',
      'rpz',
      'sinkhole',
    ]);
    expect(await names(list('c2', 'tier: confirmed'))).toEqual(['access', 'amp-shaper', 'sinkhole']);
  });

  it('puts the gate in where the plugins do not name it', async () => {
    expect((await config('plugins: { loose: {} }')).plugins.map(({ name }) => name)).toEqual(['access', 'loose']);
    expect((await config('plugins: {}')).plugins.map(({ name }) => name)).toEqual(['access']);
  });

  it('takes auto for one worker per core', async () => {
    const { workers } = (await config('server: { workers: auto }')).server;
    expect(workers).toBeGreaterThanOrEqual(1);
    expect(workers).toBeLessThanOrEqual(64);
  });
});

describe('problems', () => {
  it('are all reported at once, in the order of the file', async () => {
    expect(
      await problems(`sever: {}
server:
  lissen: []
  workers: 65
  access: [192.0.2.5/24]
  tcp: { idle-timeout: 10, max-pipelined: 1.5 }
  udp: { pause: often }
upstream:
  servers: [localhost, 5, { adress: 192.0.2.1 }]
cache: { size: 256MB, min-ttl: 500ms }
plugins:
  nothing: {}
  sinkhole: { ipv4: x, rules: [{}, { name: 5, sub-tree: true }] }
admin: { listen: 127.0.0.1 }
notices: {}
`),
    ).toEqual([
      "x.yaml:1:1: sever: unknown key; did you mean 'server'?",
      "x.yaml:3:3: server.lissen: unknown key; did you mean 'listen'?",
      'x.yaml:4:12: server.workers: must be at most 64, found 65',
      "x.yaml:5:12: server.access[0]: '192.0.2.5/24' has bits set beyond /24: the network is 192.0.2.0/24",
      'x.yaml:6:24: server.tcp.idle-timeout: expected a duration such as 10s, found 10 without a unit',
      'x.yaml:6:43: server.tcp.max-pipelined: expected a whole number, found 1.5',
      "x.yaml:7:17: server.udp.pause: expected 'auto', 'off' or a time from 1us to 1000us, found 'often'",
      "x.yaml:9:13: upstream.servers[0]: 'localhost' is no IP address; names are not looked up here",
      'x.yaml:9:24: upstream.servers[1]: expected text or a map (key: value), found 5',
      'x.yaml:9:27: upstream.servers[2].address: is missing: text is needed here',
      "x.yaml:9:29: upstream.servers[2].adress: unknown key; did you mean 'address'?",
      'x.yaml:10:16: cache.size: expected a size such as 256MiB, found "256MB"',
      'x.yaml:10:32: cache.min-ttl: must be whole seconds, found 500ms',
      "x.yaml:12:3: plugins.nothing: there is no plugin 'nothing'",
      "x.yaml:13:21: plugins.sinkhole.ipv4: expected an IPv4 address, found 'x'",
      'x.yaml:13:32: plugins.sinkhole.rules[0].name: is missing: text is needed here',
      'x.yaml:13:44: plugins.sinkhole.rules[1].name: expected text, found 5',
      "x.yaml:13:47: plugins.sinkhole.rules[1].sub-tree: unknown key; did you mean 'subtree'?",
      "x.yaml:14:18: admin.listen: '127.0.0.1' has no port: write 127.0.0.1:53 or the like",
      "x.yaml:15:1: notices: unknown key; did you mean 'notice'?",
    ]);
  });

  it.each([
    ['server: [', /^x\.yaml:1:\d+: YAML: /],
    ['server: {}\nserver: {}', /^x\.yaml:2:1: duplicate key$/],
    ['- a\n- b', /^x\.yaml:1:1: expected a map \(key: value\), found a list$/],
    ['server: 5', /^x\.yaml:1:9: server: expected a map \(key: value\), found 5$/],
    ['a: &a [x]\nb: !!foo 1', /^x\.yaml:2:4: YAML: unresolved tag/],
    ['--- {}\n--- {}', /^x\.yaml:2:1: YAML: .*multiple documents/],
    [
      'server:\n  listen: ["127.0.0.1:1", { address: "127.0.0.1:1" }]',
      /^x\.yaml:2:27: server\.listen\[1\]: 127\.0\.0\.1:1 is listed twice$/,
    ],
    ['server:\n  listen: [{ address: "127.0.0.1:1", adress: 2 }]', /listen\[0\].*adress/],
    [
      'server:\n  listen: ["127.0.0.1:1", "127.0.0.1:1"]',
      /^x\.yaml:2:27: server\.listen\[1\]: 127\.0\.0\.1:1 is listed twice$/,
    ],
    ['upstream: { servers: ["127.0.0.1:5353"] }', /^x\.yaml:1:23: upstream\.servers\[0\]: .* itself/],
    ['server: { listen: ["0.0.0.0:53"] }\nupstream: { servers: [127.0.0.1] }', /^x\.yaml:2:23: .* itself/],
    [
      'server: { listen: ["0.0.0.0:8053"] }',
      /^x\.yaml:1:1: admin\.listen: 127\.0\.0\.1:8053 is taken by 0\.0\.0\.0:8053/,
    ],
    ['cache: { min-ttl: 1h, max-ttl: 1m }', /^x\.yaml:1:19: cache\.min-ttl: must not be above cache\.max-ttl$/],
    ['plugins: [sinkhole]', /^x\.yaml:1:10: plugins: expected a map \(plugin: options\), found a list$/],
    ['plugins: { Sink: {} }', /^x\.yaml:1:12: plugins\.Sink: is not a valid plugin name/],
    ['plugins: { sinkhole: 5 }', /^x\.yaml:1:22: plugins\.sinkhole: expected a map of options, found 5$/],
    [
      'plugins: { sinkhole: { rules: [{ name: com }] } }',
      /^x\.yaml:1:40: plugins\.sinkhole\.rules\[0\]\.name: is a TLD \(2 networks\)$/,
    ],
    ['plugins: { loose: { b: 1 } }', /^x\.yaml:1:21: plugins\.loose\.b: unknown key; known here: a$/],
    ['plugins: { throwing: {} }', /^x\.yaml:1:12: plugins\.throwing: the plugin's own check failed: boom$/],
    [
      'plugins: { own: { module: ./none.js } }',
      /^x\.yaml:1:27: plugins\.own\.module: no file or package '\.\/none\.js' was found/,
    ],
    ['plugins: { own: { module: 5 } }', /^x\.yaml:1:27: plugins\.own\.module: expected a file or a package, found 5$/],
    ['server: { log: { level: verbos } }', /^x\.yaml:1:25: server\.log\.level: expected 'trace', .* found 'verbos'/],
    ['server: { workers: many }', /^x\.yaml:1:20: server\.workers: expected 'auto' or a number, found 'many'$/],
    ['server: { access: [] }', /^x\.yaml:1:19: server\.access: must have at least 1 entry, found 0$/],
    ['server: { identity: { version: "é" } }', /^x\.yaml:1:32: server\.identity\.version: must be printable ASCII$/],
    ['server: { hang-timeout: 10ms }', /^x\.yaml:1:25: server\.hang-timeout: must be at least 100ms, found 10ms$/],
    ['? [a, b]\n: 1', /^x\.yaml:1:3: YAML: /],
  ])('%j', async (text, expected) => {
    expect(await problems(text)).toEqual([expect.stringMatching(expected)]);
  });

  it('point at the key where a value is missing, and through aliases', async () => {
    expect(await problems('server:\n  listen:\n  workers: 1')).toEqual([
      expect.stringMatching(/^x\.yaml:2:3: server\.listen: expected a list, found nothing$/),
    ]);
    expect(await problems('cache: &c { size: 1MiB }\nadmin: *c')).toContain(
      'x.yaml:1:13: admin.size: unknown key; known here: listen, tokens-file, single-approver, single-approver-reason',
    );
  });

  it('tell documents that blow up', async () => {
    const bomb = ['a0: &a0 [x, x, x, x, x, x, x, x, x, x]'];
    for (let i = 1; i < 9; i++)
      bomb.push(
        `a${i}: &a${i} [${Array(10)
          .fill(`*a${i - 1}`)
          .join(', ')}]`,
      );
    expect(await problems(bomb.join('\n'))).toEqual([
      'x.yaml:1:1: Excessive alias count indicates a resource exhaustion attack',
    ]);
    expect(await problems('['.repeat(200) + ']'.repeat(200))).toEqual([
      'x.yaml:1:1: is nested more than 64 levels deep',
    ]);
  });

  it('warn of dangers without refusing them', async () => {
    const { warnings } = await config('server: { access: ["0.0.0.0/0", "::/0"] }\nadmin: { listen: "192.0.2.1:8053" }');
    expect(warnings).toEqual([
      expect.stringMatching(/^x\.yaml:1:20: server\.access\[0\]: allows everyone/),
      expect.stringMatching(/^x\.yaml:1:33: server\.access\[1\]: allows everyone/),
      expect.stringMatching(/^x\.yaml:2:18: admin\.listen: is not a loopback address/),
    ]);
  });

  it('never throws, and gives every problem a place, whatever the file holds', async () => {
    const key = fc.constantFrom(
      'server',
      'listen',
      'workers',
      'tcp',
      'upstream',
      'servers',
      'address',
      'plugins',
      'sinkhole',
      'rules',
      'name',
      'admin',
      '__proto__',
      'constructor',
      'module',
      'cache',
      'size',
      'toString',
    );
    const scalar = fc.constantFrom(
      '1',
      '10s',
      'auto',
      'null',
      '~',
      '""',
      '1MiB',
      '127.0.0.1:53',
      '"[::1]:53"',
      'true',
      '-1',
      '.nan',
      '2027-01-01',
      '*a',
      '&a x',
      '!!set',
      '<<',
      '|',
      '"',
    );
    const { value } = fc.letrec((tie) => ({
      value: fc.oneof({ maxDepth: 5 }, scalar, tie('list'), tie('map')),
      list: fc.array(tie('value'), { maxLength: 4 }).map((items) => `[${items.join(', ')}]`),
      map: fc
        .array(fc.tuple(key, tie('value')), { maxLength: 5 })
        .map((pairs) => `{ ${pairs.map(([k, v]) => `${k}: ${v}`).join(', ')} }`),
    }));
    const section = fc.tuple(key, value).map(([k, v]) => `${k}: ${v}`);
    const text = fc.oneof(
      fc.string({ maxLength: 60 }),
      fc.array(section, { maxLength: 5 }).map((lines) => lines.join('\n')),
    );
    await fc.assert(
      fc.asyncProperty(text, async (any) => {
        const result = await parse(any);
        if (result.ok) return;
        expect(result.problems.length).toBeGreaterThan(0);
        for (const problem of result.problems) {
          expect(problem.line).toBeGreaterThanOrEqual(1);
          expect(problem.line).toBeLessThanOrEqual(any.split(/\r\n|\r|\n/).length);
          expect(problem.column).toBeGreaterThanOrEqual(1);
          expect(problemText(problem)).toMatch(/^x\.yaml:\d+:\d+: [^\n]+$/);
        }
      }),
      { numRuns: 400 },
    );
  });
});

describe('files', () => {
  it('are looked for in the documented order', async () => {
    await mkdir(join(folder, 'etc'), { recursive: true });
    await writeFile(join(folder, 'etc/sekisho.yaml'), 'cache: { size: 2MiB }');
    let result = await loadConfig(options());
    expect(result.ok && result.config).toMatchObject({
      source: './etc/sekisho.yaml',
      baseFolder: join(folder, 'etc'),
      cache: { sizeBytes: 2 ** 21 },
    });
    await writeFile(join(folder, 'sekisho.yaml'), 'cache: { size: 1MiB }');
    result = await loadConfig(options());
    expect(result.ok && result.config).toMatchObject({
      source: './sekisho.yaml',
      baseFolder: folder,
      cache: { sizeBytes: 2 ** 20 },
    });
    await Promise.all([rm(join(folder, 'sekisho.yaml')), rm(join(folder, 'etc'), { recursive: true })]);
  });

  it('that cannot be read are a problem, never a fall back to defaults', async () => {
    const failing = async (path: string) => {
      const result = await loadConfig({ ...options(), path });
      return result.ok ? 'ok' : result.problems.map(problemText).join('\n');
    };
    await writeFile(join(folder, 'binary.yaml'), Buffer.from([0xff, 0xfe, 0x00]));
    expect(await failing('none.yaml')).toBe('none.yaml:1:1: cannot be read: no such file');
    expect(await failing('.')).toBe('.:1:1: is a folder, not a file');
    expect(await failing('binary.yaml')).toBe('binary.yaml:1:1: is not UTF-8 text');
  });

  it('of tokens are checked with places of their own', async () => {
    await writeFile(join(folder, 'tokens.yaml'), `- { name: a, role: operator, token-sha256: ${'AB'.repeat(32)} }\n`);
    expect((await config('admin: { tokens-file: tokens.yaml }')).admin.tokens).toEqual([
      { name: 'a', role: 'operator', sha256: 'ab'.repeat(32) },
    ]);
    await writeFile(
      join(folder, 'tokens.yaml'),
      `- { name: a, role: king, token-sha256: ${'ab'.repeat(32)} }\n- { name: "a b", role: viewer, token-sha256: 12 }\n`,
    );
    expect(await problems('cahce: {}\nadmin: { tokens-file: tokens.yaml }')).toEqual([
      "x.yaml:1:1: cahce: unknown key; did you mean 'cache'?",
      expect.stringMatching(/^tokens\.yaml:1:20: \[0\]\.role: expected 'viewer', .*, found 'king'$/),
      expect.stringMatching(/^tokens\.yaml:2:11: \[1\]\.name: must be 1–64 letters/),
      'tokens.yaml:2:46: [1].token-sha256: expected text, found 12',
    ]);
    await writeFile(
      join(folder, 'tokens.yaml'),
      `- &t { name: a, role: viewer, token-sha256: ${'ab'.repeat(32)} }\n- *t\n`,
    );
    expect(await problems('admin: { tokens-file: tokens.yaml }')).toHaveLength(2);
    expect(await problems('admin: { tokens-file: gone.yaml }')).toEqual([
      "x.yaml:1:23: admin.tokens-file: 'gone.yaml' cannot be read: no such file",
    ]);
  });

  it('of third-party plugins are found beside the configuration and in packages', async () => {
    const module = (name: string) =>
      `export default { name: '${name}', stage: 'observe', summary: 'x', options: globalThis.looseOptions };`;
    (globalThis as Record<string, unknown>)['looseOptions'] = loose.options;
    await writeFile(join(folder, 'own.mjs'), module('own'));
    await mkdir(join(folder, 'node_modules/packaged'), { recursive: true });
    await writeFile(join(folder, 'node_modules/packaged/index.js'), module('packaged'));
    await writeFile(
      join(folder, 'node_modules/packaged/package.json'),
      '{ "type": "module", "exports": { ".": { "import": "./index.js" } } }',
    );
    const code = (file: string) => withCode(pathToFileURL(join(folder, file)).href);
    const read = await config('plugins:\n  own: { module: ./own.mjs, a: 3 }\n  packaged: { module: packaged }\n');
    expect(read.plugins.slice(1)).toEqual([
      { name: 'own', module: code('own.mjs'), options: { a: 3 } },
      { name: 'packaged', module: code('node_modules/packaged/index.js'), options: {} },
    ]);
    expect(moduleUrl(code('own.mjs'), folder)).toBe(code('own.mjs'));
    expect(
      ['file:///none/there.mjs', 'file://[', 'fs', './none', 'none'].map((text) => moduleUrl(text, folder)),
    ).toEqual(Array(5).fill(undefined));
    expect(await problems('plugins: { other: { module: ./own.mjs } }')).toEqual([
      "x.yaml:1:12: plugins.other: the module holds the plugin 'own', so the key must be 'own'",
    ]);
  });
});

describe('the place of the admin API', () => {
  it('is read from a file that is otherwise broken', async () => {
    await writeFile(
      join(folder, 'broken.yaml'),
      'server: { data: ./kept, lissen: 5 }\nadmin: { listen: "127.0.0.1:9053", x: 1 }\nwhat: ',
    );
    expect(await adminLocation({ ...options(), path: 'broken.yaml' })).toEqual({
      listen: { address: '127.0.0.1', port: 9053 },
      dataFolder: join(folder, 'kept'),
    });
  });

  it('is the default where the file says nothing that can be read', async () => {
    const defaults = { listen: { address: '127.0.0.1', port: 8053 }, dataFolder: join(folder, 'data') };
    await writeFile(join(folder, 'broken.yaml'), 'server: [\nadmin: { listen: 5 }');
    expect(await adminLocation({ ...options(), path: 'broken.yaml' })).toEqual(defaults);
    expect(await adminLocation(options())).toEqual(defaults);
  });
});

describe('a chain of one’s own', () => {
  const warningsOf = async (text: string) => (await config(text)).warnings.join();

  it('without amp-shaper is warned of, unless that is said by name', async () => {
    expect(await warningsOf('plugins: { access: {} }')).toContain("add 'amp-shaper: {}'");
    expect(await warningsOf('plugins: { access: {}, amp-shaper: false }')).toBe('');
    expect(await warningsOf('plugins: { access: {}, amp-shaper: {} }')).toBe('');
    expect(await warningsOf('')).toBe('');
  });
});
