/**
 * DNS cookies, client side (RFC 7873 §5.1, §5.3): what we send to one upstream server and what we know of its cookie.
 *
 * A server that has shown that it knows cookies is held to them: an answer without ours is taken for forged, and the
 * question goes to the server over TCP, where nobody can forge one. If it answers there without a cookie, it has stopped
 * using them, and so do we expect none.
 */
import { EDNS_OPTION, RCODE, TYPE } from '../../wire/constants.ts';
import { RecordCursor } from '../../wire/records.ts';
import { put16 } from '../../wire/writer.ts';

const CLIENT_BYTES = 8;
const MAX_SERVER_BYTES = 32;
/** Most bytes that the option takes: code, length, both cookies. */
export const UPSTREAM_COOKIE_BYTES = 4 + CLIENT_BYTES + MAX_SERVER_BYTES;

/** What `check` found: nothing to object to. */
export const COOKIE_ACCEPTED = 0;
/** Not the client cookie we sent, none where one was due, or a broken option: not from that server. */
export const COOKIE_FORGED = 1;
/** Ours, and the server wants another server cookie, which has been noted: ask again (BADCOOKIE). */
export const COOKIE_RETRY = 2;

export class UpstreamCookie {
  readonly #client = new Uint8Array(CLIENT_BYTES);
  readonly #server = new Uint8Array(MAX_SERVER_BYTES);
  #serverLength = 0;
  /** The server has sent a right cookie before. */
  expected = false;
  readonly #cursor = new RecordCursor();
  #rcode = 0;

  /** RFC 9018 §3: a client cookie of its own for each server. `random32`: a CSPRNG. */
  constructor(random32: () => number) {
    const words = new Uint32Array(this.#client.buffer);
    for (let i = 0; i < words.length; i++) words[i] = random32();
  }

  /** Write the option at `at`. Returns its length. */
  append(bytes: Uint8Array, at: number): number {
    const length = CLIENT_BYTES + this.#serverLength;
    put16(bytes, at, EDNS_OPTION.COOKIE);
    put16(bytes, at + 2, length);
    for (let i = 0; i < CLIENT_BYTES; i++) bytes[at + 4 + i] = this.#client[i]!;
    for (let i = 0; i < this.#serverLength; i++) bytes[at + 12 + i] = this.#server[i]!;
    return 4 + length;
  }

  /** Look at the response to a query that carried the option. `overTcp`: it cannot be forged, and shows what the server does. */
  check(bytes: Uint8Array, start: number, length: number, overTcp: boolean): number {
    this.#rcode = bytes[start + 3]! & 15;
    const at = this.#find(bytes, start, length);
    if (at === 0) {
      if (overTcp) this.#forget();
      return this.expected ? COOKIE_FORGED : COOKIE_ACCEPTED;
    }
    const size = at < 0 ? 0 : (bytes[at + 2]! << 8) | bytes[at + 3]!;
    // RFC 7873 §5.3: an illegal length or another client cookie than ours: the response MUST be discarded.
    if (size < CLIENT_BYTES + 8 || size > CLIENT_BYTES + MAX_SERVER_BYTES) return COOKIE_FORGED;
    for (let i = 0; i < CLIENT_BYTES; i++) if (bytes[at + 4 + i] !== this.#client[i]) return COOKIE_FORGED;
    this.expected = true;
    // RFC 7873 §5.3: the server cookie is kept even if the response is an error.
    this.#serverLength = size - CLIENT_BYTES;
    for (let i = 0; i < this.#serverLength; i++) this.#server[i] = bytes[at + 12 + i]!;
    return this.#rcode === RCODE.BADCOOKIE ? COOKIE_RETRY : COOKIE_ACCEPTED;
  }

  #forget(): void {
    this.expected = false;
    this.#serverLength = 0;
  }

  /** Offset of the COOKIE option in the response; 0 where there is none, -1 where the options are broken. */
  #find(bytes: Uint8Array, start: number, length: number): number {
    const cursor = this.#cursor;
    cursor.open(bytes, start, length);
    while (cursor.next()) {
      if (cursor.type !== TYPE.OPT) continue;
      // RFC 6891 §6.1.3: the OPT record holds the upper eight bits of the rcode.
      this.#rcode |= bytes[cursor.ttlAt]! << 4;
      let at = cursor.dataStart;
      while (at + 4 <= cursor.dataEnd) {
        const size = (bytes[at + 2]! << 8) | bytes[at + 3]!;
        if (at + 4 + size > cursor.dataEnd) return -1;
        // RFC 7873 §5.3: of several, all but the first are ignored.
        if (((bytes[at]! << 8) | bytes[at + 1]!) === EDNS_OPTION.COOKIE) return at;
        at += 4 + size;
      }
      return 0;
    }
    return 0;
  }
}
