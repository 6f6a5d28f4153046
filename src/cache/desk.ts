/** The cache as the control plane handles it: flushed by name, and counted. One cache serves all workers, so it is done for all. */
import { setImmediate } from 'node:timers/promises';
import { AnswerCache } from './cache.ts';
import type { FailureMemory } from './failures.ts';
import { FailureTable } from './failures.ts';
import type { CacheMemory } from './memory.ts';

/** Number of the main thread in the locks: that of no worker. */
const MAIN_THREAD = 0x7ffffffe;

export interface FlushOrder {
  /** Wire form, lower case. */
  readonly name: Uint8Array;
  /** All below it as well. */
  readonly subtree: boolean;
  /** Number of the type; undefined = every one. */
  readonly type?: number | undefined;
}

/**
 * Forget what is known about a name. Resolves with the number of answers. Remembered failures go all at once: they last
 * seconds, and nobody can tell from their hashes which names they are about.
 */
export async function flushCache(cache: CacheMemory, failures: FailureMemory, order: FlushOrder): Promise<number> {
  const { name, subtree, type = -1 } = order;
  const removed = await cacheOf(cache).flushNames(name, subtree, type, () => setImmediate());
  new FailureTable(failures).clearAll();
  return removed;
}

export function cacheStats(cache: CacheMemory): ReturnType<AnswerCache['stats']> {
  return cacheOf(cache).stats();
}

function cacheOf(memory: CacheMemory): AnswerCache {
  return new AnswerCache(memory, { worker: MAIN_THREAD, minTtl: 0, maxTtl: 0, serveStale: 0 });
}
