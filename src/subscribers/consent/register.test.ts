import { describe, expect, it } from 'vitest';
import { Directory, isSubscriberNumber } from '../table/directory.ts';
import type { LedgerEntry } from './ledger-store.ts';
import { purposeBit } from './purposes.ts';
import { Register } from './register.ts';

const entry = (subscriber: string, action: LedgerEntry['action'], terms = '2026-04', purpose = 'c2'): LedgerEntry => ({
  subscriber,
  action,
  terms,
  purpose,
  seq: 1,
  atMs: 0,
  who: 'w',
  channel: 'c',
  reason: '',
  hash: '',
});
const terms = (version: string | undefined, covers: ('c2' | 'malware-warning')[] = ['c2']) => ({ version, covers });
const C2 = purposeBit('c2');
const maskOf = (register: Register, number: string) =>
  new Uint8Array(register.consents)[register.directory.find(number)];

describe('the register', () => {
  it('lets nobody be inspected before the ledger was read', () => {
    const register = new Register(100);
    register.holderFor('4711');
    expect(maskOf(register, '4711')).toBe(0);
    register.putInForce(terms('2026-04'), [], []);
    expect(maskOf(register, '4711')).toBe(C2);
    register.withdrawAll();
    expect(maskOf(register, '4711')).toBe(0);
  });

  it.each([
    ['nothing said, covered', [], '2026-04', 'contract', C2],
    ['nothing said, no terms in force', [], undefined, 'unknown', 0],
    ['opted out', ['opt-out'], '2026-04', 'opted-out', 0],
    ['opted out and in again', ['opt-out', 'opt-in'], '2026-04', 'individual', C2],
    ['opted in and out again', ['opt-in', 'opt-out'], '2026-04', 'opted-out', 0],
    ['opted out, then new terms', ['opt-out'], '2027-01', 'opted-out', 0],
    ['opted in, then new terms that cover it', ['opt-in'], '2027-01', 'contract', C2],
  ] as const)('%s', (_, actions, version, state, mask) => {
    const register = new Register(100);
    register.holderFor('4711');
    const entries = actions.map((action) => entry('4711', action));
    register.putInForce(terms(version), [], entries);
    expect([register.stateOf('4711', 'c2'), maskOf(register, '4711')]).toEqual([state, mask]);
    // Reading the ledger at the start, and hearing of each entry, come to the same.
    const heard = new Register(100);
    heard.putInForce(terms(version), [], []);
    heard.holderFor('4711');
    for (const each of entries) heard.apply(each);
    expect(maskOf(heard, '4711')).toBe(mask);
  });

  it('lets an individual consent to an older text end with that text where the contract does not cover the purpose', () => {
    const register = new Register(100);
    register.putInForce(terms('2027-01', []), [], [entry('4711', 'opt-in')]);
    expect(register.stateOf('4711', 'c2')).toBe('unknown');
    register.apply(entry('4711', 'opt-in', '2027-01'));
    expect(register.stateOf('4711', 'c2')).toBe('individual');
  });

  it('keeps purposes apart', () => {
    const register = new Register(100);
    register.putInForce(terms('2026-04', ['c2', 'malware-warning']), [], [entry('4711', 'opt-out')]);
    expect(maskOf(register, '4711')).toBe(purposeBit('malware-warning'));
    expect(register.stateOf('4711', 'malware-warning')).toBe('contract');
  });

  it('takes the consent of a contract group from the configuration alone', () => {
    const register = new Register(100);
    register.holderFor('@home');
    register.holderFor('@wholesale');
    const groups = [
      { name: '@home', covers: ['c2' as const] },
      { name: '@wholesale', covers: [] },
    ];
    register.putInForce(terms('2026-04'), groups, []);
    expect([maskOf(register, '@home'), maskOf(register, '@wholesale')]).toEqual([C2, 0]);
    register.putInForce(terms(undefined), groups, []);
    expect(maskOf(register, '@home')).toBe(0);
  });

  it('reads the ledger for other terms while those before hold, and what is recorded meanwhile is the latest', () => {
    const register = new Register(100);
    register.putInForce(terms('2026-04'), [], [entry('4711', 'opt-in'), entry('4712', 'opt-out')]);
    const [first, second] = [register.reading(terms('2027-01', []), []), register.reading(terms('2026-04'), [])];
    second.hear([entry('4711', 'opt-in')]);
    register.apply(entry('4711', 'opt-out'));
    register.apply(entry('4712', 'opt-in'));
    // Entries from before what was recorded meanwhile, read after it.
    second.hear([entry('4712', 'opt-out')]);
    expect([maskOf(register, '4711'), maskOf(register, '4712')]).toEqual([0, C2]);
    second.putInForce(true);
    expect([maskOf(register, '4711'), maskOf(register, '4712')]).toEqual([0, C2]);
    first.hear([entry('4711', 'opt-in'), entry('4712', 'opt-out')]);
    first.cancel();
    expect([maskOf(register, '4711'), maskOf(register, '4712'), register.terms.version]).toEqual([0, C2, '2026-04']);
    register.reading(terms('2026-04'), []).putInForce(false);
    expect([maskOf(register, '4711'), maskOf(register, '4712')]).toEqual([0, 0]);
  });

  it('withdraws at once, and remembers an opt-out of somebody who was never seen', () => {
    const register = new Register(100);
    register.putInForce(terms('2026-04'), [], []);
    register.holderFor('4711');
    register.withdrawAtOnce('4711', 'c2');
    expect(maskOf(register, '4711')).toBe(0);
    register.apply(entry('4712', 'opt-out'));
    register.holderFor('4712');
    expect(maskOf(register, '4712')).toBe(0);
  });
});

describe('the directory', () => {
  it('gives every number a holder of its own, for good', () => {
    const directory = new Directory();
    const numbers = Array.from({ length: 5000 }, (_, i) => `c${i * 7}`);
    const holders = numbers.map((number) => directory.add(number));
    expect(holders).toEqual(numbers.map((_, i) => i));
    expect(numbers.map((number) => directory.add(number))).toEqual(holders);
    expect(holders.map((holder) => directory.numberOf(holder))).toEqual(numbers);
    expect([directory.find('c1'), directory.numberOf(5000), directory.numberOf(-1)]).toEqual([
      -1,
      undefined,
      undefined,
    ]);
  });

  it('is bounded', () => {
    const directory = new Directory(2);
    expect(['a', 'b', 'c', 'a'].map((number) => directory.add(number))).toEqual([0, 1, -1, 0]);
  });

  it.each(['', '@', ' 4711', '<b>', '4711,', 'a"b', 'あ', 'x'.repeat(64), '-1'])('takes no %j for a number', (text) => {
    expect(isSubscriberNumber(text)).toBe(false);
  });
});
