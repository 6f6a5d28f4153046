/**
 * How far a UDP socket's receive queue is behind: how long the packet that was read last had waited in it, and how full
 * the buffer is. Two system calls of about 300 ns each, so one asks now and then, and only while batches come full.
 *
 * The kernel stamps packets once it was asked for the first time (SIOCGSTAMPNS); those that came before count as new. The
 * stamp is wall time: if that is set while packets wait, one queue's worth of them looks older or younger than it is.
 */

import { type Libc, libc, SIOCGSTAMPNS, SO_MEMINFO, SOL_SOCKET } from '../system/libc.ts';
import type { Clock } from '../time/clock.ts';

/** Words of SO_MEMINFO: bytes that wait, and bytes that may. */
const WAITING = 0;
const ROOM = 1;
const WORDS = 9;

export class QueueGauge {
  /** Milliseconds that the packet read last had waited, as of the last `read`. */
  ageMs = 0;
  /** Share of the receive buffer that is full, 0–1. */
  fill = 0;
  readonly #clock: Pick<Clock, 'wallMs'>;
  readonly #libc: Libc = libc();
  readonly #stamp = new Uint8Array(16);
  /** struct timespec: seconds and nanoseconds, 64 bits each; both fit a double. */
  readonly #stampWords = new Uint32Array(this.#stamp.buffer);
  readonly #info = new Uint8Array(4 * WORDS);
  readonly #infoWords = new Uint32Array(this.#info.buffer);
  readonly #length = new Uint8Array(4);
  readonly #lengthWord = new Uint32Array(this.#length.buffer);

  /** `clock`: the kernel's, the system's: the server's own goes on where that is set back. */
  constructor(clock: Pick<Clock, 'wallMs'>) {
    this.#clock = clock;
  }

  /** Look at the socket after a batch was read from it. What the kernel does not tell counts as not behind. */
  read(fd: number): void {
    const words = this.#stampWords;
    if (this.#libc.ioctl(fd, SIOCGSTAMPNS, this.#stamp) === 0) {
      const stampedMs = (words[1]! * 2 ** 32 + words[0]!) * 1000 + words[2]! / 1e6;
      this.ageMs = Math.max(0, this.#clock.wallMs() - stampedMs);
    } else this.ageMs = 0;
    this.#lengthWord[0] = 4 * WORDS;
    const info = this.#libc.getsockopt(fd, SOL_SOCKET, SO_MEMINFO, this.#info, this.#length);
    this.fill = info === 0 && this.#infoWords[ROOM]! > 0 ? this.#infoWords[WAITING]! / this.#infoWords[ROOM]! : 0;
  }
}
