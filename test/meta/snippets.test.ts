/**
 * Console snippets of the documentation work: each is run where it says so (test/support/snippets.ts), with the commands as they
 * stand there, in a folder with a `sekisho.yaml`, and prints what is shown. What cannot be run says why in the page, and is
 * counted here, so that nothing is left out in silence.
 */
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { afterAll, describe, expect, it, vi } from 'vitest';
import { ensurePackages, requireProgram } from '../support/debian.ts';
import { run } from '../support/field.ts';
import { repositoryRoot } from '../support/root.ts';
import { sekishoMain } from '../support/sekisho.ts';
import { missingIn, type Snippet, type Step, snippetsOf } from '../support/snippets.ts';
import { SETTINGS, type Setting } from './snippet-settings.ts';

vi.setConfig({ testTimeout: 180_000, hookTimeout: 240_000 });
const missing = ensurePackages(['dig', 'kdig', 'curl', 'nsd', 'unbound']);
const root = repositoryRoot();
/** How often a command that only looks may be given again until it prints what is shown: lists and counters need a moment. */
const LOOKS = 30;
const ACTS = /\b(?:add|reload|apply|lift|copy)\b|sed -i/;

const pages = [
  ...['README.md', 'README.ja.md', 'CONTRIBUTING.md', 'ARCHITECTURE.md', 'SECURITY.md', 'lists/README.md'],
  ...readdirSync(join(root, 'docs')).flatMap((name) => (name.endsWith('.md') ? [`docs/${name}`] : [])),
  ...readdirSync(join(root, 'plugins'), { withFileTypes: true }).flatMap((entry) =>
    entry.isDirectory() ? [`plugins/${entry.name}/README.md`] : [],
  ),
].map((page) => ({ page, snippets: snippetsOf(readFileSync(join(root, page), 'utf8')) }));
const all = pages.flatMap(({ page, snippets }) => snippets.map((snippet) => ({ page, snippet })));

describe('every console snippet', () => {
  it('is run, by this test or by another that reads the page, or says why it is not', () => {
    const silent = all.filter(({ page, snippet }) => !isAccountedFor(page, snippet));
    expect(silent.map(({ page, snippet }) => `${page}: ${snippet.section}`)).toEqual([]);
  });

  it('that says a test runs it names one that reads its page', () => {
    for (const { page, snippet } of all.filter(({ snippet }) => snippet.runBy !== undefined)) {
      const file = join(root, snippet.runBy ?? '');
      expect(existsSync(file), `${page}: ${snippet.runBy}`).toBe(true);
      expect(readFileSync(file, 'utf8')).toContain(page.split('/').at(-1));
    }
  });

  it('those that are not run are these, and no others', () => {
    const left = all.flatMap(({ page, snippet }) =>
      snippet.steps.flatMap(({ command, notRun }) =>
        notRun === undefined ? [] : [`${page}: ${command.split(' ', 2).join(' ')}`],
      ),
    );
    expect(left).toEqual(NOT_RUN);
  });
});

const NOT_RUN = [
  'README.md: dnsperf -s',
  'docs/dnssec.ja.md: sekisho dnssec',
  'docs/dnssec.md: sekisho dnssec',
  'docs/fast-path.ja.md: sekisho check',
  'docs/fast-path.ja.md: sekisho status',
  'docs/fast-path.md: sekisho check',
  'docs/fast-path.md: sekisho status',
  'docs/package.md: npm run',
  'docs/package.md: sudo apt',
  'docs/package.md: sudo adduser',
  'docs/package.md: sudo -u',
  'docs/replacing.ja.md: sekisho convert',
  'docs/replacing.ja.md: less sekisho.yaml',
  'docs/replacing.ja.md: sekisho check',
  'docs/replacing.md: sekisho convert',
  'docs/replacing.md: less sekisho.yaml',
  'docs/replacing.md: sekisho check',
  'docs/resolve.md: node dist/bench/internet.js',
  'docs/resolve.md: kdig @127.0.0.1',
  'docs/resolve.md: sekisho explain',
  'docs/resolve.md: sekisho status',
  'docs/sharing.ja.md: sekisho share',
  'docs/sharing.ja.md: sekisho share',
  'docs/sharing.ja.md: sekisho share',
  'docs/sharing.md: sekisho share',
  'docs/sharing.md: sekisho share',
  'docs/sharing.md: sekisho share',
  'docs/time.ja.md: sekisho time',
  'docs/time.ja.md: sekisho time',
  'docs/time.md: sekisho time',
  'docs/time.md: sekisho time',
  'plugins/dnstap/README.md: dnstap-read /var/lib/sekisho/dnstap/queries.dnstap',
  'plugins/dnstap/README.md: fstrm_capture -t',
];

/** The section "Example" of a plugin's page is run by examples.test.ts, with the configuration that stands there. */
function isAccountedFor(page: string, { section, setting, runBy, steps }: Snippet): boolean {
  if (runBy !== undefined || (setting !== undefined && SETTINGS[setting] !== undefined)) return true;
  const runElsewhere = page.startsWith('plugins/') && section === 'Example' ? /^(?:dig|sekisho) / : /^(?!)/;
  return steps.length > 0 && steps.every(({ command, notRun }) => notRun !== undefined || runElsewhere.test(command));
}

const toRun = all.filter(({ snippet }) => snippet.setting !== undefined);

describe.skipIf(missing.size > 0).each(toRun)('$page, $snippet.section', ({ snippet }) => {
  const kept: { stop?: () => Promise<unknown>; close?: () => unknown }[] = [];
  afterAll(async () => {
    for (const each of kept.reverse()) await (each.stop?.() ?? each.close?.());
  });

  it('prints what it shows', async () => {
    const setting = await SETTINGS[snippet.setting ?? '']!((started) => {
      kept.push(started);
      return started;
    });
    const bin = shims(setting);
    let diagnosis = '';
    for (const step of snippet.steps) {
      if (step.notRun !== undefined) continue;
      const command = placed(step.command, setting).replace(/--diagnosis \w+/, `--diagnosis ${diagnosis}`);
      const printed = await shown(command, step, setting, bin);
      diagnosis = /--diagnosis (d[0-9a-f]+)/.exec(printed)?.[1] ?? diagnosis;
    }
  });
});

/** Programs of the page that lead to this server: `sekisho`, and a `curl` for which every name is the notice page's. */
function shims({ server }: Setting): string {
  const bin = join(server.folder, 'bin');
  mkdirSync(bin);
  const program = (name: string, line: string) => {
    writeFileSync(join(bin, name), `#!/bin/sh\nexec ${line} "$@"\n`);
    chmodSync(join(bin, name), 0o755);
  };
  program('sekisho', `'${process.execPath}' '${sekishoMain()}'`);
  program('curl', `${requireProgram('curl')} --noproxy '*' --connect-to ::127.0.0.1:${server.noticePort}`);
  return bin;
}

/** With this machine's ports and paths in place of the page's. */
function placed(text: string, { server, paths = [] }: Setting): string {
  let there = text.replace(/^npx /, '').replace(/ -p 53\d\d\b/g, ` -p ${server.port}`);
  for (const [from, to] of paths) there = there.replaceAll(from, to);
  return there;
}

/** Run it until it prints what is shown, where running it again does no harm; returns what it printed. */
async function shown(command: string, step: Step, setting: Setting, bin: string): Promise<string> {
  const anyNumbers = /^sekisho (?:status|run)\b/.test(command);
  const expected = step.shown.map((line) => placed(line, setting));
  const path = `${bin}${delimiter}${process.env['PATH'] ?? ''}`;
  for (let look = 1; ; look++) {
    const printed = command.startsWith('sekisho run')
      ? setting.server.stdout()
      : await run('bash', ['-c', command], { cwd: setting.server.folder, env: { PATH: path }, limitMs: 60_000 }).then(
          ({ stdout, stderr }) => stdout + stderr,
        );
    const lines = command.startsWith('sekisho run') ? [expected.map((line) => line.trim()).join('')] : expected;
    const absent = missingIn(printed, lines, anyNumbers);
    if (absent.length > 0 && look < LOOKS && !ACTS.test(command)) {
      await new Promise((resolve) => setTimeout(resolve, 500));
      continue;
    }
    expect(absent, `$ ${command}\n${printed}`).toEqual([]);
    return printed;
  }
}
