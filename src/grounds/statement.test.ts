import { expect, test } from 'vitest';
import { approverProblem } from './approval.ts';
import { comparableName, nameProblem, statementProblem } from './statement.ts';

test.each([
  'floods resolver 2',
  'ticket 4711',
  'floods the web servers of the member portal',
  '正当な業務のため監視する',
  '攻撃が継続しているため',
  'DDoS攻撃により名前解決が遅延',
  'graph of 14:10, still 9 kq/s',
])('%s is a statement', (text) => {
  expect(statementProblem(text)).toBeUndefined();
});

test.each([
  ['', 'too short'],
  ['short', 'too short'],
  ['aaaaaaaaaa', 'same few characters'],
  ['ああああああああああ', 'same few characters'],
  ['ａａａａａａａａａ', 'same few characters'],
  ['abababababab', 'same few characters'],
  ['!!!! ???? ....', 'punctuation'],
  ['。、。、。、。、。、', 'punctuation'],
  ['－－－－－－－－－－', 'punctuation'],
  ['reason reason reason', 'same word'],
  ['Reason REASON reason', 'same word'],
  ['Ｒeason reason', 'same word'],
  ['testtesttest', 'same few characters'],
  ['reasonreason', 'same text'],
  ['asdfasdf', 'same text'],
  ['攻撃です攻撃です', 'same text'],
  ['12345678', 'run'],
  ['87654321', 'run'],
  ['abcdefghij', 'run'],
  ['WHY NOTHING NARROWER', 'placeholder'],
  ['\u200b\u200b\u200b\u200b\u200b\u200b\u200b\u200b', 'punctuation'],
])('%j says nothing', (text, why) => {
  expect(statementProblem(text)).toContain(why);
});

test('nobody is named by punctuation', () => {
  expect(['K. Sato', '佐藤', 'x'].map(nameProblem)).toEqual([undefined, undefined, undefined]);
  expect(nameProblem(' -–… ')).toContain('names nobody');
});

test('asker and approver are compared as people would', () => {
  const two = { singleApproverReason: undefined };
  for (const approver of [
    'admin',
    'ADMIN',
    ' Admin ',
    'ａｄｍｉｎ',
    'Ａｄｍｉｎ',
    'ad-min',
    'a d m i n',
    'ad\u200bmin',
    'ad\u00admin',
  ])
    expect(approverProblem(approver, 'admin', two), approver).toContain('somebody else has to approve it');
  for (const approver of ['shift lead', 'administrator', '佐藤'])
    expect(approverProblem(approver, 'admin', two), approver).toBeUndefined();
  expect(
    approverProblem('admin', 'admin', { singleApproverReason: 'one engineer keeps this network' }),
  ).toBeUndefined();
  expect(comparableName('ｻﾄｳ')).toBe(comparableName('サトウ'));
});
