import { describe, expect, test } from 'vitest';
import { FailingBudget, KNOWN_SHARE, NEW_SHARE, SUSPECT_SHARE } from './failing-budget.ts';

const RATE = 100;
const LEAST = 250;
const T0 = 1_000_000;

/** `rate` a second of questions for 20 s that `outcome` says of when they are answered, in ms, if ever. */
function offered(rate: number, share: number, outcome: (i: number) => number | undefined) {
  const budget = new FailingBudget(RATE, LEAST);
  const due: { at: number }[] = [];
  let [sent, all] = [0, 0];
  const perSecond: number[] = [];
  for (let ms = 0; ms < 20_000; ms++) {
    const now = T0 + ms;
    while (due.length > 0 && due[0]!.at <= now) {
      due.shift();
      budget.answered(now);
      budget.giveBack(1);
    }
    for (let i = Math.floor((ms * rate) / 1000); i < Math.floor(((ms + 1) * rate) / 1000); i++, all++) {
      if (!budget.may(share, now)) continue;
      budget.charge(1);
      sent++;
      perSecond[Math.floor(ms / 1000)] = (perSecond[Math.floor(ms / 1000)] ?? 0) + 1;
      const after = outcome(i);
      if (after !== undefined) due.push({ at: now + after });
    }
    due.sort((a, b) => a.at - b.at);
  }
  return { sent, share: sent / all, perSecond, budget };
}

describe('what fails', () => {
  test.each([200, 2000, 8000])('%i a second are cut to the budget, and what may be under way at once', (rate) => {
    const { sent, perSecond } = offered(rate, SUSPECT_SHARE, () => undefined);
    expect(sent).toBeLessThanOrEqual(20 * RATE + LEAST);
    expect(perSecond.at(-1)).toBeGreaterThanOrEqual(0.95 * RATE);
    expect(perSecond.at(-1)).toBeLessThanOrEqual(1.05 * RATE);
  });

  test('leaves room to those who have nothing to do with it', () => {
    const { budget } = offered(8000, SUSPECT_SHARE, () => undefined);
    const now = T0 + 20_000;
    while (budget.may(SUSPECT_SHARE, now)) budget.charge(1);
    expect(budget.may(NEW_SHARE, now)).toBe(true);
    for (let i = 0; i < LEAST / 3; i++) budget.charge(1);
    expect(budget.may(NEW_SHARE, now)).toBe(false);
    expect(budget.may(KNOWN_SHARE, now)).toBe(true);
  });

  test('although nobody expected it, keeps the others out for seconds only', () => {
    const budget = new FailingBudget(RATE, LEAST);
    budget.charge(1_000_000);
    expect(budget.may(KNOWN_SHARE, T0)).toBe(false);
    expect(budget.may(KNOWN_SHARE, T0 + 2000)).toBe(true);
  });
});

test('a server that has just started asks about new zones alone, and is not held up', () => {
  expect(offered(3000, NEW_SHARE, (i) => 20 + (i % 10) * 40).share).toBeGreaterThan(0.99);
});

test('a tenth of what is answered may fail beside the budget', () => {
  const { share } = offered(3000, NEW_SHARE, (i) => (i % 12 === 0 ? undefined : 50));
  expect(share).toBeGreaterThan(0.99);
});
