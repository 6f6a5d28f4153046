import { expect, test } from 'vitest';
import { endedFindings, groundsIn, termFindings } from './configured.ts';
import { ground, instantMs } from './ground.ts';
import { readGround } from './stated.ts';

const NOW = Date.parse('2026-11-28T12:00:00Z');
const emergency = {
  kind: 'self-defence',
  effect: 'floods the resolvers',
  evidence: 'ticket 4711',
  approver: 'shift lead',
  expires: '2026-12-01',
};
const standing = {
  kind: 'legitimate-business',
  purpose: 'keeps the resolvers up',
  necessity: 'nothing else does so',
  proportionality: 'exactly these names',
  approver: 'head of operations',
  review: '2027-03-31',
};
const messages = (value: unknown, nowMs = NOW) =>
  termFindings(value, ['x'], nowMs).map(({ path, message }) => `${path.join('.')}: ${message}`);

test('grounds are found wherever they stand', () => {
  const options = {
    rules: [{ name: 'a', ground: emergency }],
    'record-names': { ground: standing, keep: 1 },
    other: { kind: 'c2' },
  };
  expect(groundsIn(options).map(({ path }) => path.join('.'))).toEqual(['rules.0.ground', 'record-names.ground']);
});

test.each([
  ['self-defence until 9999', { ...emergency, expires: '9999-12-31' }, /^x\.expires: too far ahead.*at most 7d/],
  [
    'necessity for eight days',
    { ...emergency, kind: 'necessity', 'nothing-milder': 'we tried', expires: '2026-12-07' },
    /too far ahead/,
  ],
  ['a review in two years', { ...standing, review: '2028-11-28' }, /^x\.review: too far ahead.*366d/],
  [
    'a review that is overdue',
    { ...standing, review: '2026-11-27' },
    /^x\.review: lies in the past: the review is overdue/,
  ],
])('%s is an error', (_, stated, problem) => {
  expect(messages(stated)).toEqual([expect.stringMatching(problem)]);
});

test('what is within the bounds is none, and neither is what has ended by itself: that is said', () => {
  expect(messages(emergency)).toEqual([]);
  expect(messages(standing)).toEqual([]);
  const ended = { ...emergency, expires: '2026-11-20' };
  expect(messages(ended)).toEqual([]);
  expect(endedFindings(ended, ['x'], NOW)).toMatchObject([{ path: ['x', 'expires'] }]);
  expect(endedFindings(emergency, ['x'], NOW)).toEqual([]);
});

test('the bounds of the API and of the configuration are the same, to the second', () => {
  for (const days of [1, 6.9, 7, 7.1, 400]) {
    const expires = `${new Date(NOW + days * 86_400_000).toISOString().slice(0, 19)}Z`;
    const problems: string[] = [];
    readGround({ ...emergency, expires }, NOW, problems);
    expect(messages({ ...emergency, expires }).length, String(days)).toBe(problems.length);
  }
});

test.each([
  ['effect', 'xxxxxxxxxxxx'],
  ['evidence', 'evidence evidence evidence'],
  ['evidence', '… … … … …'],
  ['approver', '***'],
])('a %s of %j is refused by the schema, whoever reads it', (key, text) => {
  expect(ground.safeParse({ ...emergency, [key]: text }).success).toBe(false);
  const problems: string[] = [];
  expect(readGround({ ...emergency, [key]: text }, NOW, problems)).toBeUndefined();
  expect(problems.join()).toContain(key);
});

test('a ground whose end is on record has ended, whatever it states', () => {
  expect(instantMs('2026-12-01')).toBe(Date.parse('2026-12-01T23:59:59Z'));
  const parsed = ground.parse(emergency);
  expect(endedFindings({ ...parsed, ended: '2026-11-20T00:00:00Z' }, ['x'], NOW)).toHaveLength(1);
});
