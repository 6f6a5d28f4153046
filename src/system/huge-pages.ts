/**
 * Huge pages for large tables. A table of hundreds of megabytes that is read at random misses the processor's translation
 * cache (TLB) on nearly every read while its pages have 4 KiB: each read then costs several. With pages of 2 MiB it does not.
 */
import { libc, nativeUnavailable } from './libc.ts';

const HUGE_PAGE_BYTES = 2 << 20;
const PAGE_BYTES = 4096;
/** madvise(2); the same number on every Linux. */
const MADV_HUGEPAGE = 14;

/**
 * Ask the system for huge pages under `buffer`, which nothing has written to yet; where it gives none (see
 * /sys/kernel/mm/transparent_hugepage/enabled), reads cost more and nothing else changes. Returns the address of its first
 * byte, 0 where that cannot be learnt.
 */
export function adviseHugePages(buffer: SharedArrayBuffer): number {
  if (nativeUnavailable() !== undefined) return 0;
  const address = libc().addressOf(new Uint8Array(buffer));
  if (buffer.byteLength < HUGE_PAGE_BYTES) return address;
  // Whole pages alone: madvise refuses a beginning in the middle of one.
  const begin = Math.ceil(address / PAGE_BYTES) * PAGE_BYTES;
  const end = Math.floor((address + buffer.byteLength) / PAGE_BYTES) * PAGE_BYTES;
  libc().madvise(begin, end - begin, MADV_HUGEPAGE);
  return address;
}
