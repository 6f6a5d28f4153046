/**
 * Loaded ahead of the program while it is built (`node --require`): when a thread ends, keeps what V8 compiled in it in the folder
 * that SEKISHO_KEEP_CODE names. What earlier runs of the same role have kept stays, unless this one knows more.
 */
'use strict';
const { createHash } = require('node:crypto');
const { chmodSync, existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } = require('node:fs');
const { join } = require('node:path');
const { isMainThread, threadId } = require('node:worker_threads');

/** By then a thread of the program has loaded what it is for. */
const SETTLED_MS = 700;
const folder = process.env['SEKISHO_KEEP_CODE'];
const compiled = [];
globalThis[Symbol.for('sekisho.kept-code')] = (chunk) => void compiled.push(chunk);

process.on('exit', keep);
// A thread that is ended from outside never comes to its exit.
if (!isMainThread) setTimeout(keep, SETTLED_MS).unref();

function keep() {
  const [first] = compiled;
  if (folder === undefined || first === undefined) return;
  // Whoever runs the loader decides what fits; here all runs are of one binary.
  mkdirSync(folder, { recursive: true, mode: 0o755 });
  chmodSync(folder, 0o755);
  // Of this run's chunks all; one that an earlier run loaded and this one did not keeps what it had.
  const file = join(folder, `${compiled.at(-1).role}.bin`);
  const parts = earlier(file);
  for (const { name, digest, script } of compiled) parts.set(name, { source: digest, code: script.createCachedData() });
  const entries = {};
  let at = 0;
  for (const [name, { source, code }] of parts) {
    entries[name] = {
      source,
      code: createHash('sha256').update(code).digest('base64'),
      from: at,
      to: at + code.length,
    };
    at += code.length;
  }
  const index = Buffer.from(JSON.stringify({ engine: first.engine, entries }));
  const size = Buffer.alloc(4);
  size.writeUInt32LE(index.length);
  const whole = Buffer.concat([size, index, ...[...parts.values()].map(({ code }) => code)]);
  // Others than the one who builds may run the program, whatever umask it gave itself.
  writeFileSync(`${file}.${threadId}`, whole);
  chmodSync(`${file}.${threadId}`, 0o644);
  renameSync(`${file}.${threadId}`, file);
}

function earlier(file) {
  const parts = new Map();
  if (!existsSync(file)) return parts;
  const bytes = readFileSync(file);
  const begin = 4 + bytes.readUInt32LE(0);
  for (const [name, { source, from, to }] of Object.entries(JSON.parse(bytes.toString('utf8', 4, begin)).entries))
    parts.set(name, { source, code: bytes.subarray(begin + from, begin + to) });
  return parts;
}
