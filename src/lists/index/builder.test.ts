import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { textToName } from '../../wire/name.ts';
import { PolicyIndexBuilder } from './builder.ts';
import type { PolicyIndexMemory } from './memory.ts';
import { PolicyIndex } from './policy-index.ts';
import {
  ACTION_LISTED,
  ACTION_LOCAL_DATA,
  ACTION_NODATA,
  ACTION_NXDOMAIN,
  ACTION_PASSTHRU,
  EXACT,
  EXACT_AND_SUBTREE,
  MAX_DATA_BYTES,
  SUBTREE,
} from './rules.ts';
import type { SuffixKey } from './suffix-hash.ts';

const KEY: SuffixKey = [-1, 2, -3, 4];
const newBuilder = (version = 1, key = KEY) => new PolicyIndexBuilder({ key, version });

/** `aaaaaaa.com` and so on: bytes are written in place, no string is made. */
const template = textToName('aaaaaaa.com');
function numberedName(n: number): Uint8Array {
  for (let k = 1; k <= 7; k++) {
    template[k] = 97 + (n % 26);
    n = (n / 26) | 0;
  }
  return template;
}

const starts = new Uint8Array(128);
function lookup(index: PolicyIndex, name: Uint8Array, lists = -1): number {
  let labels = 0;
  for (let at = 0; name[at] !== 0; at += name[at]! + 1) starts[labels++] = at;
  return index.lookupName(name, starts, labels, lists);
}

describe('the builder', () => {
  test('counts names, duplicates and conflicts of each list', () => {
    const builder = newBuilder();
    const add = (list: number, kinds: number, action: number, name: string) =>
      builder.add(builder.rule(list, kinds, action), textToName(name));
    add(0, EXACT, ACTION_LISTED, 'a.example');
    add(0, EXACT, ACTION_LISTED, 'a.example');
    add(0, SUBTREE, ACTION_LISTED, 'a.example');
    add(2, EXACT, ACTION_NXDOMAIN, 'a.example');
    add(2, EXACT, ACTION_PASSTHRU, 'a.example');
    add(2, EXACT_AND_SUBTREE, ACTION_NODATA, 'b.example');
    add(2, EXACT, ACTION_NODATA, 'c.example');
    add(2, EXACT_AND_SUBTREE, ACTION_NXDOMAIN, 'c.example');
    expect(builder.added).toBe(8);
    const memory = builder.build();
    expect(memory.size.names).toBe(3);
    expect(memory.lists).toEqual([
      { names: 1, duplicates: 1, conflicts: 0 },
      { names: 0, duplicates: 0, conflicts: 0 },
      { names: 3, duplicates: 0, conflicts: 2 },
    ]);
    const index = new PolicyIndex(memory);
    lookup(index, textToName('a.example'));
    index.matchOf(2);
    expect(index.action).toBe(ACTION_NXDOMAIN);
    lookup(index, textToName('c.example'));
    index.matchOf(2);
    expect(index.action).toBe(ACTION_NODATA);
    lookup(index, textToName('x.c.example'));
    index.matchOf(2);
    expect(index.action).toBe(ACTION_NXDOMAIN);
  });

  test('refuses the root and what is no name, and says so', () => {
    const builder = newBuilder();
    const rule = builder.rule(0, EXACT_AND_SUBTREE, ACTION_LISTED);
    expect(builder.add(rule, Uint8Array.of(0))).toBe(false);
    expect(builder.add(rule, Uint8Array.of(5, 97, 0))).toBe(false);
    expect(builder.build().size.names).toBe(0);
  });

  test('reads a name out of the middle of an array', () => {
    const builder = newBuilder();
    const bytes = Uint8Array.of(9, 9, ...textToName('in.the.middle'), 7);
    expect(builder.add(builder.rule(1, EXACT, ACTION_LISTED), bytes, 2)).toBe(true);
    expect(lookup(new PolicyIndex(builder.build()), textToName('in.the.middle'))).toBe(2);
  });

  test.each([
    ['list -1', () => newBuilder().rule(-1, EXACT, ACTION_LISTED)],
    ['list 32', () => newBuilder().rule(32, EXACT, ACTION_LISTED)],
    ['no kind', () => newBuilder().rule(0, 0, ACTION_LISTED)],
    ['action 0', () => newBuilder().rule(0, EXACT, 0)],
    ['action 9', () => newBuilder().rule(0, EXACT, 9)],
    ['too long data', () => newBuilder().rule(0, EXACT, ACTION_LOCAL_DATA, new Uint8Array(MAX_DATA_BYTES + 1))],
  ])('throws RangeError on %s', (_, act) => {
    expect(act).toThrow(RangeError);
  });

  test('takes the longest piece of data', () => {
    const builder = newBuilder();
    const data = new Uint8Array(MAX_DATA_BYTES).fill(5);
    builder.add(builder.rule(0, EXACT, ACTION_LOCAL_DATA, data), textToName('long.example'));
    const index = new PolicyIndex(builder.build());
    lookup(index, textToName('long.example'));
    index.matchOf(0);
    expect(index.dataEnd(0) - index.dataStart(0)).toBe(MAX_DATA_BYTES);
  });

  test('merges a name of 32 lists into one slot', () => {
    const builder = newBuilder();
    for (let list = 31; list >= 0; list--) {
      builder.add(builder.rule(list, EXACT_AND_SUBTREE, ACTION_LISTED), textToName('everywhere.example'));
    }
    const memory = builder.build();
    expect(memory.size.names).toBe(1);
    expect(memory.lists.map(({ names }) => names)).toEqual(new Array(32).fill(1));
    const index = new PolicyIndex(memory);
    expect(lookup(index, textToName('everywhere.example'))).toBe(-1);
    expect(lookup(index, textToName('x.everywhere.example'), 0x0f0)).toBe(0x0f0);
  });

  test('holds a million names in at most 18 bytes each, and finds them and no other', () => {
    const count = 1_000_000;
    const builder = newBuilder();
    const rule = builder.rule(0, EXACT_AND_SUBTREE, ACTION_LISTED);
    for (let i = 0; i < count; i++) builder.add(rule, numberedName(i));
    const memory = builder.build();
    expect(memory.size.names).toBe(count);
    expect(memory.bytes).toBeLessThanOrEqual(18 * count);
    expect(memory.buffer.byteLength).toBe(memory.bytes);
    const index = new PolicyIndex(memory);
    let found = 0;
    let wrong = 0;
    for (let i = 0; i < count; i += 10) found += lookup(index, numberedName(i));
    for (let i = count; i < 1.1 * count; i++) wrong += lookup(index, numberedName(i));
    expect(found).toBe(count / 10);
    expect(wrong).toBe(0);
  });

  test('stays at 18 bytes a name when lists overlap and most rules are duplicates', () => {
    const builder = newBuilder();
    const rules = [0, 1, 2, 3].map((list) => builder.rule(list, EXACT, ACTION_LISTED));
    for (let i = 0; i < 50_000; i++) {
      for (let list = 0; list < 4; list++) if (i % (list + 1) === 0) builder.add(rules[list]!, numberedName(i));
      builder.add(rules[0]!, numberedName(i));
    }
    const memory = builder.build();
    expect(memory.lists.map(({ names }) => names)).toEqual([50_000, 25_000, 16_667, 12_500]);
    expect(memory.lists[0]?.duplicates).toBe(50_000);
    // What does not grow with the names, the labels' table above all, is 5 KiB.
    expect(memory.bytes).toBeLessThanOrEqual(18 * 50_000 + 5120);
  });
});

describe('lists taken over from another index', () => {
  const listRules = fc.array(
    fc.record({
      n: fc.integer({ min: 0, max: 30 }),
      list: fc.integer({ min: 0, max: 31 }),
      kinds: fc.constantFrom(EXACT, SUBTREE, EXACT_AND_SUBTREE),
      data: fc.option(fc.uint8Array({ maxLength: 6 }), { nil: undefined }),
    }),
    { maxLength: 80 },
  );

  test('are as if they had been added again', () => {
    fc.assert(
      fc.property(listRules, fc.integer(), (rules, kept) => {
        const fill = (builder: PolicyIndexBuilder, lists: number): PolicyIndexMemory => {
          for (const { n, list, kinds, data } of rules) {
            if ((lists & (1 << list)) === 0) continue;
            const action = data ? ACTION_LOCAL_DATA : ACTION_NXDOMAIN;
            builder.add(builder.rule(list, kinds, action, data), numberedName(n));
          }
          return builder.build();
        };
        const before = fill(newBuilder(), -1);
        const copying = newBuilder(2);
        copying.copyLists(before, kept);
        const copied = fill(copying, ~kept);
        const afresh = fill(newBuilder(3), -1);
        // The copied lists come first there, so that only what is found can be compared, not the order in memory.
        expect(copied.lists).toEqual(afresh.lists);
        expect(copied.size.names).toBe(afresh.size.names);
        const [one, other] = [new PolicyIndex(copied), new PolicyIndex(afresh)];
        for (let n = 0; n <= 30; n++) {
          for (const name of [numberedName(n).slice(), Uint8Array.of(1, 120, ...numberedName(n))]) {
            expect(lookup(one, name)).toBe(lookup(other, name));
            const matches = (index: PolicyIndex) => Array.from({ length: 32 }, (_, list) => matchOf(index, list));
            expect(matches(one)).toEqual(matches(other));
          }
        }
      }),
      { numRuns: 40 },
    );
  });

  test('are refused from an index with another key', () => {
    const other = newBuilder(1, [1, 1, 1, 1]).build();
    expect(() => newBuilder().copyLists(other, -1)).toThrow(RangeError);
  });
});

function matchOf(index: PolicyIndex, list: number): unknown {
  if (!index.matchOf(list)) return undefined;
  const { action, labels, wildcard, dataCount } = index;
  const data = Array.from({ length: dataCount }, (_, i) => [...index.data.slice(index.dataStart(i), index.dataEnd(i))]);
  return { action, labels, wildcard, data };
}
