/**
 * A start that fails, fails: the process ends with 1 and the reason, whatever of the configuration had been begun by then. A
 * process that neither serves nor ends looks well to whoever restarts services. And a reload that fails the same way leaves
 * everything as it was.
 */

import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { parse, stringify } from 'yaml';
import { EMERGENCY_END } from '../support/dates.ts';
import { askUdp } from '../support/dns-client.ts';
import { type Ran, run } from '../support/field.ts';
import { freePort } from '../support/free-port.ts';
import { stoppedAfterwards } from '../support/observe.ts';
import { temporaryFolder } from '../support/process.ts';
import { honest, type ScriptedUpstream, startScriptedUpstream } from '../support/scripted-upstream.ts';
import { sekishoMain, startSekisho } from '../support/sekisho.ts';
import { type Transport, takePort } from '../support/taken-address.ts';
import { writePlugin } from '../support/third-party-plugin.ts';

vi.setConfig({ testTimeout: 120_000, hookTimeout: 60_000 });
const keep = stoppedAfterwards();
/** Five seconds, and as many again for a machine that has much else to do. What never ends is killed then: code SIGKILL. */
const LIMIT_MS = 10_000;

type Section = Record<string, unknown>;

let upstream: ScriptedUpstream;
beforeAll(async () => {
  upstream = keep(await startScriptedUpstream(honest()));
});

/** Everything a server can listen on. `add` puts the address into a configuration that may not have that section otherwise. */
const LISTENERS: readonly { setting: string; transport: Transport; add(config: Section, address: string): void }[] = [
  {
    setting: 'server.listen',
    transport: 'udp',
    add: (config, address) => into(config, 'server', { listen: [address] }),
  },
  {
    setting: 'server.listen',
    transport: 'tcp',
    add: (config, address) => into(config, 'server', { listen: [address] }),
  },
  { setting: 'admin.listen', transport: 'tcp', add: (config, address) => into(config, 'admin', { listen: address }) },
  {
    setting: 'subscribers.radius.listen',
    transport: 'udp',
    add: (config, address) =>
      into(config, 'subscribers', { terms: '2026-04', radius: { listen: address, 'secret-file': './radius.secret' } }),
  },
  {
    setting: 'transfer.notify',
    transport: 'udp',
    add: (config, address) => into(config, 'transfer', { notify: address }),
  },
  { setting: 'notice.listen', transport: 'tcp', add: (config, address) => into(config, 'notice', { listen: address }) },
];

/** The optional sections, each with what it can have; and all of them together. */
const SECTIONS: Record<string, () => Promise<Section>> = {
  nothing: async () => ({}),
  subscribers: async () => ({
    subscribers: {
      ranges: './subscribers.csv',
      terms: '2026-04',
      radius: { listen: `127.0.0.1:${await freePort()}`, 'secret-file': './radius.secret' },
    },
  }),
  lists: async () => ({
    lists: [
      { name: 'file', category: 'c2', tier: 'confirmed', format: 'domains', file: './c2.txt' },
      { name: 'fetched', category: 'malware', tier: 'confirmed', format: 'domains', url: 'http://127.0.0.1:9/list' },
      {
        name: 'transferred',
        category: 'c2',
        tier: 'suspected',
        format: 'rpz',
        url: 'axfr://127.0.0.1:9/rpz.test?key=k',
      },
    ],
    transfer: { notify: `127.0.0.1:${await freePort()}`, 'keys-file': './keys' },
  }),
  plugins: async () => ({
    plugins: {
      access: {},
      'amp-shaper': {},
      'random-subdomain': {},
      sinkhole: { ipv4: '198.51.100.1' },
      'c2-block': {},
      'query-history': {},
      dnstap: { file: 'queries.dnstap', ground: GROUND },
    },
  }),
  notice: async () => ({
    notice: {
      listen: `127.0.0.1:${await freePort()}`,
      portal: { url: 'https://portal.isp.example/', link: { 'secret-file': './link.secret', issuer: 'member-site' } },
    },
    admin: { listen: '127.0.0.1:0', 'tokens-file': './tokens.yaml' },
    ip53b: {},
  }),
};
const ALL = 'everything';
/** Runs a command as a user without any rights. */
const NOBODY = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups'];

const GROUND = {
  kind: 'self-defence',
  effect: 'resolver 2 is overloaded',
  evidence: 'ticket 4711',
  approver: 'shift lead',
  expires: EMERGENCY_END,
};

function into(config: Section, section: string, values: Section): void {
  config[section] = { ...(config[section] as Section | undefined), ...values };
}

async function configurationOf(sections: string): Promise<Section> {
  const parts = await Promise.all(Object.entries(SECTIONS).map(async ([name, make]) => [name, await make()] as const));
  return {
    server: { listen: [`127.0.0.1:${await freePort()}`], workers: 2, data: './data' },
    admin: { listen: '127.0.0.1:0' },
    upstream: { servers: [`127.0.0.1:${upstream.port}`] },
    cache: { size: '1MiB' },
    notice: { listen: `127.0.0.1:${await freePort()}` },
    ...Object.assign({}, ...parts.filter(([name]) => name === sections || sections === ALL).map(([, part]) => part)),
  };
}

/** A folder with all the files that the sections name. */
function folderWithFiles(parent?: string): string {
  const folder = temporaryFolder('start', parent);
  const files = {
    'subscribers.csv': '127.0.0.21,S-21\n',
    'radius.secret': 'xyzzy5461\n',
    'link.secret': `${'k'.repeat(40)}\n`,
    'c2.txt': 'c2.example\n',
    keys: `k:hmac-sha256:${Buffer.alloc(32, 7).toString('base64')}\n`,
    'tokens.yaml': '[]\n',
  };
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text, { mode: 0o600 });
  return folder;
}

async function startOf(config: Section, folder = folderWithFiles(), wrap: string[] = []): Promise<Ran> {
  const file = join(folder, 'sekisho.yaml');
  writeFileSync(file, stringify(config));
  const [command = '', ...args] = [...wrap, process.execPath, sekishoMain(), 'run', '--config', file];
  return run(command, args, { cwd: folder, limitMs: LIMIT_MS });
}

function expectFailure({ code, stderr, stdout }: Ran, ...words: (string | RegExp)[]): void {
  expect(code, `${stderr}${stdout}`.slice(-2000)).toBe(1);
  for (const each of words) expect(stderr).toMatch(each);
  // A reason, not a stack.
  expect(stderr).not.toMatch(/^\s+at /m);
}

const escaped = (text: string) => text.replaceAll(/[.[\]]/g, '\\$&');

describe('an address that somebody else has', () => {
  const table = LISTENERS.flatMap((listener) =>
    [...Object.keys(SECTIONS), ALL].map((sections) => ({ sections, ...listener })),
  );

  it.each(table)('$setting ($transport) with $sections', async ({ sections, setting, transport, add }) => {
    const port = await freePort();
    const letGo = await takePort(transport, port);
    try {
      const config = await configurationOf(sections);
      add(config, `127.0.0.1:${port}`);
      const reason = new RegExp(`${escaped(`127.0.0.1:${port} (${setting}`).replace('(', '\\(')}.*in use`);
      expectFailure(await startOf(config), reason, 'SEKISHO_PORT_IN_USE');
    } finally {
      await letGo();
    }
  });

  // Taken only once the plugins have begun: nothing that was looked at before the start can tell, and all else has begun.
  const begun = ['subscribers', ALL];
  const late = table.filter(({ setting, sections }) => setting !== 'server.listen' && begun.includes(sections));
  it.each(late)('$setting ($transport) with $sections, taken during the start', async (row) => {
    const port = await freePort();
    const config = await configurationOf(row.sections);
    row.add(config, `127.0.0.1:${port}`);
    into(config, 'plugins', { thief: { module: THIEF(), text: `${row.transport}:${port}` } });
    const reason = new RegExp(`127\\.0\\.0\\.1:${port} .*${escaped(row.setting)}.*in use`);
    expectFailure(await startOf(config), reason, 'SEKISHO_PORT_IN_USE');
  });

  it('all of them are said at once', async () => {
    const config = await configurationOf(ALL);
    const ports = await Promise.all(LISTENERS.map(() => freePort()));
    const letGo = await Promise.all(LISTENERS.map(({ transport }, i) => takePort(transport, ports[i]!)));
    for (const [i, { add }] of LISTENERS.entries()) add(config, `127.0.0.1:${ports[i]}`);
    const ran = await startOf(config);
    await Promise.all(letGo.map((free) => free()));
    // The second of server.listen has taken the place of the first.
    expectFailure(ran, ...ports.slice(1).map((port) => `127.0.0.1:${port} `));
  });
});

/** A plugin whose half in the main thread takes a port, and lets go of nothing. */
const THIEF = () =>
  writePlugin('thief', '', {
    parts: `async control({ options }) {
      const [transport, port] = options.text.split(':');
      const { createSocket } = await import('node:dgram');
      const { createServer } = await import('node:net');
      await new Promise((resolve, reject) => {
        const socket = transport === 'udp' ? createSocket('udp4') : createServer();
        socket.once('error', reject);
        if (transport === 'udp') socket.bind(Number(port), '127.0.0.1', resolve);
        else socket.listen(Number(port), '127.0.0.1', resolve);
      });
    },`,
  });

describe('an address that cannot be had', () => {
  it.each(LISTENERS)('$setting ($transport) is not on this machine', async ({ setting, add }) => {
    const config = await configurationOf(ALL);
    add(config, '192.0.2.77:5399');
    expectFailure(await startOf(config), `192.0.2.77:5399 (${setting}`, 'SEKISHO_ADDRESS_UNAVAILABLE');
  });

  // A network namespace of its own begins with the usual first free port, 1024.
  const APART = ['unshare', '-n', 'sh', '-c', 'ip link set lo up && exec "$@"', 'sh', ...NOBODY];
  const mayUnshare = spawnSync(APART[0]!, [...APART.slice(1), 'test', '-r', sekishoMain()]).status === 0;
  it.skipIf(!mayUnshare).each(LISTENERS)('$setting ($transport) is a port for root alone', async ({ setting, add }) => {
    const config = await configurationOf(ALL);
    add(config, '127.0.0.1:853');
    const folder = folderWithFiles('/tmp');
    spawnSync('chown', ['-R', '65534:65534', folder]);
    const ran = await startOf(config, folder, APART);
    expectFailure(ran, `127.0.0.1:853 (${setting}`, 'SEKISHO_PORT_FORBIDDEN');
  });
});

describe('what belongs to a section and cannot be used', () => {
  const WRONG: [what: string, change: (config: Section, folder: string) => void, ...words: (string | RegExp)[]][] = [
    ['the secret of RADIUS is not there', (config) => radius(config, './missing'), 'secret-file', 'missing'],
    ['the secret of RADIUS is a folder', (config) => radius(config, '.'), 'secret-file'],
    [
      'the secret of RADIUS is empty',
      (config, folder) => {
        writeFileSync(join(folder, 'empty'), '');
        radius(config, './empty');
      },
      'holds no secret',
    ],
    ['the TSIG keys are not there', (config) => into(config, 'transfer', { 'keys-file': './missing' }), 'keys-file'],
    [
      'the TSIG keys are none',
      (config, folder) => {
        writeFileSync(join(folder, 'bad'), '?');
        into(config, 'transfer', { 'keys-file': './bad' });
      },
      'keys-file',
    ],
    ['the tokens are not there', (config) => into(config, 'admin', { 'tokens-file': './missing' }), 'tokens-file'],
    [
      'the secrets of cookies are not there',
      (config) => into(config, 'server', { cookies: { 'secret-file': './missing' } }),
      'secret-file',
    ],
    [
      'the popular names are not there',
      (config) => Object.assign(config, { 'popular-names': './missing' }),
      'popular-names',
    ],
    ['the key of links is not there', (config) => linkKey(config, './missing'), 'secret-file'],
    ['the templates are not there', (config) => into(config, 'notice', { templates: './missing' }), 'missing'],
    [
      'a plugin throws',
      (config) => plugin(config, "control() { throw new Error('no luck'); },"),
      'plugin guest: no luck',
    ],
    [
      'a plugin rejects, and goes on with something else',
      (config) => plugin(config, "async control() { setInterval(() => {}, 1000); throw new Error('no luck'); },"),
      'plugin guest: no luck',
    ],
    [
      'a plugin throws nothing in particular',
      (config) => plugin(config, 'control() { throw undefined; },'),
      'plugin guest',
    ],
    [
      'a plugin does not let go',
      (config) =>
        plugin(config, "control({ onClose }) { onClose(() => new Promise(() => {})); throw new Error('no luck'); },"),
      'plugin guest: no luck',
    ],
    [
      'a plugin throws in the packet threads',
      (config) => plugin(config, '', "...(() => { throw new Error('no luck there'); })(),"),
      'no luck there',
    ],
    ['a plugin names a wrong route', (config) => plugin(config, WRONG_ROUTE), 'names no role'],
    [
      'the file of dnstap cannot be made',
      (config) => dnstap(config, { file: '/proc/queries.dnstap' }),
      /plugin dnstap: file .* cannot be made/,
    ],
    ['the file of dnstap is a folder', (config, folder) => dnstap(config, { file: folder }), 'no regular file'],
    [
      'the socket of dnstap is a file',
      (config, folder) => dnstap(config, { socket: join(folder, 'c2.txt') }),
      'no unix socket',
    ],
    [
      'the socket of dnstap has too long a path',
      (config) => dnstap(config, { socket: `/tmp/${'x'.repeat(120)}` }),
      '107',
    ],
    ['the data folder is a file', (config) => into(config, 'server', { data: './c2.txt' }), 'SEKISHO_DATA_UNWRITABLE'],
    [
      'the data folder cannot be made',
      (config) => into(config, 'server', { data: '/proc/x' }),
      'SEKISHO_DATA_UNWRITABLE',
    ],
    [
      'a part of the data folder is a file',
      (_, folder) => inData(folder, 'subscribers', ''),
      'SEKISHO_DATA_UNWRITABLE',
    ],
    ['the admin token is none', (_, folder) => inData(folder, 'admin.token', 'short'), 'SEKISHO_TOKEN_UNREADABLE'],
  ];
  const inData = (folder: string, name: string, text: string) => {
    mkdirSync(join(folder, 'data'));
    writeFileSync(join(folder, 'data', name), text);
  };
  const radius = (config: Section, file: string) =>
    into(config, 'subscribers', {
      radius: { ...(config['subscribers'] as { radius: Section }).radius, 'secret-file': file },
    });
  const linkKey = (config: Section, file: string) =>
    into(config, 'notice', {
      portal: { url: 'https://portal.isp.example/', link: { 'secret-file': file, issuer: 'member-site' } },
    });
  const dnstap = (config: Section, place: Section) => into(config, 'plugins', { dnstap: { ground: GROUND, ...place } });
  const plugin = (config: Section, parts: string, hooks = '') =>
    into(config, 'plugins', { guest: { module: writeGuest(parts, hooks) } });

  it.each(WRONG)('%s', async (_, change, ...words) => {
    const config = await configurationOf(ALL);
    const folder = folderWithFiles();
    change(config, folder);
    expectFailure(await startOf(config, folder), ...words);
  });

  const mayBeNobody = spawnSync(NOBODY[0]!, [...NOBODY.slice(1), 'test', '-r', sekishoMain()]).status === 0;
  it.skipIf(!mayBeNobody)('the data folder may be read and not written', async () => {
    const folder = folderWithFiles('/tmp');
    mkdirSync(join(folder, 'data'));
    chmodSync(folder, 0o755);
    const ran = await startOf(await configurationOf('nothing'), folder, NOBODY);
    expectFailure(ran, 'SEKISHO_DATA_UNWRITABLE', 'permission');
  });
});

const WRONG_ROUTE = "control({ routes }) { routes((app) => void app.get('/x', async () => 'x')); },";

const writeGuest = (parts: string, hooks: string) => writePlugin('guest', hooks, { parts });

describe('a reload that fails', () => {
  it.each(LISTENERS)('for $setting ($transport) leaves everything as it was', async ({ setting, transport, add }) => {
    const folder = folderWithFiles();
    const { server: _, ...sections } = await configurationOf(ALL);
    const inFolder = (config: Section) =>
      JSON.parse(JSON.stringify(config).replaceAll('"./', `"${folder}/`)) as Record<string, Section>;
    const config = inFolder(sections);
    delete config['admin']?.['listen'];
    const server = keep(await startSekisho({ config, readyTimeoutMs: 60_000 }));
    const { adminPort } = server;
    const port = await freePort();
    const letGo = await takePort(transport, port);

    const next = parse(server.config) as Section;
    add(next, `127.0.0.1:${port}`);
    writeFileSync(server.configFile, stringify(inFolder(next)));
    const token = readFileSync(join(server.folder, 'data', 'admin.token'), 'utf8').trim();
    const reply = await fetch(`http://127.0.0.1:${adminPort}/reload`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}` },
    });
    const { ok, problems } = (await reply.json()) as { ok: boolean; problems: string[] };
    await letGo();
    expect(ok).toBe(false);
    expect(problems.join()).toContain(setting);
    if (setting !== 'admin.listen') expect(problems.join()).toContain(`127.0.0.1:${port}`);

    const { radius } = (config['subscribers'] ?? {}) as { radius?: { listen: string } };
    const held: [Transport, number][] = [
      ['udp', server.port],
      ['tcp', server.port],
      ['tcp', adminPort],
      ['udp', portOf(radius?.listen)],
      ['udp', portOf(config['transfer']?.['notify'])],
      ['tcp', portOf(config['notice']?.['listen'])],
    ];
    for (const [kind, each] of held)
      await expect(takePort(kind, each), `${kind} ${each}`).rejects.toThrow('EADDRINUSE');
    expect((await askUdp({ name: 'other.example.test' }, { port: server.port })).rcode).toBe(0);
    // Still of age to take a right one.
    writeFileSync(server.configFile, server.config);
    const again = await fetch(`http://127.0.0.1:${adminPort}/reload`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}` },
    });
    expect(await again.json()).toEqual({ ok: true, problems: [] });
    await server.stop();
  });
});

function portOf(address: unknown): number {
  return Number(String(address).replace(/^.*:/, ''));
}
