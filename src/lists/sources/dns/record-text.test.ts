import { type Answer, encode } from 'dns-packet';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RecordCursor } from '../../../wire/records.ts';
import { absoluteName, RecordError, typeAndData } from './record-text.ts';

function texts(message: Uint8Array): string[] {
  const cursor = new RecordCursor();
  cursor.open(message, 0, message.length);
  const lines: string[] = [];
  while (cursor.next()) lines.push(`${absoluteName(message, cursor.owner, cursor.dataStart)} ${typeAndData(cursor)}`);
  return lines;
}

function encoded(answers: Answer[]): Uint8Array {
  return new Uint8Array(encode({ type: 'response', answers }));
}

/** One record with the RDATA given; owner is the root. */
function raw(type: number, data: number[]): Uint8Array {
  return Uint8Array.from([
    0,
    0,
    128,
    0,
    0,
    0,
    0,
    1,
    0,
    0,
    0,
    0,
    0,
    type >> 8,
    type & 255,
    0,
    1,
    0,
    0,
    0,
    1,
    0,
    data.length,
    ...data,
  ]);
}

describe('record text', () => {
  it('has every name absolute and in lower case, the compressed ones too', () => {
    // dns-packet does not compress: the CNAME's target here points to the owner in the question.
    const message = Uint8Array.from([
      ...[0, 0, 128, 0, 0, 1, 0, 1, 0, 0, 0, 0],
      ...[1, 0x41, 2, 0x42, 0x43, 0, 0, 1, 0, 1],
      ...[0xc0, 12, 0, 5, 0, 1, 0, 0, 0, 9, 0, 4, 1, 0x58, 0xc0, 14],
    ]);
    expect(texts(message)).toEqual(['a.bc. CNAME x.bc.']);
  });

  it('escapes what a master file would take for something else', () => {
    const message = raw(12, [12, ...Buffer.from('a.b\\c"d;(e)@'), 3, 0x24, 0x20, 0xff, 0]);
    expect(texts(message)).toEqual(['. PTR a\\.b\\\\c\\"d\\;\\(e\\)\\@.\\$\\032\\255.']);
    expect(texts(raw(16, [3, 0x22, 0x5c, 0x3b, 0, 1, 200]))).toEqual(['. TXT "\\"\\\\;" "" "\\200"']);
  });

  it('writes types it does not know generically', () => {
    expect(texts(raw(65280, [1, 171]))).toEqual(['. TYPE65280 \\# 2 01ab']);
    expect(texts(raw(65280, []))).toEqual(['. TYPE65280 \\# 0']);
    expect(texts(raw(257, [0, 5]))).toEqual(['. TYPE257 \\# 2 0005']);
  });

  it('writes addresses, numbers and names of the types that policy zones use', () => {
    const lines = texts(
      encoded([
        { type: 'A', name: 'a', data: '192.0.2.1' },
        { type: 'AAAA', name: 'a', data: '2001:db8::1' },
        { type: 'MX', name: 'a', data: { preference: 10, exchange: 'm.x' } },
        { type: 'SRV', name: 'a', data: { priority: 1, weight: 2, port: 3, target: 't' } },
        {
          type: 'SOA',
          name: 'a',
          data: { mname: 'm', rname: 'r', serial: 4294967295, refresh: 2, retry: 3, expire: 4, minimum: 5 },
        },
      ]),
    );
    expect(lines).toEqual([
      'a. A 192.0.2.1',
      'a. AAAA 2001:db8:0:0:0:0:0:1',
      'a. MX 10 m.x.',
      'a. SRV 1 2 3 t.',
      'a. SOA m. r. 4294967295 2 3 4 5',
    ]);
  });

  it('refuses data that is cut short or too long for its type', () => {
    const broken: [number, number[]][] = [
      [1, [1, 2, 3]],
      [1, [1, 2, 3, 4, 5]],
      [28, [1]],
      [5, [1]],
      [5, [0xc0, 60]],
      [16, [5, 1]],
      [16, []],
      [15, [0]],
      [33, [0, 0, 0, 0, 0]],
      [6, [0, 0, 1]],
    ];
    for (const [type, data] of broken)
      expect(() => texts(raw(type, data)), `type ${type} [${data}]`).toThrow(RecordError);
  });

  it('takes or refuses any bytes, and writes one line of printable ASCII', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(1, 2, 5, 6, 12, 15, 16, 28, 33, 35, 257),
        fc.array(fc.nat(255), { maxLength: 40 }),
        (type, data) => {
          try {
            for (const line of texts(raw(type, data))) expect(line).toMatch(/^[\x20-\x7e]+$/);
          } catch (error) {
            expect(error).toBeInstanceOf(RecordError);
          }
        },
      ),
    );
  });
});
