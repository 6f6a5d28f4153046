import { decode } from 'dns-packet';
import { describe, expect, test } from 'vitest';
import { type Ask, queryMessage } from '../testing/testing.ts';
import { EDE, FLAG_AD, FLAG_TC, RCODE, TYPE } from './constants.ts';
import { Query, TCP } from './query.ts';
import { readQuery } from './reader.ts';
import {
  ANSWER,
  addRecord,
  addSoa,
  announceKeepalive,
  beginReply,
  finishReply,
  replyLimit,
  replyRoom,
} from './writer.ts';

function queryFor(ask: Ask, capacity = 1232): Query {
  const query = new Query();
  query.transport = ask.transport === 'tcp' ? TCP : 0;
  query.message = queryMessage(ask);
  query.length = query.message.length;
  query.reset();
  readQuery(query, 1, 2);
  const memory = new ArrayBuffer(4 + capacity + 64);
  query.reply = new Uint8Array(memory).fill(0xee);
  query.replyWords = new Int32Array(memory);
  query.replyStart = 4;
  query.replyCapacity = capacity;
  return query;
}

const bytesOf = (query: Query) => query.reply.slice(query.replyStart, query.replyStart + query.replyLength);
const decoded = (query: Query) => decode(Buffer.from(bytesOf(query)));

test("the client's spelling, id, RD and CD come back as sent; QR and RA are set", () => {
  const query = queryFor({ name: 'wWw.ExAmPlE.jp', udpSize: 0 });
  beginReply(query, RCODE.NOERROR);
  finishReply(query);
  const bytes = bytesOf(query);
  expect(Buffer.from(bytes).toString('latin1')).toContain('wWw\x07ExAmPlE\x02jp');
  expect([bytes[0], bytes[1]]).toEqual([0x12, 0x34]);
  expect((bytes[2]! << 8) | bytes[3]!).toBe(0x8180);
});

test('records are counted in their sections and can be read back', () => {
  const query = queryFor({ name: 'a.jp' });
  beginReply(query, RCODE.NXDOMAIN, FLAG_AD);
  addRecord(query, ANSWER, TYPE.A, 30, Uint8Array.of(192, 0, 2, 1));
  addSoa(query, 60);
  finishReply(query);
  const message = decoded(query);
  expect(message.answers).toMatchObject([{ name: 'a.jp', type: 'A', ttl: 30, data: '192.0.2.1' }]);
  expect(message.authorities).toMatchObject([
    { type: 'SOA', ttl: 60, data: { mname: 'localhost', rname: 'nobody.invalid', minimum: 60 } },
  ]);
  expect(message.additionals).toMatchObject([{ type: 'OPT', udpPayloadSize: 1232 }]);
  expect(message).toMatchObject({ rcode: 'NXDOMAIN', flag_ad: true });
});

describe('the size of an answer', () => {
  test.each([
    [0, 512],
    [100, 512],
    [800, 800],
    [4096, 1232],
  ])('client says %d: at most %d bytes', (udpSize, limit) => {
    expect(replyLimit(queryFor({ name: 'a.jp', udpSize }))).toBe(limit);
  });

  test('what does not fit is cut to the question with TC; OPT stays', () => {
    const query = queryFor({ name: 'a.jp', udpSize: 512 });
    beginReply(query, RCODE.NOERROR);
    for (let i = 0; i < 40; i++) addRecord(query, ANSWER, TYPE.A, 30, Uint8Array.of(192, 0, 2, i));
    finishReply(query);
    expect(query.replyLength).toBeLessThanOrEqual(512);
    const message = decoded(query);
    expect(message.flag_tc).toBe(true);
    expect(message.answers).toEqual([]);
    expect(message.additionals).toHaveLength(1);
  });

  test('an answer that fits to the byte is not cut', () => {
    const query = queryFor({ name: 'a.jp', udpSize: 512 });
    beginReply(query, RCODE.NOERROR);
    const room = replyRoom(query) - query.replyLength - 12;
    addRecord(query, ANSWER, TYPE.TXT, 30, new Uint8Array(room));
    finishReply(query);
    expect(query.replyLength).toBe(512);
    expect((query.reply[query.replyStart + 2]! << 8) & FLAG_TC).toBe(0);
  });

  test('a record beyond the buffer is refused and nothing is written', () => {
    const query = queryFor({ name: 'a.jp' }, 300);
    beginReply(query, RCODE.NOERROR);
    const before = query.replyLength;
    expect(addRecord(query, ANSWER, TYPE.TXT, 30, new Uint8Array(400))).toBe(false);
    expect(query.replyLength).toBe(before);
  });
});

describe('the OPT record', () => {
  test('is there only for clients that sent one', () => {
    const query = queryFor({ name: 'a.jp', udpSize: 0 });
    query.ede = EDE.BLOCKED;
    beginReply(query, RCODE.NXDOMAIN);
    finishReply(query);
    expect(decoded(query).additionals).toEqual([]);
  });

  test('carries the extended error and its text', () => {
    const query = queryFor({ name: 'a.jp' });
    query.ede = EDE.FORGED_ANSWER;
    query.edeText = new TextEncoder().encode('why');
    beginReply(query, RCODE.NOERROR);
    finishReply(query);
    const bytes = bytesOf(query);
    expect([...bytes.subarray(-9)]).toEqual([0, 15, 0, 5, 0, 4, 119, 104, 121]);
  });

  test('drops the text, not the code, where it does not fit', () => {
    const query = queryFor({ name: 'a.jp', udpSize: 512 });
    query.ede = EDE.FORGED_ANSWER;
    query.edeText = new Uint8Array(600).fill(65);
    beginReply(query, RCODE.NOERROR);
    finishReply(query);
    expect([...bytesOf(query).subarray(-6)]).toEqual([0, 15, 0, 2, 0, 4]);
  });

  test('has the upper bits of BADVERS', () => {
    const query = queryFor({ name: 'a.jp' });
    beginReply(query, RCODE.BADVERS);
    finishReply(query);
    const bytes = bytesOf(query);
    expect(bytes[3]! & 15).toBe(0);
    expect(bytes.at(-6)).toBe(1);
  });

  test('tells TCP clients that ask for it how long an idle connection stays', () => {
    announceKeepalive(12_300);
    for (const [transport, present] of [
      ['tcp', true],
      ['udp', false],
    ] as const) {
      const query = queryFor({ name: 'a.jp', transport }, transport === 'tcp' ? 65532 : 1232);
      query.keepaliveAsked = true;
      beginReply(query, RCODE.NOERROR);
      finishReply(query);
      const tail = [...bytesOf(query).subarray(-6)];
      if (present) expect(tail).toEqual([0, 11, 0, 2, 0, 123]);
      else expect(tail.slice(0, 2)).not.toEqual([0, 11]);
    }
  });
});
