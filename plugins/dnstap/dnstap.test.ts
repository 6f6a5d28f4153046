import { chmodSync, mkdtempSync, readFileSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { decode } from 'dns-packet';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { addressWords } from '../../src/address/address.ts';
import { Query } from '../../src/contract/plugin.ts';
import { mount, queryMessage } from '../../src/testing/testing.ts';
import { readQuery } from '../../src/wire/reader.ts';
import { CONTROL, ControlFrames, controlFrame, DNSTAP_CONTENT } from './frame-streams.ts';
import dnstap from './index.ts';
import { currentKey } from './key-file.ts';
import { questionOnly, withoutOptions } from './message.ts';
import { Pseudonyms } from './pseudonyms.ts';
import { createRing, RING_BYTES, RingReader, RingWriter } from './ring.ts';
import { FileSink } from './sink.ts';

/** Key and pairs of the reference implementation (Xu et al., sample_trace). */
const KEY = Uint8Array.from([
  21, 34, 23, 141, 51, 164, 207, 128, 19, 10, 91, 22, 73, 144, 125, 16, 216, 152, 143, 131, 121, 121, 101, 39, 98, 87,
  76, 45, 42, 132, 34, 2,
]);
test.each([
  ['128.11.68.132', '135.242.180.132'],
  ['129.118.74.4', '134.136.186.123'],
  ['130.132.252.244', '133.68.164.234'],
  ['141.223.7.43', '141.167.8.160'],
  ['152.163.225.39', '151.140.114.167'],
  ['165.247.96.84', '162.9.99.234'],
  ['192.102.249.13', '252.138.62.131'],
])('the pseudonym of %s is %s, as in the reference implementation', (address, pseudonym) => {
  const bytes = (text: string) => Uint8Array.from(text.split('.').map(Number));
  expect(new Pseudonyms(KEY).of(bytes(address))).toEqual(bytes(pseudonym));
});

const sharedBits = (one: Uint8Array, other: Uint8Array) => {
  for (let i = 0; i < one.length * 8; i++) if (((one[i >> 3]! ^ other[i >> 3]!) >> (7 - (i & 7))) & 1) return i;
  return one.length * 8;
};

test.each([4, 16])('pseudonyms of %i bytes share as long a prefix as the addresses do, and no longer', (length) => {
  const pseudonyms = new Pseudonyms(KEY);
  const address = fc.uint8Array({ minLength: length, maxLength: length });
  fc.assert(
    fc.property(address, address, fc.integer({ min: 0, max: length * 8 }), (one, random, bits) => {
      const other = Uint8Array.from(random, (byte, i) => {
        const mask = bits >= (i + 1) * 8 ? 0xff : bits <= i * 8 ? 0 : 0xff00 >> (bits & 7);
        return (one[i]! & mask) | (byte & ~mask & 0xff);
      });
      expect(sharedBits(pseudonyms.of(one), pseudonyms.of(other))).toBe(sharedBits(one, other));
    }),
    { numRuns: 200 },
  );
});

test('the key lies where nobody else may read it, and is made again when its time is over', () => {
  const file = join(mkdtempSync(join(tmpdir(), 'dnstap-')), 'pseudonyms.key');
  const first = currentKey(file, 1000, 50_000);
  expect(statSync(file).mode & 0o777).toBe(0o600);
  expect(currentKey(file, 1000, 50_500).key).toEqual(first.key);
  const second = currentKey(file, 1000, 51_001);
  expect(second.key).not.toEqual(first.key);
  expect(readFileSync(file, 'utf8')).not.toContain(Buffer.from(first.key).toString('hex'));
  // A clock that was set back: a key of the future is none.
  expect(currentKey(file, 1000, 40_000).key).not.toEqual(second.key);
  chmodSync(file, 0o644);
  expect(() => currentKey(file, 1000, 40_100)).toThrow(/others may read the key .*644.*must be 600/);
});

function asked(name: string, replyLength: number, client = '192.0.2.7'): Query {
  const query = new Query();
  query.reset();
  query.message = queryMessage({ name });
  query.length = query.message.length;
  readQuery(query, 1, 2);
  query.clientWords.set(addressWords(client));
  query.reply = new Uint8Array(65536).map((_, i) => i & 255);
  query.replyLength = replyLength;
  query.nowMs = 12.5;
  query.receivedMs = 10.25;
  return query;
}

test('a ring hands over byte for byte what was put into it, round after round, and counts what finds no room', () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.integer({ min: 0, max: 65_000 }), fc.boolean()), { minLength: 1, maxLength: 120 }),
      (steps) => {
        const memory = createRing();
        const writer = new RingWriter(memory);
        const reader = new RingReader(memory);
        const put: number[] = [];
        const read: number[] = [];
        let waiting = 0;
        const drain = () =>
          reader.drain(({ reply, question, receivedMs, sentMs, client }) => {
            read.push(reply.length);
            expect(reply.every((byte, i) => byte === (i & 255))).toBe(true);
            expect([receivedMs, sentMs, client[3], question.length]).toEqual([10.25, 12.5, 0xc0000207 | 0, 33]);
          });
        const query = asked('www.example.com', 0);
        for (const [length, drainNow] of steps) {
          query.replyLength = length;
          if (writer.put(query)) {
            put.push(length);
            waiting += length;
          } else expect(waiting + length).toBeGreaterThan(RING_BYTES / 2);
          if (!drainNow) continue;
          drain();
          waiting = 0;
        }
        drain();
        expect(read).toEqual(put);
      },
    ),
    { numRuns: 20 },
  );
});

test('nothing that names the client is left in a message: no client subnet, no cookie, no OPT at all', async () => {
  const cookie = Uint8Array.from({ length: 8 }, (_, i) => 0xa0 + i);
  const reply = await mount(dnstap, { file: 'x', ground: GROUND }).ask({ name: 'www.example.com', cookie });
  const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');
  expect(hex(reply.bytes)).toContain(hex(cookie));
  const left = decode(Buffer.from(withoutOptions(reply.bytes)));
  expect(left.answers).toMatchObject([{ name: 'www.example.com', type: 'A', data: '192.0.2.99' }]);
  expect(left.additionals).toEqual([]);
  const query = queryMessage({ name: 'www.example.com', cookie });
  expect(hex(query)).toContain(hex(cookie));
  expect(hex(questionOnly(query.subarray(0, 33)))).toBe(
    '123401000001000000000000' + '03777777076578616d706c6503636f6d0000010001',
  );
});

test('broken or odd replies leave no more than header and question behind', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      expect(withoutOptions(bytes).length).toBeLessThanOrEqual(bytes.length);
    }),
    { numRuns: 500 },
  );
});

test('control frames are cut out of any chunks; what is none is an error', () => {
  const frames = new ControlFrames();
  const bytes = Buffer.concat([controlFrame(CONTROL.ACCEPT, DNSTAP_CONTENT), controlFrame(CONTROL.FINISH)]);
  const heard = [...bytes].flatMap((byte) => frames.take(Buffer.from([byte])));
  expect(heard).toEqual([
    { type: CONTROL.ACCEPT, contentTypes: [DNSTAP_CONTENT] },
    { type: CONTROL.FINISH, contentTypes: [] },
  ]);
  expect(() => new ControlFrames().take(Buffer.from('GET / HTTP/1.1\r\n'))).toThrow(/does not speak Frame Streams/);
  expect(() => new ControlFrames().take(Buffer.from([0, 0, 0, 0, 255, 255, 255, 255]))).toThrow(/Frame Streams/);
});

test('a file that cannot be written counts what is lost, says why, and is retried', () => {
  const folder = mkdtempSync(join(tmpdir(), 'dnstap-'));
  const sink = new FileSink(join(folder, 'nowhere', 'x.dnstap'), 1 << 20);
  sink.write([Buffer.alloc(4), Buffer.alloc(4)]);
  expect([sink.open, sink.written, sink.dropped.disk]).toEqual([false, 0, 2]);
  expect(sink.takeProblem()).toMatch(/ENOENT/);
  const odd = new FileSink(folder, 1 << 20);
  expect([odd.open, odd.takeProblem()]).toEqual([false, `${folder} is there, and no file`]);
});

test('a file of the size that was asked for becomes the old one', async () => {
  const file = join(mkdtempSync(join(tmpdir(), 'dnstap-')), 'x.dnstap');
  const sink = new FileSink(file, 1000);
  for (let i = 0; i < 5; i++) sink.write([Buffer.alloc(600)]);
  await sink.close();
  expect(sink.written).toBe(5);
  expect(statSync(`${file}.old`).size).toBeLessThan(2000);
  expect(statSync(file).mode & 0o777).toBe(0o600);
});

const GROUND = {
  kind: 'self-defence',
  effect: 'floods the resolvers',
  evidence: 'ticket 4711, graphs',
  approver: 'shift lead',
  expires: '2100-01-01',
} as const;

test.each([
  ['no ground', { file: 'x' }, /needs a `ground` stated in full/],
  ['a ground that lacks its approver', { file: 'x', ground: { ...GROUND, approver: undefined } }, /approver/],
  ['neither socket nor file', { ground: GROUND }, /either a `socket` or a `file`/],
  ['both', { ground: GROUND, file: 'x', socket: 'y' }, /either a `socket` or a `file`/],
])('a configuration with %s is refused', (_, options, problem) => {
  expect(() => mount(dnstap, options as never)).toThrow(problem);
});

test('copies are made of questions, one in so many, and none once the ground has ended', async () => {
  const rings = [createRing()];
  const count = async (sample: number, endsAtMs: number) => {
    const shared = { rings, endsAtMs };
    const plugin = mount(dnstap, { file: 'x', ground: GROUND, sample }, { shared });
    for (let i = 0; i < 300; i++) await plugin.ask({ name: `n${i}.example` });
    await plugin.ask({ name: '', bytes: Uint8Array.from([1, 2, 3]) });
    let read = 0;
    new RingReader(rings[0]!).drain(() => read++);
    expect(plugin.counter('sekisho_dnstap_recorded_total')).toBe(read);
    return read;
  };
  expect(await count(1, Number.POSITIVE_INFINITY)).toBe(300);
  const sampled = await count(10, Number.POSITIVE_INFINITY);
  expect(sampled).toBeGreaterThan(15);
  expect(sampled).toBeLessThan(60);
  expect(await count(1, 1)).toBe(0);
});
