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
import { askUdp } from '../support/dns-client.ts';
import { type Ran, run } from '../support/field.ts';
import { freePort } from '../support/free-port.ts';
import { stoppedAfterwards } from '../support/observe.ts';
import { honest, type ScriptedUpstream, startScriptedUpstream } from '../support/scripted-upstream.ts';
import { sekishoMain, startSekisho } from '../support/sekisho.ts';
import {
  ALL,
  configurationOf,
  folderWithFiles,
  GROUND,
  into,
  LISTENERS,
  SECTIONS,
  type Section,
  thief,
} from '../support/start-sections.ts';
import { type Transport, takePort } from '../support/taken-address.ts';
import { writePlugin } from '../support/third-party-plugin.ts';

vi.setConfig({ testTimeout: 120_000, hookTimeout: 240_000 });
const keep = stoppedAfterwards();
/** Five seconds, and as many again for a machine that has much else to do. What never ends is killed then: code SIGKILL. */
const LIMIT_MS = 10_000;

let upstream: ScriptedUpstream;
beforeAll(async () => {
  upstream = keep(await startScriptedUpstream(honest()));
});

/** Runs a command as a user without any rights. */
const NOBODY = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups'];

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
      const config = await configurationOf(sections, upstream.port);
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
    const config = await configurationOf(row.sections, upstream.port);
    row.add(config, `127.0.0.1:${port}`);
    into(config, 'plugins', { thief: { module: thief(), text: `${row.transport}:${port}` } });
    const reason = new RegExp(`127\\.0\\.0\\.1:${port} .*${escaped(row.setting)}.*in use`);
    expectFailure(await startOf(config), reason, 'SEKISHO_PORT_IN_USE');
  });

  it('all of them are said at once', async () => {
    const config = await configurationOf(ALL, upstream.port);
    const ports = await Promise.all(LISTENERS.map(() => freePort()));
    const letGo = await Promise.all(LISTENERS.map(({ transport }, i) => takePort(transport, ports[i]!)));
    for (const [i, { add }] of LISTENERS.entries()) add(config, `127.0.0.1:${ports[i]}`);
    const ran = await startOf(config);
    await Promise.all(letGo.map((free) => free()));
    // The second of server.listen has taken the place of the first.
    expectFailure(ran, ...ports.slice(1).map((port) => `127.0.0.1:${port} `));
  });
});

describe('an address that cannot be had', () => {
  it.each(LISTENERS)('$setting ($transport) is not on this machine', async ({ setting, add }) => {
    const config = await configurationOf(ALL, upstream.port);
    add(config, '192.0.2.77:5399');
    expectFailure(await startOf(config), `192.0.2.77:5399 (${setting}`, 'SEKISHO_ADDRESS_UNAVAILABLE');
  });

  // A network namespace of its own begins with the usual first free port, 1024.
  const APART = ['unshare', '-n', 'sh', '-c', 'ip link set lo up && exec "$@"', 'sh', ...NOBODY];
  const mayUnshare = spawnSync(APART[0]!, [...APART.slice(1), 'test', '-r', sekishoMain()]).status === 0;
  it.skipIf(!mayUnshare).each(LISTENERS)('$setting ($transport) is a port for root alone', async ({ setting, add }) => {
    const config = await configurationOf(ALL, upstream.port);
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
    ['the file of dnstap is a folder', (config, folder) => dnstap(config, { file: folder }), 'not a regular file'],
    [
      'the socket of dnstap is a file',
      (config, folder) => dnstap(config, { socket: join(folder, 'c2.txt') }),
      'not a unix socket',
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
    const config = await configurationOf(ALL, upstream.port);
    const folder = folderWithFiles();
    change(config, folder);
    expectFailure(await startOf(config, folder), ...words);
  });

  const mayBeNobody = spawnSync(NOBODY[0]!, [...NOBODY.slice(1), 'test', '-r', sekishoMain()]).status === 0;
  it.skipIf(!mayBeNobody)('the data folder may be read and not written', async () => {
    const folder = folderWithFiles('/tmp');
    mkdirSync(join(folder, 'data'));
    chmodSync(folder, 0o755);
    const ran = await startOf(await configurationOf('nothing', upstream.port), folder, NOBODY);
    expectFailure(ran, 'SEKISHO_DATA_UNWRITABLE', 'permission');
  });
});

const WRONG_ROUTE = "control({ routes }) { routes((app) => void app.get('/x', async () => 'x')); },";

const writeGuest = (parts: string, hooks: string) => writePlugin('guest', hooks, { parts });

describe('a reload that fails', () => {
  it.each(LISTENERS)('for $setting ($transport) leaves everything as it was', async ({ setting, transport, add }) => {
    const folder = folderWithFiles();
    const { server: _, ...sections } = await configurationOf(ALL, upstream.port);
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
