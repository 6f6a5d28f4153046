import { expect, test } from 'vitest';
import { addressWords, parsePrefix } from '../address/address.ts';
import { listsInForce } from '../lists/compile-for-tests.ts';
import { purposeBit } from '../subscribers/consent/purposes.ts';
import { Register } from '../subscribers/consent/register.ts';
import { AddressTable } from '../subscribers/table/address-table.ts';
import { portBlocks } from '../subscribers/table/ports.ts';
import { NEVER } from '../subscribers/table/prefix-table.ts';
import { BlockedNames } from './blocked-names.ts';
import { isProxy, recognise, visitorOf } from './recognition.ts';

const feeds = listsInForce(
  { category: 'c2', tier: 'confirmed', format: 'domains', text: 'c2.example\n*.bots.example\n', name: 'c2' },
  { category: 'c2', tier: 'suspected', format: 'domains', text: 'maybe.example\n', name: 'maybe' },
  { category: 'c2', tier: 'confirmed', format: 'domains', text: 'dry.example\n', dryRun: true, name: 'dry' },
  { category: 'malware', tier: 'confirmed', format: 'domains', text: 'drop.example\n', name: 'malware' },
  { category: 'policy', format: 'domains', text: 'policy.example\n', name: 'policy' },
);

function setUp() {
  const register = new Register(64);
  const ranges = new AddressTable();
  const put = (address: string, subscriber: string, ports?: [number, number]) => {
    const holder = register.holderFor(subscriber);
    const blocks = ports ? portBlocks(...ports) : [{ port: 0, bits: 0 }];
    for (const { port, bits } of blocks) ranges.set({ ...parsePrefix(address), port, portBits: bits }, holder, NEVER);
  };
  put('192.0.2.1', 'in');
  put('192.0.2.2', 'out');
  put('192.0.2.3', 'warned');
  put('192.0.2.4', '@group');
  put('192.0.2.5', 'left', [1024, 2047]);
  put('192.0.2.5', 'right', [2048, 4095]);
  put('192.0.2.6', 'tiny', [7, 7]);
  put('192.0.2.6', 'around');
  put('2001:db8:1::/56', 'six');
  put('2001:db8:2::1', 'sixLeft', [0, 99]);
  const consents = new Uint8Array(register.consents);
  consents[register.directory.find('in')] = purposeBit('c2');
  consents[register.directory.find('warned')] = purposeBit('malware-warning');
  const names = new BlockedNames(feeds.facts);
  names.lists.current = feeds.current;
  names.subscribers.take({
    leases: new AddressTable().memory,
    ranges: ranges.memory,
    consents: register.consents,
    unfiltered: [],
  });
  return { names, register };
}

const at = (address: string, port?: number) => ({ words: addressWords(address), port });

test.each([
  ['192.0.2.1', 'c2.example', 'c2'],
  ['192.0.2.1', 'deep.bots.example', 'c2'],
  ['192.0.2.1', 'maybe.example', 'not-listed'],
  ['192.0.2.1', 'dry.example', 'not-listed'],
  ['192.0.2.1', 'drop.example', 'not-listed'],
  ['192.0.2.1', 'policy.example', 'not-listed'],
  ['192.0.2.1', 'a..b', 'not-listed'],
  ['192.0.2.1', `${'x'.repeat(70)}.example`, 'not-listed'],
  ['192.0.2.3', 'drop.example', 'malware'],
  ['192.0.2.3', 'c2.example', 'not-listed'],
])('%s came for %s: %s', (address, host, verdict) => {
  expect(setUp().names.verdict(host, at(address, 40_000), 0)).toBe(verdict);
});

test('who has not consented, or is not known, is not looked up in any list', () => {
  const { names } = setUp();
  for (const visitor of [at('192.0.2.2', 1), at('198.51.100.1', 1), at('192.0.2.4', 1), at('192.0.2.5'), undefined])
    expect(names.verdict('c2.example', visitor, 0)).toBe('not-inspected');
  expect(names.lookups).toBe(0);
});

test.each([
  ['192.0.2.1', 40_000, 'in', '192.0.2.1/128'],
  ['192.0.2.1', undefined, 'in', '192.0.2.1/128'],
  ['192.0.2.5', 1500, 'left', '192.0.2.5/134'],
  ['192.0.2.5', 3000, 'right', '192.0.2.5/133'],
  ['2001:db8:1:7::9', undefined, 'six', '2001:db8:1::/56'],
  ['2001:db8:2::1', 5, 'sixLeft', '2001:db8:2::1/138'],
])('%s from port %s is %s', (address, port, subscriber, line) => {
  const { names, register } = setUp();
  expect(recognise(at(address, port), names.subscribers, register, 0)).toEqual({
    kind: 'subscriber',
    subscriber,
    line,
  });
});

test.each([
  ['192.0.2.4', 1, 'group'],
  ['192.0.2.5', 80, 'shared'],
  ['192.0.2.5', undefined, 'shared'],
  // A query from there would count as the one around; nobody may change a consent on that.
  ['192.0.2.6', 8, 'shared'],
  ['192.0.2.6', undefined, 'shared'],
  ['2001:db8:2::1', undefined, 'shared'],
  ['198.51.100.1', 1, 'unknown'],
] as const)('%s from port %s is nobody alone: %s', (address, port, kind) => {
  const { names, register } = setUp();
  expect(recognise(at(address, port), names.subscribers, register, 0)).toEqual({ kind });
});

test('a lease that has ended, or was given on, is nobody’s', () => {
  const { names, register } = setUp();
  const leases = new AddressTable();
  const line = { ...parsePrefix('192.0.2.1'), port: 0, portBits: 0 };
  leases.set(line, register.holderFor('leased'), 100);
  names.subscribers.take({
    leases: leases.memory,
    ranges: new AddressTable().memory,
    consents: register.consents,
    unfiltered: [],
  });
  const who = (nowMs: number) => recognise(at('192.0.2.1', 1), names.subscribers, register, nowMs);
  expect(who(99_000)).toMatchObject({ subscriber: 'leased' });
  expect(who(100_000)).toEqual({ kind: 'unknown' });
});

test('a listed proxy speaks for visitors, and for nobody itself', () => {
  const proxies = ['192.0.2.80/32', '2001:db8:80::/64'];
  expect(
    ['192.0.2.80', '::ffff:192.0.2.80', '2001:db8:80::1', '192.0.2.81', undefined].map((at) => isProxy(at, proxies)),
  ).toEqual([true, true, true, false, false]);
  const way = { peerAddress: '192.0.2.80', peerPort: 5, address: '198.51.100.7', proxied: true };
  const forwarded = { 'x-forwarded-for': '198.51.100.7' };
  expect(visitorOf({ ...way, headers: forwarded })).toMatchObject({ port: undefined });
  expect(visitorOf({ ...way, headers: { ...forwarded, 'x-client-port': '77' } })).toMatchObject({ port: 77 });
  for (const port of ['-1', '70000', '7x', '', ' 7'])
    expect(visitorOf({ ...way, headers: { ...forwarded, 'x-client-port': port } })?.port).toBeUndefined();
  expect(visitorOf({ ...way, headers: {} })).toBeUndefined();
  expect(visitorOf({ ...way, address: '192.0.2.80', headers: forwarded })).toBeUndefined();
  expect(visitorOf({ ...way, address: 'unknown', headers: forwarded })).toBeUndefined();
  // Without a proxy the header is a stranger's word.
  const direct = { ...way, address: '192.0.2.80', proxied: false };
  expect(visitorOf({ ...direct, headers: { ...forwarded, 'x-client-port': '77' } })).toEqual({
    words: addressWords('192.0.2.80'),
    port: 5,
  });
});
