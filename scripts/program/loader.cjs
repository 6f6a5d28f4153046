/**
 * Loads the bundled program. Each chunk is compiled with the code that V8 kept of it when the program was built: nothing is parsed or
 * compiled a second time, which is most of what a start costs. Kept code that does not fit (another Node.js, other flags of V8,
 * a file that was changed by hand) is not used, and the program starts more slowly.
 *
 * `build.mjs` puts this file, as it stands, beside the chunks. Every thread has a loader and a set of modules of its own.
 */
'use strict';
const { createHash } = require('node:crypto');
const { existsSync, readFileSync, statSync } = require('node:fs');
const { createRequire, SourceMap } = require('node:module');
const { basename, dirname, join, sep } = require('node:path');
const { Script } = require('node:vm');

const CHUNKS = join(__dirname, 'chunks');
/** What `keep-code.cjs` has put there while the program is built: takes each chunk that was compiled. */
const KEEPER = Symbol.for('sekisho.kept-code');
/** `file:line:column` in a line of a stack. */
const PLACE = /((?:\/|[A-Za-z]:\\)[^\s()]*\.cjs):(\d+):(\d+)/;

const WRAPPER = '(function (exports, require, module, __filename, __dirname, esload) {';

const outside = createRequire(__filename);
const modules = new Map();
const maps = new Map();
/** How often kept code was used, and how often it did not fit. */
const uses = { used: 0, refused: 0 };
let role;
let kept;

/** The exports of an entry, by its name in `build.mjs`. The first of a thread gives its role: whose kept code is taken. */
function load(name, asRole) {
  role ??= asRole;
  return loadChunk(join(CHUNKS, `${name}.cjs`));
}

function loadChunk(file) {
  const known = modules.get(file);
  if (known) return known.exports;
  const loaded = { exports: {} };
  // Before it runs: two chunks may need each other.
  modules.set(file, loaded);
  try {
    const folder = dirname(file);
    const requireFrom = (id) => (id.startsWith('.') ? loadChunk(join(folder, id)) : outside(id));
    compiled(file)(loaded.exports, requireFrom, loaded, file, folder, esload);
  } catch (error) {
    modules.delete(file);
    throw error;
  }
  return loaded.exports;
}

function compiled(file) {
  const bytes = readFileSync(file);
  const digest = digestOf(bytes);
  const source = bytes.toString('utf8');
  const cachedData = keptCode(basename(file), digest);
  const script = new Script(`${WRAPPER}${source}\n})`, {
    filename: file,
    cachedData,
    // On the first line stands what is put around the source.
    columnOffset: -WRAPPER.length,
  });
  if (cachedData) uses[script.cachedDataRejected ? 'refused' : 'used']++;
  globalThis[KEEPER]?.({ role, name: basename(file), digest, script, engine: engineHere() });
  return script.runInThisContext();
}

/** What `import()` is in a chunk: plugins from outside are modules, and are loaded as any program would. */
function esload(url) {
  return import(url);
}

/** V8 itself compares no more of the source than its length. */
function keptCode(name, digest) {
  kept ??= readKept();
  const entry = Object.hasOwn(kept.entries, name) ? kept.entries[name] : undefined;
  if (entry === undefined || entry.source !== digest) return undefined;
  const code = kept.bytes.subarray(entry.from, entry.to);
  return digestOf(code) === entry.code ? code : undefined;
}

function readKept() {
  const file = join(__dirname, 'code', `${role}.bin`);
  const nothing = { entries: {}, bytes: Buffer.alloc(0) };
  if (!existsSync(file)) return nothing;
  try {
    const bytes = readFileSync(file);
    const begin = 4 + bytes.readUInt32LE(0);
    const { engine, entries } = JSON.parse(bytes.toString('utf8', 4, begin));
    return engine === engineHere() ? { entries, bytes: bytes.subarray(begin) } : nothing;
  } catch {
    return nothing;
  }
}

/**
 * V8 compares less than there is to compare: 20.19.0 took what 20.20.2 had compiled, and crashed. So it must be the very binary, by
 * version, architecture and size.
 */
function engineHere() {
  return `${process.version} ${process.arch} ${statSync(process.execPath).size}`;
}

function digestOf(content) {
  return createHash('sha256').update(content).digest('base64');
}

/** Stacks name the sources. The maps are read when somebody looks at a stack, and never before. */
function sourcePlace(line) {
  const [, file, atLine, atColumn] = PLACE.exec(line) ?? [];
  if (file === undefined || !file.startsWith(CHUNKS + sep)) return line;
  const map = mapOf(file);
  const found = map?.findEntry(Number(atLine) - 1, Number(atColumn) - 1);
  if (found?.originalSource === undefined) return line;
  return line.replace(
    PLACE,
    () => `${join(CHUNKS, found.originalSource)}:${found.originalLine + 1}:${found.originalColumn + 1}`,
  );
}

function mapOf(file) {
  if (!maps.has(file)) {
    let map;
    try {
      map = new SourceMap(JSON.parse(readFileSync(`${file}.map`, 'utf8')));
    } catch {
      // Without a map the stack names the chunk.
    }
    maps.set(file, map);
  }
  return maps.get(file);
}

Error.prepareStackTrace = (error, places) => {
  let head = 'Error';
  try {
    head = Error.prototype.toString.call(error);
  } catch {
    // An error that cannot say what it is.
  }
  return [head, ...places.map((place) => sourcePlace(`    at ${place}`))].join('\n');
};

module.exports = { engineHere, load, uses };
