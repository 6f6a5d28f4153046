/** For tests of the API and the commands: an empty cache that says how it was asked to forget. */
import { pino } from 'pino';
import type { CacheRoutesDeps } from '../../src/admin/cache.ts';

/** `flush` says 1, or 100 for a subtree, and the number of the type on top. */
export function cacheWithout(): CacheRoutesDeps {
  const none = { entries: 0, usedBytes: 0, wireBytes: 0, sizeBytes: 0, hits: 0, misses: 0, stale: 0, failures: 0 };
  return {
    stats: () => ({ ...none, inserts: 0, evictions: 0, readmitted: 0, skipped: 0 }),
    flush: async ({ subtree, type = 0 }) => (subtree ? 100 : 1) + type,
    log: pino({ level: 'silent' }),
    audit: { record: () => {} },
  };
}
