/**
 * The filter of known names on disk, so that it survives a restart. It holds no name: bits of a keyed hash, and the key.
 * A file of another size or kind is not taken; the filter then begins empty.
 */
import { readFileSync } from 'node:fs';
import { rename, writeFile } from 'node:fs/promises';

const MAGIC = Buffer.from('SKN1');

/** Fill `memory` from the file. Returns false, leaving it as it is, where there is none that fits. */
export function loadKnownNames(file: string, memory: SharedArrayBuffer): boolean {
  let bytes: Buffer;
  try {
    bytes = readFileSync(file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw error;
  }
  if (bytes.length !== MAGIC.length + memory.byteLength || !bytes.subarray(0, MAGIC.length).equals(MAGIC)) return false;
  new Uint8Array(memory).set(bytes.subarray(MAGIC.length));
  return true;
}

/** Write beside the file, then in its place: there is always one that is whole. */
export async function saveKnownNames(file: string, memory: SharedArrayBuffer): Promise<void> {
  await writeFile(`${file}.new`, Buffer.concat([MAGIC, new Uint8Array(memory)]), { mode: 0o600 });
  await rename(`${file}.new`, file);
}
