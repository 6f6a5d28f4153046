/** A configuration file that was found, and the text of files that it names. */
import { open } from 'node:fs/promises';
import { errorText } from '../errors/errors.ts';

/** No configuration that people write comes near; beyond it is a mistake (a list, a core dump). */
const MAX_FILE_BYTES = 16 * 2 ** 20;

export interface Found {
  /** As it was named, for messages; BUILT_IN_DEFAULTS where there is no file. */
  readonly source: string;
  /** Absolute; undefined for the built-in defaults. */
  readonly file: string | undefined;
  /** Absolute folder that relative paths in the configuration start from. */
  readonly baseFolder: string;
}

/** The text of a file, or in `failure` why there is none, in words that follow the file's name. */
export async function readText(
  file: string,
): Promise<{ text: string; failure?: never } | { text?: never; failure: string }> {
  try {
    const handle = await open(file);
    try {
      const stat = await handle.stat();
      if (stat.isDirectory()) return { failure: 'is a folder, not a file' };
      if (stat.size > MAX_FILE_BYTES) return { failure: `is larger than ${MAX_FILE_BYTES / 2 ** 20} MiB` };
      return { text: new TextDecoder('utf-8', { fatal: true }).decode(await handle.readFile()) };
    } finally {
      await handle.close();
    }
  } catch (error) {
    return { failure: readFailure(error) };
  }
}

function readFailure(error: unknown): string {
  const code = (error as NodeJS.ErrnoException).code;
  if (code === 'ENOENT') return 'cannot be read: no such file';
  if (code === 'EACCES') return 'cannot be read: this user may not';
  if (code === 'ERR_ENCODING_INVALID_ENCODED_DATA') return 'is not UTF-8 text';
  return `cannot be read: ${errorText(error)}`;
}
