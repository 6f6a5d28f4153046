/**
 * Replies with a wrong id, by the socket that they came to: somebody who knows the port of a question may be trying ids
 * (RFC 5452 §9.1). A late answer is one too, so a few mean nothing; from so many on, what was asked from that socket is asked
 * over TCP, where ids are worth nothing to an outsider (PowerDNS Recursor: spoof-nearmiss-max).
 */

/** Wrong ids that make a question change to TCP, and the time within which they have to come. */
export const NEAR_MISSES = 8;
const WINDOW_MS = 4000;
/** Sockets counted at a time; two that share a place displace each other. */
const PLACES = 4096;

export class NearMisses {
  readonly #sockets = new Float64Array(PLACES).fill(-1);
  readonly #counts = new Int32Array(PLACES);
  readonly #sinceMs = new Float64Array(PLACES);

  /** A wrong id came to `socket`. Returns true where that is one too many; counting then starts over. */
  add(socket: number, nowMs: number): boolean {
    const place = socket % PLACES;
    if (this.#sockets[place] !== socket || nowMs - this.#sinceMs[place]! > WINDOW_MS) {
      this.#sockets[place] = socket;
      this.#counts[place] = 0;
      this.#sinceMs[place] = nowMs;
    }
    if (++this.#counts[place]! < NEAR_MISSES) return false;
    this.#counts[place] = 0;
    return true;
  }
}
