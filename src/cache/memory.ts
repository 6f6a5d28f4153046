/**
 * The answer cache's memory: what lies where in the SharedArrayBuffer of each shard.
 *
 *   control | table                                   | ghosts              | small ring | main ring
 *   76 words| buckets of 64 bytes                     | 32 bytes per bucket | 10 %       | 90 %
 *             tag×7 ref×7 frequency×7 (1 unused byte)   fingerprint×16        entries      entries
 *
 * A bucket holds everything that a lookup needs besides the entry itself, frequencies included, so that a hit touches
 * one line of the table and then the entry. Readers write nothing but the frequency bytes: a late, racy write can mark
 * the wrong slot as hot, and do no other harm. `ref` is the word index of the entry (entry.ts); 0 = empty.
 *
 * Nothing is filled at creation: the kernel maps a page when it is first written, so an empty cache costs almost nothing.
 */

/** What is handed to every thread; can be sent by structured clone. */
export interface CacheMemory {
  /** A power of two of them. */
  readonly shards: readonly SharedArrayBuffer[];
}

export interface CacheMemoryOptions {
  /** Everything together stays at or below this; at least 1 MiB. */
  readonly bytes: number;
  /** A power of two, 1–64. By default as many as leave each shard 1 MiB. */
  readonly shards?: number;
}

const MIB = 1 << 20;
const MOST_SHARDS = 64;
/** Byte offsets inside a shard are signed 32-bit integers. */
const MOST_SHARD_BYTES = 2 ** 31 - 64;

/** Slots of one bucket. */
export const WAYS = 7;
export const BUCKET_WORDS = 16;
/** Frequency bytes of a bucket begin at this word. */
export const FREQUENCY_WORD = 14;
/** Fingerprints of one ghost bucket, 16 bits each: memory of the last four times as many names as the bucket holds. */
export const GHOST_WAYS = 16;
const GHOST_WORDS = 8;

/**
 * Arena words per bucket: one slot for 80 bytes. A usual answer takes about 140, so that a bucket holds four on average
 * and seldom overflows; caches full of the very smallest answers are limited by the table instead of the arena.
 */
const ARENA_WORDS_PER_BUCKET = (WAYS * 80) / 4;

/** Control words. Lock and version stand in cache lines of their own: readers poll the one, writers the other. */
export const LOCK = 0;
export const SKIPPED = 1;
export const VERSION = 16;
/** Where the two rings keep START, END, HEAD, TAIL and USED. */
export const SMALL = 32;
export const MAIN = 40;
export const ENTRIES = 48;
export const LIVE_WORDS = 49;
export const WIRE_BYTES = 50;
export const INSERTS = 51;
export const EVICTIONS = 52;
export const GHOST_HITS = 53;
/** Not 0 once an answer with DO was kept: without any, nobody has to look for one. */
export const WITH_DO = 54;
/**
 * A large buffer comes from mmap with glibc's header of 16 bytes before it, so that a word index of 12 modulo 16 begins a
 * cache line and a bucket lies in one line, not two. Elsewhere this does no harm.
 */
const CONTROL_WORDS = 64 + 12;

/** Fields of a ring, behind SMALL or MAIN; all in words. */
export const START = 0;
export const END = 1;
/** Where the next entry goes. */
export const HEAD = 2;
/** The oldest entry. */
export const TAIL = 3;
/** Words between tail and head, dead entries and the unused end of the ring included. */
export const USED = 4;

/** Throws RangeError where `bytes` or `shards` is out of its bounds. */
export function createCacheMemory(options: CacheMemoryOptions): CacheMemory {
  const { bytes } = options;
  if (!(bytes >= MIB)) throw new RangeError(`the cache needs at least ${MIB} bytes, not ${bytes}`);
  const wanted = 2 ** Math.floor(Math.log2(bytes / MIB));
  const count = options.shards ?? Math.min(MOST_SHARDS, wanted);
  if (count < 1 || count > MOST_SHARDS || (count & (count - 1)) !== 0) {
    throw new RangeError(`the number of cache shards must be a power of two up to ${MOST_SHARDS}, not ${count}`);
  }
  const shardBytes = Math.floor(bytes / count / 64) * 64;
  if (shardBytes > MOST_SHARD_BYTES) throw new RangeError(`${bytes} bytes are too many for ${count} cache shards`);
  if (shardBytes < MIB / 4) throw new RangeError(`${bytes} bytes are too few for ${count} cache shards`);
  return {
    shards: Array.from({ length: count }, () => {
      const buffer = new SharedArrayBuffer(shardBytes);
      resetRings(new Shard(buffer));
      return buffer;
    }),
  };
}

/** One shard as a thread sees it. All positions are indices of `words`. */
export class Shard {
  readonly words: Int32Array;
  readonly bytes: Uint8Array;
  readonly halves: Uint16Array;
  readonly buckets: number;
  readonly tableStart: number;
  readonly ghostStart: number;
  /** Where the small ring begins; `mainStart` is where it ends. */
  readonly arenaStart: number;
  readonly mainStart: number;
  readonly arenaEnd: number;

  constructor(buffer: SharedArrayBuffer) {
    this.words = new Int32Array(buffer);
    this.bytes = new Uint8Array(buffer);
    this.halves = new Uint16Array(buffer);
    const words = this.words.length;
    this.buckets = Math.floor((words - CONTROL_WORDS) / (BUCKET_WORDS + GHOST_WORDS + ARENA_WORDS_PER_BUCKET));
    this.tableStart = CONTROL_WORDS;
    this.ghostStart = this.tableStart + this.buckets * BUCKET_WORDS;
    this.arenaStart = this.ghostStart + this.buckets * GHOST_WORDS;
    this.mainStart = this.arenaStart + Math.floor((words - this.arenaStart) / 10);
    this.arenaEnd = words;
  }
}

/** Put the rings of a shard to empty. The caller holds the lock, or nobody else knows the shard yet. */
export function resetRings(shard: Shard): void {
  const words = shard.words;
  for (const [ring, start, end] of [
    [SMALL, shard.arenaStart, shard.mainStart],
    [MAIN, shard.mainStart, shard.arenaEnd],
  ] as const) {
    words[ring + START] = start;
    words[ring + END] = end;
    words[ring + HEAD] = start;
    words[ring + TAIL] = start;
    words[ring + USED] = 0;
  }
}

/** Forget every entry and ghost. The caller holds the lock and has made the version odd. */
export function clearShard(shard: Shard): void {
  shard.words.fill(0, shard.tableStart, shard.arenaStart);
  resetRings(shard);
  shard.words[ENTRIES] = 0;
  shard.words[LIVE_WORDS] = 0;
  shard.words[WIRE_BYTES] = 0;
}
