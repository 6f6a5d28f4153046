import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { addressWords } from '../../address/address.ts';
import { plainAddressText, readAddress, zoneOf } from './dgram-address.ts';

const words = new Int32Array(4);

describe('addresses between Node and words', () => {
  it('reads every IPv4 and IPv6 address as address.ts does', () => {
    fc.assert(
      fc.property(fc.oneof(fc.ipV4(), fc.ipV6()), (text) => {
        expect(readAddress(text, words)).toBe(true);
        expect([...words]).toEqual([...addressWords(text)]);
      }),
    );
  });

  it('writes what it reads back', () => {
    const word = fc.integer({ min: -0x8000_0000, max: 0x7fff_ffff });
    const v4 = word.map((last) => [0, 0, 0xffff, last]);
    fc.assert(
      fc.property(fc.oneof(v4, fc.tuple(word, word, word, word)), (address) => {
        expect(readAddress(plainAddressText(Int32Array.from(address)), words)).toBe(true);
        expect([...words]).toEqual(address);
      }),
    );
  });

  it('leaves the zone of a link-local address aside', () => {
    expect(readAddress('fe80::1%eth0', words)).toBe(true);
    expect([...words]).toEqual([0xfe800000 | 0, 0, 0, 1]);
    expect(zoneOf('fe80::1%eth0')).toBe('eth0');
    expect(zoneOf('::1')).toBe('');
  });

  it.each([
    '',
    '1.2.3',
    '1.2.3.4.5',
    '1.2.3.256',
    '01.2.3.4',
    '1..2.3',
    '.1.2.3',
    '1.2.3.',
    '1.2.3.x',
    'host',
    ':',
    '1::2::3',
  ])('takes %j for no address', (text) => expect(readAddress(text, words)).toBe(false));
});
