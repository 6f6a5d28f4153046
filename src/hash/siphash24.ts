/**
 * SipHash-2-4 with a 64-bit result, as RFC 9018 §4.4 demands it for cookies: every server of a fleet, of whatever make,
 * has to come to the same bytes. Tables of our own use the cheaper HalfSipHash (siphash.ts).
 *
 * JavaScript has no 64-bit integers that cost nothing, so each word is a pair of 32-bit halves and a round is written out
 * on locals. The result is left in two module variables, as in siphash.ts: a returned pair would be an allocation.
 */

/** Lower and upper half of the last hash, signed. Its bytes on the wire are little-endian: low half first. */
export let sipLow = 0;
export let sipHigh = 0;

/** The state, lower and upper halves of v0…v3; kept outside so that a round can be a function. */
const v = new Int32Array(8);

/**
 * Hash `length` bytes held in `words` (little-endian) from its beginning; bytes beyond `length` in the last word must be
 * zero, and words up to the next multiple of 8 bytes present. `key`: 16 bytes as four little-endian words.
 */
export function sipHash24(words: Int32Array, length: number, key: Int32Array): void {
  const k0l = key[0]!;
  const k0h = key[1]!;
  const k1l = key[2]!;
  const k1h = key[3]!;
  v[0] = k0l ^ 0x70736575;
  v[1] = k0h ^ 0x736f6d65;
  v[2] = k1l ^ 0x6e646f6d;
  v[3] = k1h ^ 0x646f7261;
  v[4] = k0l ^ 0x6e657261;
  v[5] = k0h ^ 0x6c796765;
  v[6] = k1l ^ 0x79746573;
  v[7] = k1h ^ 0x74656462;
  const blocks = length >>> 3;
  const rest = length & 7;
  for (let i = 0; i <= blocks; i++) {
    let low = i < blocks || rest > 0 ? words[2 * i]! : 0;
    let high = i < blocks || rest > 4 ? words[2 * i + 1]! : 0;
    // The last block carries the tail and, in its top byte, the length.
    if (i === blocks) {
      if (rest < 4) low &= rest === 0 ? 0 : (1 << (rest << 3)) - 1;
      high = (rest > 4 ? high & ((1 << ((rest - 4) << 3)) - 1) : 0) | (length << 24);
    }
    v[6]! ^= low;
    v[7]! ^= high;
    rounds(2);
    v[0]! ^= low;
    v[1]! ^= high;
  }
  v[4]! ^= 0xff;
  rounds(4);
  sipLow = v[0]! ^ v[2]! ^ v[4]! ^ v[6]!;
  sipHigh = v[1]! ^ v[3]! ^ v[5]! ^ v[7]!;
}

function rounds(times: number): void {
  let v0l = v[0]!;
  let v0h = v[1]!;
  let v1l = v[2]!;
  let v1h = v[3]!;
  let v2l = v[4]!;
  let v2h = v[5]!;
  let v3l = v[6]!;
  let v3h = v[7]!;
  let t = 0;
  for (let i = 0; i < times; i++) {
    // v0 += v1; v1 = rotl(v1, 13) ^ v0; v0 = rotl(v0, 32)
    t = (v0l + v1l) | 0;
    v0h = (v0h + v1h + (t >>> 0 < v0l >>> 0 ? 1 : 0)) | 0;
    v0l = t;
    t = (v1l << 13) | (v1h >>> 19);
    v1h = ((v1h << 13) | (v1l >>> 19)) ^ v0h;
    v1l = t ^ v0l;
    t = v0l;
    v0l = v0h;
    v0h = t;
    // v2 += v3; v3 = rotl(v3, 16) ^ v2
    t = (v2l + v3l) | 0;
    v2h = (v2h + v3h + (t >>> 0 < v2l >>> 0 ? 1 : 0)) | 0;
    v2l = t;
    t = (v3l << 16) | (v3h >>> 16);
    v3h = ((v3h << 16) | (v3l >>> 16)) ^ v2h;
    v3l = t ^ v2l;
    // v0 += v3; v3 = rotl(v3, 21) ^ v0
    t = (v0l + v3l) | 0;
    v0h = (v0h + v3h + (t >>> 0 < v0l >>> 0 ? 1 : 0)) | 0;
    v0l = t;
    t = (v3l << 21) | (v3h >>> 11);
    v3h = ((v3h << 21) | (v3l >>> 11)) ^ v0h;
    v3l = t ^ v0l;
    // v2 += v1; v1 = rotl(v1, 17) ^ v2; v2 = rotl(v2, 32)
    t = (v2l + v1l) | 0;
    v2h = (v2h + v1h + (t >>> 0 < v2l >>> 0 ? 1 : 0)) | 0;
    v2l = t;
    t = (v1l << 17) | (v1h >>> 15);
    v1h = ((v1h << 17) | (v1l >>> 15)) ^ v2h;
    v1l = t ^ v2l;
    t = v2l;
    v2l = v2h;
    v2h = t;
  }
  v[0] = v0l;
  v[1] = v0h;
  v[2] = v1l;
  v[3] = v1h;
  v[4] = v2l;
  v[5] = v2h;
  v[6] = v3l;
  v[7] = v3h;
}
