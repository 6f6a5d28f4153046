import { expect, test } from 'vitest';
import { RESOLVING, type Source } from '../../chain/source.ts';
import { Question } from '../../wire/question.ts';
import { SourceRouter } from './router.ts';

/** A source that only says what it was asked. */
function recording(name: string, outstanding: number, said: string[]): Source {
  return {
    outstanding,
    has: () => {
      said.push(`${name} has`);
      return true;
    },
    resolve: (_question, token) => {
      said.push(`${name} resolve ${token}`);
      return RESOLVING;
    },
    refresh: () => void said.push(`${name} refresh`),
    tick: (nowMs) => void said.push(`${name} tick ${nowMs}`),
    close: () => void said.push(`${name} close`),
  };
}

test('each question goes to the source of its group, and time to all of them', () => {
  const said: string[] = [];
  const router = new SourceRouter({ groupOf: ({ type }) => (type === 1 ? 0 : 1) }, [
    recording('first', 3, said),
    recording('second', 4, said),
  ]);
  const [one, other] = [new Question(), new Question()];
  one.type = 1;
  other.type = 28;
  expect(router.outstanding).toBe(7);
  expect(router.has(other)).toBe(true);
  expect(router.resolve(one, 9, 0)).toBe(RESOLVING);
  router.refresh(other, 0);
  router.tick(5);
  router.close();
  expect(said).toEqual([
    'second has',
    'first resolve 9',
    'second refresh',
    'first tick 5',
    'second tick 5',
    'first close',
    'second close',
  ]);
});
