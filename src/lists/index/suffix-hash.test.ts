import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { nameToText, textToName } from '../../wire/name.ts';
import { SuffixHash, type SuffixKey } from './suffix-hash.ts';

const KEY: SuffixKey = [0x01234567, 0x89abcdef | 0, -5, 77];

/** The definition, word by word and with no thought of speed. */
function naiveHash(name: Uint8Array, key: SuffixKey): number[] {
  const labels: Uint8Array[] = [];
  for (let at = 0; name[at] !== 0; at += name[at]! + 1) labels.unshift(name.subarray(at, at + name[at]! + 1));
  let v = key.map((word) => BigInt.asUintN(32, BigInt(word)));
  for (const label of labels) {
    for (let i = 0; i < label.length; i += 4) {
      let word = 0n;
      for (let k = 3; k >= 0; k--) word = word * 256n + BigInt(label[i + k] ?? 0);
      v[3]! ^= word;
      v = round(round(v));
      v[0]! ^= word;
    }
  }
  v[2]! ^= 0xeen;
  for (let i = 0; i < 4; i++) v = round(v);
  return v.slice(0, 3).map((word) => Number(BigInt.asIntN(32, word)));
}

/** HalfSipHash's round as in its reference code. */
function round([a, b, c, d]: bigint[]): bigint[] {
  const rotate = (x: bigint, by: bigint) => BigInt.asUintN(32, (x << by) | (x >> (32n - by)));
  const add = (x: bigint, y: bigint) => BigInt.asUintN(32, x + y);
  let [v0, v1, v2, v3] = [a!, b!, c!, d!];
  v0 = add(v0, v1);
  v1 = rotate(v1, 5n) ^ v0;
  v0 = rotate(v0, 16n);
  v2 = add(v2, v3);
  v3 = rotate(v3, 8n) ^ v2;
  v0 = add(v0, v3);
  v3 = rotate(v3, 7n) ^ v0;
  v2 = add(v2, v1);
  v1 = rotate(v1, 13n) ^ v2;
  v2 = rotate(v2, 16n);
  return [v0, v1, v2, v3];
}

const label = fc.uint8Array({ minLength: 1, maxLength: 63 });
const wireName = fc
  .array(label, { maxLength: 20 })
  .map((labels) => Uint8Array.from([...labels.flatMap((bytes) => [bytes.length, ...bytes]), 0]))
  .filter((name) => name.length <= 255);

function hashOf(name: Uint8Array, key = KEY): number[] {
  const hash = new SuffixHash(key);
  hash.hashName(name);
  return [hash.low, hash.middle, hash.high];
}

describe('the suffix hash', () => {
  test('is what its definition says, for names of any bytes', () => {
    fc.assert(
      fc.property(wireName, (name) => {
        expect(hashOf(name)).toEqual(naiveHash(name, KEY));
      }),
      { numRuns: 200 },
    );
  });

  test('gives every suffix on the way the hash that it has as a name of its own', () => {
    fc.assert(
      fc.property(wireName, (name) => {
        const starts: number[] = [];
        for (let at = 0; name[at] !== 0; at += name[at]! + 1) starts.unshift(at);
        const hash = new SuffixHash(KEY);
        hash.begin();
        for (const at of starts) {
          hash.absorb(name, at);
          hash.finish();
          expect([hash.low, hash.middle, hash.high]).toEqual(hashOf(name.subarray(at)));
        }
      }),
      { numRuns: 100 },
    );
  });

  test('tells apart names whose labels hold the same bytes in another way', () => {
    const names = [
      'ab.c',
      'a.bc',
      'abc',
      'a.b.c',
      'abc\\000',
      'abc\\000\\000',
      '\\000',
      '\\000\\000',
      'a',
      'a\\000',
      'c.ab',
    ];
    const hashes = new Set(names.map((text) => hashOf(textToName(text)).join()));
    expect(hashes.size).toBe(names.length);
  });

  test('changes half of its 96 bits with any bit of the name or of the key', () => {
    const name = textToName('www.example.com');
    const before = hashOf(name);
    let flipped = 0;
    let trials = 0;
    const compare = (after: number[]) => {
      trials++;
      for (const [i, word] of after.entries()) {
        for (let bits = word ^ before[i]!; bits !== 0; bits &= bits - 1) flipped++;
      }
    };
    for (let at = 1; at < name.length - 1; at++) {
      if (at === 4 || at === 12) continue;
      for (let bit = 0; bit < 8; bit++) compare(hashOf(name.with(at, name[at]! ^ (1 << bit))));
    }
    for (let i = 0; i < 128; i++) {
      const key = KEY.with(i >> 5, KEY[i >> 5]! ^ (1 << (i & 31))) as unknown as SuffixKey;
      compare(hashOf(name, key));
    }
    expect(flipped / trials).toBeGreaterThan(46);
    expect(flipped / trials).toBeLessThan(50);
  });

  test('collides in each 32-bit word as often as chance would have it', () => {
    const count = 1 << 18;
    const words = [0, 1, 2].map(() => new Int32Array(count));
    const hash = new SuffixHash(KEY);
    const name = textToName('aaaa.com');
    for (let i = 0; i < count; i++) {
      for (let k = 0; k < 4; k++) name[1 + k] = 97 + ((i >> (5 * k)) & 31);
      hash.hashName(name);
      words[0]![i] = hash.low;
      words[1]![i] = hash.middle;
      words[2]![i] = hash.high;
    }
    // n² / 2^33 = 8 pairs to be expected of each word.
    for (const word of words) {
      const sorted = word.sort();
      let pairs = 0;
      for (let i = 1; i < count; i++) if (sorted[i] === sorted[i - 1]) pairs++;
      expect(pairs).toBeLessThan(25);
    }
  });

  test.each([
    ['runs over the end of its array', [3, 97, 97]],
    ['has no root label', [1, 97]],
    ['holds a compression pointer', [0xc0, 12]],
    ['has a label of 64 bytes', [64, ...new Array(64).fill(97), 0]],
    ['is longer than 255 bytes', [...new Array(128).fill([1, 97]).flat(), 0]],
    ['is empty', []],
  ])('refuses what %s', (_, bytes) => {
    expect(new SuffixHash(KEY).hashName(Uint8Array.from(bytes))).toBe(-1);
  });

  test('takes the longest name and the one with most labels', () => {
    const long = textToName(`${`${'x'.repeat(63)}.`.repeat(3)}${'y'.repeat(61)}`);
    expect(long.length).toBe(255);
    expect(new SuffixHash(KEY).hashName(long)).toBe(4);
    const deep = textToName(new Array(127).fill('a').join('.'));
    expect(nameToText(deep).length).toBe(253);
    expect(new SuffixHash(KEY).hashName(deep)).toBe(127);
  });
});
