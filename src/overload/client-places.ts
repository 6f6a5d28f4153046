/**
 * Where a client stands in tables of fixed size that count by client: once as a host (IPv4 /32, IPv6 /64) and once as the
 * network it is in (IPv4 /24, IPv6 /56), each at two places that a keyed hash draws. A count is the smaller one of its two
 * places (Count-Min with two rows): whoever shares one of them with a busy stranger is not taken for it, and without the
 * key nobody can choose addresses that meet somebody else's in both.
 *
 *     address ─┬─ host bits cut ─▶ HalfSipHash ─▶ network0, network1
 *              └──────────────────▶ HalfSipHash ─▶ host0, host1          each 0 … PLACES - 1
 */
import { halfSipHash, hashHigh, hashLow } from '../hash/siphash.ts';

/** Places in one row. With 10 000 clients at once, one in four thousand shares both of its places with others. */
export const PLACES = 1 << 14;

const HOST_BITS_V4 = 0xff;
const SUBNET_BITS_V6 = 0xff;
/** Behind the address in what is hashed, so that a network is never taken for its first host. */
const HOST = 1;
const NETWORK = 2;

export class ClientPlaces {
  host0 = 0;
  host1 = 0;
  network0 = 0;
  network1 = 0;
  readonly #key0: number;
  readonly #key1: number;
  readonly #hashed = new Int32Array(4);

  /** `key`: 64 secret bits. */
  constructor(key: readonly [number, number]) {
    [this.#key0, this.#key1] = key;
  }

  /** Set the four places for the client of `words` (query.ts, `clientWords`). Costs two hashes of twelve bytes. */
  find(words: Int32Array, family: number): void {
    const hashed = this.#hashed;
    const upper = family === 4 ? 0xffff : words[0]!;
    const lower = family === 4 ? words[3]! : words[1]!;
    hashed[0] = upper;
    hashed[1] = lower & ~(family === 4 ? HOST_BITS_V4 : SUBNET_BITS_V6);
    hashed[2] = NETWORK;
    halfSipHash(hashed, 12, this.#key0, this.#key1);
    this.network0 = hashLow & (PLACES - 1);
    this.network1 = hashHigh & (PLACES - 1);
    hashed[1] = lower;
    hashed[2] = HOST;
    halfSipHash(hashed, 12, this.#key0, this.#key1);
    this.host0 = hashLow & (PLACES - 1);
    this.host1 = hashHigh & (PLACES - 1);
  }
}
