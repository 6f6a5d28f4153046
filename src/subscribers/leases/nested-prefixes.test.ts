import { describe, expect, it } from 'vitest';
import { addressWords, parsePrefix, prefixContains } from '../../address/address.ts';
import type { PortPrefix } from '../table/address-table.ts';
import { NestedPrefixes } from './nested-prefixes.ts';

const at = (text: string, port = 0, portBits = 0): PortPrefix => ({ ...parsePrefix(text), port, portBits });
const key = ({ words, bits, port, portBits }: PortPrefix) => `${words.join()}/${bits}:${port}/${portBits}`;
const keys = (prefixes: readonly PortPrefix[]) => prefixes.map(key).sort();

describe('prefixes within each other', () => {
  it('are found around and within one, itself left out', () => {
    const nested = new NestedPrefixes();
    const all = [
      '2001:db8::/32',
      '2001:db8:70::/48',
      '2001:db8:70:100::/56',
      '2001:db8:70:101::/64',
      '2001:db8:77::/56',
    ];
    for (const each of [...all].reverse()) nested.add(at(each));
    nested.add(at('2001:db8:70:100::/56'));
    expect(nested.around(at('2001:db8:70:101::/64')).map(key)).toEqual(all.slice(0, 3).map((each) => key(at(each))));
    expect(keys(nested.within(at('2001:db8:70::/48')))).toEqual(keys(all.slice(2, 4).map((each) => at(each))));
    expect(nested.around(at('2001:db8::/32'))).toEqual([]);
    expect(nested.within(at('2001:db8:78::/48'))).toEqual([]);
    expect(nested.within(at('2001:db8:70:100::/57')).map(key)).toEqual([key(at('2001:db8:70:101::/64'))]);
  });

  it('may be blocks of ports of an address, and IPv4 beside IPv6', () => {
    const nested = new NestedPrefixes();
    for (const each of [at('203.0.113.7'), at('203.0.113.7', 1024, 6), at('203.0.113.7', 2048, 6), at('203.0.113.8')])
      nested.add(each);
    expect(keys(nested.within(at('203.0.113.7')))).toEqual(
      keys([at('203.0.113.7', 1024, 6), at('203.0.113.7', 2048, 6)]),
    );
    expect(nested.around(at('203.0.113.7', 1024, 7)).map(key)).toEqual([
      key(at('203.0.113.7')),
      key(at('203.0.113.7', 1024, 6)),
    ]);
    expect(nested.within(at('203.0.112.0/23'))).toHaveLength(4);
  });

  it('are those that comparing each with each finds', () => {
    let seed = 3;
    const random = (below: number) => {
      seed = (Math.imul(seed, 1664525) + 1013904223) | 0;
      return (seed >>> 8) % below;
    };
    const make = (): PortPrefix => {
      const bits = [32, 48, 56, 60, 64, 128][random(6)]!;
      const words = addressWords(`2001:db8:${random(3)}:${(random(4) << 8) | random(3)}::${random(3)}`);
      const masked = words.map((word, i) => {
        const kept = Math.min(32, Math.max(0, bits - i * 32));
        return kept === 0 ? 0 : word & (-1 << (32 - kept));
      });
      return { words: masked, bits, port: 0, portBits: 0 };
    };
    for (let round = 0; round < 30; round++) {
      const nested = new NestedPrefixes();
      const known = new Map<string, PortPrefix>();
      for (let i = 0; i < 60; i++) {
        const prefix = make();
        nested.add(prefix);
        known.set(key(prefix), prefix);
      }
      for (let i = 0; i < 40; i++) {
        const prefix = make();
        const others = [...known.values()].filter((each) => key(each) !== key(prefix));
        expect(keys(nested.around(prefix))).toEqual(
          keys(others.filter((each) => each.bits < prefix.bits && prefixContains(each, prefix.words))),
        );
        expect(keys(nested.within(prefix))).toEqual(
          keys(others.filter((each) => each.bits > prefix.bits && prefixContains(prefix, each.words))),
        );
      }
    }
  });
});
