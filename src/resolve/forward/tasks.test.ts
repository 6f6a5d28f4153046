import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Question } from '../../wire/question.ts';
import { type Task, TaskPool } from './tasks.ts';

/** Questions whose hashes collide in groups, so that chains form. */
function question(n: number): Question {
  const asked = new Question();
  asked.name.set([1, n, 0]);
  asked.nameLength = 3;
  asked.hashLow = n % 5;
  asked.hashHigh = n % 5;
  asked.type = 1;
  asked.class = 1;
  asked.dnssecOk = (n & 64) !== 0;
  return asked;
}

describe('the pool', () => {
  it('finds by question and by id exactly what was taken and not given back', () => {
    const step = fc.record({ n: fc.nat(127), take: fc.boolean() });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), fc.nat(), (steps, seed) => {
        const pool = new TaskPool(16);
        const model = new Map<number, Task>();
        let random = seed;
        for (const { n, take } of steps) {
          const known = model.get(n);
          if (take && !known) {
            const task = pool.take(() => (random = (Math.imul(random, 1103515245) + 12345) >>> 0));
            expect(task === undefined).toBe(model.size === 16);
            if (!task) continue;
            task.question.copyFrom(question(n));
            pool.publish(task);
            model.set(n, task);
          } else if (!take && known) {
            pool.release(known);
            model.delete(n);
          }
          expect(pool.active).toBe(model.size);
        }
        for (let n = 0; n < 128; n++) expect(pool.find(question(n))).toBe(model.get(n));
        for (const task of model.values()) expect(pool.byId(task.id)).toBe(task);
        const listed = [...pool.activeSlots.subarray(0, pool.active)].sort((a, b) => a - b);
        expect(listed).toEqual([...model.values()].map(({ slot }) => slot).sort((a, b) => a - b));
        expect(pool.free).toBe(16 - model.size);
      }),
      { numRuns: 300 },
    );
  });
});
