import { describe, expect, it } from 'vitest';
import { BUDGET_LIMITS, Budget } from './budget.ts';

const budget = (limits: Partial<typeof BUDGET_LIMITS> = {}) => new Budget({ ...BUDGET_LIMITS, ...limits }, 1000);

describe('the budget of one question', () => {
  it('lets so many queries go and no more, and says what ran out first', () => {
    const one = budget({ queries: 2 });
    expect([one.takeQuery(1000), one.takeQuery(1000), one.takeQuery(1000)]).toEqual([true, true, false]);
    expect(one.exhausted).toBe('queries');
    one.takeBytes(1e9);
    expect(one.exhausted).toBe('queries');
  });

  it('ends with its time', () => {
    const one = budget({ timeMs: 500 });
    expect(one.takeQuery(1499)).toBe(true);
    expect(one.takeQuery(1500)).toBe(false);
    expect(one.exhausted).toBe('time');
  });

  it('looks for no more name servers once several had no address (NXNS)', () => {
    const one = budget({ failedQuestions: 2 });
    expect(one.takeQuestion()).toBe(true);
    one.questionFailed();
    expect(one.takeQuestion()).toBe(true);
    one.questionFailed();
    expect(one.takeQuestion()).toBe(false);
    expect(one.exhausted).toBe('failed-questions');
  });

  it('counts referrals and bytes', () => {
    const one = budget({ referrals: 1, bytes: 100 });
    expect([one.takeReferral(), one.takeReferral()]).toEqual([true, false]);
    const other = budget({ bytes: 100 });
    expect([other.takeBytes(100), other.takeBytes(1)]).toEqual([true, false]);
  });

  it('has an extended error for each thing that can run out', () => {
    const one = budget({ queries: 0 });
    expect(one.ede).toBeUndefined();
    one.takeQuery(1000);
    expect((one.ede ?? 0) & 0xffff).toBe(22);
    expect((one.ede ?? 0) >> 16).toBeGreaterThan(0);
  });
});
