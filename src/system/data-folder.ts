/** The folder in which everything is kept. */
import { accessSync, constants, existsSync, mkdirSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { errorText, SekishoError } from '../errors/errors.ts';

/** Only the server's own user may look inside. */
const MODE = 0o700;

/** Make the folder and those above it, where they are not there yet. Throws SekishoError where that cannot be, or nothing can be put into it. */
export function makeDataFolder(folder: string): void {
  try {
    makeFolder(folder);
    accessSync(folder, constants.W_OK | constants.X_OK);
  } catch (error) {
    throw new SekishoError('SEKISHO_DATA_UNWRITABLE', `server.data ${folder}: ${errorText(error)}`, { cause: error });
  }
}

/**
 * Not mkdir's `recursive`: where the system says ENOENT although the folder above exists (below /proc, say), Node.js 20
 * tries again for ever.
 */
function makeFolder(folder: string): void {
  if (existsSync(folder)) {
    if (!statSync(folder).isDirectory()) throw new Error('is there, but is no folder');
    return;
  }
  const above = dirname(folder);
  if (above !== folder) makeFolder(above);
  mkdirSync(folder, MODE);
}
