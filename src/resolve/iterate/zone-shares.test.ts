import { describe, expect, it } from 'vitest';
import { ROOT_NAME } from './name-text.ts';
import { ZoneShares } from './zone-shares.ts';

const SLOW = '\x04slow\x04test\0';
const OTHER = '\x05other\x04test\0';
const TLD = '\x04test\0';

describe('shares of zones', () => {
  it('bound nobody while there is room', () => {
    const shares = new ZoneShares(80);
    for (let i = 0; i < 39; i++) shares.take(SLOW);
    expect(shares.allows(SLOW, 39)).toBe(true);
  });

  it('keep one zone from taking the places of all others', () => {
    const shares = new ZoneShares(80);
    for (let i = 0; i < 40; i++) shares.take(SLOW);
    expect(shares.allows(SLOW, 40)).toBe(false);
    expect(shares.allows(OTHER, 40)).toBe(true);
  });

  it('do not count what is asked of the root and of top-level domains as one zone', () => {
    const shares = new ZoneShares(80);
    for (let i = 0; i < 79; i++) shares.take(TLD);
    expect([shares.allows(TLD, 79), shares.allows(ROOT_NAME, 79)]).toEqual([true, true]);
  });

  it('remember no zone without questions', () => {
    const shares = new ZoneShares(80);
    shares.take(SLOW);
    shares.take(SLOW);
    shares.give(SLOW);
    expect(shares.zones).toBe(1);
    shares.give(SLOW);
    expect(shares.zones).toBe(0);
  });
});
