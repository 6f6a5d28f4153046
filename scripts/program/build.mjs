// Bundles the program into FOLDER (dist/program): few files instead of a thousand, each loaded when it is needed, all threads and the
// public modules (`sekisho/plugin` and the like) out of the same ones.
//
//   FOLDER/loader.cjs     compiles chunks with the code that V8 kept of them
//   FOLDER/chunks/        CommonJS, because Node.js 20 can keep compiled code of nothing else; with source maps
//   FOLDER/code/          what V8 kept, one file for each kind of thread (keepCode)
//   FOLDER/src/… plugins/…  an entry under the name of its source: the program, threads, public modules
import { spawn } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join, posix, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
const root = dirname(dirname(here));
/** What stays outside: it finds binaries beside itself, or is looked for by its path. */
const OUTSIDE = ['koffi', 'libsql'];
const MAIN = 'src/main';
/** The virtual module that knows where the bundle lies. */
const PLACE = 'sekisho:place';
/** How long the server may take to start and stop once more while its compiled code is kept. */
const RUN_MS = 60_000;

/** Write the bundle. Rejects where it cannot be made. */
export async function bundle(folder) {
  const { rolldown } = await import('rolldown');
  const entries = findEntries();
  const built = await rolldown({
    cwd: root,
    input: Object.fromEntries(entries.map((entry) => [entry, `./${entry}.ts`])),
    platform: 'node',
    external: [/^node:/, ...OUTSIDE],
    plugins: [places()],
    logLevel: 'warn',
  });
  const { output } = await built.write({
    dir: join(folder, 'chunks'),
    format: 'cjs',
    exports: 'named',
    sourcemap: true,
    entryFileNames: ({ name }) => `${flat(name)}.cjs`,
    chunkFileNames: '[name]-[hash].cjs',
  });
  await built.close();
  for (const chunk of output) if (chunk.type === 'chunk') bringByLoader(join(folder, 'chunks', chunk.fileName));
  copyFileSync(join(here, 'loader.cjs'), join(folder, 'loader.cjs'));
  for (const chunk of output) if (chunk.type === 'chunk' && chunk.isEntry) writeEntry(folder, chunk);
  writeFileSync(join(folder, 'package.json'), '{ "type": "commonjs" }\n');
}

/** Threads and files that the sources name by URL, and what package.json lets others import; without `.ts`. */
function findEntries() {
  const { exports } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const found = new Set([MAIN]);
  for (const { types } of Object.values(exports)) found.add(types.replace(/^\.\/dist\/(.*)\.d\.ts$/, '$1'));
  for (const file of sources())
    for (const [, path] of readFileSync(join(root, file), 'utf8').matchAll(/new URL\(\s*'(\.[^']*)\.js'/g))
      found.add(posix.join(posix.dirname(file), path));
  return [...found];
}

function sources() {
  return ['src', 'plugins'].flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
      .map((name) => posix.join(folder, name))
      .filter((name) => name.endsWith('.ts') && !name.endsWith('.test.ts')),
  );
}

/** `import.meta.url` of a source stays the place that it would have without a bundle, below FOLDER. */
function places() {
  return {
    name: 'sekisho-places',
    resolveId: (id) => (id === PLACE ? { id: `\0${PLACE}` } : null),
    load: (id) =>
      id === `\0${PLACE}`
        ? `export const place = require('node:url').pathToFileURL(require('node:path').join(__dirname, '..', '/')).href;`
        : null,
    transform: {
      filter: { id: /^(?!.*node_modules).*\.ts$/, code: /^#!|import\.meta\./ },
      handler(code, id) {
        const url = `new URL('${relative(root, id).replace(/\.ts$/, '.js')}', bundlePlace).href`;
        const moved = code.replace(/^#!.*/, '').replaceAll('import.meta.url', url);
        if (moved.includes('import.meta.')) throw new Error(`${id}: of import.meta only url survives the bundle`);
        return { code: `${moved}\nimport { place as bundlePlace } from '${PLACE}';\n`, map: null };
      },
    },
  };
}

/** Kept code cannot `import()`; the loader can, and gives each chunk a function of a name as long, so that the source maps stay right. */
function bringByLoader(file) {
  const code = readFileSync(file, 'utf8');
  // `async import(` is no call: it begins a method of that name, whose callers would not find it any more.
  writeFileSync(file, code.replaceAll(/(?<![\w$.]|async )import\(/g, 'esload('));
}

/** Each export by its name, so that modules may import it by name. */
function writeEntry(folder, { name, exports }) {
  const file = join(folder, `${name}.js`);
  const loader = posix.relative(posix.dirname(name), 'loader.cjs');
  const lines = [
    `'use strict';`,
    `const loaded = require('${loader.startsWith('.') ? loader : `./${loader}`}').load('${flat(name)}', '${posix.basename(name)}');`,
    ...exports.map((each) => `exports.${each} = loaded.${each};`),
  ];
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, `${lines.join('\n')}\n`);
}

function flat(name) {
  return name.replaceAll('/', '-');
}

/**
 * Run the program as people do and keep what V8 compiles: a server that starts, answers and stops, then short commands. Resolves to
 * what went wrong: without kept code the program starts more slowly, and that is all.
 */
export async function keepCode(main, folder, node = process.execPath) {
  const work = mkdtempSync(join(tmpdir(), 'sekisho-build-'));
  const ports = await Promise.all([freePort(), freePort(), freePort()]);
  const [dns, admin, notice] = ports.map((port) => `127.0.0.1:${port}`);
  const config = join(work, 'sekisho.yaml');
  writeFileSync(
    config,
    JSON.stringify({
      server: { listen: [dns], data: join(work, 'data') },
      upstream: { servers: ['127.0.0.1:9'] },
      admin: { listen: admin },
      notice: { listen: notice },
    }),
  );
  const options = {
    cwd: work,
    env: { ...process.env, SEKISHO_KEEP_CODE: folder },
  };
  const words = (...args) => ['--require', join(here, 'keep-code.cjs'), main, ...args, '--config', config];
  try {
    const server = spawn(node, words('run'), { ...options, stdio: ['ignore', 'pipe', 'inherit'] });
    const ended = new Promise((resolve) => server.once('exit', resolve));
    const overdue = setTimeout(() => server.kill('SIGKILL'), RUN_MS);
    let log = '';
    for await (const text of server.stdout.setEncoding('utf8')) {
      log += text;
      if (log.includes('"serving"')) break;
    }
    server.stdout.resume();
    for (const args of [['status'], ['check'], ['help']]) await run(node, words(...args), options);
    server.kill('SIGTERM');
    const code = await ended;
    clearTimeout(overdue);
    return code === 0 ? undefined : `the server ended with ${code}: ${log.slice(-500)}`;
  } catch (error) {
    return error.message;
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

function run(node, args, options) {
  return new Promise((resolve) => {
    spawn(node, args, { ...options, stdio: 'ignore' })
      .once('exit', resolve)
      .once('error', resolve);
  });
}

function freePort() {
  return new Promise((resolve, reject) => {
    const server = createServer().once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}
