import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fuzzFrames } from '../../../test/support/frame-fuzz.ts';
import { CLIENT_MAC, type FrameSpec, frame, SERVER_MAC, sum } from '../../../test/support/frames.ts';
import { addressText, addressWords } from '../../address/address.ts';
import { Query } from '../../wire/query.ts';
import { CHUNK_BYTES, LONGEST_FRAME, PAYLOAD_AT } from './frame.ts';
import { BAD_FRAMES, FRAME_OK, FrameReader } from './frame-reader.ts';
import { FrameWriter } from './frame-writer.ts';
import { OwnPlaces } from './own-places.ts';

const V4 = { from: '192.0.2.9', to: '192.0.2.53' };
const V6 = { from: '2001:db8::9', to: '2001:db8::53' };
const payload = Uint8Array.from({ length: 30 }, (_, i) => i);
const reader = new FrameReader();

/** `ok`, or why the frame is dropped, after `change`. */
function read(
  spec: Partial<FrameSpec>,
  change: (bytes: Uint8Array) => Uint8Array | undefined = () => undefined,
): string {
  const bytes = frame({ ...V4, payload, ...spec });
  const given = change(bytes) ?? bytes;
  const found = reader.read(given, 0, given.length);
  return found === FRAME_OK ? 'ok' : BAD_FRAMES[-1 - found]!;
}

const put = (at: number, value: number) => (bytes: Uint8Array) => void bytes.fill(value, at, at + 1);
const flip = (at: number) => (bytes: Uint8Array) => void bytes.fill(bytes[at]! ^ 1, at, at + 1);

/** Put right again what `change` has made wrong: the checksum of the IPv4 header. */
function headerSum(bytes: Uint8Array): undefined {
  const view = Buffer.from(bytes.buffer, bytes.byteOffset);
  view.writeUInt16BE(0, 24);
  view.writeUInt16BE(~sum(bytes.subarray(14, 34)) & 0xffff, 24);
  return undefined;
}

describe('a frame', () => {
  for (const [family, addresses] of [
    [4, V4],
    [6, V6],
  ] as const) {
    for (const vlan of [undefined, 0, 77]) {
      it(`of IPv${family}${vlan === undefined ? '' : ` with tag ${vlan}`} is read, and its answer goes back the way it came`, () => {
        fc.assert(
          fc.property(
            fc.uint8Array({ maxLength: 1400 }),
            fc.uint8Array({ maxLength: 1232 }),
            fc.constantFrom('whole', 'none', 'partial'),
            fc.integer({ min: 1, max: 65535 }),
            (question, answer, checksum, fromPort) => {
              // RFC 8200 §8.1: over IPv6 none is no checksum at all.
              fc.pre(!(family === 6 && checksum === 'none'));
              const asked = frame({
                ...addresses,
                payload: question,
                checksum,
                fromPort,
                ...(vlan !== undefined && { vlan }),
              });
              expect(reader.read(asked, 0, asked.length)).toBe(FRAME_OK);
              expect(asked.subarray(reader.payload, reader.payload + reader.payloadBytes)).toEqual(
                Buffer.from(question),
              );
              expect(reader.vlan).toBe(vlan ?? 0);
              const query = new Query();
              reader.describe(asked, query, false);
              expect([addressText(query.clientWords), query.port, query.family]).toEqual([
                addresses.from,
                fromPort,
                family,
              ]);
              const out = new Uint8Array(CHUNK_BYTES);
              out.set(answer, PAYLOAD_AT);
              const writer = new FrameWriter(7);
              writer.write(reader, asked, out, PAYLOAD_AT, answer.length);
              const written = out.slice(writer.frame, writer.frame + writer.frameBytes);
              const expected = frame({
                from: addresses.to,
                to: addresses.from,
                port: fromPort,
                fromPort: 53,
                payload: answer,
                macTo: CLIENT_MAC,
                macFrom: SERVER_MAC,
                ...(vlan !== undefined && { vlan }),
              });
              if (family === 4) {
                // Identification, "don't fragment" and the checksum over them are its own.
                const ip = 14 + (vlan === undefined ? 0 : 4);
                expect(sum(written.subarray(ip, ip + 20))).toBe(0xffff);
                for (const at of [4, 5, 6, 10, 11]) written[ip + at] = expected[ip + at]!;
              }
              expect(Buffer.from(written)).toEqual(Buffer.from(expected));
            },
          ),
          { numRuns: 60 },
        );
      });
    }
  }

  it('that is too short, or claims to be longer than it is, is dropped', () => {
    const sound = frame({ ...V4, payload });
    for (let length = 0; length < sound.length; length++)
      expect(['short', 'length']).toContain(read({}, (bytes) => bytes.subarray(0, length)));
    const v6 = frame({ ...V6, payload });
    for (let length = 0; length < v6.length; length++)
      expect(reader.read(v6.subarray(0, length), 0, length)).not.toBe(FRAME_OK);
    for (const total of [
      [0xff, 0xff],
      [0, 27],
    ])
      expect(
        read({}, (bytes) => {
          bytes.set(total, 16);
          return headerSum(bytes);
        }),
      ).toBe('length');
    expect(read(V6, (bytes) => void bytes.set([0xff, 0xff], 18))).toBe('length');
    expect(read(V6, (bytes) => void bytes.set([0, 0], 18))).toBe('length');
  });

  it('with a UDP length of 0, below its header or beyond the packet is dropped', () => {
    for (const length of [0, 7, 39, 0xffff]) {
      const change = (bytes: Uint8Array) => void bytes.set([length >>> 8, length & 255], 38);
      expect(read({}, change)).toBe('length');
    }
  });

  it('may have padding behind the packet, which is none of it', () => {
    expect(read({}, (bytes) => Buffer.concat([bytes, Buffer.alloc(18, 1)]))).toBe('ok');
    expect(reader.payloadBytes).toBe(payload.length);
  });

  it('with a wrong checksum is dropped; one of IPv4 may have none, one of IPv6 may not', () => {
    expect(read({}, flip(50))).toBe('checksum');
    expect(read(V6, flip(70))).toBe('checksum');
    expect(read({}, flip(24))).toBe('header-checksum');
    expect(read({ checksum: 'none' })).toBe('ok');
    expect(read({ ...V6, checksum: 'none' })).toBe('checksum');
  });

  it('with options, extension headers or a fragment in it is none for this reader', () => {
    expect(read({}, put(14, 0x46))).toBe('header');
    expect(read({}, put(20, 0x20))).toBe('header');
    expect(read({}, put(21, 1))).toBe('header');
    expect(read({}, put(23, 6))).toBe('header');
    for (const next of [0, 6, 43, 44, 60, 59]) expect(read(V6, put(20, next))).toBe('header');
    expect(read({}, put(13, 6))).toBe('header');
  });

  it('from an address that never asks is dropped', () => {
    for (const from of ['0.0.0.0', '127.0.0.1', '224.0.0.1', '255.255.255.255', '240.0.0.1'])
      expect(read({ from })).toBe('source');
    for (const from of ['::', '::1', 'ff02::1']) expect(read({ ...V6, from })).toBe('source');
  });

  it('is never longer than what a chunk holds', () => {
    expect(LONGEST_FRAME).toBeLessThanOrEqual(CHUNK_BYTES - 256);
  });

  it('mutilated in any way is neither read nor answered beyond its bounds', () => {
    expect(fuzzFrames(100_000, 20261128)).toBeGreaterThan(1000);
  });
});

describe('own places', () => {
  const place = (address: string, port: number, vlan: number, listener: number) => ({
    words: [...addressWords(address)],
    port,
    vlan,
    listener,
    wildcard: false,
  });

  it('tell by address, port and VLAN which listener was asked', () => {
    const all = Array.from({ length: 200 }, (_, i) => [
      place(`192.0.2.${i}`, 53, i % 3, i),
      place(`2001:db8::${i.toString(16)}`, 53 + (i % 2), 0, 1000 + i),
    ]).flat();
    const places = new OwnPlaces(all);
    const find = (to: string, port: number, vlan: number) => {
      const from = to.includes(':') ? V6.from : V4.from;
      const bytes = frame({ from, to, port, payload, vlan });
      expect(reader.read(bytes, 0, bytes.length)).toBe(FRAME_OK);
      return places.find(bytes, reader)?.listener;
    };
    for (let i = 0; i < 200; i++) {
      expect(find(`192.0.2.${i}`, 53, i % 3)).toBe(i);
      expect(find(`192.0.2.${i}`, 53, (i % 3) + 1)).toBeUndefined();
      expect(find(`192.0.2.${i}`, 54, i % 3)).toBeUndefined();
      expect(find(`2001:db8::${i.toString(16)}`, 53 + (i % 2), 0)).toBe(1000 + i);
      expect(find(`2001:db9::${i.toString(16)}`, 53 + (i % 2), 0)).toBeUndefined();
    }
  });
});
