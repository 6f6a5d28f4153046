/**
 * A CSPRNG cheap enough for the packet path: the kernel's generator fills a pool, and each call takes 32 bits of it.
 * Bits once handed out are wiped, so that nobody who reads the memory later learns which ids were used.
 */
import { randomFillSync } from 'node:crypto';

const WORDS = 4096;

/** Make a source of unsigned 32-bit random integers. */
export function randomPool(): () => number {
  const pool = new Uint32Array(WORDS);
  let left = 0;
  return () => {
    if (left === 0) {
      randomFillSync(pool);
      left = WORDS;
    }
    const value = pool[--left]!;
    pool[left] = 0;
    return value;
  };
}
