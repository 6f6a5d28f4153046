import { expect, test } from 'vitest';
import { batchedIoFault } from './self-test.ts';

test.runIf(process.platform === 'linux')('a packet goes the whole way through loopback and back', () => {
  expect(batchedIoFault()).toBeUndefined();
});
