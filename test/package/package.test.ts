/**
 * The Debian package through its life, in a copy of this machine that keeps nothing: built, linted, installed, served on port 53 as
 * the unit says, asked by staff, upgraded, removed, purged. No systemd runs there: user and capabilities are read from the unit.
 */
import type { ChildProcess } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { ensurePackages, type Program } from '../support/debian.ts';
import { finished } from '../support/finished.ts';
import { waitFor } from '../support/observe.ts';
import { temporaryFolder } from '../support/process.ts';
import { repositoryRoot } from '../support/root.ts';
import { openSandbox, type Sandbox } from '../support/sandbox.ts';

vi.setConfig({ testTimeout: 300_000, hookTimeout: 300_000 });

const PROGRAMS: Program[] = ['lintian', 'systemd-analyze', 'setpriv', 'ip', 'kdig'];
const version = (JSON.parse(readFileSync(join(repositoryRoot(), 'package.json'), 'utf8')) as { version: string })
  .version;
const former = '0.0.9';
const folder = temporaryFolder('package');
const UNIT = '/lib/systemd/system/sekisho.service';
const ROLES = ['viewer', 'operator', 'security', 'privacy'];

const missing =
  process.getuid?.() === 0 ? [...ensurePackages(PROGRAMS).values()].join('; ') : 'it takes root to install a package';
const opened = missing === '' ? await openSandbox(folder) : missing;
if (typeof opened === 'string') console.warn(`the tests of the Debian package are skipped: ${opened}`);

describe.skipIf(typeof opened === 'string')('the Debian package', () => {
  const sandbox = opened as Sandbox;
  const file = (of: string) => `sekisho_${of}-1_${process.arch === 'arm64' ? 'arm64' : 'amd64'}.deb`;
  const running: ChildProcess[] = [];

  beforeAll(async () => {
    const script = join(repositoryRoot(), 'scripts', 'package', 'build.mjs');
    const versions = ['--version', former, '--version', version];
    const built = await finished(process.execPath, [script, ...versions, '--compression', 'gzip', '--out', folder], {
      env: { DEBFULLNAME: 'Example ISP', DEBEMAIL: 'dns@isp-example.net' },
    });
    expect(built.stderr).not.toMatch(/not kept/);
    expect(built.status, built.stderr).toBe(0);
  });
  afterAll(() => {
    for (const child of running) child.kill('SIGKILL');
    sandbox.close();
  });

  const must = (command: string, ...args: string[]) => {
    const { status, stdout, stderr } = sandbox.run(command, args);
    expect(status, `${command} ${args.join(' ')}: ${stderr}`).toBe(0);
    return stdout;
  };
  const modes = (...paths: string[]) =>
    must('stat', '-c', '%n %a %U:%G', ...paths)
      .trim()
      .split('\n');
  const as = (groups: string, ...words: string[]) =>
    sandbox.run('setpriv', ['--reuid=nobody', '--regid=nogroup', `--groups=${groups}`, 'sekisho', ...words]);

  /** The service as the unit describes it. Resolves when it answers on port 53. */
  async function serve(): Promise<{ child: ChildProcess; pid: string }> {
    const unit = must('cat', UNIT);
    const value = (key: string) => new RegExp(`^${key}=(.*)$`, 'm').exec(unit)?.[1] ?? '';
    const capabilities = (key: string) =>
      [
        '-all',
        ...value(key)
          .split(' ')
          .map((name) => `+${name.replace(/^CAP_/, '').toLowerCase()}`),
      ].join(',');
    const child = sandbox.start('setpriv', [
      ...[`--reuid=${value('User')}`, `--regid=${value('Group')}`, '--init-groups', '--no-new-privs'],
      `--bounding-set=${capabilities('CapabilityBoundingSet')}`,
      `--inh-caps=${capabilities('AmbientCapabilities')}`,
      `--ambient-caps=${capabilities('AmbientCapabilities')}`,
      ...[
        'sh',
        '-c',
        `umask ${value('UMask')}; ulimit -n ${value('LimitNOFILE')}; cd ${value('WorkingDirectory')}; exec ${value('ExecStart')}`,
      ],
    ]);
    running.push(child);
    let log = '';
    for (const stream of [child.stdout, child.stderr])
      stream?.setEncoding('utf8').on('data', (text: string) => {
        log += text;
      });
    await waitFor('the service to serve', async () => {
      if (child.exitCode !== null) throw new Error(`it ended with ${child.exitCode}: ${log}`);
      return log.includes('"msg":"serving"');
    });
    return { child, pid: must('pgrep', '-o', '-u', 'sekisho').trim() };
  }

  async function stop({ child }: { child: ChildProcess }): Promise<void> {
    must('pkill', '-TERM', '-u', 'sekisho');
    await waitFor('the service to stop', async () => child.exitCode !== null);
    expect(child.exitCode).toBe(0);
  }

  it('is clean by lintian, and its unit is hardened', async () => {
    const { status, stdout } = await finished('lintian', ['--fail-on', 'error,warning', join(folder, file(version))]);
    expect(stdout).toBe('');
    expect(status).toBe(0);
  });

  it('lives: installed, asked, upgraded, removed, purged', async () => {
    must('dpkg', '-i', `/mnt/${file(former)}`);
    expect(must('systemd-analyze', 'security', '--offline=true', '--threshold=25', UNIT)).toMatch(/exposure level/);
    expect(modes('/etc/sekisho', '/var/lib/sekisho')).toEqual([
      '/etc/sekisho 700 sekisho:sekisho',
      '/var/lib/sekisho 700 sekisho:sekisho',
    ]);
    expect(modes('/etc/sekisho/tokens.yaml', '/etc/sekisho/sekisho.yaml')).toEqual([
      '/etc/sekisho/tokens.yaml 600 sekisho:sekisho',
      '/etc/sekisho/sekisho.yaml 600 sekisho:sekisho',
    ]);
    expect(modes(...ROLES.map((role) => `/var/lib/sekisho-staff/${role}.token`))).toEqual(
      ROLES.map((role) => `/var/lib/sekisho-staff/${role}.token 640 root:sekisho-${role}`),
    );

    const first = await serve();
    const status = must('cat', `/proc/${first.pid}/status`);
    // CAP_NET_BIND_SERVICE is bit 10, CAP_NET_ADMIN 12.
    for (const set of ['CapEff', 'CapPrm', 'CapBnd', 'CapAmb'])
      expect(status).toMatch(new RegExp(`^${set}:\\s+0*1400$`, 'm'));
    expect(status).toMatch(/^NoNewPrivs:\s+1$/m);
    for (const transport of ['+notcp', '+tcp'])
      expect(must('kdig', transport, '+short', '@127.0.0.1', 'localhost', 'A').trim()).toBe('127.0.0.1');

    expect(as('sekisho-viewer', 'status').stdout).toContain(former);
    expect(as('sekisho-viewer', 'reload').stderr).toContain('SEKISHO_ROLE_MISSING');
    expect(as('sekisho-operator', 'reload').status).toBe(0);
    expect(as('nogroup', 'status').status).toBe(1);

    must('sh', '-c', 'echo "# changed by hand" >> /etc/sekisho/sekisho.yaml');
    const tokens = must('cat', '/etc/sekisho/tokens.yaml');
    must('dpkg', '-i', `/mnt/${file(version)}`);
    expect(must('cat', '/etc/sekisho/sekisho.yaml')).toContain('# changed by hand');
    expect(must('cat', '/etc/sekisho/tokens.yaml')).toBe(tokens);
    // No systemd restarts it here: it goes on, and says what is due.
    expect(as('sekisho-viewer', 'status').stdout).toContain('the program on disk has changed');
    expect(must('kdig', '+short', '@127.0.0.1', 'localhost', 'A').trim()).toBe('127.0.0.1');
    await stop(first);
    const second = await serve();
    expect(as('sekisho-viewer', 'status').stdout).toContain(version);
    expect(must('sekisho', 'audit', 'verify', '--config', '/etc/sekisho/sekisho.yaml')).toMatch(/intact|sound|holds/i);
    await stop(second);

    must('dpkg', '-r', 'sekisho');
    expect(sandbox.run('ls', ['/usr/lib/sekisho']).status).not.toBe(0);
    expect(must('ls', '/etc/sekisho').split('\n')).toContain('sekisho.yaml');
    expect(must('ls', '/var/lib/sekisho').split('\n')).toContain('audit.db');
    must('dpkg', '-P', 'sekisho');
    for (const left of ['/etc/sekisho', '/var/lib/sekisho', '/var/lib/sekisho-staff', '/usr/lib/sekisho', UNIT])
      expect(sandbox.run('ls', ['-d', left]).status, left).not.toBe(0);
    expect(must('getent', 'passwd')).not.toMatch(/^sekisho/m);
    expect(must('getent', 'group')).not.toMatch(/^sekisho/m);
  });
});

describe('sekisho(8)', () => {
  it('names every command with its options, and no line of it is a stray request', async () => {
    const { manPage } = await import('../../scripts/package/man-page.mjs');
    const { allCommands } = await import('../../src/cli/commands.ts');
    const page = await manPage('1.2.3', new Date(0));
    expect(page).toContain('.TH SEKISHO 8 "1970-01-01" "Sekisho 1.2.3"');
    for (const { name, verbs } of await allCommands()) {
      expect(page).toContain(`\n.SS ${name.replaceAll('-', '\\-')}\n`);
      for (const { options = {} } of Object.values(verbs))
        for (const option of Object.keys(options)) expect(page).toContain(`\\-\\-${option.replaceAll('-', '\\-')}`);
    }
    const requests = page.split('\n').filter((line) => /^[.']/.test(line));
    expect(requests.filter((line) => !/^\.(?:\\"|TH|SH|SS|TP|PP|B|I|RI|RS|RE|br|nf|fi)\b|^\.\\"/.test(line))).toEqual(
      [],
    );
    expect(page).not.toMatch(/\P{ASCII}/u);
  });
});
