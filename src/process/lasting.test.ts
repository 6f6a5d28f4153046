import { expect, test } from 'vitest';
import { LastingParts } from './lasting.ts';

test('two configurations hold the same thing; it is closed with the last of them, once, and made again after that', async () => {
  const parts = new LastingParts();
  const events: string[] = [];
  let made = 0;
  const make = () => {
    const number = ++made;
    return { number, close: () => void events.push(`closed ${number}`) };
  };
  const first = parts.take('plugin', make);
  const second = parts.take('plugin', make);
  const other = parts.take('other', make);
  expect(second.value).toBe(first.value);
  expect(other.value.number).toBe(2);
  await first.release();
  await first.release();
  expect(events).toEqual([]);
  await second.release();
  expect(events).toEqual(['closed 1']);
  expect(parts.take('plugin', make).value.number).toBe(3);
});

test('what could not be made is not held', () => {
  const parts = new LastingParts();
  const fail = () => {
    throw new Error('no disk');
  };
  expect(() => parts.take('plugin', fail)).toThrow('no disk');
  expect(parts.take('plugin', () => ({ close: () => {} })).value).toBeDefined();
});
