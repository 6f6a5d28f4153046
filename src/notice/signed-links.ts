/**
 * Signed links of the ISP's member site: a JWT (RFC 7519) that vouches for one subscriber, for a few minutes and once.
 *
 *   member site, subscriber logged in ─▶ https://optout.isp.example/link?token=JWT ─▶ session of this portal
 *
 * Verified by `jose`: the algorithm is fixed by the key that is configured and never taken from the token (RFC 8725 §3.1), so
 * that "none" and a public key used as a secret are refused. A token is taken once: its `jti` is remembered until it has
 * expired, and one from before this process started is refused, because what was used before is not known.
 */
import { readFile } from 'node:fs/promises';
import { createLocalJWKSet, errors, type JSONWebKeySet, type JWTPayload, type JWTVerifyGetKey, jwtVerify } from 'jose';
import { isGroup, isSubscriberNumber } from '../subscribers/table/directory.ts';
import type { LinkConfig } from './notice-config.ts';
import type { SharedPortal } from './shared-portal.ts';

/** HS256 wants a key as long as its hash (RFC 7518 §3.2). */
const LEAST_SECRET_BYTES = 32;
const MAX_KEY_FILE_BYTES = 64 * 1024;
/** Longest token that is looked at. */
export const MAX_TOKEN_CHARACTERS = 4096;
/** Clocks of two machines may differ by so much. */
const CLOCK_TOLERANCE_SECONDS = 5;
/** Tokens in memory until they expire; beyond, new ones are refused rather than old ones forgotten. */
const MAX_REMEMBERED = 50_000;
const MAX_ID_CHARACTERS = 128;
/** Signatures with a public key; no algorithm with a shared secret, and none without a key. */
const PUBLIC_KEY_ALGORITHMS = ['ES256', 'ES384', 'EdDSA', 'Ed25519', 'PS256', 'RS256'];

export const LINK_FAULTS = ['link-forged', 'link-expired', 'link-audience', 'link-used', 'link-subscriber'] as const;
export type LinkFault = (typeof LINK_FAULTS)[number] | 'link-busy';

export interface LinkKey {
  readonly key: Uint8Array | JWTVerifyGetKey;
  readonly algorithms: readonly string[];
}

/** The key of the file, or what is wrong with it, in words that hold nothing of it. */
export async function loadLinkKey({ kind, file }: LinkConfig['key']): Promise<LinkKey | string> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch {
    return 'cannot be read';
  }
  if (text.length > MAX_KEY_FILE_BYTES) return 'is too long for a key';
  if (kind === 'secret') {
    const key = Buffer.from(text.trim(), 'utf8');
    if (key.length < LEAST_SECRET_BYTES) return `holds fewer than ${LEAST_SECRET_BYTES} characters: too short a secret`;
    return { key, algorithms: ['HS256'] };
  }
  try {
    const set = JSON.parse(text) as JSONWebKeySet;
    const keys = set.keys.length;
    if (keys === 0) return 'holds no key';
    if (set.keys.some(({ kty, d }) => kty === 'oct' || d !== undefined))
      return 'holds a secret or private key: only public keys belong here';
    return { key: createLocalJWKSet(set), algorithms: PUBLIC_KEY_ALGORITHMS };
  } catch {
    return 'is no set of keys (JWKS, RFC 7517 §5)';
  }
}

/** Tokens that were used. Belongs to the process: a reload must not make one good again. */
export class UsedLinks {
  /** Older ones are refused. Infinite until the time is known. */
  sinceSeconds: number;
  readonly #expires = new Map<string, number>();
  readonly #used: () => void;
  readonly #shared: SharedPortal | undefined;

  /** `termMs`: Clock.termMs. `used` is called for each that is used. `shared`: of a fleet, where one used on a node is used on all. */
  constructor(termMs: number, used: () => void = () => {}, shared?: SharedPortal) {
    this.sinceSeconds = Math.floor(termMs / 1000);
    this.#used = used;
    this.#shared = shared;
  }

  /** Links from before are refused. A fleet remembers what was used before this process was there. */
  async since(): Promise<number> {
    if (!this.#shared || !Number.isFinite(this.sinceSeconds)) return this.sinceSeconds;
    return this.#shared.linksSinceSeconds();
  }

  /** As `use`, in the fleet where there is one. */
  async useOnce(id: string, expiresSeconds: number, nowSeconds: number): Promise<boolean | undefined> {
    if (!this.#shared) return this.use(id, expiresSeconds, nowSeconds);
    return this.#shared.useLink(id, Math.max(0, expiresSeconds - nowSeconds) + 2 * CLOCK_TOLERANCE_SECONDS);
  }

  /** The time is known: what was used before is not. */
  timeKnown(nowSeconds: number): void {
    if (!Number.isFinite(this.sinceSeconds)) this.sinceSeconds = nowSeconds;
  }

  /** The time is set back: every link from before has ended. */
  beginAnew(): void {
    this.sinceSeconds = Number.POSITIVE_INFINITY;
  }

  /** False where it was used before; undefined where nothing more can be remembered. */
  use(id: string, expiresSeconds: number, nowSeconds: number): boolean | undefined {
    if (this.#expires.has(id)) return false;
    if (this.#expires.size >= MAX_REMEMBERED)
      for (const [each, expires] of this.#expires) if (expires < nowSeconds) this.#expires.delete(each);
    if (this.#expires.size >= MAX_REMEMBERED) return undefined;
    this.#expires.set(id, expiresSeconds + CLOCK_TOLERANCE_SECONDS);
    this.#used();
    return true;
  }
}

export class SignedLinks {
  readonly #config: LinkConfig;
  readonly #key: LinkKey;
  readonly #used: UsedLinks;

  constructor(config: LinkConfig, key: LinkKey, used: UsedLinks) {
    this.#config = config;
    this.#key = key;
    this.#used = used;
  }

  get issuer(): string {
    return this.#config.issuer;
  }

  /** The subscriber that the token vouches for; the token is used up. `nowMs`: Clock.termMs, infinite while in doubt. */
  async redeem(token: string, nowMs: number): Promise<{ readonly subscriber: string } | { readonly fault: LinkFault }> {
    if (token.length > MAX_TOKEN_CHARACTERS) return { fault: 'link-forged' };
    if (!Number.isFinite(nowMs)) return { fault: 'link-expired' };
    this.#used.timeKnown(Math.ceil(nowMs / 1000));
    const { issuer, audience, claim, maxAgeMs } = this.#config;
    let payload: JWTPayload;
    try {
      const options = {
        issuer,
        audience,
        algorithms: [...this.#key.algorithms],
        requiredClaims: ['exp', 'iat', 'jti', claim],
        clockTolerance: CLOCK_TOLERANCE_SECONDS,
        currentDate: new Date(nowMs),
      };
      // jwtVerify has a form for keys and one for functions that find a key.
      const { key } = this.#key;
      ({ payload } = await (typeof key === 'function'
        ? jwtVerify(token, key, options)
        : jwtVerify(token, key, options)));
    } catch (error) {
      return { fault: faultOf(error) };
    }
    const { exp = 0, iat = 0, jti = '' } = payload;
    const subscriber = payload[claim];
    if (exp - iat > maxAgeMs / 1000 || iat > nowMs / 1000 + CLOCK_TOLERANCE_SECONDS) return { fault: 'link-expired' };
    if (typeof jti !== 'string' || jti === '' || jti.length > MAX_ID_CHARACTERS) return { fault: 'link-forged' };
    if (typeof subscriber !== 'string' || !isSubscriberNumber(subscriber) || isGroup(subscriber))
      return { fault: 'link-subscriber' };
    const sinceSeconds = await this.#used.since();
    if (iat < sinceSeconds) return { fault: Number.isFinite(sinceSeconds) ? 'link-expired' : 'link-busy' };
    const fresh = await this.#used.useOnce(`${issuer}\n${jti}`, exp, Math.floor(nowMs / 1000));
    if (fresh === undefined) return { fault: 'link-busy' };
    return fresh ? { subscriber } : { fault: 'link-used' };
  }
}

function faultOf(error: unknown): LinkFault {
  if (error instanceof errors.JWTExpired) return 'link-expired';
  if (error instanceof errors.JWTClaimValidationFailed && error.claim === 'aud') return 'link-audience';
  return 'link-forged';
}
