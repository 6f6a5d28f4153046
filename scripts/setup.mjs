// Set-up for `npm start`, `npm test` and `npm run bench`: installs what the lock file names and compiles what changed.
// Runs before anything is installed, so it uses nothing but Node.js itself.
import { spawn, spawnSync } from 'node:child_process';
import { chmodSync, existsSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const MAIN = 'dist.new/src/main.js';
const root = dirname(dirname(fileURLToPath(import.meta.url)));
process.chdir(root);

const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
if (major < 20 || (major === 20 && minor < 19)) {
  console.error(`Sekisho needs Node.js 20.19 or later; this is ${process.versions.node}.`);
  process.exit(1);
}

install();
buildConsole();
await build();

/** Install exactly what package-lock.json says, unless that very lock file was installed already. */
function install() {
  const lock = readFileSync('package-lock.json', 'utf8');
  const stamp = 'node_modules/.sekisho-lock';
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === lock) return;
  console.error('Installing packages …');
  // No package here needs its install script: koffi and the others ship their binaries inside the package.
  run('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error']);
  writeFileSync(stamp, lock);
}

/** Compile to dist/ when any source is newer than the last build, or another Node.js is to run it. */
async function build() {
  const stamp = 'dist/.built';
  const newest = Math.max(
    ...['src', 'plugins', 'bench', 'demo', 'test/support', 'scripts', 'tsconfig.json', 'tsconfig.build.json'].map(
      newestChange,
    ),
  );
  const upToDate =
    existsSync(stamp) && statSync(stamp).mtimeMs > newest && readFileSync(stamp, 'utf8') === process.version;
  if (upToDate && !process.argv.includes('--build')) return;
  console.error('Compiling …');
  // Beside the old one, and then in its place: a server that runs from dist/ may start a worker at any moment.
  for (const folder of ['dist.new', 'dist.old']) rmSync(folder, { recursive: true, force: true });
  const { bundle, keepCode } = await import('./program/build.mjs');
  const compiled = runBeside('node_modules/typescript/bin/tsc', ['-p', 'tsconfig.build.json', '--outDir', 'dist.new']);
  await Promise.all([compiled, bundle('dist.new/program')]);
  // The program is the bundle; the modules beside it are for benches, tests and programs with features of their own.
  writeFileSync(MAIN, readFileSync('scripts/program/main.js'));
  // npm sets the run bit of a `bin` when it installs, once; `npx sekisho` needs it after every build.
  chmodSync(MAIN, 0o755);
  const problem = await keepCode(join(root, MAIN), join(root, 'dist.new/program/code'));
  if (problem) console.error(`Compiled code is not kept, so the program starts more slowly: ${problem}`);
  writeFileSync('dist.new/.built', process.version);
  if (existsSync('dist/console')) renameSync('dist/console', 'dist.new/console');
  if (existsSync('dist')) renameSync('dist', 'dist.old');
  renameSync('dist.new', 'dist');
  rmSync('dist.old', { recursive: true, force: true });
}

/** Build the web console to dist/console when any of its sources is newer than the last build; it holds the stamp itself. */
function buildConsole() {
  const stamp = 'dist/console/built.txt';
  const newest = Math.max(...['console', 'src/console', 'pages/colours.css'].map(newestChange));
  if (existsSync(stamp) && statSync(stamp).mtimeMs > newest && !process.argv.includes('--build')) return;
  console.error('Building the console …');
  for (const folder of ['dist/console.new', 'dist/console.old']) rmSync(folder, { recursive: true, force: true });
  run(process.execPath, [
    'node_modules/vite/bin/vite.js',
    'build',
    'console',
    '--outDir',
    '../dist/console.new',
    '--logLevel',
    'warn',
  ]);
  writeFileSync('dist/console.new/built.txt', '');
  if (existsSync('dist/console')) renameSync('dist/console', 'dist/console.old');
  renameSync('dist/console.new', 'dist/console');
  rmSync('dist/console.old', { recursive: true, force: true });
}

function newestChange(path) {
  if (!existsSync(path)) return 0;
  const stat = statSync(path);
  if (!stat.isDirectory()) return stat.mtimeMs;
  return Math.max(stat.mtimeMs, ...readdirSync(path).map((name) => newestChange(join(path, name))));
}

function runBeside(script, args) {
  const child = spawn(process.execPath, [script, ...args], { stdio: ['ignore', 2, 2] });
  return new Promise((resolve) => {
    child.once('exit', (status) => (status === 0 ? resolve() : process.exit(1)));
  });
}

function run(command, args) {
  const { status, error } = spawnSync(command, args, { stdio: ['ignore', 2, 2] });
  if (error) console.error(`${command}: ${error.message}`);
  if (status !== 0) process.exit(1);
}
