import { expect, test } from 'vitest';
import { replaceAddresses } from '../address/network-around.ts';
import { discreetGround, discreetMatch, discreetText } from './discreet.ts';

const ground = {
  kind: 'self-defence',
  effect: 'overloads the resolvers',
  evidence: 'graph of 14:10: 192.0.2.77, 2001:db8:1:2::7 and 198.51.100.0/24 ask victim.example',
  approver: 'shift lead',
  expires: '2026-12-01T10:00:00Z',
} as const;

test('on a source: the network around an address stands for it', () => {
  const match = { source: '192.0.2.77' };
  expect(discreetMatch(match)).toEqual({ source: '192.0.2.0/24' });
  expect(discreetMatch({ source: '2001:db8:1:2::7' })).toEqual({ source: '2001:db8::/40' });
  expect(discreetGround(ground, match)).toMatchObject({
    evidence: 'graph of 14:10: 192.0.2.0/24, 2001:db8::/40 and 198.51.100.0/24 ask victim.example',
    approver: 'shift lead',
    expires: '2026-12-01T10:00:00Z',
  });
});

test('on names: no source at all', () => {
  expect(discreetText(ground.evidence, { name: 'victim.example' })).toBe(
    'graph of 14:10: (a source), (a source) and (a source) ask victim.example',
  );
  expect(discreetMatch({ pattern: '*.victim.example', type: 'A' })).toEqual({ pattern: '*.victim.example', type: 'A' });
});

test.each([
  'at 14:10:22',
  'version 1.2.3.4.5',
  'ticket 4711',
  '10.0.0.0/8',
  'a::b::c',
  '999.1.1.1',
  'MAC 00:11:22:33:44:55',
])('%s is no address', (text) => {
  expect(replaceAddresses(text, () => 'X')).toBe(text);
});

test.each([
  ['from 192.0.2.77/32 alone', 'from X alone'],
  ['[2001:db8::7]:53', '[X]:53'],
  ['192.0.2.77, 192.0.2.78.', 'X, X.'],
  ['::ffff:192.0.2.77', 'X'],
  ['fe80::1', 'X'],
])('%s', (text, expected) => {
  expect(replaceAddresses(text, () => 'X')).toBe(expected);
});
