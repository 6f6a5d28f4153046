import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { MessageName } from './message-name.ts';
import { nameToText, textToName } from './name.ts';

const HEADER = Array.from({ length: 12 }, () => 0);
const label = fc.stringMatching(/^[a-zA-Z0-9-]{1,12}$/);
const name = fc.array(label, { minLength: 1, maxLength: 8 }).map((labels) => labels.join('.'));

function nameOf(text: string): MessageName {
  const read = new MessageName();
  read.set(textToName(text));
  return read;
}

describe('a name in a message', () => {
  test('comes out in lower case, with its labels', () => {
    const bytes = Uint8Array.from([...HEADER, 3, 0x57, 0x77, 0x57, 2, 0x65, 0x58, 0, 99]);
    const read = new MessageName();
    expect(read.read(bytes, 12, bytes.length, 0)).toBe(true);
    expect(nameToText(read.bytes)).toBe('www.ex');
    expect([read.length, read.labelCount, [...read.labelStarts.subarray(0, 2)], read.behind]).toEqual([
      8,
      2,
      [0, 4],
      20,
    ]);
  });

  test('is followed through pointers, in a message that begins anywhere', () => {
    const message = [...HEADER, 2, 0x65, 0x78, 0, 1, 0x61, 0xc0, 12];
    const bytes = Uint8Array.from([7, 7, 7, ...message]);
    const read = new MessageName();
    expect(read.read(bytes, 3 + 16, bytes.length, 3)).toBe(true);
    expect(nameToText(read.bytes)).toBe('a.ex');
    expect(read.behind).toBe(bytes.length);
  });

  test.each([
    ['a pointer forwards', [0xc0, 20, 0]],
    ['a pointer to itself', [0xc0, 12]],
    ['the end inside a label', [5, 0x61]],
    ['no root label', [1, 0x61]],
  ])('%s is no name', (_what, bytes) => {
    const read = new MessageName();
    const message = Uint8Array.from([...HEADER, ...bytes]);
    expect(read.read(message, 12, message.length, 0)).toBe(false);
    expect(read.length).toBe(0);
  });
});

test('equality and being below are those of the texts', () => {
  fc.assert(
    fc.property(name, fc.array(label, { maxLength: 3 }), name, (base, more, other) => {
      const lower = [...more, base].join('.').toLowerCase();
      fc.pre(lower.length < 200);
      const [one, above, another] = [nameOf(lower), nameOf(base), nameOf(other)];
      expect(one.isAtOrBelow(above)).toBe(true);
      expect(above.isAtOrBelow(one)).toBe(more.length === 0);
      expect(one.equals(above)).toBe(more.length === 0);
      const isBelow = `.${lower}`.endsWith(`.${other.toLowerCase()}`);
      expect(one.isAtOrBelow(another)).toBe(isBelow);
      expect(one.isAtOrBelow(nameOf('.'))).toBe(true);
    }),
  );
});
