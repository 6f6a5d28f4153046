/**
 * Dear signature checks (P-384: three quarters of a millisecond) outside of the packet thread: Node's crypto makes them in
 * libuv's pool of threads and calls back.
 */
import { verify } from 'node:crypto';
import { checkHash } from '../validate/algorithms.ts';
import type { CheckStep } from '../validate/verdict.ts';

/** Checks under way at once in one worker; more are not taken. */
const MAX_CHECKS = 256;

export class DearChecks {
  #outstanding = 0;
  readonly #max: number;

  constructor(max: number = MAX_CHECKS) {
    this.#max = max;
  }

  /** Begin the check; `done` is called later, never before this returns. False where too many are under way. */
  check({ key, data, signature }: CheckStep, done: (right: boolean) => void): boolean {
    const imported = key.key();
    if (imported === undefined || this.#outstanding >= this.#max) return false;
    this.#outstanding++;
    const hash = checkHash(key.algorithm);
    verify(hash, data, { key: imported, dsaEncoding: 'ieee-p1363' }, signature, (error, right) => {
      this.#outstanding--;
      done(error === null && right);
    });
    return true;
  }
}
