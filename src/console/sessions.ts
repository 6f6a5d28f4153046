/**
 * Sessions of the console. A browser holds a random number in a cookie; everything else is here: whose token it was, when it ends.
 *
 *     login ─▶ lasts ─┬─▶ nobody did anything for `idleMs`      what of it happens first; afterwards the cookie is nothing,
 *                     ├─▶ twelve hours are over                 whoever kept it
 *                     ├─▶ logout
 *                     ├─▶ the token is not among those in force any more (looked up at each request)
 *                     └─▶ too many: the one that rested longest gives way
 *
 * They live in memory and end with the process: a restart of the server asks for the token again.
 */
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import type { Identity } from '../audit/roles.ts';

/** Longest that a session lasts, whatever is done in it: a shift. */
export const LONGEST_MS = 12 * 3_600_000;
/** At once, in all and of one token. */
export const MOST_SESSIONS = 256;
export const MOST_OF_ONE_TOKEN = 16;
const ID_BYTES = 32;

export interface Session {
  /** SHA-256 of the token that it was begun with, hexadecimal. */
  readonly token: string;
  /** What a change has to carry, so that it comes from the console's own page. */
  readonly csrf: string;
  readonly beganMs: number;
  /** It rests without ending: it can look, and do nothing. */
  readonly lasting: boolean;
  usedMs: number;
}

export interface SessionsClock {
  /** Monotonic milliseconds. */
  nowMs(): number;
}

export class Sessions {
  /** By the digest of what is in the cookie, so that how long a comparison takes tells nothing of it. */
  readonly #sessions = new LRUCache<string, Session>({ max: MOST_SESSIONS });
  readonly #clock: SessionsClock;
  /** Of the configuration in force. */
  idleMs: number;

  constructor(clock: SessionsClock, idleMs: number) {
    this.#clock = clock;
    this.idleMs = idleMs;
  }

  get size(): number {
    for (const [key, session] of this.#sessions.entries()) this.#living(key, session);
    return this.#sessions.size;
  }

  /** Returns what goes into the cookie. */
  begin(token: string, identity: Identity): { readonly id: string; readonly session: Session } {
    const ofToken = [...this.#sessions.entries()].filter(([, session]) => session.token === token);
    // Entries come with the one that was used last first.
    for (const [key] of ofToken.slice(MOST_OF_ONE_TOKEN - 1)) this.#sessions.delete(key);
    const id = randomBytes(ID_BYTES).toString('base64url');
    const nowMs = this.#clock.nowMs();
    const session: Session = {
      token,
      csrf: randomBytes(ID_BYTES).toString('base64url'),
      beganMs: nowMs,
      lasting: identity.roles.every((role) => role === 'viewer'),
      usedMs: nowMs,
    };
    this.#sessions.set(digestOf(id), session);
    return { id, session };
  }

  /** `used`: somebody did something, which is what keeps it from ending; a page that asks by itself does not. */
  find(id: string | undefined, used: boolean): Session | undefined {
    if (id === undefined || id.length > 100) return undefined;
    const key = digestOf(id);
    const session = this.#living(key, this.#sessions.peek(key));
    if (session && used) {
      session.usedMs = this.#clock.nowMs();
      this.#sessions.get(key);
    }
    return session;
  }

  end(id: string): void {
    this.#sessions.delete(digestOf(id));
  }

  /** Milliseconds until it ends, if nobody does anything. */
  leftMs({ beganMs, usedMs, lasting }: Session): number {
    const longest = beganMs + LONGEST_MS;
    return Math.max(0, (lasting ? longest : Math.min(longest, usedMs + this.idleMs)) - this.#clock.nowMs());
  }

  #living(key: string, session: Session | undefined): Session | undefined {
    if (session === undefined || this.leftMs(session) > 0) return session;
    this.#sessions.delete(key);
    return undefined;
  }
}

/** Whether a change carries what the session's page was given. */
export function carriesCsrf({ csrf }: Session, given: string | string[] | undefined): boolean {
  if (typeof given !== 'string' || given.length !== csrf.length) return false;
  return timingSafeEqual(Buffer.from(given), Buffer.from(csrf));
}

function digestOf(id: string): string {
  return createHash('sha256').update(id).digest('hex');
}
