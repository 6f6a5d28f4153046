/**
 * One process a data folder: two would each inspect on what they remember, and overwrite what the other has noted. The lock is
 * the system's (flock), so that it ends with the process, however that ends, and nothing needs to be cleaned up.
 */
import { closeSync, fsyncSync, ftruncateSync, openSync, readFileSync, writeSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import type koffiModule from 'koffi';
import { systemError } from './errors.ts';

const LOCK_FILE = 'lock';
/** flock(2): exclusive, and do not wait. */
const LOCK_EX_NB = 2 | 4;
/** EWOULDBLOCK on Linux, and on macOS. */
const HELD = [11, 35];

interface Holder {
  readonly pid: number;
  readonly since: string;
}

/**
 * Hold the folder until the returned function is called or the process ends. Throws SekishoError SEKISHO_DATA_IN_USE, which names
 * the process that holds it. `warn` hears where the file system knows no locks.
 */
export function lockDataFolder(folder: string, wallMs: number, warn: (reason: string) => void): () => void {
  const file = join(folder, LOCK_FILE);
  const fd = openSync(file, 'a+', 0o600);
  const koffi = createRequire(import.meta.url)('koffi') as typeof koffiModule;
  const flock = koffi.load(null).func('flock', 'int', ['int', 'int']);
  if (flock(fd, LOCK_EX_NB) !== 0) {
    const errno = koffi.errno();
    if (HELD.includes(errno)) {
      closeSync(fd);
      throw systemError('SEKISHO_DATA_IN_USE', `server.data ${folder} is in use by ${holderText(file)}`);
    }
    warn(`flock: errno ${errno}`);
  }
  try {
    ftruncateSync(fd, 0);
    writeSync(fd, `${JSON.stringify({ pid: process.pid, since: new Date(wallMs).toISOString() } satisfies Holder)}\n`);
    fsyncSync(fd);
  } catch {
    // On a full disk the lock holds, and only its holder goes unnamed.
  }
  return () => closeSync(fd);
}

function holderText(file: string): string {
  try {
    const { pid, since } = JSON.parse(readFileSync(file, 'utf8')) as Holder;
    return `process ${pid}, since ${since}`;
  } catch {
    return 'another process, which could not leave its name';
  }
}
