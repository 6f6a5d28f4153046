/** What a process has used so far, from /proc (proc(5)): all its threads together. Linux only. */
import { readdirSync, readFileSync } from 'node:fs';

/**
 * CPU time of all threads now alive, in seconds, kept by the scheduler in nanoseconds (first field of `schedstat`).
 * The slice that a thread is running in at this moment is added at its next tick (at most 4 ms): read it when the
 * process is idle. Threads that have ended no longer count.
 */
export function cpuSeconds(pid: number): number {
  return [...threadCpuSeconds(pid).values()].reduce((sum, seconds) => sum + seconds, 0);
}

/** The same by the number of the thread; that of the main thread is `pid`. */
export function threadCpuSeconds(pid: number): Map<number, number> {
  const seconds = new Map<number, number>();
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    try {
      const text = readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8');
      seconds.set(Number(thread), Number(text.split(' ')[0]) / 1e9);
    } catch (error) {
      // A thread may end between the listing and the reading.
      if (!['ENOENT', 'ESRCH'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
    }
  }
  return seconds;
}

/**
 * Seconds that a core has been busy since boot with any process (proc(5), /proc/stat; resolution 10 ms). What it grows by
 * beyond a server that is bound to it, others have taken.
 */
export function coreBusySeconds(core: number): number {
  const line = new RegExp(`^cpu${core} (.+)$`, 'm').exec(readFileSync('/proc/stat', 'utf8'))?.[1] ?? '';
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0] = line.split(' ').map(Number);
  return (user + nice + system + irq + softirq) / 100;
}

/** Memory of a process in bytes. */
export interface Memory {
  /** Resident pages, shared ones in full. */
  rssBytes: number;
  /** Resident pages, shared ones divided by who shares them. */
  pssBytes: number;
}

/** Read `smaps_rollup`; needs the right to trace the process (a child of ours, same user). */
export function memory(pid: number): Memory {
  const text = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
  return { rssBytes: kilobytes(text, 'Rss') * 1024, pssBytes: kilobytes(text, 'Pss') * 1024 };
}

function kilobytes(text: string, field: string): number {
  return Number(new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(text)?.[1] ?? 0);
}
