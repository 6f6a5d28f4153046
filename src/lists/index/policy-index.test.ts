import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { textToName } from '../../wire/name.ts';
import { Question } from '../../wire/question.ts';
import { PolicyIndexBuilder } from './builder.ts';
import { PolicyIndex } from './policy-index.ts';
import {
  ACTION_DROP,
  ACTION_LISTED,
  ACTION_LOCAL_DATA,
  ACTION_NODATA,
  ACTION_NXDOMAIN,
  ACTION_PASSTHRU,
  EXACT,
  EXACT_AND_SUBTREE,
  MAX_RECORDS,
  SUBTREE,
} from './rules.ts';
import type { SuffixKey } from './suffix-hash.ts';

const KEY: SuffixKey = [11, 22, 33, 44];
const ALL = -1;
const LISTS = Array.from({ length: 32 }, (_, list) => list);

interface Rule {
  name: string;
  list: number;
  kinds: number;
  action: number;
  data?: Uint8Array;
}

function builderWith(rules: readonly Rule[], version = 1): PolicyIndexBuilder {
  const builder = new PolicyIndexBuilder({ key: KEY, version });
  for (const { name, list, kinds, action, data } of rules) {
    expect(builder.add(builder.rule(list, kinds, action, data), textToName(name))).toBe(true);
  }
  return builder;
}

function indexOf(rules: readonly Rule[]): PolicyIndex {
  return new PolicyIndex(builderWith(rules).build());
}

const question = new Question();
function ask(text: string): Question {
  question.clear();
  const name = textToName(text);
  question.name.fill(0xaa);
  question.name.set(name);
  question.nameLength = name.length;
  for (let at = 0; name[at] !== 0; at += name[at]! + 1) question.labelStarts[question.labelCount++] = at;
  return question;
}

/** What is in force for one list, in words. */
function matchText(index: PolicyIndex, list: number): string {
  if (!index.matchOf(list)) return 'none';
  const data = Array.from({ length: index.dataCount }, (_, i) =>
    [...index.data.subarray(index.dataStart(i), index.dataEnd(i))].join(' '),
  );
  return [index.action, index.labels, index.wildcard, ...data].join('|');
}

/** The same, found by trying every rule. */
function naiveMatch(rules: readonly Rule[], list: number, name: string): string {
  const labels = name.split('.');
  for (let from = 0; from < labels.length; from++) {
    const kind = from === 0 ? EXACT : SUBTREE;
    const suffix = labels.slice(from).join('.');
    const here = rules.filter((rule) => rule.list === list && rule.name === suffix && (rule.kinds & kind) !== 0);
    const first = here[0];
    if (!first) continue;
    const data: string[] = [];
    for (const rule of here) {
      const text = rule.data && [...rule.data].join(' ');
      if (rule.action === first.action && text !== undefined && !data.includes(text)) data.push(text);
    }
    return [first.action, labels.length - from, from > 0, ...data].join('|');
  }
  return 'none';
}

const label = fc.constantFrom('a', 'b', 'c', 'www', 'xn--abc');
const nameText = fc.array(label, { minLength: 1, maxLength: 6 }).map((labels) => labels.join('.'));
const anyRule: fc.Arbitrary<Rule> = fc
  .record({
    name: nameText,
    list: fc.integer({ min: 0, max: 31 }),
    kinds: fc.constantFrom(EXACT, SUBTREE, EXACT_AND_SUBTREE),
    action: fc.constantFrom(ACTION_LISTED, ACTION_NXDOMAIN, ACTION_NODATA, ACTION_PASSTHRU, ACTION_LOCAL_DATA),
    piece: fc.uint8Array({ maxLength: 9 }),
  })
  .map(({ piece, ...rule }) => (rule.action === ACTION_LOCAL_DATA ? { ...rule, data: piece } : rule));
const anyRules = fc.array(anyRule, { maxLength: 60 });

describe('a lookup', () => {
  test('finds, in every list, what trying all rules finds', () => {
    fc.assert(
      fc.property(
        anyRules,
        fc.array(nameText, { minLength: 1, maxLength: 20 }),
        fc.integer(),
        (rules, names, lists) => {
          const index = indexOf(rules);
          for (const name of [
            ...names,
            ...rules.map((rule) => `www.${rule.name}`),
            ...rules.map((rule) => rule.name),
          ]) {
            const mask = index.lookup(ask(name), lists);
            const found = LISTS.map((list) => matchText(index, list));
            const expected = LISTS.map((list) =>
              (lists & (1 << list)) === 0 ? 'none' : naiveMatch(rules, list, name),
            );
            expect(found, name).toEqual(expected);
            expect(mask).toBe(expected.reduce((bits, text, list) => (text === 'none' ? bits : bits | (1 << list)), 0));
          }
        },
      ),
      { numRuns: 100 },
    );
  });

  test('lets the name itself win over a wildcard, and a longer wildcard over a shorter one', () => {
    const index = indexOf([
      { name: 'example.com', list: 3, kinds: SUBTREE, action: ACTION_NXDOMAIN },
      { name: 'b.example.com', list: 3, kinds: SUBTREE, action: ACTION_NODATA },
      { name: 'a.b.example.com', list: 3, kinds: EXACT, action: ACTION_PASSTHRU },
    ]);
    const actionOn = (name: string) => (index.lookup(ask(name), ALL) === 8 && index.matchOf(3) ? index.action : 0);
    expect(actionOn('x.example.com')).toBe(ACTION_NXDOMAIN);
    expect(actionOn('x.b.example.com')).toBe(ACTION_NODATA);
    expect(actionOn('a.b.example.com')).toBe(ACTION_PASSTHRU);
    expect(actionOn('x.a.b.example.com')).toBe(ACTION_NODATA);
    expect(actionOn('example.com')).toBe(0);
    expect(actionOn('com')).toBe(0);
  });

  test('does not read the name when no list is asked for', () => {
    const index = indexOf([{ name: 'example.com', list: 0, kinds: EXACT_AND_SUBTREE, action: ACTION_LISTED }]);
    const unreadable = new Proxy(new Uint8Array(0), {
      get: () => {
        throw new Error('the name was read');
      },
    });
    expect(index.lookup(ask('example.com'), ALL)).toBe(1);
    expect(index.lookupName(unreadable, unreadable, 2, 0)).toBe(0);
    expect(index.matchOf(0)).toBe(false);
    expect(() => index.lookupName(unreadable, unreadable, 2, 1)).toThrow('the name was read');
  });

  test('finds nothing for the root, in an empty index, or in a question that was not read', () => {
    const empty = new PolicyIndex(new PolicyIndexBuilder({ key: KEY, version: 1 }).build());
    expect(empty.lookup(ask('example.com'), ALL)).toBe(0);
    const index = indexOf([{ name: 'com', list: 0, kinds: EXACT_AND_SUBTREE, action: ACTION_LISTED }]);
    expect(index.lookup(ask('.'), ALL)).toBe(0);
    question.clear();
    expect(index.lookup(question, ALL)).toBe(0);
  });

  test('takes names of 127 labels and of 255 bytes', () => {
    const deep = new Array(127).fill('a').join('.');
    const long = `${`${'x'.repeat(63)}.`.repeat(3)}${'y'.repeat(61)}`;
    const index = indexOf([
      { name: deep, list: 0, kinds: EXACT, action: ACTION_LISTED },
      { name: deep.slice(2), list: 1, kinds: SUBTREE, action: ACTION_LISTED },
      { name: 'a', list: 2, kinds: SUBTREE, action: ACTION_LISTED },
      { name: long, list: 31, kinds: EXACT, action: ACTION_LISTED },
    ]);
    expect(index.lookup(ask(deep), ALL)).toBe(7);
    index.matchOf(1);
    expect(index.labels).toBe(126);
    expect(index.lookup(ask(long), ALL)).toBe(1 << 31);
  });

  test('keeps nothing of the lookup before', () => {
    const index = indexOf([{ name: 'bad.example', list: 0, kinds: EXACT, action: ACTION_DROP }]);
    expect(index.lookup(ask('bad.example'), ALL)).toBe(1);
    expect(index.lookup(ask('good.example'), ALL)).toBe(0);
    expect(index.matchOf(0)).toBe(false);
  });

  test('works in memory that held another index', () => {
    const { buffer } = builderWith([{ name: 'old.example', list: 0, kinds: 3, action: ACTION_LISTED }]).build();
    new Uint8Array(buffer).fill(0xff);
    const builder = new PolicyIndexBuilder({ key: KEY, version: 2, allocate: () => buffer });
    builder.add(builder.rule(5, EXACT, ACTION_NODATA), textToName('new.example'));
    const index = new PolicyIndex(structuredClone(builder.build()));
    expect(index.memory.buffer.byteLength).toBe(buffer.byteLength);
    expect(index.lookup(ask('old.example'), ALL)).toBe(0);
    expect(index.lookup(ask('new.example'), ALL)).toBe(32);
  });
});

describe('local data', () => {
  test('of one name adds up, in the order given and without repetition', () => {
    const pieces = [[1, 2, 3, 4, 5], [9], [], [1, 2, 3, 4, 5]].map((bytes) => Uint8Array.from(bytes));
    const builder = builderWith(
      pieces.map((data) => ({ name: 'walled.example', list: 2, kinds: EXACT, action: ACTION_LOCAL_DATA, data })),
    );
    const memory = builder.build();
    const index = new PolicyIndex(memory);
    expect(index.lookup(ask('walled.example'), ALL)).toBe(4);
    expect(matchText(index, 2)).toBe(`${ACTION_LOCAL_DATA}|2|false|1 2 3 4 5|9|`);
    expect(memory.lists[2]).toEqual({ names: 1, duplicates: 1, conflicts: 0 });
  });

  test('is kept once for all names that share it', () => {
    const data = new Uint8Array(1000).fill(7);
    const rules = Array.from({ length: 200 }, (_, i) => ({
      name: `n${i}.example`,
      list: 0,
      kinds: EXACT_AND_SUBTREE,
      action: ACTION_LOCAL_DATA,
      data,
    }));
    expect(builderWith(rules).build().size.dataWords).toBeLessThan(260);
  });

  test(`beyond ${MAX_RECORDS} records of one name is left out and counted`, () => {
    const rules = Array.from({ length: MAX_RECORDS + 9 }, (_, i) => ({
      name: 'many.example',
      list: 0,
      kinds: EXACT,
      action: ACTION_LOCAL_DATA,
      data: Uint8Array.of(i),
    }));
    const memory = builderWith(rules).build();
    const index = new PolicyIndex(memory);
    index.lookup(ask('many.example'), ALL);
    index.matchOf(0);
    expect(index.dataCount).toBe(MAX_RECORDS);
    expect(memory.lists[0]?.conflicts).toBe(9);
  });
});
