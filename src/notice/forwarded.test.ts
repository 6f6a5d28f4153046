import { expect, test } from 'vitest';
import { addressText } from '../address/address.ts';
import { forwardedOrigin } from './forwarded.ts';

const PROXIES = ['192.0.2.80/32', '192.0.2.81/32', '2001:db8:80::/64'];
const origin = (headers: Record<string, string>) => {
  const found = forwardedOrigin(headers, PROXIES);
  return found && `${addressText(found.words)} ${found.port}`;
};

test.each([
  [{ 'x-forwarded-for': '198.51.100.7', 'x-client-port': '77' }, '198.51.100.7 77'],
  [{ 'x-forwarded-for': '198.51.100.7:77' }, '198.51.100.7 77'],
  [{ 'x-forwarded-for': '198.51.100.7:77', 'x-client-port': '77' }, '198.51.100.7 77'],
  [{ 'x-forwarded-for': '2001:db8::7', 'x-client-port': '77' }, '2001:db8::7 77'],
  [{ 'x-forwarded-for': '[2001:db8::7]:77' }, '2001:db8::7 77'],
  [{ forwarded: 'for="198.51.100.7:77"' }, '198.51.100.7 77'],
  [{ forwarded: 'proto=https; For="[2001:db8::7]:77"; by=192.0.2.80' }, '2001:db8::7 77'],
  [{ forwarded: 'for=198.51.100.7', 'x-client-port': '77' }, '198.51.100.7 77'],
  [{ forwarded: 'for="198.51.100.7:77"', 'x-forwarded-for': '198.51.100.7' }, '198.51.100.7 77'],
  // Through two listed proxies.
  [{ 'x-forwarded-for': '198.51.100.7:77, 192.0.2.81:9' }, '198.51.100.7 77'],
  [{ forwarded: 'for="198.51.100.7:77", for=192.0.2.81' }, '198.51.100.7 77'],
  // What stands before the visitor, the visitor wrote.
  [{ 'x-forwarded-for': '203.0.113.1, 198.51.100.7', 'x-client-port': '77' }, '198.51.100.7 77'],
  [{ 'x-forwarded-for': '203.0.113.1:1, 198.51.100.7:77' }, '198.51.100.7 77'],
  [{ 'x-forwarded-for': '192.0.2.80, 198.51.100.7:77' }, '198.51.100.7 77'],
  [{ 'x-forwarded-for': 'nonsense, 198.51.100.7:77' }, '198.51.100.7 77'],
])('%j is %s', (headers, said) => {
  expect(origin(headers as unknown as Record<string, string>)).toBe(said);
});

const NOBODY: Record<string, string>[] = [
  // Half of it.
  {},
  { 'x-forwarded-for': '198.51.100.7' },
  { 'x-client-port': '77' },
  { 'x-forwarded-for': '', 'x-client-port': '77' },
  { forwarded: 'for=198.51.100.7' },
  { forwarded: 'proto=https', 'x-client-port': '77' },
  { 'x-forwarded-for': '203.0.113.1:1, 198.51.100.7' },
  // A port that is none.
  ...['', '0', '-1', '70000', '7x', ' 7', '007', '77, 77', '77, 78'].map((port) => ({
    'x-forwarded-for': '198.51.100.7',
    'x-client-port': port,
  })),
  { 'x-forwarded-for': '198.51.100.7:0' },
  { 'x-forwarded-for': '198.51.100.7:99999' },
  { forwarded: 'for="198.51.100.7:_port"' },
  // An address that is none.
  { 'x-forwarded-for': 'unknown', 'x-client-port': '77' },
  { 'x-forwarded-for': '198.51.100', 'x-client-port': '77' },
  { 'x-forwarded-for': 'fe80::1%eth0', 'x-client-port': '77' },
  { forwarded: 'for=_hidden', 'x-client-port': '77' },
  { forwarded: 'for="198.51.100.7:77' },
  { forwarded: 'for="198.51.100.7:77", proto=https' },
  { forwarded: 'for="203.0.113.1:1";for="198.51.100.7:77"' },
  // Behind what cannot be read nobody is looked for.
  { 'x-forwarded-for': '198.51.100.7:77, nonsense' },
  { 'x-forwarded-for': '198.51.100.7:77,' },
  // Listed proxies alone: they are nobody's line.
  { 'x-forwarded-for': '192.0.2.80', 'x-client-port': '77' },
  { 'x-forwarded-for': '192.0.2.81:5, 192.0.2.80:6' },
  { 'x-forwarded-for': '[2001:db8:80::1]:6' },
  // Contradictions.
  { forwarded: 'for="198.51.100.7:77"', 'x-forwarded-for': '198.51.100.8' },
  { forwarded: 'for="198.51.100.7:77"', 'x-forwarded-for': '198.51.100.7:78' },
  { forwarded: 'for="198.51.100.7:77"', 'x-client-port': '78' },
  { forwarded: 'nonsense', 'x-forwarded-for': '198.51.100.7:77' },
  // Beyond bounds.
  { 'x-forwarded-for': `${'203.0.113.1, '.repeat(400)}198.51.100.7:77` },
  { 'x-forwarded-for': `198.51.100.7:77, ${Array(40).fill('192.0.2.80').join(', ')}` },
];
test.each(NOBODY)('%j is nobody', (headers) => {
  expect(origin(headers)).toBeUndefined();
});
