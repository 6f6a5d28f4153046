import { encode } from 'dns-packet';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { queryMessage } from '../testing/testing.ts';
import { Query, TCP } from '../wire/query.ts';
import { readQuery } from '../wire/reader.ts';
import { SuspendedQueries } from './suspended.ts';

function queryOf(message: Uint8Array): Query {
  const query = new Query();
  query.message = message;
  query.length = message.length;
  query.reset();
  readQuery(query, 1, 2);
  return query;
}

test('what was held comes back the same', () => {
  const label = fc.stringMatching(/^[a-zA-Z0-9-]{1,30}$/);
  const word = fc.integer();
  fc.assert(
    fc.property(
      fc.array(label, { minLength: 1, maxLength: 6 }),
      fc.tuple(word, word, word, word),
      fc.nat(65535),
      (labels, words, port) => {
        const pool = new SuspendedQueries(4);
        const query = queryOf(queryMessage({ name: labels.join('.'), type: 'AAAA' }));
        query.transport = TCP;
        query.listener = 3;
        query.family = 6;
        query.port = port;
        query.connection = 77;
        query.connectionGeneration = 5;
        query.clientWords.set(words);
        query.peer.fill(9);
        query.local.fill(8);
        query.receivedMs = 123.5;
        query.resumeAt = 2;
        query.cacheResult = 2;
        const token = pool.hold(query);
        query.message.fill(0);

        const restored = new Query();
        pool.restore(token, restored, 1, 2);
        expect(restored.question).toEqual(query.question);
        for (const field of [
          'id',
          'flags',
          'edns',
          'udpSize',
          'questionEnd',
          'mixedCase',
          'transport',
          'listener',
          'family',
          'port',
          'connection',
          'connectionGeneration',
          'receivedMs',
          'resumeAt',
          'cacheResult',
          'clientWords',
          'peer',
          'local',
        ] as const) {
          expect(restored[field], field).toEqual(query[field]);
        }
      },
    ),
  );
});

describe('a packet longer than a slot', () => {
  const options = [{ code: 65001, data: Buffer.alloc(600, 1) }];
  const opt = { name: '.', type: 'OPT', udpPayloadSize: 900, extendedRcode: 0, ednsVersion: 0, flags: 0x8000, options };
  const packet = { id: 7, flags: 0x0110, questions: [{ name: 'A.Example', type: 'A' }], additionals: [opt] };
  const message = () => Uint8Array.from(encode(packet as unknown as Parameters<typeof encode>[0]));

  test('keeps question, spelling, size, DO and CD, and loses its options', () => {
    const pool = new SuspendedQueries(1);
    const query = queryOf(message());
    expect(query.length).toBeGreaterThan(512);
    const restored = new Query();
    pool.restore(pool.hold(query), restored, 1, 2);
    expect(restored.question).toEqual(query.question);
    expect(restored).toMatchObject({ id: 7, edns: true, udpSize: 900, mixedCase: true, keepaliveAsked: false });
    expect(restored.question).toMatchObject({ dnssecOk: true, checkingDisabled: true });
    expect(restored.optionsEnd - restored.optionsStart).toBe(0);
    expect(Buffer.from(restored.message).toString('latin1')).toContain('Example');
  });

  test('keeps that keepalive was asked for', () => {
    options[0]!.code = 11;
    const pool = new SuspendedQueries(1);
    const restored = new Query();
    pool.restore(pool.hold(queryOf(message())), restored, 1, 2);
    expect(restored.keepaliveAsked).toBe(true);
  });
});

test('a full pool takes nothing more, and a slot given back is free again', () => {
  const pool = new SuspendedQueries(2);
  const query = queryOf(queryMessage({ name: 'a.example' }));
  const first = pool.hold(query);
  const second = pool.hold(query);
  expect(new Set([first, second]).size).toBe(2);
  expect(pool.hold(query)).toBe(-1);
  expect(pool.size).toBe(2);
  const before = pool.generation(first);
  pool.release(first);
  expect(pool.generation(first)).not.toBe(before);
  expect(pool.hold(query)).toBe(first);
});

test('a packet too long to be kept whole keeps its cookie, and TCP stays verified', () => {
  const pool = new SuspendedQueries(1);
  const cookie = Uint8Array.from({ length: 24 }, (_, i) => i);
  const options = [
    { code: 12, data: Buffer.alloc(600) },
    { code: 10, data: Buffer.from(cookie) },
  ];
  const opt = { name: '.', type: 'OPT', udpPayloadSize: 1232, extendedRcode: 0, ednsVersion: 0, flags: 0, options };
  const message = encode({
    type: 'query',
    questions: [{ name: 'www.example', type: 'A' }],
    additionals: [opt as never],
  });
  const query = queryOf(Uint8Array.from(message));
  query.transport = TCP;
  const token = pool.hold(query);
  const restored = new Query();
  pool.restore(token, restored, 1, 2);
  const { cookieStart, cookieLength } = restored;
  expect(restored.message.subarray(cookieStart, cookieStart + cookieLength)).toEqual(cookie);
  expect(restored.verified).toBe(true);
});
