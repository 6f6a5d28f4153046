import fc from 'fast-check';
import { expect, test } from 'vitest';
import { addressWords, parsePrefix, prefixContains, prefixText } from './address.ts';
import { PrefixSet } from './prefix-set.ts';

const set = (...prefixes: string[]) => new PrefixSet(prefixes.map(parsePrefix));

test('holds the first and the last address of a network, and not their neighbours', () => {
  const networks = set('192.0.2.0/24', '2001:db8::/32');
  for (const inside of ['192.0.2.0', '192.0.2.255', '2001:db8::', '2001:db8:ffff:ffff:ffff:ffff:ffff:ffff']) {
    expect(networks.has(addressWords(inside)), inside).toBe(true);
  }
  for (const outside of ['192.0.1.255', '192.0.3.0', '2001:db7:ffff::1', '2001:db9::']) {
    expect(networks.has(addressWords(outside)), outside).toBe(false);
  }
});

test('an empty set holds nothing', () => {
  expect(set().has(addressWords('127.0.0.1'))).toBe(false);
  expect(set().has(addressWords('::1'))).toBe(false);
});

test('all of IPv6 does not include IPv4, nor the other way round', () => {
  expect(set('::/0').has(addressWords('192.0.2.1'))).toBe(false);
  expect(set('0.0.0.0/0').has(addressWords('::1'))).toBe(false);
  expect(set('0.0.0.0/0').has(addressWords('255.255.255.255'))).toBe(true);
});

test('agrees with asking each network in turn', () => {
  // Few distinct high bits, so that networks nest and addresses hit.
  const word = fc.oneof(fc.integer({ min: -2, max: 2 }), fc.integer());
  const address = fc.oneof(
    fc.tuple(word, word, word, word).map((words) => Int32Array.from(words)),
    word.map((last) => Int32Array.from([0, 0, 0xffff, last])),
  );
  const prefix = fc.tuple(address, fc.integer({ min: 0, max: 128 })).map(([words, bits]) => {
    const length = words[2] === 0xffff && words[0] === 0 && words[1] === 0 ? Math.max(96, bits) : bits;
    const masked = words.map(
      (value, i) => value & (length >= i * 32 + 32 ? -1 : length <= i * 32 ? 0 : -1 << (i * 32 + 32 - length)),
    );
    return { words: Int32Array.from(masked), bits: length };
  });
  fc.assert(
    fc.property(
      fc.array(prefix, { maxLength: 12 }),
      fc.array(address, { minLength: 1, maxLength: 12 }),
      (prefixes, addresses) => {
        const networks = new PrefixSet(prefixes);
        const asked = [...addresses, ...prefixes.map(({ words }) => words)];
        for (const words of asked) {
          const expected = prefixes.some((each) => prefixContains(each, words));
          expect(networks.has(words), prefixes.map(prefixText).join(' ')).toBe(expected);
        }
      },
    ),
  );
});
