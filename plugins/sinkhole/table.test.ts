/** The table against a naive model: a list of rules that is gone through one by one. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { nameToText, textToName } from '../../src/contract/plugin.ts';
import { queryMessage } from '../../src/testing/testing.ts';
import { Query } from '../../src/wire/query.ts';
import { readQuery } from '../../src/wire/reader.ts';
import { compileTable, MAX_RULES, RuleTable, type TableRule } from './table.ts';

const KEY = [0x01234567, -0x09abcdef] as const;

function rule(name: string, more: Partial<TableRule> = {}): TableRule {
  const about = new TextEncoder().encode(`about ${name}`);
  return { name: textToName(name), subtree: false, dryRun: false, endsMs: 1, slot: 0, place: 0, about, ...more };
}

function tableOf(rules: readonly TableRule[]): RuleTable {
  // As a worker gets it: plain data copied, memory shared.
  return new RuleTable(structuredClone(compileTable(rules, KEY)), KEY);
}

function questionOf(name: string) {
  const query = new Query();
  query.message = queryMessage({ name });
  query.length = query.message.length;
  readQuery(query, KEY[0], KEY[1]);
  return query.question;
}

/** The slots of the rules found, the most specific first. */
function found(table: RuleTable, name: string): number[] {
  const count = table.find(questionOf(name));
  return Array.from({ length: count }, (_, i) => table.slot(table.matches[count - 1 - i]!));
}

describe('a name is covered', () => {
  const table = tableOf([
    rule('victim.example', { slot: 1 }),
    rule('all.example', { slot: 2, subtree: true }),
    rule('deep.all.example', { slot: 3, subtree: true }),
    rule('deep.all.example', { slot: 4 }),
  ]);
  test.each([
    ['victim.example', [1]],
    ['VICTIM.Example', [1]],
    ['www.victim.example', []],
    ['xvictim.example', []],
    ['example', []],
    ['all.example', [2]],
    ['a.b.c.all.example', [2]],
    ['xall.example', []],
    ['deep.all.example', [4, 3, 2]],
    ['x.deep.all.example', [3, 2]],
    ['.', []],
  ])('%s by %j', (name, slots) => {
    expect(found(table, name)).toEqual(slots);
  });
});

test('a rule is what was put in', () => {
  const table = tableOf([
    rule('a.example', { dryRun: true, endsMs: 12.5, slot: 7, place: 3 }),
    rule('ü.example'.replace('ü', 'xn--tda'), { subtree: true, endsMs: Number.POSITIVE_INFINITY, slot: 8 }),
  ]);
  expect([table.isDryRun(0), table.isSubtree(0), table.endsMs(0), table.slot(0), table.place(0)]).toEqual([
    true,
    false,
    12.5,
    7,
    3,
  ]);
  expect([table.isDryRun(1), table.isSubtree(1), table.endsMs(1)]).toEqual([false, true, Number.POSITIVE_INFINITY]);
  expect([nameToText(table.name(1)), table.about(1)]).toEqual(['xn--tda.example', 'about xn--tda.example']);
});

test('the nearest name above with a rule on itself alone is found for explain', () => {
  const table = tableOf([rule('b.example'), rule('a.b.example'), rule('c.example', { subtree: true })]);
  expect(table.exactAbove(questionOf('x.a.b.example'))).toBe(1);
  expect(table.exactAbove(questionOf('y.b.example'))).toBe(0);
  expect(table.exactAbove(questionOf('b.example'))).toBe(-1);
  expect(table.exactAbove(questionOf('x.c.example'))).toBe(-1);
});

test('without rules nothing is found, and the number of rules is bounded', () => {
  expect(found(tableOf([]), 'a.example')).toEqual([]);
  const many = Array.from({ length: MAX_RULES + 1 }, (_, i) => rule(`n${i}.example`));
  expect(() => compileTable(many, KEY)).toThrow(/10000/);
});

test('as many rules as there may be: each is found, at its place, and no other', () => {
  const rules = Array.from({ length: MAX_RULES }, (_, i) =>
    rule(`n${i}.zone${i % 7}.example`, { slot: i, subtree: i % 3 === 0 }),
  );
  const table = tableOf(rules);
  for (let i = 0; i < MAX_RULES; i += 97) {
    expect(found(table, `n${i}.zone${i % 7}.example`)).toEqual([i]);
    expect(found(table, `x.n${i}.zone${i % 7}.example`)).toEqual(i % 3 === 0 ? [i] : []);
    expect(found(table, `n${i}.zone${(i + 1) % 7}.example`)).toEqual([]);
  }
});

test('says what a list that is gone through one by one says', () => {
  // Few labels, so that names often lie above one another.
  const name = fc
    .array(fc.constantFrom('a', 'b', 'aa', 'x1', 'a'.repeat(63)), { minLength: 1, maxLength: 4 })
    .map((labels) => labels.join('.'))
    .filter((text) => text.length < 250);
  const made = fc.record({ name, subtree: fc.boolean() });
  fc.assert(
    fc.property(fc.array(made, { maxLength: 40 }), fc.array(name, { minLength: 1, maxLength: 20 }), (given, asked) => {
      const table = tableOf(given.map(({ name, subtree }, slot) => rule(name, { subtree, slot })));
      for (const each of asked) {
        const covering = given.flatMap(({ name, subtree }, slot) =>
          each === name || (subtree && each.endsWith(`.${name}`)) ? [slot] : [],
        );
        const slots = found(table, each);
        expect([...slots].sort()).toEqual([...covering].sort());
        // From the most specific to the least: the name itself first, then by length.
        const lengths = slots.map((slot) => given[slot]!.name.length * 2 + (given[slot]!.subtree ? 0 : 1));
        expect(lengths).toEqual([...lengths].sort((one, other) => other - one));
      }
    }),
    { numRuns: 200 },
  );
});
