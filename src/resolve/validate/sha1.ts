/**
 * SHA-1 over short messages in one array that is used again and again: NSEC3 (RFC 5155 §5) hashes some forty bytes a
 * hundred times over, and `createHash` costs five times as much for those.
 */

const MAX_BYTES = 512;
const message = new Uint8Array(MAX_BYTES + 72);
const words = new Int32Array(80);
const state = new Int32Array(5);

/**
 * RFC 5155 §5: IH(salt, name, 0) = H(name | salt), and `iterations` rounds of H(last | salt) more. Writes 20 bytes into
 * `out`. `name` is a name in wire form, `salt` at most 255 bytes.
 */
export function nsec3Hash(name: Uint8Array, salt: Uint8Array, iterations: number, out: Uint8Array): void {
  message.set(name);
  message.set(salt, name.length);
  hash(name.length + salt.length);
  putState(message);
  message.set(salt, 20);
  const length = 20 + salt.length;
  for (let i = 0; i < iterations; i++) {
    hash(length);
    putState(message);
  }
  out.set(message.subarray(0, 20));
}

/** SHA-1 blocks that `nsec3Hash` works through. */
export function nsec3Blocks(nameBytes: number, saltBytes: number, iterations: number): number {
  return blocksOf(nameBytes + saltBytes) + iterations * blocksOf(20 + saltBytes);
}

function blocksOf(length: number): number {
  return (length + 9 + 63) >>> 6;
}

function putState(out: Uint8Array): void {
  for (let i = 0; i < 5; i++) {
    const word = state[i]!;
    out[i * 4] = word >>> 24;
    out[i * 4 + 1] = (word >>> 16) & 255;
    out[i * 4 + 2] = (word >>> 8) & 255;
    out[i * 4 + 3] = word & 255;
  }
}

/** FIPS 180-4 §6.1 over the first `length` bytes of `message`; the padding is written behind them and taken away again. */
function hash(length: number): void {
  const end = blocksOf(length) << 6;
  message[length] = 0x80;
  message.fill(0, length + 1, end);
  message[end - 3] = (length * 8) >>> 16;
  message[end - 2] = ((length * 8) >>> 8) & 255;
  message[end - 1] = (length * 8) & 255;
  state[0] = 0x67452301;
  state[1] = 0xefcdab89 | 0;
  state[2] = 0x98badcfe | 0;
  state[3] = 0x10325476;
  state[4] = 0xc3d2e1f0 | 0;
  for (let at = 0; at < end; at += 64) block(at);
}

function block(at: number): void {
  const w = words;
  for (let i = 0; i < 16; i++, at += 4) {
    w[i] = (message[at]! << 24) | (message[at + 1]! << 16) | (message[at + 2]! << 8) | message[at + 3]!;
  }
  for (let i = 16; i < 80; i++) {
    const x = w[i - 3]! ^ w[i - 8]! ^ w[i - 14]! ^ w[i - 16]!;
    w[i] = (x << 1) | (x >>> 31);
  }
  let a = state[0]!;
  let b = state[1]!;
  let c = state[2]!;
  let d = state[3]!;
  let e = state[4]!;
  for (let i = 0; i < 80; i++) {
    let mixed: number;
    if (i < 20) mixed = ((b & c) | (~b & d)) + 0x5a827999;
    else if (i < 40) mixed = (b ^ c ^ d) + 0x6ed9eba1;
    else if (i < 60) mixed = ((b & c) | (b & d) | (c & d)) + 0x8f1bbcdc;
    else mixed = (b ^ c ^ d) + 0xca62c1d6;
    const next = (((a << 5) | (a >>> 27)) + mixed + e + w[i]!) | 0;
    e = d;
    d = c;
    c = (b << 30) | (b >>> 2);
    b = a;
    a = next;
  }
  state[0] = (state[0]! + a) | 0;
  state[1] = (state[1]! + b) | 0;
  state[2] = (state[2]! + c) | 0;
  state[3] = (state[3]! + d) | 0;
  state[4] = (state[4]! + e) | 0;
}
