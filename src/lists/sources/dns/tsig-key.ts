/**
 * TSIG keys in text: `name:algorithm:base64`, one a line, or as BIND writes them (tsig-keygen, `key "…" { … };`).
 */
import { readFile } from 'node:fs/promises';
import { textToName } from '../../../wire/name.ts';

export interface TsigKey {
  /** Lower case, without the final dot. */
  readonly name: string;
  readonly algorithm: TsigAlgorithm;
  readonly secret: Uint8Array;
}

/** RFC 8945 §6. MD5 and SHA-1 are not offered: every primary of today has SHA-256. */
export type TsigAlgorithm = 'hmac-sha256' | 'hmac-sha384' | 'hmac-sha512';

/** Name of the hash as node:crypto knows it. */
export const TSIG_HASHES: Readonly<Record<TsigAlgorithm, string>> = {
  'hmac-sha256': 'sha256',
  'hmac-sha384': 'sha384',
  'hmac-sha512': 'sha512',
};

/** The text is no key file. The message never holds a secret. */
export class TsigKeyError extends Error {}

/** Reads a key file. Throws TsigKeyError, or the system's error. */
export async function readKeyFile(path: string): Promise<Map<string, TsigKey>> {
  return parseKeys(await readFile(path, 'utf8'));
}

/** The keys by name. Throws TsigKeyError. */
export function parseKeys(text: string): Map<string, TsigKey> {
  const keys = new Map<string, TsigKey>();
  const found = /\bkey\s+\S+\s*\{/.test(text) ? bindKeys(text) : plainKeys(text);
  for (const key of found) {
    if (keys.has(key.name)) throw new TsigKeyError(`key '${key.name}' is there twice`);
    keys.set(key.name, key);
  }
  if (keys.size === 0) throw new TsigKeyError('holds no key: write name:hmac-sha256:base64');
  return keys;
}

function plainKeys(text: string): TsigKey[] {
  const lines = text.split(/\r?\n/).map((line, i) => ({ text: line.trim(), where: `line ${i + 1}` }));
  return lines
    .filter((line) => line.text !== '' && !line.text.startsWith('#') && !line.text.startsWith(';'))
    .map(({ text: line, where }) => {
      const [name = '', algorithm = '', secret = '', ...more] = line.split(':');
      if (secret === '' || more.length > 0) {
        throw new TsigKeyError(`${where} is not of the form name:algorithm:base64`);
      }
      return makeKey(name, algorithm, secret, where);
    });
}

function bindKeys(text: string): TsigKey[] {
  const bare = text.replace(/\/\*[\s\S]*?\*\//g, ' ').replace(/(^|[\s;{}])(?:\/\/|#).*$/gm, '$1');
  return [...bare.matchAll(/\bkey\s+"?([^\s"{]+)"?\s*\{([^}]*)\}/g)].map(([, name = '', body = '']) => {
    const where = `key '${name}'`;
    const algorithm = /\balgorithm\s+"?([^\s";]+)"?\s*;/.exec(body)?.[1];
    const secret = /\bsecret\s+"?([^\s";]+)"?\s*;/.exec(body)?.[1];
    if (!algorithm || !secret) throw new TsigKeyError(`${where} has no ${algorithm ? 'secret' : 'algorithm'}`);
    return makeKey(name, algorithm, secret, where);
  });
}

function makeKey(nameText: string, algorithmText: string, secretText: string, where: string): TsigKey {
  const name = nameText.trim().toLowerCase().replace(/\.$/, '');
  try {
    textToName(name);
  } catch (error) {
    throw new TsigKeyError(`${where}: the key's name ${(error as Error).message}`);
  }
  const algorithm = algorithmText.trim().toLowerCase().replace(/\.$/, '');
  if (!Object.hasOwn(TSIG_HASHES, algorithm)) {
    const known = Object.keys(TSIG_HASHES).join(', ');
    throw new TsigKeyError(`${where}: the algorithm is one of ${known}, not '${algorithm.slice(0, 40)}'`);
  }
  if (!/^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(secretText.trim())) {
    throw new TsigKeyError(`${where}: the secret is not base64`);
  }
  const secret = new Uint8Array(Buffer.from(secretText.trim(), 'base64'));
  if (secret.length < 8) throw new TsigKeyError(`${where}: a secret of ${secret.length} bytes is too short`);
  return { name, algorithm: algorithm as TsigAlgorithm, secret };
}
