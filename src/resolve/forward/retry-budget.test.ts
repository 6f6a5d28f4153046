import { expect, test } from 'vitest';
import { RetryBudget } from './retry-budget.ts';

const T0 = 1_000_000;
/** `rate` questions a second for 10 s, of which each is sent up to three times more unless it is answered. */
function sent(rate: number, answeredShare: number): { tries: number; questions: number } {
  const budget = new RetryBudget();
  let tries = 0;
  const questions = rate * 10;
  for (let i = 0; i < questions; i++) {
    const now = T0 + (i * 1000) / rate;
    for (let attempt = 0; attempt < 4; attempt++) {
      if (attempt > 0 && !budget.take(now)) break;
      tries++;
      // Not at random: every n-th try is answered.
      if (Math.floor(tries * answeredShare) <= Math.floor((tries - 1) * answeredShare)) continue;
      budget.answered();
      break;
    }
  }
  return { tries, questions };
}

test('where nothing is answered the load is that of the questions', () => {
  const { tries, questions } = sent(2000, 0);
  expect(tries).toBeLessThanOrEqual(questions + 200 + 10 * 20);
});

test('where a third of the packets is lost every question is asked again', () => {
  const { tries, questions } = sent(2000, 0.7);
  expect(tries).toBeGreaterThanOrEqual(questions / 0.75);
});

test('a single question after silence is asked again as often as ever', () => {
  const budget = new RetryBudget();
  for (let i = 0; i < 1000; i++) budget.take(T0);
  expect(budget.take(T0)).toBe(false);
  expect([1, 2, 3].map(() => budget.take(T0 + 1000))).toEqual([true, true, true]);
});
