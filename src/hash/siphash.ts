/**
 * HalfSipHash-1-3 with a 64-bit result, over 32-bit words.
 *
 * Names come from strangers, so a table keyed by them needs a keyed hash whose collisions cannot be computed without
 * the key (SipHash paper, Aumasson and Bernstein 2012, §7 "hash-flooding"). The halved variant works on the 32-bit
 * integers that JavaScript engines keep in registers; one compression and three finalisation rounds are what Linux's
 * kernel tables (`hsiphash`) use. The result lands in two module variables: a returned pair would be an allocation.
 */

/** First word of the last hash, a signed 32-bit integer. */
export let hashLow = 0;
/** Second word of the last hash, a signed 32-bit integer. */
export let hashHigh = 0;

/**
 * Hash `length` bytes held in `words` from its beginning, little-endian; bytes beyond `length` in the last word are
 * masked out here. `key0`/`key1`: 64 secret bits. Read the result from `hashLow` and `hashHigh`.
 */
export function halfSipHash(words: Int32Array, length: number, key0: number, key1: number): void {
  let v0 = key0;
  let v1 = key1 ^ 0xee;
  let v2 = key0 ^ 0x6c796765;
  let v3 = key1 ^ 0x74656462;
  const whole = length >>> 2;
  const rest = length & 3;
  for (let i = 0; i <= whole; i++) {
    let m = i < whole || rest !== 0 ? words[i]! : 0;
    // The last word carries the tail and, in its top byte, the length (HalfSipHash's padding).
    if (i === whole) m = (rest === 0 ? 0 : m & ((1 << (rest << 3)) - 1)) | (length << 24);
    v3 ^= m;
    v0 = (v0 + v1) | 0;
    v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0;
    v0 = (v0 << 16) | (v0 >>> 16);
    v2 = (v2 + v3) | 0;
    v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2;
    v0 = (v0 + v3) | 0;
    v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0;
    v2 = (v2 + v1) | 0;
    v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2;
    v2 = (v2 << 16) | (v2 >>> 16);
    v0 ^= m;
  }
  v2 ^= 0xee;
  for (let i = 0; i < 3; i++) {
    v0 = (v0 + v1) | 0;
    v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0;
    v0 = (v0 << 16) | (v0 >>> 16);
    v2 = (v2 + v3) | 0;
    v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2;
    v0 = (v0 + v3) | 0;
    v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0;
    v2 = (v2 + v1) | 0;
    v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2;
    v2 = (v2 << 16) | (v2 >>> 16);
  }
  hashLow = v1 ^ v3;
  v1 ^= 0xdd;
  for (let i = 0; i < 3; i++) {
    v0 = (v0 + v1) | 0;
    v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0;
    v0 = (v0 << 16) | (v0 >>> 16);
    v2 = (v2 + v3) | 0;
    v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2;
    v0 = (v0 + v3) | 0;
    v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0;
    v2 = (v2 + v1) | 0;
    v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2;
    v2 = (v2 << 16) | (v2 >>> 16);
  }
  hashHigh = v1 ^ v3;
}
