/**
 * The key of the pseudonyms. Whoever has it can go back to the addresses, so it lies in a file that only the server's user
 * may read, is made new when it is older than the rotation, and the old one is overwritten: pseudonyms of different days
 * cannot be told to belong to the same subscriber, and nobody can go back to what is older.
 */
import { randomBytes } from 'node:crypto';
import { chmodSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { PSEUDONYM_KEY_BYTES } from './pseudonyms.ts';

/** The key in `file`, made where there is none or it is older than `rotationMs`. Throws where others may read the file. */
export function currentKey(file: string, rotationMs: number, wallMs: number): { key: Uint8Array; madeAtMs: number } {
  const there = read(file);
  if (there && wallMs - there.madeAtMs < rotationMs && there.madeAtMs <= wallMs) return there;
  const key = Uint8Array.from(randomBytes(PSEUDONYM_KEY_BYTES));
  // In one step: a file that is half written would be no key at the next start.
  const next = `${file}.next`;
  writeFileSync(next, `${new Date(wallMs).toISOString()} ${Buffer.from(key).toString('hex')}\n`, { mode: 0o600 });
  chmodSync(next, 0o600);
  if (there) writeFileSync(file, randomBytes(128), { mode: 0o600, flag: 'r+' });
  renameSync(next, file);
  return { key, madeAtMs: wallMs };
}

function read(file: string): { key: Uint8Array; madeAtMs: number } | undefined {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  const { mode } = statSync(file);
  if ((mode & 0o077) !== 0)
    throw new Error(`others may read the key ${file} (mode ${(mode & 0o777).toString(8)}): it must be 600`);
  const [, made, hex] = /^(\S+) ([0-9a-f]{64})\n$/.exec(text) ?? [];
  const madeAtMs = Date.parse(made ?? '');
  if (hex === undefined || !Number.isFinite(madeAtMs)) return undefined;
  return { key: Uint8Array.from(Buffer.from(hex, 'hex')), madeAtMs };
}
