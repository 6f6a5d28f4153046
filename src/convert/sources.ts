/** Files of another resolver's configuration, as they name each other. */
import { readdir, readFile, stat } from 'node:fs/promises';
import { basename, dirname, isAbsolute, join, resolve } from 'node:path';
import { errorText, type SekishoError } from '../errors/errors.ts';
import { convertError } from './errors.ts';

/** Larger files are no configuration of a resolver. */
const MAX_BYTES = 4 << 20;

/** Something in a file that cannot be understood. */
export function misread(file: string, line: number, message: string): SekishoError {
  return convertError('SEKISHO_CONVERT_FILE', `${file}${line > 0 ? `:${line}` : ''}: ${message}`);
}

export interface ReadFile {
  text(file: string): Promise<string>;
  /** The files that a path with `*` in its last part means, in order; none where there are none. */
  matching(pattern: string, folder: string): Promise<string[]>;
}

export const readFiles: ReadFile = {
  async text(file) {
    try {
      const { size } = await stat(file);
      if (size > MAX_BYTES) throw new Error(`is larger than ${MAX_BYTES >> 20} MiB`);
      return await readFile(file, 'utf8');
    } catch (error) {
      throw misread(file, 0, errorText(error));
    }
  },
  async matching(pattern, folder) {
    const path = isAbsolute(pattern) ? pattern : resolve(folder, pattern);
    if (!basename(path).includes('*')) return [path];
    const match = new RegExp(`^${basename(path).split('*').map(escaped).join('.*')}$`);
    const names = await readdir(dirname(path)).catch(() => []);
    return names
      .filter((name) => match.test(name))
      .sort()
      .map((name) => join(dirname(path), name));
  },
};

function escaped(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
}
