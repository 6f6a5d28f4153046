import { expect, it } from 'vitest';
import { FAST_PATH_CAPABILITIES, missingCapabilities } from './capable.ts';

const status = (...numbers: number[]) =>
  `CapPrm:\tffffffffffffffff\nCapEff:\t${numbers.reduce((bits, each) => bits | (1n << BigInt(each)), 0n).toString(16)}\n`;

it('names what is missing and what it is for', () => {
  expect(missingCapabilities(FAST_PATH_CAPABILITIES, status(39, 12, 13))).toBeUndefined();
  expect(missingCapabilities(FAST_PATH_CAPABILITIES, status(12, 10))).toBe(
    'missing CAP_BPF (loading programs and maps), CAP_NET_RAW (sockets of the family AF_XDP)',
  );
  // Before Linux 5.8 there was no CAP_BPF.
  expect(missingCapabilities(['CAP_BPF'], status(21))).toBeUndefined();
  expect(missingCapabilities(['CAP_BPF'], '')).toMatch(/CAP_BPF/);
});
