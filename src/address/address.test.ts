import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  AddressError,
  addressText,
  addressWords,
  endpointText,
  isLoopback,
  isWildcard,
  parseEndpoint,
  parsePrefix,
  prefixContains,
  prefixText,
} from './address.ts';

describe('addressWords', () => {
  it('holds IPv4 as ::ffff:a.b.c.d in big-endian words', () => {
    expect([...addressWords('192.0.2.1')]).toEqual([0, 0, 0xffff, 0xc0000201 | 0]);
    expect([...addressWords('::ffff:192.0.2.1')]).toEqual([...addressWords('192.0.2.1')]);
  });

  it('holds IPv6 in network order', () => {
    expect([...addressWords('2001:db8::ff00:1')]).toEqual([0x20010db8, 0, 0, 0xff000001 | 0]);
  });

  it.each([
    ['127.1', 'four decimal parts'],
    ['010.0.0.1', 'leading zeros'],
    ['1.2.3.256', 'four decimal parts'],
    ['0x7f.0.0.1', 'names are not looked up'],
    ['localhost', 'names are not looked up'],
    ['fe80::1%eth0', 'zone'],
    ['', 'no IP address'],
    ['1:2', 'no IP address'],
    [' 127.0.0.1', 'no IP address'],
  ])('refuses %j and says why', (text, why) => {
    expect(() => addressWords(text)).toThrow(AddressError);
    expect(() => addressWords(text)).toThrow(why);
  });

  it('reads back every address that addressText writes', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }), { minLength: 4, maxLength: 4 }),
        (four) => {
          const words = Int32Array.from(four);
          expect([...addressWords(addressText(words))]).toEqual(four);
        },
      ),
    );
  });

  it('never throws anything but AddressError', () => {
    const text = fc.oneof(fc.string(), fc.stringMatching(/^[0-9a-f:./%[\]]{0,24}$/));
    fc.assert(
      fc.property(text, (any) => {
        for (const read of [addressWords, parsePrefix, parseEndpoint]) {
          try {
            read(any);
          } catch (error) {
            expect(error).toBeInstanceOf(AddressError);
          }
        }
      }),
    );
  });
});

describe('addressText', () => {
  it('writes the canonical form of RFC 5952', () => {
    expect(addressText(addressWords('2001:0DB8:0:0:0:0:0:1'))).toBe('2001:db8::1');
    expect(addressText(addressWords('2001:db8:0:1:1:1:1:1'))).toBe('2001:db8:0:1:1:1:1:1');
    expect(addressText(addressWords('::ffff:7f00:1'))).toBe('127.0.0.1');
    expect(addressText(addressWords('::'))).toBe('::');
  });
});

describe('what an address is', () => {
  it('tells loopback and wildcard addresses', () => {
    expect(['127.0.0.1', '127.255.0.9', '::1'].every((text) => isLoopback(addressWords(text)))).toBe(true);
    expect(['128.0.0.1', '::2', '::'].some((text) => isLoopback(addressWords(text)))).toBe(false);
    expect(['0.0.0.0', '::'].every((text) => isWildcard(addressWords(text)))).toBe(true);
    expect(['127.0.0.1', '::1', '::ffff:0:1'].some((text) => isWildcard(addressWords(text)))).toBe(false);
  });
});

describe('parsePrefix', () => {
  it('counts the bits of IPv4 from the mapped form', () => {
    expect(parsePrefix('192.0.2.0/24')).toEqual({ words: addressWords('192.0.2.0'), bits: 120 });
    expect(parsePrefix('0.0.0.0/0').bits).toBe(96);
    expect(parsePrefix('2001:db8::/32')).toEqual({ words: addressWords('2001:db8::'), bits: 32 });
  });

  it('takes one address alone', () => {
    expect(parsePrefix('192.0.2.1').bits).toBe(128);
    expect(parsePrefix('::1').bits).toBe(128);
  });

  it('names the right network when host bits are set', () => {
    expect(() => parsePrefix('192.0.2.5/24')).toThrow('the network is 192.0.2.0/24');
    expect(() => parsePrefix('2001:db8::5/64')).toThrow('the network is 2001:db8::/64');
    expect(() => parsePrefix('128.0.0.0/0')).toThrow('the network is 0.0.0.0/0');
  });

  it.each([
    ['192.0.2.0/33', '32 bits'],
    ['2001:db8::/129', '128 bits'],
    ['192.0.2.0/', 'number of bits, 0–32'],
    ['192.0.2.0/-1', 'number of bits'],
    ['192.0.2.0/24/24', 'number of bits'],
    ['example/8', 'names are not looked up'],
  ])('refuses %j and says why', (text, why) => {
    expect(() => parsePrefix(text)).toThrow(why);
  });

  it('reads back what prefixText writes, and contains its own addresses and no neighbour', () => {
    const word = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 });
    const address = fc.oneof(
      fc.tuple(word, word, word, word),
      word.map((ipv4) => [0, 0, 0xffff, ipv4] as [number, number, number, number]),
    );
    fc.assert(
      fc.property(address, fc.integer({ min: 0, max: 128 }), (four, asked) => {
        const words = Int32Array.from(four);
        const mapped = four[0] === 0 && four[1] === 0 && four[2] === 0xffff;
        const bits = mapped ? Math.max(96, asked) : asked;
        const network = words.map((one, i) => {
          const kept = Math.min(32, Math.max(0, bits - 32 * i));
          return kept === 0 ? 0 : one & (-1 << (32 - kept));
        });
        const prefix = parsePrefix(prefixText({ words: network, bits }));
        expect([...prefix.words]).toEqual([...network]);
        expect(prefix.bits).toBe(bits);
        expect(prefixContains(prefix, words)).toBe(true);
        if (bits > 0) {
          const neighbour = words.slice();
          const at = bits - 1;
          neighbour[at >> 5]! ^= 1 << (31 - (at & 31));
          expect(prefixContains(prefix, neighbour)).toBe(false);
        }
      }),
    );
  });

  it('keeps IPv4 clients out of IPv6 networks', () => {
    expect(prefixContains(parsePrefix('::/0'), addressWords('192.0.2.1'))).toBe(false);
    expect(prefixContains(parsePrefix('::/0'), addressWords('2001:db8::1'))).toBe(true);
    expect(prefixContains(parsePrefix('0.0.0.0/0'), addressWords('2001:db8::1'))).toBe(false);
  });
});

describe('parseEndpoint', () => {
  it('reads IPv4 and bracketed IPv6', () => {
    expect(parseEndpoint('127.0.0.1:5353')).toEqual({ address: '127.0.0.1', port: 5353 });
    expect(parseEndpoint('[::1]:53')).toEqual({ address: '::1', port: 53 });
  });

  it('fills in the default port', () => {
    expect(parseEndpoint('192.0.2.1', { defaultPort: 53 })).toEqual({ address: '192.0.2.1', port: 53 });
    expect(parseEndpoint('[2001:db8::53]', { defaultPort: 53 })).toEqual({ address: '2001:db8::53', port: 53 });
  });

  it('takes port 0 only where it is asked for', () => {
    expect(parseEndpoint('127.0.0.1:0', { minPort: 0 }).port).toBe(0);
    expect(() => parseEndpoint('127.0.0.1:0')).toThrow('1–65535');
  });

  it.each([
    ['2001:db8::1', 'stands in brackets, [2001:db8::1]:53'],
    ['127.0.0.1', 'has no port: write 127.0.0.1:53'],
    ['[::1]', 'has no port: write [::1]:53'],
    ['127.0.0.1:65536', '1–65535'],
    ['[127.0.0.1]:53', 'brackets are for IPv6'],
    ['localhost:53', 'names are not looked up'],
    ['127.0.0.1:', 'not of the form'],
    ['', 'no IP address'],
  ])('refuses %j and says why', (text, why) => {
    expect(() => parseEndpoint(text)).toThrow(why);
  });

  it('reads back what endpointText writes', () => {
    for (const text of ['192.0.2.1:53', '[2001:db8::1]:65535']) expect(endpointText(parseEndpoint(text))).toBe(text);
  });
});
