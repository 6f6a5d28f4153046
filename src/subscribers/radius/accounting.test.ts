import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { pino } from 'pino';
import { afterAll, describe, expect, it } from 'vitest';
import { addressWords, isMapped } from '../../address/address.ts';
import { ManualClock } from '../../time/clock.ts';
import { leaseBounds } from '../leases/lease-bounds.ts';
import { SubscriberState } from '../state.ts';
import { AddressReader } from '../table/address-table.ts';
import { Accounting } from './accounting.ts';
import { readAccountingRequest, requestAuthenticator } from './packet.ts';

const SECRET = Buffer.from('xyzzy5461');
const NAS = addressWords('127.0.0.1');
const folder = mkdtempSync(join(tmpdir(), 'sekisho-radius-'));
afterAll(() => rmSync(folder, { recursive: true }));
let states = 0;

type Attribute = readonly [type: number, value: Buffer | string | number];
const u32 = (value: number) => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
};
const ip = (text: string) => u32(addressWords(text)[3]! >>> 0);

/** A packet as a client writes it. */
function request(attributes: readonly Attribute[], secret = SECRET, identifier = 7): Buffer {
  const body = Buffer.concat(
    attributes.map(([type, value]) => {
      const data = typeof value === 'number' ? u32(value) : Buffer.from(value as string);
      return Buffer.concat([Buffer.from([type, data.length + 2]), data]);
    }),
  );
  const packet = Buffer.concat([Buffer.from([4, identifier, 0, 0]), Buffer.alloc(16), body]);
  packet.writeUInt16BE(packet.length, 2);
  requestAuthenticator(packet, secret).copy(packet, 4);
  return packet;
}

const START = 1;
const STOP = 2;
const INTERIM = 3;
const event = (status: number, user: string, session: string, ...more: Attribute[]): Attribute[] => [
  [40, status],
  [1, user],
  [44, session],
  ...more,
];
const framed = (address: string): Attribute => [8, ip(address)];

function setUp() {
  const clock = new ManualClock(10_000_000);
  const data = join(folder, String(states++));
  const state = new SubscriberState(data, clock, pino({ level: 'silent' }));
  void state.putInForce({
    terms: { version: 't', covers: ['c2'] },
    groups: [],
    unfiltered: [],
    leaseMs: 3_600_000,
    leaseAfterRestartMs: 0,
    provisioning: { shortestIpv4: 32, shortestIpv6: 48, portal: false },
  });
  const results: string[] = [];
  const config = {
    listen: { address: '127.0.0.1', port: 1813 },
    secretFile: '',
    clients: ['127.0.0.0/8'],
    subscriber: 'user-name' as const,
    shortestIpv6: 48,
  };
  const refused: string[] = [];
  let contested = 0;
  let forgotten = 0;
  const bounds = leaseBounds({ shortestIpv4: 32, shortestIpv6: 48 }, ['192.0.2.0/24', '2001:db8::/32']);
  const accounting = new Accounting(state, config, bounds, SECRET, {
    count: (result) => results.push(result),
    refused: (reason) => refused.push(reason),
    contested: () => contested++,
    nameForgotten: () => forgotten++,
    full: () => {},
  });
  const who = (address: string) => {
    const words = addressWords(address);
    const reader = new AddressReader(state.leases.table.memory);
    return state.register.directory.numberOf(reader.find(words, isMapped(words) ? 4 : 6, 1, state.nowSeconds()));
  };
  const take = (attributes: readonly Attribute[], from = NAS) => accounting.take(request(attributes), from);
  return { clock, state, accounting, results, refused, who, take, doubts: () => ({ contested, forgotten }) };
}

describe('RADIUS accounting', () => {
  it('brings leases of IPv4 addresses and IPv6 prefixes, and is answered with the right authenticator', () => {
    const { accounting, who } = setUp();
    const prefix = (bits: number, text: string) =>
      Buffer.concat([
        Buffer.from([0, bits]),
        Buffer.from([...addressWords(text)].flatMap((w) => [w >>> 24, w >>> 16, w >>> 8, w].map((b) => b & 255))),
      ]);
    const packet = request(
      event(
        START,
        '4711',
        's1',
        framed('192.0.2.7'),
        [97, prefix(64, '2001:db8:1:2::')],
        [123, prefix(56, '2001:db8:77::').subarray(0, 9)],
        [33, 'proxy'],
      ),
    );
    const response = accounting.take(packet, NAS)!;
    expect([response[0], response[1], response.readUInt16BE(2), response.subarray(20).toString('latin1')]).toEqual([
      5,
      7,
      27,
      '!\u0007proxy',
    ]);
    const expected = createHash('md5')
      .update(response.subarray(0, 4))
      .update(packet.subarray(4, 20))
      .update(response.subarray(20))
      .update(SECRET);
    expect(response.subarray(4, 20)).toEqual(expected.digest());
    expect([who('192.0.2.7'), who('2001:db8:1:2::9'), who('2001:db8:77:ff::1'), who('2001:db8:77:100::1')]).toEqual([
      '4711',
      '4711',
      '4711',
      undefined,
    ]);
  });

  it('refuses what is forged, without an answer and without an effect', () => {
    const { accounting, results, who } = setUp();
    const packet = request(event(START, '4711', 's1', framed('192.0.2.7')), Buffer.from('guessed'));
    expect(accounting.take(packet, NAS)).toBeUndefined();
    expect(
      accounting.take(request(event(START, '4711', 's1', framed('192.0.2.7'))), addressWords('192.0.2.1')),
    ).toBeUndefined();
    const altered = request(event(START, '4711', 's1', framed('192.0.2.7')));
    altered[altered.length - 1]! ^= 1;
    expect(accounting.take(altered, NAS)).toBeUndefined();
    expect(results).toEqual(['bad-authenticator', 'unknown-client', 'bad-authenticator']);
    expect(who('192.0.2.7')).toBeUndefined();
  });

  it('answers a packet that comes twice, and a replay changes nothing', () => {
    const { take, results, who, clock } = setUp();
    const start = event(START, '4711', 's1', framed('192.0.2.7'));
    expect(take(start)).toBeDefined();
    clock.advance(5000);
    expect(take(event(STOP, '4711', 's1', framed('192.0.2.7')))).toBeDefined();
    clock.advance(5000);
    expect(take(start)).toBeDefined();
    expect(results).toEqual(['taken', 'ended', 'duplicate']);
    expect(who('192.0.2.7')).toBeUndefined();
  });

  it('leaves an address that two claim to nobody, whatever their clocks say and in whatever order they come', () => {
    const { take, results, who, clock, doubts } = setUp();
    clock.advance(100_000);
    const now = Math.floor(clock.wallMs() / 1000);
    take(event(START, 'later', 's2', framed('192.0.2.7'), [55, now - 10]));
    take(event(START, 'earlier', 's1', framed('192.0.2.7'), [55, now - 20]));
    take(event(INTERIM, 'earlier', 's1', framed('192.0.2.7'), [41, 15]));
    expect(who('192.0.2.7')).toBeUndefined();
    take(event(STOP, 'earlier', 's1', framed('192.0.2.7'), [55, now - 5]));
    // The other one may have gone before this one came; its next message tells.
    expect(who('192.0.2.7')).toBeUndefined();
    take(event(INTERIM, 'later', 's2', framed('192.0.2.7'), [55, now - 1]));
    expect(who('192.0.2.7')).toBe('later');
    expect(results).toEqual(['taken', 'conflict', 'conflict', 'ended', 'taken']);
    expect(doubts().contested).toBe(2);
  });

  it('ends all that a session holds with its Stop, and what an Interim does not name any more', () => {
    const { take, who } = setUp();
    const prefix = (type: number, bits: number, text: string): Attribute => [
      type,
      Buffer.concat([Buffer.from([0, bits]), ...[...addressWords(text)].map((word) => u32(word >>> 0))]),
    ];
    const seen = () => ['192.0.2.7', '2001:db8:77:1::1', '2001:db8:1::9', '192.0.2.8'].map(who);
    const more = [framed('192.0.2.7'), prefix(123, 56, '2001:db8:77::'), prefix(97, 64, '2001:db8:1::')];
    take(event(START, '4711', 's1', ...more));
    expect(seen()).toEqual(['4711', '4711', '4711', undefined]);
    take(event(INTERIM, '4711', 's1', framed('192.0.2.8'), prefix(123, 56, '2001:db8:77::')));
    expect(seen()).toEqual([undefined, '4711', undefined, '4711']);
    take(event(STOP, '4711', 's1', framed('192.0.2.8')));
    expect(seen()).toEqual([undefined, undefined, undefined, undefined]);
  });

  it('refuses what is out of bounds and hears the rest of the packet', () => {
    const { take, who, refused, results } = setUp();
    const prefix = (type: number, bits: number, text: string): Attribute => [
      type,
      Buffer.concat([Buffer.from([0, bits]), ...[...addressWords(text)].map((word) => u32(word >>> 0))]),
    ];
    const out = [
      prefix(97, 0, '::'),
      prefix(97, 32, '2001:db8::'),
      prefix(97, 47, '2001:db8::'),
      prefix(97, 120, '::ffff:192.0.2.0'),
      prefix(168, 128, '::ffff:192.0.2.1').map((each) =>
        typeof each === 'number' ? each : (each as Buffer).subarray(2),
      ) as unknown as Attribute,
      prefix(123, 56, '2001:db9::'),
      framed('198.51.100.1'),
      framed('255.255.255.255'),
      framed('255.255.255.254'),
      framed('0.0.0.0'),
      [8, Buffer.alloc(5)],
      [97, Buffer.from([0, 129, ...Buffer.alloc(16)])],
    ] as Attribute[];
    take(event(START, '4711', 's1', framed('192.0.2.7'), prefix(123, 56, '2001:db8:77:ff01::9'), ...out));
    expect(refused).toEqual([
      'unreadable',
      'unreadable',
      'too-short',
      'too-short',
      'too-short',
      'mapped',
      'mapped',
      'outside-access',
      'outside-access',
      'reserved',
      'reserved',
      'reserved',
    ]);
    // Bits beyond the prefix are no reason to lose it.
    expect(['192.0.2.7', '2001:db8:77:ff77::1', '198.51.100.1', '192.0.2.1'].map(who)).toEqual([
      '4711',
      '4711',
      undefined,
      undefined,
    ]);
    expect(who('2001:db8:ffff::1')).toBeUndefined();
    take(event(START, '4712', 's2', prefix(97, 0, '::')));
    expect(results).toEqual(['taken', 'refused']);
    expect(who('2001:db8:ffff::1')).toBeUndefined();
    take(event(STOP, '4711', 's1', [8, Buffer.alloc(5)]));
    expect(who('192.0.2.7')).toBeUndefined();
  });

  it('gives no client room to shut others out with names, and says when one has too many', () => {
    const { take, who, accounting, doubts } = setUp();
    const flooder = addressWords('127.0.0.9');
    take(event(START, 'before', 's1', framed('192.0.2.1'), [32, 'honest']));
    for (let i = 0; i < 3000; i++) take(event(START, 'x', 's', framed('192.0.2.200'), [32, `nas${i}`]), flooder);
    expect(doubts().forgotten).toBe(3000 - 1024);
    expect(accounting.names).toBe(1 + 1024);
    take(event(START, 'after', 's2', framed('192.0.2.2'), [32, 'another']));
    expect([who('192.0.2.1'), who('192.0.2.2')]).toEqual(['before', 'after']);
    // Forgotten as a name; its sessions are known as before.
    take(event(STOP, 'x', 's', [32, 'nas0']), flooder);
    take([[40, 7]], flooder);
    expect([who('192.0.2.1'), who('192.0.2.2'), who('192.0.2.200')]).toEqual(['before', 'after', undefined]);
  });

  it('takes what names no session for the end, or for a doubt, of whatever holds the address', () => {
    const { take, who, results } = setUp();
    const unnumbered = (status: number): Attribute[] => [[40, status], [1, '4711'], framed('192.0.2.7')];
    take(event(START, '4711', 's1', framed('192.0.2.7')));
    take(unnumbered(STOP));
    expect(who('192.0.2.7')).toBeUndefined();
    take(event(START, '4711', 's2', framed('192.0.2.7')));
    expect(who('192.0.2.7')).toBe('4711');
    take(unnumbered(START));
    expect(who('192.0.2.7')).toBeUndefined();
    expect(results).toEqual(['taken', 'no-session', 'taken', 'no-session']);
  });

  it('lets another client neither end a session nor take its numbers', () => {
    const { take, results, who, clock } = setUp();
    take(event(START, '4711', 's1', framed('192.0.2.7')));
    clock.advance(2000);
    take(event(STOP, '4711', 's1', framed('192.0.2.7')), addressWords('127.0.0.2'));
    take([[40, 7]], addressWords('127.0.0.2'));
    expect(results).toEqual(['taken', 'not-the-holder', 'client-began-anew']);
    expect(who('192.0.2.7')).toBe('4711');
    take([[40, 8]]);
    expect(who('192.0.2.7')).toBeUndefined();
  });

  it('ends without interim updates', () => {
    const { take, who, clock } = setUp();
    take(event(START, '4711', 's1', framed('192.0.2.7')));
    clock.advance(3_500_000);
    take(event(INTERIM, '4711', 's1', framed('192.0.2.7')));
    clock.advance(3_500_000);
    expect(who('192.0.2.7')).toBe('4711');
    clock.advance(200_000);
    expect(who('192.0.2.7')).toBeUndefined();
  });

  it('never leaves an address to the one before, where the new holder has no number that can be one', () => {
    const { take, results, who, clock } = setUp();
    take(event(START, '4711', 's1', framed('192.0.2.7')));
    clock.advance(2000);
    expect(take(event(START, '<b>', 's2', framed('192.0.2.7')))).toBeDefined();
    expect(take(event(START, '@home', 's3', framed('192.0.2.8')))).toBeDefined();
    expect(take(event(START, '4711', 's4'))).toBeDefined();
    expect(take(event(15, '4711', 's5', framed('192.0.2.9')))).toBeDefined();
    expect(results).toEqual(['taken', 'no-subscriber', 'no-subscriber', 'no-address', 'other-status']);
    expect([who('192.0.2.7'), who('192.0.2.8')]).toEqual([undefined, undefined]);
  });

  it.each([
    ['no status', [[1, 'x']]],
    ['a status of three bytes', [[40, Buffer.from([0, 0, 1])]]],
    [
      'a delay of two bytes',
      [
        [40, 1],
        [41, Buffer.from([0, 1])],
      ],
    ],
    [
      'a time of five bytes',
      [
        [40, 1],
        [55, Buffer.alloc(5)],
      ],
    ],
  ] as [string, Attribute[]][])('refuses %s', (_, attributes) => {
    expect(readAccountingRequest(request(attributes), SECRET)).toBe('malformed');
  });

  it('survives whatever bytes come', () => {
    const { accounting } = setUp();
    const good = request(event(START, '4711', 's1', framed('192.0.2.7')));
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), fc.nat(good.length), (bytes, at) => {
        expect(accounting.take(Buffer.from(bytes), NAS)).toBeUndefined();
        const spliced = Buffer.concat([good.subarray(0, at), Buffer.from(bytes)]);
        // Authentic anyway, so that the attributes are read.
        if (spliced.length >= 20) {
          spliced.writeUInt16BE(spliced.length, 2);
          requestAuthenticator(spliced, SECRET).copy(spliced, 4);
        }
        accounting.take(spliced, NAS);
      }),
    );
  });
});
