import fc from 'fast-check';
import { expect, test } from 'vitest';
import { sipHash24, sipHigh, sipLow } from './siphash24.ts';

/** The algorithm as its authors wrote it, on BigInt; only for comparison. */
function reference(bytes: Uint8Array, key: Uint8Array): bigint {
  const mask = (1n << 64n) - 1n;
  const read = (from: Uint8Array, at: number) => new DataView(from.buffer, from.byteOffset).getBigUint64(at, true);
  const rotl = (x: bigint, n: bigint) => ((x << n) | (x >> (64n - n))) & mask;
  const [k0, k1] = [read(key, 0), read(key, 8)];
  let [a, b, c, d] = [
    k0 ^ 0x736f6d6570736575n,
    k1 ^ 0x646f72616e646f6dn,
    k0 ^ 0x6c7967656e657261n,
    k1 ^ 0x7465646279746573n,
  ];
  const round = () => {
    a = (a + b) & mask;
    b = rotl(b, 13n) ^ a;
    a = rotl(a, 32n);
    c = (c + d) & mask;
    d = rotl(d, 16n) ^ c;
    a = (a + d) & mask;
    d = rotl(d, 21n) ^ a;
    c = (c + b) & mask;
    b = rotl(b, 17n) ^ c;
    c = rotl(c, 32n);
  };
  const padded = new Uint8Array(bytes.length + 8 - (bytes.length % 8));
  padded.set(bytes);
  padded[padded.length - 1] = bytes.length & 255;
  for (let at = 0; at < padded.length; at += 8) {
    const m = read(padded, at);
    d ^= m;
    round();
    round();
    a ^= m;
  }
  c ^= 0xffn;
  for (let i = 0; i < 4; i++) round();
  return a ^ b ^ c ^ d;
}

function hash(bytes: Uint8Array, key: Uint8Array): bigint {
  const memory = new Uint8Array((bytes.length + 16) & ~7);
  memory.set(bytes);
  sipHash24(new Int32Array(memory.buffer), bytes.length, new Int32Array(key.slice().buffer));
  return (BigInt(sipHigh >>> 0) << 32n) | BigInt(sipLow >>> 0);
}

test('the vector of the SipHash paper (appendix A): bytes 0 to 14 under the key 0 to 15', () => {
  const key = Uint8Array.from({ length: 16 }, (_, i) => i);
  expect(
    hash(
      Uint8Array.from({ length: 15 }, (_, i) => i),
      key,
    ),
  ).toBe(0xa129ca6149be45e5n);
});

test('agrees with the algorithm as published, for any message and key', () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 64 }),
      fc.uint8Array({ minLength: 16, maxLength: 16 }),
      (bytes, key) => hash(bytes, key) === reference(bytes, key),
    ),
  );
});
