/**
 * DNS cookies, server side (RFC 7873, RFC 9018): a client that sends back what it was given has shown that it receives
 * what is sent to its address, so its source is not forged.
 *
 *     | client cookie, 8 | version 1 | reserved, 3 | timestamp, 4 | SipHash-2-4, 8 |      24 bytes in the reply
 *                        └──────────────── server cookie ────────────────────────┘
 *
 * Nothing is kept per client: the cookie proves itself. All servers of a fleet that know the same secrets accept each
 * other's cookies. The first secret makes cookies, all of them are accepted: so a new one is first added last on every
 * server, then moved to the front, then the old one is removed (RFC 9018 §5).
 */

import { sipHash24, sipHigh, sipLow } from '../hash/siphash24.ts';
import { COOKIE_BAD, COOKIE_CLIENT_ONLY, COOKIE_GOOD, type Query } from './query.ts';

/** Bytes of a secret (RFC 9018 §4.4). */
export const COOKIE_SECRET_BYTES = 16;
/** Secrets that are tried at most for one cookie. */
export const MAX_COOKIE_SECRETS = 4;

const CLIENT_COOKIE_BYTES = 8;
const SERVER_COOKIE_BYTES = 16;
/** RFC 9018 §4.3: older than an hour, or more than five minutes ahead, is no longer accepted … */
const MAX_AGE_SECONDS = 3600;
const MAX_AHEAD_SECONDS = 300;
/** … and past half an hour a new one is given. */
const RENEW_SECONDS = 1800;

export class ServerCookies {
  /** As little-endian words; the first one makes cookies. */
  readonly #secrets: readonly Int32Array[];
  readonly #wallMs: () => number;
  /** What is hashed: client cookie, version and reserved, timestamp, client's address. */
  readonly #input = new Int32Array(10);
  readonly #inputBytes = new Uint8Array(this.#input.buffer);

  /** `secrets`: 1–4 of 16 bytes. `wallMs`: wall-clock milliseconds, which a fleet shares within minutes. */
  constructor(secrets: readonly Uint8Array[], wallMs: () => number) {
    if (secrets.length < 1 || secrets.length > MAX_COOKIE_SECRETS)
      throw new RangeError(`${secrets.length} cookie secrets: 1–${MAX_COOKIE_SECRETS} are possible`);
    if (secrets.some((secret) => secret.length !== COOKIE_SECRET_BYTES))
      throw new RangeError(`a cookie secret has ${COOKIE_SECRET_BYTES} bytes`);
    this.#secrets = secrets.map((secret) => new Int32Array(secret.slice().buffer));
    this.#wallMs = wallMs;
  }

  /**
   * Look at the cookie of `query`, which has one (`cookieLength` > 0): sets `cookie`, `verified`, and what the reply
   * carries. Its length has been checked (wire/reader.ts).
   */
  examine(query: Query): void {
    const { message, cookieStart, cookieLength, cookieReply } = query;
    for (let i = 0; i < CLIENT_COOKIE_BYTES; i++) cookieReply[i] = message[cookieStart + i]!;
    query.answersCookie = true;
    const now = Math.floor(this.#wallMs() / 1000) | 0;
    const fresh = this.#check(query, now);
    if (query.verified && fresh) {
      // RFC 9018 §4.3: what is valid and young may be given back as it is.
      const from = cookieStart + CLIENT_COOKIE_BYTES;
      for (let i = 0; i < SERVER_COOKIE_BYTES; i++) cookieReply[CLIENT_COOKIE_BYTES + i] = message[from + i]!;
      return;
    }
    if (cookieLength === CLIENT_COOKIE_BYTES) query.cookie = COOKIE_CLIENT_ONLY;
    this.#make(query, now);
  }

  /** Verify the server cookie. Returns true when it need not be made again. */
  #check(query: Query, now: number): boolean {
    query.cookie = COOKIE_BAD;
    // RFC 9018 §4: version 1 is 16 bytes long; whatever else comes was not made by us.
    if (query.cookieLength !== CLIENT_COOKIE_BYTES + SERVER_COOKIE_BYTES) return false;
    const { message, cookieStart } = query;
    const at = cookieStart + CLIENT_COOKIE_BYTES;
    if (message[at] !== 1) return false;
    // RFC 9018 §4.3: serial number arithmetic (RFC 1982), so that 2106 passes unnoticed.
    const made = (message[at + 4]! << 24) | (message[at + 5]! << 16) | (message[at + 6]! << 8) | message[at + 7]!;
    const age = (now - made) | 0;
    if (age > MAX_AGE_SECONDS || age < -MAX_AHEAD_SECONDS) return false;
    // RFC 9018 §4.2: the reserved bytes are hashed as they came.
    for (let i = 0; i < CLIENT_COOKIE_BYTES + 8; i++) this.#inputBytes[i] = message[cookieStart + i]!;
    const length = this.#putAddress(query);
    const low = littleEndian(message, at + 8);
    const high = littleEndian(message, at + 12);
    for (let i = 0; i < this.#secrets.length; i++) {
      sipHash24(this.#input, length, this.#secrets[i]!);
      if (((sipLow ^ low) | (sipHigh ^ high)) !== 0) continue;
      query.cookie = COOKIE_GOOD;
      query.verified = true;
      return i === 0 && age <= RENEW_SECONDS;
    }
    return false;
  }

  #make(query: Query, now: number): void {
    const input = this.#inputBytes;
    const reply = query.cookieReply;
    reply[8] = 1;
    reply[9] = 0;
    reply[10] = 0;
    reply[11] = 0;
    reply[12] = now >>> 24;
    reply[13] = now >>> 16;
    reply[14] = now >>> 8;
    reply[15] = now;
    for (let i = 0; i < 16; i++) input[i] = reply[i]!;
    sipHash24(this.#input, this.#putAddress(query), this.#secrets[0]!);
    for (let i = 0; i < 4; i++) {
      reply[16 + i] = sipLow >>> (i << 3);
      reply[20 + i] = sipHigh >>> (i << 3);
    }
  }

  /** The client's address in network order behind the timestamp. Returns the length of the whole input. */
  #putAddress(query: Query): number {
    const { clientWords } = query;
    if (query.family === 4) {
      this.#input[4] = swap(clientWords[3]!);
      this.#input[5] = 0;
      return 20;
    }
    for (let i = 0; i < 4; i++) this.#input[4 + i] = swap(clientWords[i]!);
    return 32;
  }
}

function littleEndian(bytes: Uint8Array, at: number): number {
  return bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24);
}

function swap(word: number): number {
  return (word << 24) | ((word & 0xff00) << 8) | ((word >>> 8) & 0xff00) | (word >>> 24);
}
