import { expect, test } from 'vitest';
import { listsInForce } from '../../test/support/lists-in-force.ts';
import { addressWords, parsePrefix } from '../address/address.ts';
import { purposeBit } from '../subscribers/consent/purposes.ts';
import { Register } from '../subscribers/consent/register.ts';
import { SubscribersInForce } from '../subscribers/in-force.ts';
import { Leases } from '../subscribers/leases/leases.ts';
import { namedReporter, type Reporter, reporterOf, sessionName } from '../subscribers/leases/session-name.ts';
import { AddressTable } from '../subscribers/table/address-table.ts';
import { portBlocks } from '../subscribers/table/ports.ts';
import { NEVER } from '../subscribers/table/prefix-table.ts';
import { BlockedNames } from './blocked-names.ts';
import { isProxy } from './forwarded.ts';
import { recognise, visitorOf } from './recognition.ts';

const feeds = listsInForce(
  { category: 'c2', tier: 'confirmed', format: 'domains', text: 'c2.example\n*.bots.example\n', name: 'c2' },
  { category: 'c2', tier: 'suspected', format: 'domains', text: 'maybe.example\n', name: 'maybe' },
  { category: 'c2', tier: 'confirmed', format: 'domains', text: 'dry.example\n', dryRun: true, name: 'dry' },
  { category: 'malware', tier: 'confirmed', format: 'domains', text: 'drop.example\n', name: 'malware' },
  { category: 'policy', format: 'domains', text: 'policy.example\n', name: 'policy' },
);

const LIFETIME = 3600;
const NOW = 1000;

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
  const leases = new Leases(
    new AddressTable(),
    () => LIFETIME,
    () => NOW,
  );
  const names = new BlockedNames(feeds, new SubscribersInForce());
  names.subscribers.take({
    leases: leases.table.memory,
    ranges: ranges.memory,
    consents: register.consents,
    unfiltered: [],
  });
  return { names, register, leases };
}

const at = (address: string, port = 40_000) => ({ words: addressWords(address), port });

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
  for (const visitor of [at('192.0.2.2', 1), at('198.51.100.1', 1), at('192.0.2.4', 1), at('192.0.2.5', 80), undefined])
    expect(names.verdict('c2.example', visitor, 0)).toBe('not-inspected');
  expect(names.lookups).toBe(0);
});

test.each([
  ['192.0.2.1', 40_000, 'in', '192.0.2.1/128'],
  ['192.0.2.5', 1500, 'left', '192.0.2.5/134'],
  ['192.0.2.5', 3000, 'right', '192.0.2.5/133'],
  ['2001:db8:1:7::9', 9, 'six', '2001:db8:1::/56'],
  ['2001:db8:2::1', 5, 'sixLeft', '2001:db8:2::1/138'],
])('%s from port %s is %s', (address, port, subscriber, line) => {
  const { names, register, leases } = setUp();
  expect(recognise(at(address, port), names.subscribers, { register, leases }, false, 0)).toEqual({
    kind: 'subscriber',
    subscriber,
    line,
  });
});

test.each([
  ['192.0.2.4', 1, 'group'],
  ['192.0.2.5', 80, 'shared'],
  // A query from there would count as the one around; nobody may change a consent on that.
  ['192.0.2.6', 8, 'shared'],
  ['2001:db8:2::1', 60_000, 'shared'],
  ['198.51.100.1', 1, 'unknown'],
] as const)('%s from port %s is nobody alone: %s', (address, port, kind) => {
  const { names, register, leases } = setUp();
  expect(recognise(at(address, port), names.subscribers, { register, leases }, false, 0)).toEqual({ kind });
});

const NAS = reporterOf({ source: addressWords('192.0.2.250') });
const API = namedReporter('dhcp-1');
const report = ({ leases, register }: ReturnType<typeof setUp>, reporter: Reporter, number: string, network: string) =>
  leases.report({
    kind: 'start',
    session: sessionName(`${number} ${network}`, reporter),
    prefixes: [{ ...parsePrefix(network), port: 0, portBits: 0 }],
    holder: register.holderFor(number),
    atSeconds: NOW,
    inOrder: true,
  });

test('a lease that has ended, or was given on, is nobody’s', () => {
  const place = setUp();
  report(place, NAS, 'leased', '192.0.2.1');
  const who = (nowMs: number) => recognise(at('192.0.2.1', 1), place.names.subscribers, place, false, nowMs);
  expect(who((NOW + LIFETIME) * 1000 - 1)).toMatchObject({ subscriber: 'leased' });
  expect(who((NOW + LIFETIME) * 1000)).toEqual({ kind: 'unknown' });
});

test('a lease that was reported over the API makes nobody a subscriber, unless that is allowed', () => {
  const place = setUp();
  const who = (address: string, allowed: boolean) =>
    recognise(at(address, 1), place.names.subscribers, place, allowed, NOW * 1000);
  report(place, NAS, 'by-radius', '192.0.2.9');
  expect(who('192.0.2.9', false)).toMatchObject({ subscriber: 'by-radius' });
  report(place, API, 'victim', '198.51.100.9');
  expect(who('198.51.100.9', false)).toEqual({ kind: 'unknown' });
  expect(who('198.51.100.9', true)).toMatchObject({ subscriber: 'victim' });
  // Over a static range too: whose line it was before counts no more.
  report(place, API, 'victim', '192.0.2.1');
  expect(who('192.0.2.1', false)).toEqual({ kind: 'unknown' });
  report(place, API, 'victim', '2001:db8:1::/56');
  expect(who('2001:db8:1:7::9', false)).toEqual({ kind: 'unknown' });
  // Beside a lease of RADIUS: what that said before is in doubt, what it says after counts; two names are nobody.
  report(place, API, 'by-radius', '192.0.2.9');
  expect(who('192.0.2.9', false)).toEqual({ kind: 'unknown' });
  report(place, NAS, 'by-radius', '192.0.2.9');
  expect(who('192.0.2.9', false)).toMatchObject({ subscriber: 'by-radius' });
  report(place, API, 'victim', '192.0.2.9');
  expect(who('192.0.2.9', false)).toEqual({ kind: 'unknown' });
  expect(who('192.0.2.9', true)).toEqual({ kind: 'unknown' });
});

test('a listed proxy is known by its address', () => {
  const proxies = ['192.0.2.80/32', '2001:db8:80::/64'];
  const connections = ['192.0.2.80', '::ffff:192.0.2.80', '2001:db8:80::1', '192.0.2.81', 'fe80::1%eth0', undefined];
  expect(connections.map((peer) => isProxy(peer, proxies))).toEqual([true, true, true, false, false, false]);
});

test('of somebody who is no listed proxy the connection alone counts', () => {
  const headers = { 'x-forwarded-for': '198.51.100.7', 'x-client-port': '77', forwarded: 'for="198.51.100.7:77"' };
  for (const proxies of [[], ['192.0.2.80/32']])
    expect(visitorOf({ peerAddress: '192.0.2.81', peerPort: 5, headers, proxies })).toEqual({
      words: addressWords('192.0.2.81'),
      port: 5,
    });
  for (const half of [
    { peerAddress: '192.0.2.81', peerPort: undefined },
    { peerAddress: undefined, peerPort: 5 },
    { peerAddress: 'fe80::1%eth0', peerPort: 5 },
  ])
    expect(visitorOf({ ...half, headers, proxies: [] })).toBeUndefined();
});
