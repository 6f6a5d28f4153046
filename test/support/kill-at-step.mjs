/**
 * Loaded ahead of a server (`node --import`): ends its process with SIGKILL at the step that the file named by KILL_AT_STEP
 * says. A step is a statement that its main thread runs on a database of rules or on the audit log, a file that it removes, and a
 * message that it sends to a packet thread. The file holds how many are let through from now on, or `off`.
 */
import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { isMainThread, Worker } from 'node:worker_threads';

const file = process.env['KILL_AT_STEP'];
if (file !== undefined && isMainThread) {
  let said = '';
  let left = Number.POSITIVE_INFINITY;
  const step = () => {
    const text = fs.readFileSync(file, 'utf8');
    if (text !== said) left = /^\d+$/.test(text) ? Number(text) : Number.POSITIVE_INFINITY;
    said = text;
    if (left-- <= 0) process.kill(process.pid, 'SIGKILL');
  };
  // The very module that the server imports.
  const { default: Libsql } = await import('libsql');
  const { exec, prepare, close } = Libsql.prototype;
  const known = new WeakMap();
  const isWatched = (database) => {
    if (!known.has(database)) {
      const [row] = prepare.call(database, 'PRAGMA database_list').all();
      known.set(database, /(rules|audit|desk|measures)\.db$/.test(row?.file ?? ''));
    }
    return known.get(database);
  };
  Libsql.prototype.exec = function (sql) {
    if (isWatched(this)) step();
    return exec.call(this, sql);
  };
  Libsql.prototype.prepare = function (sql) {
    const statement = prepare.call(this, sql);
    if (/^\s*(SELECT|PRAGMA)/i.test(sql) || !isWatched(this)) return statement;
    const run = statement.run.bind(statement);
    statement.run = (...values) => {
      step();
      return run(...values);
    };
    return statement;
  };
  Libsql.prototype.close = function () {
    if (isWatched(this)) step();
    return close.call(this);
  };
  const { rmSync } = fs;
  fs.rmSync = (path, options) => {
    if (/\.db(-wal|-shm)?$/.test(String(path))) step();
    return rmSync(path, options);
  };
  syncBuiltinESMExports();
  const { postMessage } = Worker.prototype;
  Worker.prototype.postMessage = function (...values) {
    step();
    return postMessage.apply(this, values);
  };
}
