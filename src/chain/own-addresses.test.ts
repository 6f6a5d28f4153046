import type { NetworkInterfaceInfo } from 'node:os';
import { expect, test } from 'vitest';
import { addressWords } from '../address/address.ts';
import { Query } from '../wire/query.ts';
import { OwnAddresses } from './own-addresses.ts';

const interfaces = {
  lo: [
    { address: '127.0.0.1', family: 'IPv4' },
    { address: '::1', family: 'IPv6' },
  ],
  eth0: [{ address: '192.0.2.53', family: 'IPv4' }],
} as unknown as NodeJS.Dict<NetworkInterfaceInfo[]>;

function from(address: string, port: number): Query {
  const query = new Query();
  query.clientWords.set(addressWords(address));
  query.port = port;
  return query;
}

test.each([
  ['192.0.2.53', 53, true],
  ['127.0.0.1', 53, true],
  ['192.0.2.53', 5353, false],
  ['192.0.2.54', 53, false],
  // Only IPv4 listens on every address here; ::1 has a port of its own.
  ['::1', 53, false],
  ['::1', 5353, true],
])('%s port %i is one of the server’s own sockets: %s', (address, port, own) => {
  const listen = [
    { address: '0.0.0.0', port: 53 },
    { address: '::1', port: 5353 },
  ];
  expect(new OwnAddresses(listen, interfaces).has(from(address, port))).toBe(own);
});
