import { expect, it } from 'vitest';
import { designatedRecords } from './designated.ts';

it('tells where the server may be asked encrypted, in the order of the configuration (RFC 9462 §4.1)', () => {
  const [dot, doh, any] = designatedRecords([
    { name: 'dns.example', transport: 'tls', address: '192.0.2.53', port: 853 },
    { name: 'dns.example', transport: 'https', address: '2001:db8::53', port: 443, path: '/dns-query' },
    { name: 'dns.example', transport: 'tls', address: '0.0.0.0', port: 853 },
  ]).map(({ data }) => Buffer.from(data).toString('latin1'));
  // Priority, target, then alpn, port, hint and path by ascending keys (RFC 9460 §2.2).
  const target = '\x03dns\x07example\0';
  expect(dot).toBe(`\0\x01${target}\0\x01\0\x04\x03dot\0\x03\0\x02\x03\x55\0\x04\0\x04\xc0\0\x02\x35`);
  expect(doh).toBe(
    `\0\x02${target}\0\x01\0\x03\x02h2\0\x03\0\x02\x01\xbb\0\x06\0\x10\x20\x01\x0d\xb8${'\0'.repeat(11)}\x53\0\x07\0\x10/dns-query{?dns}`,
  );
  expect(any).toBe(`\0\x03${target}\0\x01\0\x04\x03dot\0\x03\0\x02\x03\x55`);
});
