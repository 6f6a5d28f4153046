/**
 * Secrets that others can read: warned of, wherever the configuration names one. Which keys name secrets stands here once, so that a
 * new section cannot forget it.
 */
import { statSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Finding } from '../settings/finding.ts';

/** What others must not read. */
const SECRET_KEYS = ['secret-file', 'key-file', 'keys-file', 'key', 'url-file'];
/** What holds no secret, and lets in whoever can write to it. */
const TRUSTED_KEYS = ['tokens-file', 'jwks-file', 'trust-anchor', 'ca-file'];
/** Anything for others, and writing for the group: a secret of root that the server's group reads (0640) is as it should be. */
const OPEN = 0o027;
const WRITABLE = 0o022;

/** A danger for each file that `raw`, a whole configuration, names and that is open. Relative names start at `baseFolder`. */
export function openSecrets(raw: unknown, baseFolder: string): Finding[] {
  const found: Finding[] = [];
  const walk = (value: unknown, path: (string | number)[]) => {
    if (Array.isArray(value)) {
      value.forEach((each, i) => {
        walk(each, [...path, i]);
      });
    } else if (typeof value === 'object' && value !== null) {
      for (const [key, each] of Object.entries(value)) walk(each, [...path, key]);
    } else if (typeof value === 'string') {
      const danger = dangerOf(value, String(path.at(-1)), baseFolder);
      if (danger !== undefined) found.push({ path, message: danger });
    }
  };
  walk(raw, []);
  return found;
}

function dangerOf(file: string, key: string, baseFolder: string): string | undefined {
  const [bits, what] = SECRET_KEYS.includes(key)
    ? [OPEN, 'others than the server can read this secret']
    : TRUSTED_KEYS.includes(key)
      ? [WRITABLE, 'others than the server can write to this file']
      : [0, ''];
  if (bits === 0) return undefined;
  const stat = statSync(resolve(baseFolder, file), { throwIfNoEntry: false });
  if (!stat?.isFile() || (stat.mode & bits) === 0) return undefined;
  const mode = (stat.mode & 0o777).toString(8).padStart(4, '0');
  return `'${file}' has mode ${mode}: ${what}; chmod 600, or 640 with the server's group`;
}
