import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { addressWords, isMapped, parsePrefix } from '../address/address.ts';
import { PrefixSet } from '../address/prefix-set.ts';
import { Metrics } from '../metrics/registry.ts';
import { Query } from '../wire/query.ts';
import { PendingShares } from './pending-shares.ts';

const TOKENS = 300;

function rig(options: { dryRun?: boolean; exempt?: string; room?: () => number } = {}) {
  const metrics = new Metrics();
  const shares = new PendingShares({
    tokens: TOKENS,
    key: [1, 2],
    room: options.room ?? (() => TOKENS),
    exempt: options.exempt === undefined ? undefined : new PrefixSet([parsePrefix(options.exempt)]),
    dryRun: options.dryRun ?? false,
    metrics,
  });
  const query = new Query();
  const held: number[] = [];
  return {
    held,
    take: (client: string): boolean => {
      query.clientWords.set(addressWords(client));
      query.family = isMapped(query.clientWords) ? 4 : 6;
      if (held.length === TOKENS || !shares.take(held.length, query, TOKENS - held.length)) return false;
      held.push(held.length);
      return true;
    },
    releaseAll: () => {
      for (const token of held.splice(0)) shares.release(token);
    },
    refused: (limit: string) => {
      const cell = metrics.cells.findIndex((one) => one.labels['limit'] === limit);
      return metrics.values[cell]!;
    },
  };
}

/** Until it is refused; returns how many were taken. */
function fill(take: (client: string) => boolean, clientOf: (i: number) => string): number {
  for (let i = 0; i <= TOKENS; i++) if (!take(clientOf(i))) return i;
  return TOKENS;
}

describe('places for waiting queries', () => {
  it('one host takes a third of them at most, and its neighbour still gets some', () => {
    const { take, refused } = rig();
    expect(fill(take, () => '192.0.2.1')).toBe(TOKENS / 3);
    expect(take('192.0.2.2')).toBe(true);
    expect(refused('host')).toBe(1);
  });

  it('one network takes half of them at most, IPv4 or IPv6', () => {
    for (const clientOf of [
      (i: number) => `192.0.2.${i % 250}`,
      (i: number) => `2001:db8::${(i % 250).toString(16)}:0:0:0:1`,
    ]) {
      const { take, refused } = rig();
      expect(fill(take, clientOf)).toBe(TOKENS / 2);
      expect(refused('network')).toBe(1);
      expect(take('198.51.100.1')).toBe(true);
    }
  });

  it('what the source can still take bounds them as well', () => {
    const { take } = rig({ room: () => 60 });
    expect(fill(take, () => '192.0.2.1')).toBe(30);
  });

  it('a few are always had, however much others hold', () => {
    const { take } = rig({ room: () => 0 });
    expect(fill(take, () => '192.0.2.1')).toBe(8);
    expect(take('198.51.100.1')).toBe(true);
  });

  it('exempt networks are not bounded', () => {
    const { take } = rig({ exempt: '192.0.2.0/24' });
    expect(fill(take, () => '192.0.2.1')).toBe(TOKENS);
  });

  it('a dry run only counts', () => {
    const { take, refused } = rig({ dryRun: true });
    expect(fill(take, () => '192.0.2.1')).toBe(TOKENS);
    expect(refused('host')).toBeGreaterThan(TOKENS / 2);
  });

  it('what was taken is given back, in whatever order clients came', () => {
    const host = fc.integer({ min: 0, max: 40 }).map((i) => `192.0.${i >> 3}.${i}`);
    fc.assert(
      fc.property(fc.array(host, { maxLength: 200 }), (clients) => {
        const { take, releaseAll } = rig();
        for (const client of clients) take(client);
        releaseAll();
        return fill(take, () => clients[0] ?? '192.0.2.1') === TOKENS / 3;
      }),
    );
  });
});
