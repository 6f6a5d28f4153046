import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { sampleQuery } from '../../test/support/sample-answers.ts';
import { EDE, TYPE } from '../wire/constants.ts';
import { createFailureMemory, FailureTable, NETWORK_FAILURE_SECONDS, SERVFAIL_SECONDS } from './failures.ts';
import { keyLow } from './key.ts';

const { question } = sampleQuery('broken.example');

/** For how many seconds from `at` on the failure is active. */
function lasts(table: FailureTable, at: number): number {
  let seconds = 0;
  while (table.active(question, at + seconds * 1000) >= 0) seconds++;
  return seconds;
}

describe('the table of failures', () => {
  it('remembers a failure with its reason, for its question only', () => {
    const table = new FailureTable(createFailureMemory());
    expect(table.active(question, 0)).toBe(-1);
    table.record(question, EDE.NO_REACHABLE_AUTHORITY, 0, SERVFAIL_SECONDS);
    expect(table.active(question, 4_900)).toBe(EDE.NO_REACHABLE_AUTHORITY);
    expect(table.active(question, 5_000)).toBe(-1);
    for (const options of [{ type: TYPE.AAAA }, { class: 3 }, { dnssecOk: true }, { checkingDisabled: true }]) {
      expect(table.active(sampleQuery('broken.example', options).question, 0)).toBe(-1);
    }
    expect(table.active(sampleQuery('other.example').question, 0)).toBe(-1);
  });

  it('counts a failure without a reason as "other"', () => {
    const table = new FailureTable(createFailureMemory());
    table.record(question, EDE.NONE, 0, SERVFAIL_SECONDS);
    expect(table.active(question, 0)).toBe(EDE.OTHER);
  });

  it('doubles the time of a server’s failure that repeats, up to five minutes (RFC 9520 §3.2)', () => {
    const table = new FailureTable(createFailureMemory());
    let now = 0;
    const times: number[] = [];
    for (let i = 0; i < 9; i++) {
      table.record(question, EDE.OTHER, now, SERVFAIL_SECONDS);
      times.push(lasts(table, now));
      now += times[i]! * 1000;
    }
    expect(times).toEqual([5, 10, 20, 40, 80, 160, 300, 300, 300]);
  });

  it('starts over when the name was well for as long as it failed', () => {
    const table = new FailureTable(createFailureMemory());
    table.record(question, EDE.OTHER, 0, SERVFAIL_SECONDS);
    table.record(question, EDE.OTHER, 9_900, SERVFAIL_SECONDS);
    expect(lasts(table, 9_900)).toBe(10);
    table.record(question, EDE.OTHER, 29_900, SERVFAIL_SECONDS);
    expect(lasts(table, 29_900)).toBe(5);
  });

  it('keeps network trouble at one second, and does not let it lengthen a server’s failure', () => {
    const table = new FailureTable(createFailureMemory());
    for (let now = 0; now < 5_000; now += 1000) {
      table.record(question, EDE.NETWORK_ERROR, now, NETWORK_FAILURE_SECONDS);
      expect(lasts(table, now)).toBe(1);
    }
    table.record(question, EDE.OTHER, 5_000, SERVFAIL_SECONDS);
    expect(lasts(table, 5_000)).toBe(5);
  });

  it('takes failures reported while one lasts as the same failure', () => {
    const table = new FailureTable(createFailureMemory());
    for (const at of [0, 1, 500, 4_000]) table.record(question, EDE.OTHER, at, SERVFAIL_SECONDS);
    expect(lasts(table, 0)).toBe(5);
  });

  it('forgets one, and all at once', () => {
    const memory = createFailureMemory();
    const table = new FailureTable(memory);
    const other = sampleQuery('other.example').question;
    table.record(question, EDE.OTHER, 0, SERVFAIL_SECONDS);
    table.record(other, EDE.OTHER, 0, SERVFAIL_SECONDS);
    table.forget(question, 0);
    expect(table.active(question, 0)).toBe(-1);
    expect(table.active(other, 0)).toBe(EDE.OTHER);
    // Another thread's view of the same memory.
    new FailureTable(structuredClone(memory)).clearAll();
    expect(table.active(other, 0)).toBe(-1);
    for (let i = 0; i < 5000; i++) {
      table.record(other, EDE.OTHER, 0, SERVFAIL_SECONDS);
      expect(table.active(other, 0)).toBe(EDE.OTHER);
      table.clearAll();
      expect(table.active(other, 0)).toBe(-1);
    }
  });

  it('never says of a question what was recorded of another, however full it is', () => {
    const table = new FailureTable(createFailureMemory());
    const some = sampleQuery('x.example').question;
    for (let i = 0; i < 200_000; i++) {
      some.hashLow = Math.imul(i, 0x9e3779b1);
      some.hashHigh = i;
      table.record(some, 1 + (i % 20), i / 100, SERVFAIL_SECONDS);
    }
    let known = 0;
    let wrong = 0;
    for (let i = 0; i < 200_000; i++) {
      some.hashLow = Math.imul(i, 0x9e3779b1);
      some.hashHigh = i;
      const ede = table.active(some, 2_000);
      if (ede >= 0) known++;
      if (ede >= 0 && ede !== 1 + (i % 20)) wrong++;
      some.hashHigh = i ^ 0x40000000;
      if (table.active(some, 2_000) >= 0) wrong++;
    }
    expect(wrong).toBe(0);
    expect(known).toBeGreaterThan(60_000);
    expect(known).toBeLessThanOrEqual(65_536);
  });

  it('matches no key where the words of two writers are mixed', () => {
    // Two questions of one bucket.
    const one = sampleQuery('one.example').question;
    const two = sampleQuery('two.example').question;
    while ((keyLow(one) ^ keyLow(two)) & 0x3fff) two.hashLow++;
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 14 }), fc.nat({ max: 60 }), fc.nat({ max: 60 }), (mix, seconds, later) => {
        const mine = createFailureMemory();
        const theirs = createFailureMemory();
        new FailureTable(mine).record(one, 1, seconds * 1000, SERVFAIL_SECONDS);
        new FailureTable(theirs).record(two, 2, (seconds + 1 + later) * 1000, SERVFAIL_SECONDS);
        const from = new Int32Array(theirs.words);
        const to = new Int32Array(mine.words);
        const slot = to.findIndex((word, i) => i >= 16 && word !== 0);
        for (let i = 0; i < 4; i++) if (mix & (1 << i)) to[slot + i] = from[slot + i]!;
        const table = new FailureTable(mine);
        const at = (seconds + 1 + later) * 1000;
        return table.active(one, at) === -1 && table.active(two, at) === -1;
      }),
    );
  });
});
