import { type Answer, encode } from 'dns-packet';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FetchFailure } from '../source.ts';
import { TransferReader } from './transfer.ts';

const ID = 7;

function soa(serial: number, name = 'z.test'): Answer {
  return {
    type: 'SOA',
    name,
    ttl: 1,
    data: { mname: 'm', rname: 'r', serial, refresh: 1, retry: 1, expire: 1, minimum: 1 },
  };
}

function a(name: string, data = '192.0.2.1'): Answer {
  return { type: 'A', name, ttl: 5, data };
}

function message(answers: Answer[], flags = 0x0400): Uint8Array {
  return new Uint8Array(encode({ type: 'response', id: ID, flags, questions: [], answers }));
}

/** What the sink heard, one message per list of answers. */
function read(haveSerial: number | undefined, ...messages: Answer[][]): { reader: TransferReader; heard: string[] } {
  const heard: string[] = [];
  const owner = (line: string): string => line.split(' ')[0] ?? '';
  const reader = new TransferReader(
    { zone: 'z.test.', id: ID, haveSerial, maxRecords: 20 },
    {
      whole: () => heard.push('whole'),
      record: (line) => heard.push(owner(line)),
      remove: (line) => heard.push(`-${owner(line)}`),
      add: (line) => heard.push(`+${owner(line)}`),
    },
  );
  for (const answers of messages) reader.take(message(answers));
  return { reader, heard };
}

describe('a whole zone', () => {
  it('is complete with the closing SOA, however it is cut into messages', () => {
    const records = [soa(3), a('a.z.test'), a('Z.test'), a('b.a.z.test'), soa(3)];
    fc.assert(
      fc.property(fc.uniqueArray(fc.integer({ min: 1, max: 4 })), (cuts) => {
        const edges = [0, ...cuts.sort((x, y) => x - y), records.length];
        const messages = edges.slice(1).map((end, i) => records.slice(edges[i], end));
        const { reader, heard } = read(undefined, ...messages);
        expect(heard).toEqual(['whole', 'a.z.test.', 'z.test.', 'b.a.z.test.']);
        expect(reader.done).toBe(true);
        expect(reader.soaLine).toBe('z.test. 1 IN SOA m. r. 3 1 1 1 1');
      }),
    );
    expect(read(undefined, records.slice(0, 4)).reader.done).toBe(false);
  });

  it('may be empty, and may answer a question for changes', () => {
    expect(read(undefined, [soa(3), soa(3)]).reader.done).toBe(true);
    const { reader, heard } = read(2, [soa(3), a('a.z.test'), soa(3)]);
    expect(reader.done).toBe(true);
    expect(heard).toEqual(['whole', 'a.z.test.']);
  });

  it('leaves out and counts what is not of the zone', () => {
    const answers = [soa(3), a('a.z.test'), a('evil.test'), a('xz.test'), soa(9, 'sub.z.test'), a('test'), soa(3)];
    const { reader, heard } = read(undefined, answers);
    expect(heard).toEqual(['whole', 'a.z.test.']);
    expect([reader.outOfZone, reader.firstOutOfZone, reader.done]).toEqual([3, 'evil.test.', true]);
  });

  it.each<[string, Answer[][], RegExp]>([
    ['without SOA first', [[a('a.z.test')]], /does not begin with the SOA/],
    ['of another zone', [[soa(3, 'other.test')]], /does not begin with the SOA/],
    [
      'that changes meanwhile',
      [[soa(3), a('a.z.test'), soa(4)]],
      /changed while it was transferred \(serial 3, then 4\)/,
    ],
    ['that goes on after its end', [[soa(3), soa(3), a('a.z.test')]], /more after the end/],
    ['with an empty message', [[soa(3)], []], /a message without records/],
    ['of another class', [[soa(3), { ...a('a.z.test'), class: 'CH' } as Answer]], /class 3/],
    [
      'with more records than allowed',
      [[soa(3), ...Array.from({ length: 20 }, () => a('a.z.test'))]],
      /more records than the limit/,
    ],
  ])('%s is refused', (_what, messages, reason) => {
    expect(() => read(undefined, ...messages)).toThrow(reason);
  });
});

describe('changes', () => {
  const steps = [
    soa(5),
    soa(3),
    a('old.z.test'),
    soa(4),
    a('mid.z.test'),
    soa(4),
    a('mid.z.test'),
    soa(5),
    a('new.z.test'),
    soa(5),
  ];

  it('are told in their order, over several steps', () => {
    const { reader, heard } = read(3, steps.slice(0, 1), steps.slice(1, 6), steps.slice(6));
    expect(heard).toEqual(['-old.z.test.', '+mid.z.test.', '-mid.z.test.', '+new.z.test.']);
    expect([reader.done, reader.soa?.serial]).toEqual([true, 5]);
  });

  it('may only remove, or only add', () => {
    expect(read(3, [soa(4), soa(3), a('x.z.test'), soa(4), soa(4)]).reader.done).toBe(true);
    expect(read(3, [soa(4), soa(3), soa(4), a('x.z.test'), soa(4)]).reader.done).toBe(true);
  });

  it('may be none', () => {
    const { reader } = read(5, [soa(5)]);
    expect([reader.upToDate, reader.done]).toEqual([true, false]);
    expect(read(5, [soa(6)]).reader.upToDate).toBe(false);
    expect(read(5, [soa(4)]).reader.upToDate).toBe(true);
  });

  it.each<[string, Answer[], RegExp]>([
    ['that begin elsewhere', [soa(5), soa(2)], /begin at serial 2, ours is 3/],
    ['with a gap', [soa(6), soa(3), soa(4), soa(5)], /a gap, from serial 4 to 5/],
    ['that lead back', [soa(6), soa(3), soa(2)], /lead back, from serial 3 to 2/],
    ['that go on', [...steps, soa(5)], /more after the end/],
  ])('%s are refused', (_what, answers, reason) => {
    expect(() => read(3, answers)).toThrow(reason);
  });
});

it('refuses what is no answer to its question', () => {
  const take = (bytes: Uint8Array): void => read(undefined).reader.take(bytes);
  const good = message([soa(1)]);
  expect(() => take(good.slice(0, 11))).toThrow(/cut short/);
  expect(() => take(good.slice(0, 20))).toThrow(/broken message/);
  expect(() => take(good.map((byte, i) => (i === 1 ? 8 : byte)))).toThrow(/another ID/);
  expect(() => take(good.map((byte, i) => (i === 2 ? 0 : byte)))).toThrow(/no answer/);
  expect(() => take(message([], 0x0405))).toThrow(/answered REFUSED to AXFR: does it allow/);
  expect(() => take(message([], 0x0409))).toThrow(/answered NOTAUTH/);
});

it('refuses any altered byte or takes it, and throws nothing else', () => {
  const bytes = message([soa(5), soa(3), a('old.z.test'), soa(5), a('new.z.test'), soa(5)]);
  fc.assert(
    fc.property(fc.nat(bytes.length - 1), fc.nat(255), (at, value) => {
      const altered = bytes.slice();
      altered[at] = value;
      try {
        read(3).reader.take(altered);
      } catch (error) {
        expect(error).toBeInstanceOf(FetchFailure);
      }
    }),
    { numRuns: 500 },
  );
});
