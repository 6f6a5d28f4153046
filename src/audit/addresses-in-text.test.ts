import { expect, it } from 'vitest';
import { anyAddress, holdsAddress } from '../audit/addresses-in-text.ts';

it.each([
  'flood from 198.51.100.77',
  '(198.51.100.77)',
  'queries from 198.51.100.0/24',
  'host 198.51.100.77/24 of it',
  '2001:db8::7 asks',
  'network 2001:db8:7::/48',
  'from [2001:db8::7]:53',
  '::ffff:198.51.100.77',
  '198.51.100.77:4711',
])('%s holds an address', (text) => {
  expect(holdsAddress(text)).toBe(true);
});

it.each([
  '',
  'ticket 4711',
  'graph of 14:10, still 9 kq/s',
  '2026-11-28T15:22:00.000Z',
  '10:20:30',
  'version 1.2.3',
  'a: b: c',
  '5:1(1)',
])('%j holds none', (text) => {
  expect(holdsAddress(text)).toBe(false);
});

it('is found however deep', () => {
  expect(anyAddress({ rules: [{ ground: { evidence: 'from 198.51.100.77' } }] })).toBe(true);
  expect(anyAddress({ rules: [{ ground: { evidence: 'ticket' }, hits: 3, at: null }] })).toBe(false);
});
