import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { addressWords, isMapped, type Prefix, parsePrefix, prefixContains } from '../../address/address.ts';
import { AddressReader, AddressTable, type PortPrefix } from './address-table.ts';
import { portBlocks } from './ports.ts';
import { NEVER, NOBODY, UNKNOWN } from './prefix-table.ts';

const at = (text: string, port = 0, portBits = 0): PortPrefix => ({ ...parsePrefix(text), port, portBits });
const find = (reader: AddressReader, address: string, port = 1000, nowSeconds = 0) => {
  const words = addressWords(address);
  return reader.find(words, isMapped(words) ? 4 : 6, port, nowSeconds);
};
const tableOf = (entries: [string, number][]): AddressReader => {
  const table = new AddressTable();
  for (const [text, holder] of entries) expect(table.set(at(text), holder, NEVER)).toBe(true);
  return new AddressReader(table.memory);
};

describe('the table of addresses', () => {
  it('says the same whether or not its answers were foreseen, however many and of whom', () => {
    const prefix = fc.tuple(fc.integer({ min: 0, max: 15 }), fc.constantFrom(8, 16, 24, 32));
    fc.assert(
      fc.property(
        fc.array(prefix, { maxLength: 20 }),
        fc.array(fc.nat(2000), { maxLength: 600 }),
        (prefixes, asked) => {
          const table = new AddressTable();
          prefixes.forEach(([part, bits], i) => {
            const bytes = [10, part, part, part].map((byte, place) => (place * 8 < bits ? byte : 0));
            table.set(at(`${bytes.join('.')}/${bits}`), i, NEVER);
            table.set(at(`2001:db8:${part}::/${bits + 40}`), i, NEVER);
          });
          const plain = new AddressReader(table.memory);
          const foreseeing = new AddressReader(table.memory);
          const addresses = asked.map((n) =>
            n & 1 ? `10.${n & 15}.${n & 15}.${n % 256}` : `2001:db8:${n & 15}::${n}`,
          );
          addresses.forEach((address, i) => {
            const words = addressWords(address);
            foreseeing.foresee(words, isMapped(words) ? 4 : 6, i);
            if (i % 300 === 299) foreseeing.fetch();
            // Also in the midst of what was noted and not fetched.
            expect(find(foreseeing, address)).toBe(find(plain, address));
          });
          foreseeing.fetch();
          for (const address of addresses) expect(find(foreseeing, address)).toBe(find(plain, address));
        },
      ),
    );
  });

  it('finds the longest prefix of either family', () => {
    const reader = tableOf([
      ['192.0.2.0/24', 1],
      ['192.0.2.7', 2],
      ['192.0.2.0/28', 3],
      ['2001:db8::/32', 4],
      ['2001:db8:77::/48', 5],
      ['2001:db8:77:1::/64', 6],
      ['2001:db8:77:1::80', 7],
      ['2001:db8:77:1::/120', 8],
    ]);
    for (const [address, holder, length] of [
      ['192.0.2.7', 2, 128],
      ['192.0.2.8', 3, 124],
      ['192.0.2.16', 1, 120],
      ['192.0.3.0', UNKNOWN, undefined],
      ['2001:db8::1', 4, 32],
      ['2001:db8:77:2::1', 5, 48],
      ['2001:db8:77:1:8000::', 6, 64],
      ['2001:db8:77:1::80', 7, 128],
      ['2001:db8:77:1::81', 8, 120],
      ['2001:db9::', UNKNOWN, undefined],
    ] as const) {
      expect([address, find(reader, address)]).toEqual([address, holder]);
      if (length !== undefined) expect([address, reader.length]).toEqual([address, length]);
    }
  });

  it('tells subscribers behind one address by their block of ports', () => {
    const table = new AddressTable();
    table.set(at('203.0.113.1'), 9, NEVER);
    for (const { port, bits } of portBlocks(1000, 1999)) table.set(at('203.0.113.1', port, bits), 1, NEVER);
    for (const { port, bits } of portBlocks(2000, 2999)) table.set(at('203.0.113.1', port, bits), 2, NEVER);
    for (const { port, bits } of portBlocks(0, 80)) table.set(at('2001:db8::1', port, bits), 3, NEVER);
    const reader = new AddressReader(table.memory);
    const holders = [999, 1000, 1999, 2000, 2999, 3000].map((port) => find(reader, '203.0.113.1', port));
    expect(holders).toEqual([9, 1, 1, 2, 2, 9]);
    expect([0, 80, 81].map((port) => find(reader, '2001:db8::1', port))).toEqual([3, 3, UNKNOWN]);
  });

  it('knows nobody once the time has come, or nobody was entered, and hides what lies below', () => {
    const table = new AddressTable();
    table.set(at('192.0.2.0/24'), 1, NEVER);
    table.set(at('192.0.2.7'), 2, 100);
    table.set(at('192.0.2.8'), NOBODY, NEVER);
    const reader = new AddressReader(table.memory);
    expect([99, 100, 101].map((now) => find(reader, '192.0.2.7', 1, now))).toEqual([2, NOBODY, NOBODY]);
    expect(find(reader, '192.0.2.8')).toBe(NOBODY);
    table.set(at('192.0.2.7'), 3, 200);
    expect(find(reader, '192.0.2.7', 1, 150)).toBe(3);
  });

  it('agrees with a search through all prefixes', () => {
    const bits4 = fc.constantFrom('10.0.0', '10.0.1', '10.1.0', '192.0.2');
    const v4 = fc
      .tuple(bits4, fc.integer({ min: 0, max: 255 }), fc.integer({ min: 0, max: 32 }))
      .map(([base, last, bits]) => masked(`${base}.${last}`, bits + 96));
    const v6 = fc
      .tuple(
        fc.constantFrom('2001:db8::', '2001:db8:0:1::', 'fe80::'),
        fc.integer({ min: 0, max: 0xffff }),
        fc.nat(128),
      )
      .map(([base, last, bits]) => masked(`${base}${last.toString(16)}`, bits));
    fc.assert(
      fc.property(
        fc.array(fc.oneof(v4, v6), { maxLength: 60 }),
        fc.array(fc.oneof(v4, v6), { maxLength: 20 }),
        (prefixes, asked) => {
          const table = new AddressTable();
          const known = new Map<string, { prefix: Prefix; holder: number }>();
          prefixes.forEach((prefix, holder) => {
            table.set({ ...prefix, port: 0, portBits: 0 }, holder, NEVER);
            known.set(`${prefix.words.join()}/${prefix.bits}`, { prefix, holder });
          });
          const reader = new AddressReader(table.memory);
          for (const { words } of [...asked, ...prefixes]) {
            const best = [...known.values()]
              .filter(({ prefix }) => isMapped(prefix.words) === isMapped(words) && prefixContains(prefix, words))
              .sort((one, other) => other.prefix.bits - one.prefix.bits)[0];
            const found = reader.find(words, isMapped(words) ? 4 : 6, 7, 0);
            expect(found).toBe(best?.holder ?? UNKNOWN);
          }
        },
      ),
    );
  });

  it('grows without losing anything, and writes into both memories until every reader has the new one', async () => {
    let release: () => void = () => {};
    const moved: number[] = [];
    const table = new AddressTable({
      replaced: (memory) =>
        new Promise((resolve) => {
          moved.push(memory.v4.capacity);
          release = resolve;
        }),
    });
    const address = (i: number) => at(`10.${i >> 16}.${(i >> 8) & 255}.${i & 255}`);
    const first = new AddressReader(table.memory);
    let i = 0;
    for (; moved.length === 0; i++) table.set(address(i), i, NEVER);
    // The reader of the old memory learns of changes to what it knows; what is new there is unknown to it, never wrong.
    table.set(address(5), 77, NEVER);
    expect(find(first, '10.0.0.5')).toBe(77);
    expect(find(first, `10.0.${(i - 1) >> 8}.${(i - 1) & 255}`)).toBe(UNKNOWN);
    release();
    await new Promise((resolve) => setImmediate(resolve));
    table.set(address(5), 78, NEVER);
    expect(find(first, '10.0.0.5')).toBe(77);
    for (; i < 40_000; i++) {
      table.set(address(i), i, NEVER);
      release();
    }
    const reader = new AddressReader(table.memory);
    for (let k = 0; k < 40_000; k += 7) {
      const words = address(k).words;
      expect(reader.find(words, 4, 0, 0)).toBe(k === 5 ? 78 : k);
    }
    expect(table.count).toBe(40_000);
  });

  it('knows as a map does while it grows, a new table copied in steps, with holders that change meanwhile', async () => {
    const table = new AddressTable({ replaced: async () => {} });
    const known = new Map<string, { prefix: PortPrefix; holder: number; expires: number; session: number }>();
    const shapes = [
      (i: number) => at(`10.${i >> 16}.${(i >> 8) & 255}.${i & 255}`),
      (i: number) => at('203.0.113.7', (i & 0xfff) << 4, 12),
      (i: number) => at(`2001:db8:${i.toString(16)}::/48`),
      (i: number) => at(`2001:db8:${(i >> 4).toString(16)}:${i.toString(16)}::/64`),
      (i: number) => at(`2001:db8::${i.toString(16)}`),
      (i: number) => at(`2001:db8::1:${i.toString(16)}`, (i & 0xff) << 8, 8),
    ];
    let seed = 7;
    for (let i = 0; i < 40_000; i++) {
      seed = (Math.imul(seed, 1664525) + 1013904223) | 0;
      const prefix = shapes[i % shapes.length]!((seed >>> 8) % 30_000);
      const entry = { prefix, holder: i % 7 === 0 ? NOBODY : i, expires: 1000 + (i % 100), session: i };
      expect(table.set(prefix, entry.holder, entry.expires, entry.session)).toBe(true);
      known.set(`${prefix.words.join()}/${prefix.bits}:${prefix.port}/${prefix.portBits}`, entry);
      if (i % 500 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    expect(table.count).toBe(known.size);
    const reader = new AddressReader(table.memory);
    for (const { prefix, holder, expires, session } of known.values()) {
      expect([table.holderOf(prefix), table.expiresSeconds, table.session]).toEqual([holder, expires, session]);
      if (prefix.bits + prefix.portBits < 128) continue;
      const found = reader.find(prefix.words, isMapped(prefix.words) ? 4 : 6, prefix.port, 1000);
      expect(found).toBe(expires > 1000 ? holder : NOBODY);
    }
  });

  it('takes no more than 32 bytes for an IPv4 address or a prefix up to /64, however it has grown', () => {
    const table = new AddressTable();
    const over: string[] = [];
    for (let i = 0; i < 400_000; i++) {
      table.set(
        { words: Int32Array.of(0, 0, 0xffff, Math.imul(i, 0x9e3779b1)), bits: 128, port: 0, portBits: 0 },
        i,
        NEVER,
      );
      table.set(
        { words: Int32Array.of(0x20010db8, Math.imul(i, 0x9e3779b1), 0, 0), bits: 64, port: 0, portBits: 0 },
        i,
        NEVER,
      );
      if (i > 150_000 && i % 1000 === 0 && table.bytes > table.count * 32)
        over.push(`${table.bytes / table.count} at ${i}`);
    }
    expect(over).toEqual([]);
  });

  it('refuses what is beyond its bound', () => {
    const table = new AddressTable({ maxEntries: 900 });
    const results = Array.from({ length: 2000 }, (_, i) => table.set(at(`10.0.${i >> 8}.${i & 255}`), i, NEVER));
    expect(results.filter((taken) => taken).length).toBeLessThan(1000);
    expect(table.set(at('10.0.0.1'), 4711, NEVER)).toBe(true);
  });
});

describe('blocks of ports', () => {
  it('cover exactly the ports they are made of', () => {
    fc.assert(
      fc.property(fc.nat(0xffff), fc.nat(0xffff), (one, other) => {
        const [first, last] = [Math.min(one, other), Math.max(one, other)];
        let next = first;
        for (const { port, bits } of portBlocks(first, last)) {
          const size = 2 ** (16 - bits);
          expect([port, port % size]).toEqual([next, 0]);
          next += size;
        }
        expect(next).toBe(last + 1);
      }),
    );
  });
});

function masked(address: string, bits: number): Prefix {
  const words = addressWords(address).map((word, i) => {
    const kept = Math.min(32, Math.max(0, bits - i * 32));
    return kept === 0 ? 0 : word & (-1 << (32 - kept));
  });
  return { words, bits };
}
