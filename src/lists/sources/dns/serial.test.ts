import fc from 'fast-check';
import { expect, it } from 'vitest';
import { compareSerials } from './serial.ts';

const serial = fc.integer({ min: 0, max: 0xffffffff });

it('finds the serial newer that was reached by adding up to 2^31 - 1', () => {
  fc.assert(
    fc.property(serial, fc.integer({ min: 1, max: 0x7fffffff }), (one, step) => {
      const other = (one + step) >>> 0;
      expect(compareSerials(other, one)).toBe(1);
      expect(compareSerials(one, other)).toBe(-1);
      expect(compareSerials(one, one)).toBe(0);
    }),
  );
});

it('takes the wrap for a step forward and leaves the antipode open', () => {
  expect(compareSerials(0, 0xffffffff)).toBe(1);
  expect(compareSerials(0x80000000, 0)).toBeUndefined();
  expect(compareSerials(0, 0x80000000)).toBeUndefined();
});
