/**
 * A wall clock that a test can step while the server runs: Debian's libfaketime, loaded ahead of the C library. Node's main
 * thread, its worker threads and SQLite all see the step; the monotonic clock runs on, as the kernel's does.
 */
import { existsSync, readdirSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const LIBRARY = readdirSync('/usr/lib')
  .map((architecture) => join('/usr/lib', architecture, 'faketime', 'libfaketimeMT.so.1'))
  .find((file) => existsSync(file));

export const clockCanStep = LIBRARY !== undefined;

export class SteppingClock {
  readonly #file: string;
  #seconds = 0;

  /** `file`: holds the difference to the machine's clock; written here. */
  constructor(file: string) {
    this.#file = file;
    this.#write();
  }

  /** For the process whose clock it is. */
  get environment(): Record<string, string> {
    if (LIBRARY === undefined) return {};
    return {
      LD_PRELOAD: LIBRARY,
      FAKETIME_TIMESTAMP_FILE: this.#file,
      FAKETIME_NO_CACHE: '1',
      FAKETIME_DONT_FAKE_MONOTONIC: '1',
      // Times of files are the disk's, as after a real step.
      NO_FAKE_STAT: '1',
    };
  }

  /** What it shows, in milliseconds since 1970. */
  nowMs(): number {
    return Date.now() + this.#seconds * 1000;
  }

  /** Forward, or back where negative. In force at once. */
  step(seconds: number): void {
    if (!clockCanStep) throw new Error('the clock cannot step: package faketime is not installed');
    this.#seconds += seconds;
    this.#write();
  }

  #write(): void {
    writeFileSync(`${this.#file}.new`, `${this.#seconds < 0 ? '' : '+'}${this.#seconds}`);
    renameSync(`${this.#file}.new`, this.#file);
  }
}
