import { expect, it } from 'vitest';
import { counted } from './counted.ts';

it.each([
  [0, 'hit', undefined, '0 hits'],
  [1, 'hit', undefined, '1 hit'],
  [2, 'hit', undefined, '2 hits'],
  [1, 'entry', 'entries', '1 entry'],
  [12_345, 'entry', 'entries', '12 345 entries'],
])('%d of %s', (count, one, many, text) => {
  expect(counted(count, one, many)).toBe(text);
});
