import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { NameError, nameToText, textToName } from './name.ts';

test('text and wire form agree, whatever bytes the labels hold', () => {
  const label = fc
    .uint8Array({ minLength: 1, maxLength: 20 })
    .map((bytes) => bytes.map((b) => (b >= 0x41 && b <= 0x5a ? b + 32 : b)));
  fc.assert(
    fc.property(fc.array(label, { maxLength: 8 }), (labels) => {
      const wire = Uint8Array.from([...labels.flatMap((one) => [one.length, ...one]), 0]);
      expect(textToName(nameToText(wire))).toEqual(wire);
      expect(textToName(`${nameToText(wire)}`)).toEqual(wire);
    }),
  );
});

test.each([
  ['example.jp', 'example.jp'],
  ['EXAMPLE.jp.', 'example.jp'],
  ['.', '.'],
  ['a\\.b.jp', 'a\\.b.jp'],
  ['a\\032b.jp', 'a\\032b.jp'],
  ['_dns.resolver.arpa', '_dns.resolver.arpa'],
])('%s is %s', (text, expected) => {
  expect(nameToText(textToName(text))).toBe(expected);
});

describe('refuses', () => {
  test.each([
    ['', /empty/],
    ['a..b', /empty label/],
    ['.a', /empty label/],
    [`${'a'.repeat(64)}.jp`, /64 bytes/],
    [`${'a.'.repeat(130)}jp`, /limit/],
    ['a\\256.jp', /no byte/],
    ['a\\', /backslash/],
    ['日本.jp', /A-label/],
  ])('%j', (text, message) => {
    expect(() => textToName(text)).toThrow(NameError);
    expect(() => textToName(text)).toThrow(message);
  });
});
