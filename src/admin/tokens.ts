/**
 * Who holds which token. The server keeps digests only, and compares all of them with every token that comes in, so that
 * the time it takes tells nothing.
 */
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { mkdir, open, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Identity, ROLES } from '../audit/roles.ts';
import type { TokenEntry } from '../config/config.ts';
import { errorText } from '../errors/errors.ts';
import type { TokenHolders } from '../feature/entrance.ts';
import { systemError } from '../system/errors.ts';
import { adminError } from './errors.ts';

/** File below `server.data` with the token that has every role. */
export const ADMIN_TOKEN_FILE = 'admin.token';

/** Longest token that is looked at. */
const MAX_TOKEN_CHARACTERS = 512;
const TOKEN_BYTES = 32;

export class Tokens implements TokenHolders {
  readonly #known: { readonly digest: Buffer; readonly identity: Identity }[];

  /** `adminToken` has every role; `entries` are those of `admin.tokens-file`. */
  constructor(adminToken: string, entries: readonly TokenEntry[]) {
    this.#known = [
      { digest: digestOf(adminToken), identity: { name: 'admin', roles: ROLES } },
      ...entries.map(({ name, role, sha256 }) => ({
        digest: Buffer.from(sha256, 'hex'),
        identity: { name, roles: [role] },
      })),
    ];
  }

  /** Who sends `Authorization: Bearer …`; undefined for everybody else. */
  identify(authorization: string | undefined): Identity | undefined {
    // RFC 6750 §2.1; the scheme's name has no case (RFC 9110 §11.1).
    const token = /^Bearer +([A-Za-z0-9._~+/-]+=*)$/i.exec(authorization ?? '')?.[1];
    if (token === undefined || token.length > MAX_TOKEN_CHARACTERS) return undefined;
    return this.#holder(digestOf(token));
  }

  /** Who holds the token with this SHA-256, hexadecimal; undefined for everybody else. */
  holder(digest: string): Identity | undefined {
    return /^[0-9a-f]{64}$/.test(digest) ? this.#holder(Buffer.from(digest, 'hex')) : undefined;
  }

  #holder(digest: Buffer): Identity | undefined {
    let found: Identity | undefined;
    for (const { digest: known, identity } of this.#known) {
      if (timingSafeEqual(known, digest)) found ??= identity;
    }
    return found;
  }
}

/**
 * The token in `<data>/admin.token`. At the first start it is made: 32 random bytes, in a file that its owner alone may
 * read. `loose` tells that the file was there and others may read it. Throws SekishoError.
 */
export async function ensureAdminToken(dataFolder: string): Promise<{ token: string; made: boolean; loose: boolean }> {
  const path = join(dataFolder, ADMIN_TOKEN_FILE);
  const token = randomBytes(TOKEN_BYTES).toString('base64url');
  const unwritable = (error: unknown) =>
    systemError('SEKISHO_DATA_UNWRITABLE', `cannot write to ${dataFolder}: ${errorText(error)}`, { cause: error });
  await mkdir(dataFolder, { recursive: true }).catch((error: unknown) => {
    throw unwritable(error);
  });
  try {
    // 'wx' fails where the file already exists: two starts at once cannot overwrite each other's token.
    const file = await open(path, 'wx', 0o600);
    try {
      await file.writeFile(`${token}\n`);
      await file.sync();
    } finally {
      await file.close();
    }
    return { token, made: true, loose: false };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw unwritable(error);
  }
  return { token: await readAdminToken(dataFolder), made: false, loose: await othersMayRead(path) };
}

/** The token in `<data>/admin.token`. Throws SekishoError SEKISHO_TOKEN_UNREADABLE. */
export async function readAdminToken(dataFolder: string): Promise<string> {
  const path = join(dataFolder, ADMIN_TOKEN_FILE);
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    const why = code === 'ENOENT' ? 'no such file' : code === 'EACCES' ? 'this user may not' : errorText(error);
    throw adminError('SEKISHO_TOKEN_UNREADABLE', `cannot read the token in ${path}: ${why}`, { cause: error });
  }
  const token = text.trim();
  // A file that was cut short must not leave the API open to an empty or guessable token.
  if (!/^[A-Za-z0-9_-]{43,512}$/.test(token)) {
    throw adminError(
      'SEKISHO_TOKEN_UNREADABLE',
      `${path} holds no token: remove it, and the next start writes a new one`,
    );
  }
  return token;
}

async function othersMayRead(path: string): Promise<boolean> {
  const file = await open(path);
  try {
    return ((await file.stat()).mode & 0o077) !== 0;
  } finally {
    await file.close();
  }
}

function digestOf(token: string): Buffer {
  return createHash('sha256').update(token).digest();
}
