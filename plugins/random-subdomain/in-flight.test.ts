import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Question } from '../../src/contract/plugin.ts';
import { InFlight } from './in-flight.ts';

function questionOf(low: number, type = 1): Question {
  const question = new Question();
  question.hashLow = low;
  question.hashHigh = low * 31;
  question.type = type;
  question.class = 1;
  return question;
}

test('is a map, whatever is put in and taken out, and however places collide', () => {
  // Few homes, so that runs are long.
  const key = fc.record({ home: fc.constantFrom(0, 1, 14, 15), more: fc.nat(3) });
  const step = fc.record({ key, put: fc.boolean(), levels: fc.nat(1000) });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const table = new InFlight(32);
      const model = new Map<number, number>();
      for (const { key, put, levels } of steps) {
        const low = key.home + 16 * key.more;
        const question = questionOf(low);
        if (put) {
          const room = model.size * 2 <= 31;
          expect(table.put(question, levels, 1, 2, false, true)).toBe(room);
          if (room) model.set(low, levels);
        } else {
          expect(table.take(question)).toBe(model.has(low));
          expect(table.levels).toBe(model.get(low) ?? 0);
          model.delete(low);
        }
      }
      expect(table.size).toBe(model.size);
      for (const [low, levels] of model) {
        expect(table.take(questionOf(low))).toBe(true);
        expect(table.levels).toBe(levels);
      }
    }),
  );
});

test('questions that get different answers are told apart', () => {
  const table = new InFlight(32);
  table.put(questionOf(1), 1, 0, 0, false, false);
  expect(table.has(questionOf(1, 28))).toBe(false);
  const signed = questionOf(1);
  signed.dnssecOk = true;
  expect(table.has(signed)).toBe(false);
});

test('what a question was charged grows while it is sent again', () => {
  const table = new InFlight(32);
  table.put(questionOf(1), 6, 1, 99, true, true);
  table.chargeMore(questionOf(1), 2);
  table.chargeMore(questionOf(2), 2);
  expect(table.isClean(questionOf(1))).toBe(true);
  expect(table.isClean(questionOf(2))).toBe(false);
  expect(table.take(questionOf(1))).toBe(true);
  expect(table).toMatchObject({ levels: 6, charged: 3, network: 99, known: true });
});
