/**
 * What the portal hands to a browser and gets back, signed with a key of this process that nobody else knows:
 *
 *   session   this browser showed a good link of the member site, for that subscriber
 *   form      this page was made for that subscriber, on that line, in that browser
 *
 * A form's ticket says whose consent the page showed. So whoever comes from the line by the time it is sent can change only
 * what they saw themselves: a new holder of the address never inherits a form of the one before.
 *
 * A signature alone would be good until it expires. So the sessions that go on are remembered here, and one that was left, or
 * that had to give way because there are too many, is over: whoever kept its cookie has nothing.
 */
import { randomBytes } from 'node:crypto';
import { errors, type JWTPayload, jwtVerify, SignJWT } from 'jose';
import { LRUCache } from 'lru-cache';
import type { SharedPortal } from './shared-portal.ts';

const ALGORITHM = 'HS256';
/** After that a form has to be loaded again. */
export const FORM_SECONDS = 30 * 60;
/** How long a link of the member site lasts once it was used. */
export const SESSION_SECONDS = 15 * 60;
/** Clocks of two nodes may differ by so much. */
const AHEAD_MS = 60_000;
const MAX_TICKET_CHARACTERS = 1024;
/** Sessions at once; beyond, the one that began or was used longest ago ends early. */
const MAX_SESSIONS = 20_000;

/** How the subscriber was recognised, and by what exactly: the line's prefix, or the session. */
export interface Recognition {
  readonly subscriber: string;
  readonly by: 'line' | 'link';
  readonly binding: string;
}

export class Tickets {
  readonly #key = randomBytes(32);
  /** Ids of the sessions that go on. */
  readonly #sessions: LRUCache<string, true>;

  readonly #shared: SharedPortal | undefined;

  /** `shared`: of a fleet. */
  constructor(clock: { now(): number } = performance, shared?: SharedPortal) {
    this.#shared = shared;
    this.#sessions = new LRUCache({ max: MAX_SESSIONS, ttl: SESSION_SECONDS * 1000, perf: clock });
  }

  /** Of a fleet, rejects where PostgreSQL is out of reach. */
  async session(subscriber: string, nowMs: number): Promise<string> {
    const jti = randomBytes(16).toString('base64url');
    if (this.#shared) await this.#shared.beginSession(jti, SESSION_SECONDS);
    else this.#sessions.set(jti, true);
    return this.#sign({ use: 'session', sub: subscriber, jti }, SESSION_SECONDS, nowMs);
  }

  /** From now on it is nobody's, whoever shows it. */
  async endSession(text: string, nowMs: number): Promise<void> {
    const session = await this.readSession(text, nowMs);
    if (!session) return;
    if (this.#shared) await this.#shared.endSession(session.binding);
    else this.#sessions.delete(session.binding);
  }

  async readSession(text: string, nowMs: number): Promise<Recognition | undefined> {
    const payload = await this.#read(text, nowMs);
    if (typeof payload !== 'object' || payload['use'] !== 'session' || payload.sub === undefined) return undefined;
    const { jti } = payload;
    if (jti === undefined) return undefined;
    const goesOn = this.#shared ? await this.#shared.hasSession(jti) : this.#sessions.has(jti);
    if (!goesOn) return undefined;
    return { subscriber: payload.sub, by: 'link', binding: jti };
  }

  /** `browser`: what the cookie of this browser holds. */
  async form({ subscriber, by, binding }: Recognition, browser: string, nowMs: number): Promise<string> {
    return this.#sign({ use: 'form', sub: subscriber, by, binding, browser }, FORM_SECONDS, nowMs);
  }

  /** Why a form that was sent must not act; undefined: it may. */
  async formFault(
    text: string,
    who: Recognition,
    browser: string | undefined,
    nowMs: number,
  ): Promise<'form-forged' | 'form-expired' | 'line-changed' | undefined> {
    const payload = await this.#read(text, nowMs);
    if (payload === 'expired') return 'form-expired';
    if (payload === undefined || payload['use'] !== 'form') return 'form-forged';
    if (browser === undefined || payload['browser'] !== browser) return 'form-forged';
    const same = payload.sub === who.subscriber && payload['by'] === who.by && payload['binding'] === who.binding;
    return same ? undefined : 'line-changed';
  }

  async #sign(payload: JWTPayload, seconds: number, nowMs: number): Promise<string> {
    const now = Math.floor(nowMs / 1000);
    return new SignJWT(payload)
      .setProtectedHeader({ alg: ALGORITHM })
      .setIssuedAt(now)
      .setExpirationTime(now + seconds)
      .sign(await this.#signingKey());
  }

  async #signingKey(): Promise<Uint8Array> {
    return this.#shared ? this.#shared.key() : this.#key;
  }

  async #read(text: string, nowMs: number): Promise<JWTPayload | 'expired' | undefined> {
    if (text.length > MAX_TICKET_CHARACTERS) return undefined;
    try {
      const options = { algorithms: [ALGORITHM], currentDate: new Date(nowMs) };
      const { payload } = await jwtVerify(text, await this.#signingKey(), options);
      // Another node's clock may be a little ahead. More than that: the time was put back, and what had ended stays so.
      return (payload.iat ?? 0) * 1000 > nowMs + AHEAD_MS ? 'expired' : payload;
    } catch (error) {
      return error instanceof errors.JWTExpired ? 'expired' : undefined;
    }
  }
}
