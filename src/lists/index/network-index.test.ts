import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { addressWords, type Prefix, parsePrefix, prefixContains } from '../../address/address.ts';
import { ADDRESS_TRIGGER, type AddressTrigger } from '../formats/sink.ts';
import { PolicyIndexBuilder } from './builder.ts';
import { emptyLengths, lengthsAt, NetworkIndex, NetworkName } from './network-index.ts';
import { ACTION_DROP, ACTION_NXDOMAIN, EXACT } from './rules.ts';

interface Rule {
  readonly list: number;
  readonly trigger: AddressTrigger;
  readonly prefix: Prefix;
  readonly action: number;
}

function indexOf(rules: readonly Rule[]): NetworkIndex {
  const builder = new PolicyIndexBuilder({ key: [1, -2, 3, -4], version: 1 });
  const lengths = emptyLengths();
  const name = new NetworkName();
  for (const { list, trigger, prefix, action } of rules) {
    name.set(trigger, prefix.words, prefix.bits);
    builder.add(builder.rule(list, EXACT, action), name.bytes);
    lengths[lengthsAt(trigger, prefix.bits)]! |= 1 << list;
  }
  return new NetworkIndex({ index: builder.build(), lengths });
}

const rule = (
  text: string,
  list = 0,
  trigger: AddressTrigger = ADDRESS_TRIGGER.IP,
  action = ACTION_NXDOMAIN,
): Rule => ({
  list,
  trigger,
  prefix: parsePrefix(text),
  action,
});

describe('networks', () => {
  it('are found by the longest prefix, each list for itself', () => {
    const index = indexOf([
      rule('192.0.2.0/24', 0),
      rule('192.0.2.64/26', 0, ADDRESS_TRIGGER.IP, ACTION_DROP),
      rule('192.0.0.0/16', 3),
      rule('2001:db8::/32', 31),
    ]);
    expect(index.lookup(ADDRESS_TRIGGER.IP, addressWords('192.0.2.65'), -1)).toBe((1 << 0) | (1 << 3));
    expect(index.matchOf(0)).toBe(true);
    expect([index.bits, index.rules.action]).toEqual([96 + 26, ACTION_DROP]);
    expect(index.matchOf(3)).toBe(true);
    expect([index.bits, index.rules.action]).toEqual([96 + 16, ACTION_NXDOMAIN]);
    expect(index.matchOf(31)).toBe(false);
    expect(index.lookup(ADDRESS_TRIGGER.IP, addressWords('2001:db8::1'), -1)).toBe(1 << 31);
  });

  it('belong to one trigger, and to the lists that were asked for', () => {
    const index = indexOf([rule('192.0.2.0/24', 2, ADDRESS_TRIGGER.CLIENT_IP)]);
    const words = addressWords('192.0.2.1');
    expect(index.holders(ADDRESS_TRIGGER.CLIENT_IP)).toBe(1 << 2);
    expect(index.holders(ADDRESS_TRIGGER.NSIP)).toBe(0);
    expect(index.lookup(ADDRESS_TRIGGER.IP, words, -1)).toBe(0);
    expect(index.lookup(ADDRESS_TRIGGER.CLIENT_IP, words, ~(1 << 2))).toBe(0);
    expect(index.matchOf(2)).toBe(false);
    expect(index.lookup(ADDRESS_TRIGGER.CLIENT_IP, words, 1 << 2)).toBe(1 << 2);
    expect(index.matchOf(2)).toBe(true);
  });

  it('cover what a walk over all of them covers', () => {
    // Few address bits, so that prefixes lie inside each other.
    const address = fc
      .tuple(fc.constantFrom('192.0.2.', '2001:db8::'), fc.nat(255))
      .map(([front, last]) => (front.includes(':') ? `${front}${last.toString(16)}` : `${front}${last}`));
    const network = fc
      .tuple(address, fc.nat(32), fc.nat(3), fc.constantFrom(1, 2, 3))
      .map(([text, cut, list, trigger]): Rule => {
        const words = addressWords(text);
        const bits = Math.max(0, 128 - cut);
        const kept = words.map((word, i) => {
          const own = bits - 32 * i;
          return own >= 32 ? word : own <= 0 ? 0 : word & (-1 << (32 - own));
        });
        return { list, trigger: trigger as AddressTrigger, prefix: { words: kept, bits }, action: ACTION_NXDOMAIN };
      });
    fc.assert(
      fc.property(fc.array(network, { maxLength: 30 }), address, fc.constantFrom(1, 2, 3), (rules, text, of) => {
        const trigger = of as AddressTrigger;
        const words = addressWords(text);
        const index = indexOf(rules);
        const around = rules.filter((each) => each.trigger === trigger && prefixContains(each.prefix, words));
        const mask = around.reduce((all, { list }) => all | (1 << list), 0);
        expect(index.lookup(trigger, words, -1)).toBe(mask);
        for (let list = 0; list < 4; list++) {
          const longest = Math.max(-1, ...around.filter((each) => each.list === list).map(({ prefix }) => prefix.bits));
          expect(index.matchOf(list)).toBe(longest >= 0);
          if (longest >= 0) expect(index.bits).toBe(longest);
        }
      }),
    );
  });
});
