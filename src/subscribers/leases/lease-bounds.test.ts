import { describe, expect, it } from 'vitest';
import { addressWords, parsePrefix, prefixText } from '../../address/address.ts';
import { leaseBounds, refusalOf, withoutHostBits } from './lease-bounds.ts';

const ACCESS = ['192.0.2.0/25', '192.0.2.128/25', '198.51.100.0/25', '2001:db8::/32', '::ffff:203.0.113.0/120'];
const refusal = (text: string, shortest = { shortestIpv4: 32, shortestIpv6: 48 }, access = ACCESS) =>
  refusalOf(parsePrefix(text), !text.includes(':'), leaseBounds(shortest, access));

describe('what may be leased', () => {
  it.each(['192.0.2.7', '192.0.2.7/32', '2001:db8::/48', '2001:db8:0:1::/64', '2001:db8::1'])('is %s', (text) => {
    expect(refusal(text)).toBeUndefined();
  });

  it.each([
    ['::/0', 'too-short'],
    ['0.0.0.0/0', 'too-short'],
    ['192.0.2.0/31', 'too-short'],
    ['2001:db8::/47', 'too-short'],
    ['::ffff:192.0.2.7', 'mapped'],
    ['::ffff:192.0.2.0/120', 'mapped'],
    ['::/64', 'mapped'],
    ['::/96', 'mapped'],
    ['0.0.0.0', 'reserved'],
    ['::', 'reserved'],
    ['255.255.255.255', 'reserved'],
    ['255.255.255.254', 'reserved'],
    ['198.51.100.128', 'outside-access'],
    ['2001:db9::/48', 'outside-access'],
  ])('is not %s: %s', (text, reason) => {
    expect(refusal(text)).toBe(reason);
    // However wide the access is.
    if (reason !== 'outside-access') expect(refusal(text, undefined, ['0.0.0.0/0', '::/0'])).toBe(reason);
  });

  it('is as wide as the operator allows, and lies wholly in the access, in one network of it or several', () => {
    const wide = { shortestIpv4: 24, shortestIpv6: 32 };
    expect(refusal('192.0.2.0/24', wide)).toBeUndefined();
    expect(refusal('198.51.100.0/24', wide)).toBe('outside-access');
    expect(refusal('2001:db8::/32', wide)).toBeUndefined();
    expect(refusal('2001:db8::/31', { ...wide, shortestIpv6: 31 })).toBe('outside-access');
  });

  it('has no bits beyond its length', () => {
    expect(prefixText(withoutHostBits(addressWords('2001:db8:77:1234::9'), 56))).toBe('2001:db8:77:1200::/56');
    expect(prefixText(withoutHostBits(addressWords('192.0.2.7'), 120))).toBe('192.0.2.0/24');
    expect(withoutHostBits(addressWords('ffff::1'), 0).words).toEqual(new Int32Array(4));
  });
});
