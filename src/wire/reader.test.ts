import { encode } from 'dns-packet';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { queryMessage } from '../testing/testing.ts';
import { nameToText } from './name.ts';
import { Query } from './query.ts';
import {
  MAX_POINTER_HOPS,
  READ_BADVERS,
  READ_COOKIE_ONLY,
  READ_MALFORMED,
  READ_OK,
  READ_OPCODE,
  READ_RESPONSE,
  READ_SHORT,
  readQuery,
  skipName,
} from './reader.ts';

function read(message: Uint8Array, margin = 0): { result: number; query: Query } {
  const query = new Query();
  // Somewhere inside a larger buffer, as in a batch: what stands around it must not matter.
  const buffer = new Uint8Array(message.length + 2 * margin).fill(0xff);
  buffer.set(message, margin);
  query.message = buffer;
  query.start = margin;
  query.length = message.length;
  query.reset();
  return { result: readQuery(query, 1, 2), query };
}

const header = (flags: number, ...counts: number[]) => [
  0x12,
  0x34,
  flags >> 8,
  flags & 255,
  ...counts.flatMap((n) => [n >> 8, n & 255]),
];
const WWW = [3, 119, 119, 119, 2, 106, 112, 0];
const A_IN = [0, 1, 0, 1];
const OPT = [0, 0, 41, 0x10, 0, 0, 0, 0x80, 0, 0, 0];

test('reads name, type, class, flags and EDNS of a plain query', () => {
  const { result, query } = read(
    Uint8Array.from([...header(0x0110, 1, 0, 0, 1), 3, 87, 119, 87, 2, 106, 80, 0, ...A_IN, ...OPT]),
    64,
  );
  expect(result).toBe(READ_OK);
  expect(query.id).toBe(0x1234);
  expect(nameToText(query.question.name)).toBe('www.jp');
  expect(query.question).toMatchObject({
    type: 1,
    class: 1,
    labelCount: 2,
    nameLength: 8,
    dnssecOk: true,
    checkingDisabled: true,
  });
  expect([...query.question.labelStarts.subarray(0, 2)]).toEqual([0, 4]);
  expect(query).toMatchObject({ edns: true, udpSize: 4096, ednsVersion: 0, questionEnd: 24 });
});

test('the same name in another case has the same hash', () => {
  const hashes = ['example.jp', 'EXAMPLE.jp', 'eXaMpLe.Jp'].map((name) => {
    const { question } = read(queryMessage({ name })).query;
    return [question.hashLow, question.hashHigh];
  });
  expect(hashes[1]).toEqual(hashes[0]);
  expect(hashes[2]).toEqual(hashes[0]);
});

describe('refuses', () => {
  const cases: [string, number, number[]][] = [
    ['an empty datagram', READ_SHORT, []],
    ['eleven bytes', READ_SHORT, header(0, 1, 0, 0).concat(0)],
    ['a response', READ_RESPONSE, [...header(0x8100, 1, 0, 0, 0), ...WWW, ...A_IN]],
    ['opcode NOTIFY', READ_OPCODE, [...header(0x2000, 1, 0, 0, 0), ...WWW, ...A_IN]],
    ['opcode UPDATE', READ_OPCODE, [...header(0x2800, 1, 0, 0, 0), ...WWW, ...A_IN]],
    ['no question', READ_MALFORMED, header(0x0100, 0, 0, 0, 0)],
    ['two questions', READ_MALFORMED, [...header(0x0100, 2, 0, 0, 0), ...WWW, ...A_IN, ...WWW, ...A_IN]],
    ['a name that ends in the middle of a label', READ_MALFORMED, [...header(0x0100, 1, 0, 0, 0), 5, 119, 119]],
    ['a name without its root label', READ_MALFORMED, [...header(0x0100, 1, 0, 0, 0), 1, 119]],
    ['a question without its class', READ_MALFORMED, [...header(0x0100, 1, 0, 0, 0), ...WWW, 0, 1]],
    ['a compressed question', READ_MALFORMED, [...header(0x0100, 1, 0, 0, 0), 0xc0, 12, ...A_IN]],
    ['a label of the reserved kind', READ_MALFORMED, [...header(0x0100, 1, 0, 0, 0), 0x40, 1, 2, 0, ...A_IN]],
    ['a record that is not there', READ_MALFORMED, [...header(0x0100, 1, 0, 0, 1), ...WWW, ...A_IN]],
    [
      'data that runs past the end',
      READ_MALFORMED,
      [...header(0x0100, 1, 0, 0, 1), ...WWW, ...A_IN, ...OPT.slice(0, 9), 0, 1],
    ],
    ['two OPT records', READ_MALFORMED, [...header(0x0100, 1, 0, 0, 2), ...WWW, ...A_IN, ...OPT, ...OPT]],
    ['OPT in the answer section', READ_MALFORMED, [...header(0x0100, 1, 1, 0, 0), ...WWW, ...A_IN, ...OPT]],
    [
      'OPT of a name other than the root',
      READ_MALFORMED,
      [...header(0x0100, 1, 0, 0, 1), ...WWW, ...A_IN, 1, 97, ...OPT],
    ],
    [
      'an EDNS option cut short',
      READ_MALFORMED,
      [...header(0x0100, 1, 0, 0, 1), ...WWW, ...A_IN, ...OPT.slice(0, 9), 0, 4, 0, 10, 0, 8],
    ],
    [
      'EDNS version 1',
      READ_BADVERS,
      [...header(0x0100, 1, 0, 0, 1), ...WWW, ...A_IN, 0, 0, 41, 16, 0, 0, 1, 0, 0, 0, 0],
    ],
  ];
  test.each(cases)('%s', (_what, expected, bytes) => {
    expect(read(Uint8Array.from(bytes), 16).result).toBe(expected);
  });

  test('a name of 256 bytes, and takes one of 255', () => {
    const label = (size: number) => [size, ...new Array(size).fill(97)];
    const longest = [...label(63), ...label(63), ...label(63), ...label(61), 0];
    expect(longest).toHaveLength(255);
    expect(read(Uint8Array.from([...header(0x0100, 1, 0, 0, 0), ...longest, ...A_IN])).result).toBe(READ_OK);
    const tooLong = [...label(63), ...label(63), ...label(63), ...label(62), 0];
    expect(read(Uint8Array.from([...header(0x0100, 1, 0, 0, 0), ...tooLong, ...A_IN])).result).toBe(READ_MALFORMED);
  });
});

describe('compressed names in records', () => {
  const padding = new Array(12).fill(0);
  test('a pointer backwards is followed', () => {
    const message = Uint8Array.from([...padding, ...WWW, 1, 97, 0xc0, 12]);
    expect(skipName(message, 20, message.length, 0)).toBe(24);
  });
  test.each([
    ['to itself', [0xc0, 12]],
    ['forwards', [0xc0, 16, 0, 0, 0]],
    ['into the header', [0xc0, 3]],
    ['cut in half', [0xc0]],
  ])('a pointer %s is refused', (_what, bytes) => {
    const message = Uint8Array.from([...padding, ...bytes]);
    expect(skipName(message, 12, message.length, 0)).toBe(-1);
  });
  test('two names that point at each other are refused', () => {
    const message = Uint8Array.from([...padding, 1, 97, 0xc0, 16, 1, 98, 0xc0, 12]);
    expect(skipName(message, 16, message.length, 0)).toBe(-1);
  });
  test('a chain of more hops than the cap is refused', () => {
    const chain = (hops: number) => {
      const bytes = [...padding, 0];
      for (let i = 0; i < hops; i++) bytes.push(0xc0 | (bytes.length >> 8), i === 0 ? 12 : bytes.length - 2);
      return Uint8Array.from(bytes);
    };
    const within = chain(MAX_POINTER_HOPS);
    expect(skipName(within, within.length - 2, within.length, 0)).toBe(within.length);
    const beyond = chain(MAX_POINTER_HOPS + 1);
    expect(skipName(beyond, beyond.length - 2, beyond.length, 0)).toBe(-1);
  });
  test('labels that add up to more than 255 bytes through pointers are refused', () => {
    const label = [63, ...new Array(63).fill(97)];
    const first = [...padding, ...label, ...label, ...label, 0];
    const message = Uint8Array.from([...first, ...label, 0xc0, 12]);
    expect(skipName(message, first.length, message.length, 0)).toBe(-1);
  });
});

test('whatever bytes come, nothing outside the message is looked at and the result is one of the known', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
      // Surrounded by zeros and by 0xff: a read outside would make a difference.
      const outcomes = [0, 0xff].map((around) => {
        const query = new Query();
        const buffer = new Uint8Array(bytes.length + 600).fill(around);
        buffer.set(bytes, 300);
        query.message = buffer;
        query.start = 300;
        query.length = bytes.length;
        query.reset();
        const result = readQuery(query, 1, 2);
        const { question } = query;
        return [
          result,
          nameToText(question.name.slice(0, question.nameLength)),
          question.type,
          query.edns,
          query.udpSize,
          query.questionEnd,
        ];
      });
      expect(outcomes[1]).toEqual(outcomes[0]);
      expect(outcomes[0]![0]).toBeLessThanOrEqual(READ_BADVERS);
    }),
    { numRuns: 20_000 },
  );
});

test('agrees with another encoder about every valid query', () => {
  const label = fc.stringMatching(/^[a-zA-Z0-9_-]{1,20}$/);
  fc.assert(
    fc.property(
      fc.array(label, { minLength: 1, maxLength: 6 }),
      fc.boolean(),
      fc.integer({ min: 512, max: 4096 }),
      (labels, dnssec, size) => {
        const name = labels.join('.');
        const opt = {
          name: '.',
          type: 'OPT',
          udpPayloadSize: size,
          extendedRcode: 0,
          ednsVersion: 0,
          flags: dnssec ? 0x8000 : 0,
          options: [],
        };
        const packet = { id: 7, flags: 0x0100, questions: [{ name, type: 'AAAA' }], additionals: [opt] };
        const { result, query } = read(Uint8Array.from(encode(packet as unknown as Parameters<typeof encode>[0])));
        expect(result).toBe(READ_OK);
        expect(nameToText(query.question.name)).toBe(name.toLowerCase());
        expect(query).toMatchObject({ udpSize: size, edns: true });
        expect(query.question).toMatchObject({ dnssecOk: dnssec, type: 28, labelCount: labels.length });
      },
    ),
  );
});

describe('the COOKIE option (RFC 7873)', () => {
  const optWith = (...options: number[]) => [0, 0, 41, 4, 208, 0, 0, 0, 0, 0, options.length, ...options];
  const cookie = (bytes: number) => [0, 10, 0, bytes, ...Array.from({ length: bytes }, (_, i) => i)];
  const asked = (...options: number[]) =>
    read(Uint8Array.from([...header(0x0100, 1, 0, 0, 1), ...WWW, ...A_IN, ...optWith(...options)]), 5);

  test.each([8, 16, 24, 40])('%i bytes are noted', (bytes) => {
    const { result, query } = asked(0, 3, 0, 0, ...cookie(bytes));
    expect(result).toBe(READ_OK);
    expect(query.cookieLength).toBe(bytes);
    expect(query.message[query.cookieStart + 7]).toBe(7);
  });

  test.each([0, 1, 7, 9, 15, 41])('%i bytes are FORMERR (§5.2.2)', (bytes) => {
    expect(asked(...cookie(bytes)).result).toBe(READ_MALFORMED);
  });

  test('of several the first counts (§5.2)', () => {
    expect(asked(...cookie(8), ...cookie(24)).query.cookieLength).toBe(8);
  });

  test('without a question it is a query for a cookie (§5.4); without a cookie it is nothing', () => {
    const bare = (...options: number[]) =>
      read(Uint8Array.from([...header(0x0100, 0, 0, 0, 1), ...optWith(...options)])).result;
    expect(bare(...cookie(8))).toBe(READ_COOKIE_ONLY);
    expect(bare()).toBe(READ_MALFORMED);
    expect(read(Uint8Array.from(header(0x0100, 0, 0, 0, 0))).result).toBe(READ_MALFORMED);
    const twice = [...header(0x0100, 0, 0, 0, 2), ...optWith(...cookie(8)), ...optWith(...cookie(8))];
    expect(read(Uint8Array.from(twice)).result).toBe(READ_MALFORMED);
  });
});
