/** What hashing a name costs (src/hash/siphash.ts), by its length on the wire. */
import { halfSipHash, hashHigh, hashLow } from '../../src/hash/siphash.ts';
import { KEY0, KEY1 } from './packets.ts';
import { type Case, compare } from './timing.ts';

function hashing(length: number): Case {
  const words = Int32Array.from({ length: 64 }, (_, i) => Math.imul(i + 1, 0x9e3779b1));
  return {
    name: `${length} bytes`,
    run(iterations) {
      let sum = 0;
      for (let i = 0; i < iterations; i++) {
        words[0] = i;
        halfSipHash(words, length, KEY0, KEY1);
        sum = (sum + (hashLow ^ hashHigh)) | 0;
      }
      return sum;
    },
  };
}

compare('wire/siphash.ts: halfSipHash', [8, 20, 32, 64, 255].map(hashing));
