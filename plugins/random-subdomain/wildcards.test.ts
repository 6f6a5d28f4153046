import { expect, test } from 'vitest';
import { nameToText, Question, textToName } from '../../src/contract/plugin.ts';
import { FREE, UNSEEN, WILDCARD, Wildcards } from './wildcards.ts';

const T0 = 1_000_000;
const DAY = 86_400_000;

function asked(text: string): Question {
  const question = new Question();
  const wire = textToName(text);
  question.name.set(wire);
  question.nameLength = wire.length;
  question.type = 1;
  question.class = 1;
  for (let at = 0; wire[at] !== 0; at += wire[at]! + 1) question.labelStarts[question.labelCount++] = at;
  return question;
}

let seed = 1;
const random32 = () => (seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0);
const rig = () => new Wildcards([1, 2], random32);

test('what is asked is a name drawn at random beside the one in question', () => {
  const wildcards = rig();
  const probe = wildcards.probe(asked('shop.example.com'), 5, 6, T0);
  const text = nameToText(probe!.name);
  expect(text).toMatch(/^[a-z0-9]{16}\.example\.com$/);
  expect(probe).toMatchObject({ labelCount: 3, nameLength: textToName(text).length, type: 1, class: 1 });
  expect([...probe!.labelStarts.slice(0, 3)]).toEqual([0, 17, 25]);
  expect(nameToText(rig().probe(asked('shop.example.com'), 5, 6, T0)!.name)).not.toBe(text);
});

test('the name becomes known where the other one does not exist', () => {
  const wildcards = rig();
  const probe = wildcards.probe(asked('shop.example.com'), 5, 6, T0)!;
  expect(wildcards.state(5, 6, T0)).toBe(UNSEEN);
  expect(wildcards.resolved(asked('other.example.com'), false, false, T0)).toBeUndefined();
  expect(nameToText(wildcards.resolved(probe, false, false, T0)!.name)).toBe('shop.example.com');
  expect(wildcards.state(5, 6, T0 + 1)).toBe(FREE);
  expect(wildcards.resolved(probe, false, false, T0)).toBeUndefined();
  // Zones change.
  expect(wildcards.state(5, 6, T0 + DAY)).toBe(UNSEEN);
});

test('a wildcard answers it: nothing below becomes known', () => {
  const wildcards = rig();
  const probe = wildcards.probe(asked('shop.example.com'), 5, 6, T0)!;
  expect(wildcards.resolved(probe, true, false, T0)).toBeUndefined();
  expect(wildcards.state(5, 6, T0)).toBe(WILDCARD);
});

test('no answer proves nothing, and it is asked again', () => {
  const wildcards = rig();
  const probe = wildcards.probe(asked('shop.example.com'), 5, 6, T0)!;
  expect(wildcards.probe(asked('news.example.com'), 5, 6, T0)).toBeUndefined();
  expect(wildcards.resolved(probe, false, true, T0)).toBeUndefined();
  expect(wildcards.state(5, 6, T0)).toBe(UNSEEN);
  expect(wildcards.probe(asked('news.example.com'), 5, 6, T0)).toBeDefined();
});

test('few are asked at once, and those without an answer are given up', () => {
  const wildcards = rig();
  const ask = (nowMs: number) =>
    Array.from({ length: 100 }, (_, i) => wildcards.probe(asked(`www.z${i}.example`), i + 1, i, nowMs)).filter(Boolean);
  expect(ask(T0)).toHaveLength(32);
  expect(ask(T0 + 1000)).toHaveLength(0);
  expect(ask(T0 + 10_000)).toHaveLength(32);
});
