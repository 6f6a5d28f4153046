/** The folder in which everything is kept. */
import { accessSync, chmodSync, constants, existsSync, lstatSync, mkdirSync, readdirSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { errorText, type SekishoError } from '../errors/errors.ts';
import { systemError } from './errors.ts';

/** Only the server's own user may look inside. */
const MODE = 0o700;
const FILE_MODE = 0o600;
const OTHERS = 0o077;
const OTHERS_WRITE = 0o022;

/** Make the folder and those above it, where they are not there yet. Throws SekishoError where that cannot be, or nothing can be put into it. */
export function makeDataFolder(folder: string, key = 'server.data'): void {
  try {
    makeFolder(folder);
    accessSync(folder, constants.W_OK | constants.X_OK);
  } catch (error) {
    throw systemError('SEKISHO_DATA_UNWRITABLE', `${key} ${folder}: ${errorText(error)}`, { cause: error });
  }
}

/**
 * Make the folder, and close it and what lies in it to others. What others could read is closed and said; what others could write
 * to cannot be trusted, and is refused with SekishoError, as is what cannot be closed.
 */
export function closeDataFolder(folder: string, log: { warn(fields: object, text: string): void }): void {
  makeDataFolder(folder);
  const { mode } = statSync(folder);
  if ((mode & OTHERS_WRITE) !== 0) throw open(folder, `others may write to it (mode ${octal(mode)})`);
  if ((mode & OTHERS) !== 0) closeOne(folder, mode, MODE, log);
  closeContent(folder, log);
}

function closeContent(folder: string, log: Parameters<typeof closeDataFolder>[1]): void {
  for (const name of readdirSync(folder)) {
    const path = join(folder, name);
    const stat = lstatSync(path, { throwIfNoEntry: false });
    // A link says nothing of what it leads to, which is not the server's to change.
    if (!stat || stat.isSymbolicLink()) continue;
    if ((stat.mode & OTHERS) !== 0) closeOne(path, stat.mode, stat.isDirectory() ? MODE : FILE_MODE, log);
    if (stat.isDirectory()) closeContent(path, log);
  }
}

function closeOne(path: string, mode: number, to: number, log: Parameters<typeof closeDataFolder>[1]): void {
  try {
    chmodSync(path, to);
  } catch (error) {
    throw open(path, `it is open to others (mode ${octal(mode)}) and cannot be closed: ${errorText(error)}`);
  }
  log.warn({ path, mode: octal(mode), now: octal(to) }, 'the path was accessible to others; its mode was restricted');
}

function open(path: string, why: string): SekishoError {
  return systemError('SEKISHO_DATA_OPEN', `server.data ${path}: ${why}`);
}

function octal(mode: number): string {
  return (mode & 0o777).toString(8).padStart(4, '0');
}

/**
 * Not mkdir's `recursive`: where the system says ENOENT although the folder above exists (below /proc, say), Node.js 20
 * tries again for ever.
 */
function makeFolder(folder: string): void {
  if (existsSync(folder)) {
    if (!statSync(folder).isDirectory()) throw new Error('exists, but is not a folder');
    return;
  }
  const above = dirname(folder);
  if (above !== folder) makeFolder(above);
  mkdirSync(folder, MODE);
}
