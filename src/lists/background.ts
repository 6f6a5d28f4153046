/**
 * How the compiler thread stays out of the packets' way where both want one core.
 *
 * Nice 19 gives it a small share, but once it runs it keeps the core for its slice, up to 3 ms, while packets wait: Linux
 * does not let a thread that wakes up take over at once (EEVDF). From a thread of SCHED_IDLE everybody takes over at once
 * (sched(7)). Where others want the whole core, that leaves next to nothing: after ESCAPE_MS the thread goes back to nice 19,
 * or a list that comes in a flood would never be in force. So SCHED_IDLE is only entered where it can be left again.
 */
import { readFileSync } from 'node:fs';
import { setPriority } from 'node:os';
import { libc, nativeUnavailable, SCHED_IDLE, SCHED_OTHER } from '../system/libc.ts';

const NICE = 19;
const ESCAPE_MS = 5000;
/** Bit of CAP_SYS_NICE (capabilities(7)). */
const CAP_SYS_NICE = 23n;

export class Background {
  #idleSinceMs = Number.POSITIVE_INFINITY;
  #mayBeIdle: boolean | undefined;

  /** Work begins that packets go ahead of. On Linux this is about the calling thread; elsewhere nothing is done. */
  enter(): void {
    if (process.platform !== 'linux') return;
    // Of the calling thread alone (setpriority(2)); elsewhere of the whole process.
    setPriority(0, NICE);
    this.#mayBeIdle ??= canLeaveIdle() && nativeUnavailable() === undefined;
    if (this.#mayBeIdle && schedule(SCHED_IDLE)) this.#idleSinceMs = performance.now();
  }

  /** To be called now and then during the work. */
  goOn(): void {
    if (performance.now() - this.#idleSinceMs < ESCAPE_MS) return;
    this.#idleSinceMs = Number.POSITIVE_INFINITY;
    schedule(SCHED_OTHER);
  }
}

/** False where the system does not want it (musl has no such call). */
function schedule(policy: number): boolean {
  // struct sched_param: the priority, 0 for both policies.
  return libc().sched_setscheduler(0, policy, new Uint8Array(4)) === 0;
}

/** Leaving SCHED_IDLE needs CAP_SYS_NICE or an RLIMIT_NICE that allows nice 19 (sched(7)). */
function canLeaveIdle(): boolean {
  try {
    const capabilities = /^CapEff:\s*([0-9a-f]+)$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1];
    if (capabilities !== undefined && ((BigInt(`0x${capabilities}`) >> CAP_SYS_NICE) & 1n) === 1n) return true;
    const limit = /^Max nice priority\s+(\d+|unlimited)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1];
    return limit === 'unlimited' || Number(limit) >= 20 - NICE;
  } catch {
    return false;
  }
}
