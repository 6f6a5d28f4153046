import { encode, type Answer as PacketAnswer, type RecordType } from 'dns-packet';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { queryMessage } from '../testing/testing.ts';
import { Answer } from './answer.ts';
import { Normalizer } from './normalize.ts';
import { copyPlainAnswer } from './plain-answer.ts';
import { Query } from './query.ts';
import { readQuery } from './reader.ts';

function questionOf(name: string, type: string) {
  const query = new Query();
  query.message = queryMessage({ name, type });
  query.length = query.message.length;
  query.reset();
  readQuery(query, 1, 2);
  return query.question;
}

const opt = { name: '.', type: 'OPT', udpPayloadSize: 1232, extendedRcode: 0, ednsVersion: 0, flags: 0, options: [] };

function response(name: string, type: string, answers: readonly object[], more: object = {}): Uint8Array {
  const packet = {
    type: 'response',
    id: 9,
    flags: 0x0180,
    questions: [{ name, type: type as RecordType }],
    answers,
    additionals: [opt],
    ...more,
  };
  return withPointers(encode(packet as unknown as Parameters<typeof encode>[0]));
}

/** The encoder writes every name in full; servers point to the question. */
function withPointers(message: Buffer): Uint8Array {
  const nameEnd = message.indexOf(0, 12) + 1;
  const name = message.subarray(12, nameEnd);
  let rest = message.subarray(nameEnd);
  for (let at = rest.indexOf(name); at >= 0; at = rest.indexOf(name)) {
    rest = Buffer.concat([rest.subarray(0, at), Buffer.from([0xc0, 12]), rest.subarray(at + name.length)]);
  }
  return Uint8Array.from([...message.subarray(0, nameEnd), ...rest]);
}

/** What the answer holds, as plain data. */
const contents = (answer: Answer) => ({
  bytes: [...answer.bytes.subarray(0, answer.length)],
  ttlOffsets: [...answer.ttlOffsets.subarray(0, answer.ttlCount)],
  kind: answer.kind,
  rcode: answer.rcode,
  ede: answer.ede,
  ttl: answer.ttl,
  authenticData: answer.authenticData,
});

const address = (name: string, ttl = 300): PacketAnswer => ({ name, type: 'A', ttl, data: '192.0.2.1' });

test('whatever it takes is what the long way would have made of it', () => {
  const ttl = fc.constantFrom(0, 1, 300, 86400);
  const name = fc.constantFrom('www.example.jp', 'WWW.Example.JP');
  let plain = 0;
  fc.assert(
    fc.property(
      name,
      ttl,
      fc.nat(5),
      fc.boolean(),
      fc.boolean(),
      fc.array(fc.tuple(fc.nat(200), fc.nat(255)), { maxLength: 3 }),
      (asked, seconds, count, v6, edns, flips) => {
        const type = v6 ? 'AAAA' : 'A';
        const records = Array.from({ length: count }, (_, i) => ({
          name: asked,
          type,
          ttl: seconds,
          data: v6 ? `2001:db8::${i}` : `192.0.2.${i}`,
        }));
        const bytes = response(asked, type, records, edns ? {} : { additionals: [] });
        for (const [at, value] of flips) if (at >= 32 && at < bytes.length) bytes[at] = value;
        const question = questionOf('www.example.jp', type);
        const short = new Answer();
        const taken = copyPlainAnswer(bytes, 0, bytes.length, question, short);
        if (taken < 0) return;
        plain++;
        const long = new Answer();
        const normalizer = new Normalizer();
        expect(normalizer.normalizeInFull(bytes, 0, bytes.length, question, long)).toBe(true);
        expect(contents(short)).toEqual(contents(long));
        expect(normalizer.hasEdns).toBe(taken === 1);
      },
    ),
    { numRuns: 3000 },
  );
  expect(plain).toBeGreaterThan(500);
});

describe('takes', () => {
  test.each([
    ['one address', response('a.jp', 'A', [address('a.jp')]), 1],
    ['several', response('a.jp', 'A', [address('a.jp'), address('a.jp')]), 1],
    ['one without OPT', response('a.jp', 'A', [address('a.jp')], { additionals: [] }), 0],
  ])('%s', (_what, bytes, expected) => {
    expect(copyPlainAnswer(bytes, 0, bytes.length, questionOf('a.jp', 'A'), new Answer())).toBe(expected);
  });
});

describe('leaves to the long way', () => {
  const withOption = { ...opt, options: [{ code: 15, data: Buffer.from([0, 6]) }] };
  test.each<[string, Uint8Array]>([
    ['an answer of nothing', response('a.jp', 'A', [])],
    ['NXDOMAIN', response('a.jp', 'A', [], { flags: 0x0183 })],
    ['TC', response('a.jp', 'A', [address('a.jp')], { flags: 0x0380 })],
    ['a CNAME', response('a.jp', 'A', [{ name: 'a.jp', type: 'CNAME', ttl: 1, data: 'b.jp' }, address('b.jp')])],
    ['differing TTLs', response('a.jp', 'A', [address('a.jp', 1), address('a.jp', 2)])],
    ['another type', response('a.jp', 'A', [{ name: 'a.jp', type: 'TXT', ttl: 1, data: 'x' }])],
    [
      'an authority section',
      response('a.jp', 'A', [address('a.jp')], { authorities: [{ name: 'jp', type: 'NS', ttl: 1, data: 'ns.jp' }] }),
    ],
    ['glue', response('a.jp', 'A', [address('a.jp')], { additionals: [address('x.jp')] })],
    ['an extended error', response('a.jp', 'A', [address('a.jp')], { additionals: [withOption] })],
    ['BADVERS', response('a.jp', 'A', [address('a.jp')], { additionals: [{ ...opt, extendedRcode: 1 }] })],
    ['a message cut short', response('a.jp', 'A', [address('a.jp')]).subarray(0, 40)],
  ])('%s', (_what, bytes) => {
    expect(copyPlainAnswer(bytes, 0, bytes.length, questionOf('a.jp', 'A'), new Answer())).toBe(-1);
  });
});
