/**
 * What the kernel knows of a thread of this process: how much processor time it had, and whether it wants any. Linux only.
 */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

export interface ThreadTime {
  /** Processor time since the thread began, in milliseconds. */
  readonly ranMs: number;
  /** Time for which it was ready to run and waited for a processor (run delay), as far as that has been added up. */
  readonly delayedMs: number;
  /** It waits for something other than a processor: a lock, a descriptor, another thread. */
  readonly asleep: boolean;
}

/** The kernel's number of the thread that calls; 0 where that cannot be told. */
export function ownThreadId(): number {
  try {
    return Number(/\/task\/(\d+)$/.exec(readlinkSync('/proc/thread-self'))?.[1] ?? 0);
  } catch {
    return 0;
  }
}

/** Undefined where there is no such thread, or the system does not tell. */
export function threadTime(id: number): ThreadTime | undefined {
  if (id <= 0) return undefined;
  try {
    // proc(5): the state follows the name in parentheses, which may hold anything.
    const stat = readFileSync(`/proc/self/task/${id}/stat`, 'latin1');
    const state = stat.charAt(stat.lastIndexOf(')') + 2);
    const [ran = 0, delayed = 0] = schedstat(id);
    // Where the kernel keeps none of these numbers, they are all 0, which would look like a thread that never runs.
    return ran === 0 ? undefined : { ranMs: ran / 1e6, delayedMs: delayed / 1e6, asleep: state !== 'R' };
  } catch {
    return undefined;
  }
}

/** Run delay of all threads of the process together, in milliseconds. */
export function processDelayedMs(): number {
  let sum = 0;
  try {
    for (const id of readdirSync('/proc/self/task')) sum += schedstat(Number(id))[1] ?? 0;
  } catch {
    // A thread that ended meanwhile, or another system: what was found so far has to do.
  }
  return sum / 1e6;
}

/** Nanoseconds on a processor and nanoseconds waiting for one. */
function schedstat(id: number): number[] {
  return readFileSync(`/proc/self/task/${id}/schedstat`, 'latin1').split(' ').map(Number);
}
