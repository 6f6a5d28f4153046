// `npm run package`: a Debian package that needs nothing but libc: the bundled program, what it needs at run time, and a Node.js.
//
//   npm run package -- [--arch amd64|arm64] [--version V …] [--compression xz|gzip|none] [--out FOLDER]
//
// What it lays down and where is written in docs/package.md; files that go in as they stand are in debian/.
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { gzipSync } from 'node:zlib';
import { keepCode } from '../program/build.mjs';
import { manPage } from './man-page.mjs';

/** The maintained line of Node.js that goes in. */
const NODE_LINE = '24';
/** What the bundle looks for at run time; each in the version of the lock file, with what it needs itself. */
const AT_RUN_TIME = ['koffi', 'libsql', 'tldts'];
const ARCHITECTURES = { amd64: 'x64', arm64: 'arm64' };
const PAGES = ['configuration.md', 'operations.md', 'operations.ja.md', 'package.md'];

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const debian = join(root, 'scripts', 'package', 'debian');
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
const { values: options } = parseArgs({
  options: {
    arch: { type: 'string', default: process.arch === 'arm64' ? 'arm64' : 'amd64' },
    // Of several versions, which differ in nothing else, the last is what `npm test` upgrades to.
    version: { type: 'string', multiple: true, default: [manifest.version] },
    compression: { type: 'string', default: 'xz' },
    out: { type: 'string', default: join(root, 'dist', 'package') },
    help: { type: 'boolean', short: 'h', default: false },
  },
});
if (options.help) {
  console.log('npm run package -- [--arch amd64|arm64] [--version V …] [--compression xz|gzip|none] [--out FOLDER]');
  process.exit(0);
}
const cpu = ARCHITECTURES[options.arch];
if (cpu === undefined) fail(`--arch takes ${Object.keys(ARCHITECTURES).join(' or ')}, not '${options.arch}'`);
const strange = options.version.find((each) => !/^[0-9][0-9A-Za-z.+~]*$/.test(each));
if (strange !== undefined) fail(`--version takes a version such as 1.2.0, not '${strange}'`);

const stage = mkdtempSync(join(tmpdir(), 'sekisho-package-'));
process.on('exit', () => rmSync(stage, { recursive: true, force: true }));
process.umask(0o022);
/** Reproducible: the same sources make the same package. */
const when = Number(process.env['SOURCE_DATE_EPOCH'] ?? lastCommit());

const program = join(stage, 'usr/lib/sekisho');
await layProgram();
laySystem();
for (const version of options.version) {
  writeFileSync(join(program, 'package.json'), `${JSON.stringify({ ...pick(manifest), version }, null, 2)}\n`);
  await layDocumentation(version);
  console.log(pack(version));
}

/** The bundle, what it needs at run time, and Node.js with the code that it keeps compiled. */
async function layProgram() {
  mkdirSync(program, { recursive: true });
  for (const part of ['dist/program', 'dist/console', 'lists', 'pages'])
    if (existsSync(join(root, part))) cpSync(join(root, part), join(program, part), { recursive: true });
  rmSync(join(program, 'dist/program/code'), { recursive: true, force: true });
  writeFileSync(join(program, 'package.json'), JSON.stringify(pick(manifest)));
  const { packages } = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8'));
  const wanted = AT_RUN_TIME.map((name) => `${name}@${packages[`node_modules/${name}`].version}`);
  const into = mkdtempSync(join(tmpdir(), 'sekisho-modules-'));
  try {
    writeFileSync(join(into, 'package.json'), '{ "private": true }\n');
    run('npm', [
      ...[
        'install',
        '--prefix',
        into,
        '--ignore-scripts',
        '--no-audit',
        '--no-fund',
        '--no-package-lock',
        '--prefer-offline',
      ],
      ...[
        '--loglevel=error',
        '--os=linux',
        `--cpu=${cpu}`,
        '--libc=glibc',
        `node-linux-${cpu}@${NODE_LINE}`,
        ...wanted,
      ],
    ]);
    const modules = join(into, 'node_modules');
    mkdirSync(join(program, 'bin'));
    copyFileSync(join(modules, `node-linux-${cpu}/bin/node`), join(program, 'bin/node'));
    for (const each of ['.bin', '.package-lock.json', `node-linux-${cpu}`])
      rmSync(join(modules, each), { recursive: true, force: true });
    cpSync(modules, join(program, 'node_modules'), { recursive: true });
  } finally {
    rmSync(into, { recursive: true, force: true });
  }
  tidy(join(program, 'node_modules'));
  chmodSync(join(program, 'bin/node'), 0o755);
  if (cpu !== process.arch) {
    console.error(`Compiled code is not kept: a program for ${options.arch} does not run here. It starts more slowly.`);
    return;
  }
  const main = join(program, 'dist/program/src/main.js');
  const problem = await keepCode(main, join(program, 'dist/program/code'), join(program, 'bin/node'));
  if (problem) fail(`the program does not run as it is packed: ${problem}`);
}

/** What only people who build with a package need, and licenses: those are in one file. */
function tidy(folder) {
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    const surplus =
      /\.(?:d\.ts|d\.cts|d\.mts|map|md|ts|cc|hh|h|c|cpp|txt|yml)$|^(?:licen[cs]e|changelog|copying|\..*)(?:\.|$)/i;
    if (entry.isFile() && surplus.test(entry.name)) rmSync(path);
    else if (entry.isFile()) chmodSync(path, 0o644);
  }
  for (const surplus of [
    'koffi/cnoke.cjs',
    'koffi/doc',
    'koffi/lib',
    'koffi/vendor',
    'koffi/src/koffi/src/abi',
    'koffi/src/koffi/src/trampolines.cjs',
    'tldts/bin',
    `@koromix/koffi-linux-${cpu}/musl_${cpu}`,
    `@libsql/linux-${cpu}-musl`,
    'tldts/src',
    'tldts-core/src',
    'tldts/dist/es6',
    'tldts-core/dist/es6',
  ])
    rmSync(join(folder, surplus), { recursive: true, force: true });
  removeEmpty(folder);
}

function removeEmpty(folder) {
  for (const entry of readdirSync(folder, { withFileTypes: true }))
    if (entry.isDirectory()) removeEmpty(join(folder, entry.name));
  if (readdirSync(folder).length === 0) rmSync(folder, { recursive: true });
}

async function layDocumentation(version) {
  const doc = join(stage, 'usr/share/doc/sekisho');
  mkdirSync(doc, { recursive: true });
  for (const page of PAGES) zipped(join(doc, page), readFileSync(join(root, 'docs', page)));
  for (const name of ['copyright', 'sysctl.conf', 'xdp.conf']) copyFileSync(join(debian, name), join(doc, name));
  zipped(join(doc, 'third-party.txt'), licenses());
  zipped(join(doc, 'changelog'), readFileSync(join(root, 'CHANGELOG.md')));
  const date = spawnSync('date', ['-R', '-u', '-d', `@${when}`], { encoding: 'utf8' }).stdout.trim();
  const entry = `sekisho (${version}-1) unstable; urgency=medium\n\n  * Version ${version}; what changed is in changelog.gz.\n\n -- ${maintainer()}  ${date}\n`;
  zipped(join(doc, 'changelog.Debian'), entry);
  const man = join(stage, 'usr/share/man/man8');
  mkdirSync(man, { recursive: true });
  zipped(join(man, 'sekisho.8'), await manPage(version, new Date(when * 1000)));
}

/** What every package that is inside asks to be kept with it. */
function licenses() {
  const { packages } = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8'));
  const texts = [];
  for (const [path, { dev, version: of, license }] of Object.entries(packages)) {
    const folder = join(root, path);
    if (path === '' || dev === true || !existsSync(folder)) continue;
    const found = readdirSync(folder).find((name) => /^(?:licen[cs]e|copying)/i.test(name));
    const text =
      found && statSync(join(folder, found)).isFile()
        ? readFileSync(join(folder, found), 'utf8')
        : `License: ${license}\n`;
    texts.push(`${path.replace(/^.*node_modules\//, '')} ${of}\n\n${text}`);
  }
  return texts.join(`\n${'-'.repeat(78)}\n\n`);
}

function laySystem() {
  const put = (name, path, mode = 0o644) => {
    mkdirSync(dirname(join(stage, path)), { recursive: true });
    copyFileSync(join(debian, name), join(stage, path));
    chmodSync(join(stage, path), mode);
  };
  put('sekisho.sh', 'usr/bin/sekisho', 0o755);
  put('sekisho.service', 'lib/systemd/system/sekisho.service');
  put('sekisho.yaml', 'etc/sekisho/sekisho.yaml');
  put('lintian-overrides', 'usr/share/lintian/overrides/sekisho');
  const completion = {
    bash: 'bash-completion/completions/sekisho',
    zsh: 'zsh/vendor-completions/_sekisho',
    fish: 'fish/vendor_completions.d/sekisho.fish',
  };
  for (const [shell, path] of Object.entries(completion)) {
    const { status, stdout } = spawnSync(process.execPath, [join(root, 'dist/src/main.js'), 'completion', shell], {
      encoding: 'utf8',
    });
    if (status !== 0) fail(`sekisho completion ${shell} ended with ${status}`);
    mkdirSync(dirname(join(stage, 'usr/share', path)), { recursive: true });
    writeFileSync(join(stage, 'usr/share', path), stdout);
  }
}

function pack(version) {
  const control = join(stage, 'DEBIAN');
  rmSync(control, { recursive: true, force: true });
  mkdirSync(control);
  for (const script of ['postinst', 'prerm', 'postrm']) {
    copyFileSync(join(debian, script), join(control, script));
    chmodSync(join(control, script), 0o755);
  }
  writeFileSync(join(control, 'conffiles'), '/etc/sekisho/sekisho.yaml\n');
  const files = readdirSync(stage, { recursive: true, withFileTypes: true }).filter(
    (entry) => entry.isFile() && !entry.parentPath.endsWith('DEBIAN'),
  );
  const bytes = files.reduce((sum, { parentPath, name }) => sum + statSync(join(parentPath, name)).size, 0);
  writeFileSync(
    join(control, 'control'),
    `Package: sekisho
Version: ${version}-1
Architecture: ${options.arch}
Maintainer: ${maintainer()}
Installed-Size: ${Math.ceil(bytes / 1024)}
Depends: adduser, libc6 (>= 2.28), libgcc-s1, libstdc++6 (>= 6)
Suggests: bash-completion
Section: net
Priority: optional
Description: DNS checkpoint for ISPs that acts only on a legal ground
 Sekisho stands in front of an ISP's resolvers, or resolves itself. It shapes
 attacks and inspects what a subscriber asks only where that subscriber has
 consented or the law gives another ground; every look is in an audit log.
 .
 This package brings everything with it, Node.js included.
`,
  );
  const sums = files
    .map(({ parentPath, name }) => join(parentPath, name).slice(stage.length + 1))
    .filter((path) => !path.startsWith('etc/'))
    .sort();
  const { stdout } = spawnSync('md5sum', sums, { cwd: stage, encoding: 'utf8', maxBuffer: 1e8 });
  writeFileSync(join(control, 'md5sums'), stdout);
  for (const entry of readdirSync(stage, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    if (entry.isDirectory()) chmodSync(path, 0o755);
    utimesSync(path, when, when);
  }
  chmodSync(stage, 0o755);
  mkdirSync(options.out, { recursive: true });
  const built = resolve(options.out, `sekisho_${version}-1_${options.arch}.deb`);
  run(
    'dpkg-deb',
    [
      '--root-owner-group',
      `-Z${options.compression}`,
      ...(options.compression === 'gzip' ? ['-z1'] : []),
      '--build',
      stage,
      built,
    ],
    {
      SOURCE_DATE_EPOCH: String(when),
    },
  );
  return built;
}

/** Without date and name inside, so that the same text is the same file. */
function zipped(path, content) {
  writeFileSync(`${path}.gz`, gzipSync(content, { level: 9 }));
}

function pick({ name, description, license, type, engines, exports }) {
  return { name, description, license, type, engines, exports };
}

function maintainer() {
  return process.env['DEBFULLNAME'] && process.env['DEBEMAIL']
    ? `${process.env['DEBFULLNAME']} <${process.env['DEBEMAIL']}>`
    : 'Sekisho maintainers <sekisho@dns.invalid>';
}

function lastCommit() {
  const { status, stdout } = spawnSync('git', ['log', '-1', '--format=%ct'], { cwd: root, encoding: 'utf8' });
  return status === 0 && stdout.trim() !== '' ? stdout.trim() : Math.floor(Date.now() / 1000);
}

function run(command, args, env = {}) {
  const { status, error } = spawnSync(command, args, { stdio: ['ignore', 2, 2], env: { ...process.env, ...env } });
  if (status !== 0) fail(`${command} ${error ? error.message : `ended with ${status}`}`);
}

function fail(text) {
  console.error(`package: ${text}`);
  process.exit(1);
}
