/**
 * docs/plugins.md, followed word for word by somebody outside the repository: its commands are run, its snippets are put where
 * it says, and the server that comes of it is asked.
 */
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { parse, stringify } from 'yaml';
import { askUdp } from '../support/dns-client.ts';
import { temporaryFolder } from '../support/process.ts';
import { repositoryRoot } from '../support/root.ts';
import { honest, startScriptedUpstream } from '../support/scripted-upstream.ts';
import { sekishoMain, startSekisho } from '../support/sekisho.ts';

const guide = readFileSync(join(repositoryRoot(), 'docs', 'plugins.md'), 'utf8');
const outside = temporaryFolder('outside');

/** The installed command, as the guide calls it. */
function sekisho(...args: string[]) {
  const path = `${join(outside, 'bin')}${delimiter}${process.env['PATH'] ?? ''}`;
  return spawnSync('sekisho', args, { cwd: outside, encoding: 'utf8', env: { ...process.env, PATH: path } });
}

function commands(section: string): string[] {
  const text = guide.slice(guide.indexOf(section));
  const block = /```console\n([\s\S]*?)```/.exec(text)?.[1] ?? '';
  return block.split('\n').flatMap((line) => (line.startsWith('$ sekisho ') ? [line.slice('$ sekisho '.length)] : []));
}

function snippet(language: string): string {
  return snippets(language)[0] ?? '';
}

function snippets(language: string): string[] {
  return [...guide.matchAll(new RegExp(`\`\`\`${language}\\n([\\s\\S]*?)\`\`\``, 'g'))].map(([, text = '']) => text);
}

beforeAll(() => {
  mkdirSync(join(outside, 'bin'));
  chmodSync(sekishoMain(), 0o755);
  symlinkSync(sekishoMain(), join(outside, 'bin', 'sekisho'));
});

describe('docs/plugins.md', () => {
  it('1. begins with a folder of four files, and overwrites nothing', () => {
    for (const command of commands('## 1. Begin')) expect(sekisho(...command.split(' '))).toMatchObject({ status: 0 });
    const again = sekisho('plugin', 'new', 'my-plugin');
    expect(again).toMatchObject({ status: 2 });
    expect(again.stderr).toMatch(/already exists/);
  });

  it('2. its tests pass, and so does the one that the guide shows', () => {
    for (const [i, shown] of snippets('js').entries())
      writeFileSync(join(outside, 'my-plugin', `shown-${i}.test.js`), shown);
    for (const command of commands('## 2. Test')) {
      const { status, stdout } = sekisho(...command.split(' '));
      expect(stdout).toMatch(/# pass 7\n# fail 0/);
      expect(status).toBe(0);
    }
  });

  it('a test that fails fails the command', () => {
    const file = join(outside, 'my-plugin', 'failing.test.js');
    writeFileSync(file, "import { test } from 'node:test';\ntest('no', () => { throw new Error('no'); });\n");
    onTestFinished(() => writeFileSync(file, ''));
    expect(sekisho('plugin', 'test', 'my-plugin').status).toBe(1);
  });

  it('3. and 4. the plugin serves, and a reload takes its new code in the main thread and in the workers', async () => {
    const upstream = await startScriptedUpstream(honest());
    onTestFinished(() => upstream.close());
    const { plugins } = parse(snippet('yaml')) as { plugins: Record<string, unknown> };
    const absolute = {
      ...plugins,
      'my-plugin': { ...(plugins['my-plugin'] as object), module: join(outside, 'my-plugin') },
    };
    const server = await startSekisho({
      config: { server: { workers: 2 }, upstream: { servers: [`127.0.0.1:${upstream.port}`] }, plugins: absolute },
    });
    onTestFinished(async () => {
      await server.stop();
    });
    // As the guide writes it: relative to the configuration file.
    const config = parse(readFileSync(server.configFile, 'utf8')) as Record<string, unknown>;
    writeFileSync(join(outside, 'sekisho.yaml'), stringify({ ...config, plugins }));
    expect(sekisho('check')).toMatchObject({ status: 0 });

    const rcode = async (name: string) => (await askUdp({ name }, { port: server.port })).rcode;
    const explained = () =>
      sekisho('explain', 'www.internal.example', '--client', '127.0.0.1', '--json', '--config', server.configFile)
        .stdout;
    expect(await rcode('www.internal.example')).toBe(5);
    expect(await rcode('www.example.com')).toBe(0);
    expect(explained()).toMatch(/internal\.example and all below it is refused/);

    // Its own route, over HTTP: a pause acts in both workers, and ends.
    const token = readFileSync(join(server.folder, 'data', 'admin.token'), 'utf8').trim();
    // The commands above have stood still long enough for the server to close a kept connection.
    await fetch(`http://127.0.0.1:${server.adminPort}/healthz`).catch(() => undefined);
    const paused = await fetch(`http://127.0.0.1:${server.adminPort}/v1/my-plugin/pause`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body: JSON.stringify({ minutes: 1, reason: 'to see that it pauses' }),
    });
    expect([paused.status, await paused.json()]).toEqual([200, { minutes: 1 }]);
    for (let i = 0; i < 10; i++) expect(await rcode('www.internal.example')).toBe(0);
    expect(explained()).toMatch(/paused by an operator/);

    const file = join(outside, 'my-plugin', 'index.js');
    const code = readFileSync(file, 'utf8');
    writeFileSync(
      file,
      code
        .replace('return REFUSE;', 'return FAIL;')
        .replace('REFUSE,', 'FAIL, REFUSE,')
        .replace('is refused`', 'fails now`'),
    );
    for (const command of commands('## 4. Change'))
      expect(sekisho(...command.split(' '), '--config', server.configFile)).toMatchObject({ status: 0 });
    expect(await rcode('www.internal.example')).toBe(2);
    expect(explained()).toMatch(/fails now/);

    writeFileSync(file, code.replace('contract: 1,', 'contract: 99,'));
    const refused = sekisho('reload', '--config', server.configFile);
    expect(refused.status).toBe(1);
    expect(refused.stderr).toMatch(/version 99 of the plugin contract, and this server has version 1/);
    expect(await rcode('www.internal.example')).toBe(2);
  });
});

describe('module:', () => {
  const plugin = (name: string) =>
    `import { definePlugin, z } from 'sekisho/plugin';\nimport { summary } from './part.js';\n` +
    `export default definePlugin({ name: '${name}', stage: 'observe', summary, options: z.strictObject({}) });\n`;
  const write = (folder: string, name: string) => {
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, 'part.js'), "export const summary = 'from outside';\n");
    writeFileSync(join(folder, 'index.js'), plugin(name));
  };

  it.each([
    ['a file', 'plain/index.js', './plain/index.js'],
    ['a folder without a package.json', 'bare/index.js', './bare'],
    ['a package beside the configuration', 'node_modules/sekisho-plugin-x/index.js', 'sekisho-plugin-x'],
  ])('%s loads', (_what, file, module) => {
    const folder = temporaryFolder('module');
    const home = join(folder, file, '..');
    write(home, 'strange');
    writeFileSync(join(folder, 'package.json'), '{"type":"module"}');
    if (file.startsWith('node_modules'))
      writeFileSync(join(home, 'package.json'), '{"name":"sekisho-plugin-x","type":"module","exports":"./index.js"}');
    writeFileSync(join(folder, 'sekisho.yaml'), stringify({ plugins: { 'amp-shaper': false, strange: { module } } }));
    const { status, stdout, stderr } = spawnSync(process.execPath, [sekishoMain(), 'check'], {
      cwd: folder,
      encoding: 'utf8',
    });
    expect(stderr).toBe('');
    expect(stdout).toMatch(/strange\s+observe\s+from outside/);
    expect(status).toBe(0);
  });
});
