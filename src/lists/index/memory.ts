/**
 * The policy index as it lies in one SharedArrayBuffer.
 *
 *   labels   for each list and number of labels: kinds of rules on names with so many       4 KiB
 *   filter   32 bits for about three names: are the name's four bits set?                   11 bits a name
 *   starts   where each bucket begins among the slots                                       ½ byte a name
 *   slots    |hash|hash|hash|set| …  buckets of 8 names on average,                         16 bytes a name
 *            laid end to end, so that no slot is empty
 *   sets     |rules|exact mask|subtree mask| rule word, data |…                             a few words, unless names
 *   data     |words|bytes|…bytes of a record…|                                              have data of their own
 *
 * A name's bucket is chosen by its hash's first word, its bits in the filter by the other two. Together 17.9 bytes a name.
 */
import { MAX_LISTS } from './rules.ts';
import type { SuffixKey } from './suffix-hash.ts';

/** What is handed to every thread; can be sent by structured clone, which shares the buffer. */
export interface PolicyIndexMemory {
  /** Counts the indexes of a process up; given by whoever has it built. */
  readonly version: number;
  readonly key: SuffixKey;
  /** What each list brought; as many as the highest list that was named, plus one. */
  readonly lists: readonly ListStatistics[];
  /** Bytes in use; the buffer may be larger (memory-pool.ts). */
  readonly bytes: number;
  readonly size: PolicyIndexSize;
  readonly buffer: SharedArrayBuffer;
}

export interface PolicyIndexSize {
  /** Different names held. */
  readonly names: number;
  readonly setWords: number;
  readonly dataWords: number;
}

export interface ListStatistics {
  /** Different names on which the list has a rule. */
  readonly names: number;
  /** Rules that brought nothing new. */
  readonly duplicates: number;
  /** Rules left out, because the list had another action on the same name, or too many records. */
  readonly conflicts: number;
}

/** Slots are found by a signed 32-bit word index. */
export const MAX_NAMES = 1 << 27;
/** Entries of `labels` for each list: names have 1 to 127 labels. */
export const LABEL_COUNTS = 128;
/** Words of a slot. */
export const SLOT_WORDS = 4;

const NAMES_PER_BUCKET = 8;
const FILTER_BITS_PER_NAME = 11;

export function bucketsFor(names: number): number {
  return Math.max(1, Math.ceil(names / NAMES_PER_BUCKET));
}

/** Bits of a name in its word of the filter, from the hash's last word: four, now and then the same. */
export function filterBits(high: number): number {
  return (1 << high) | (1 << (high >>> 5)) | (1 << (high >>> 10)) | (1 << (high >>> 15));
}

/** Bytes that a buffer must have for an index of this size. */
export function bytesFor(size: PolicyIndexSize): number {
  return new PolicyIndexView(size, undefined).bytes;
}

/** The typed arrays over an index's buffer, and the scales that bring an unsigned hash word to a place in them. */
export class PolicyIndexView {
  readonly labels: Uint8Array;
  readonly filter: Int32Array;
  readonly starts: Int32Array;
  readonly slots: Int32Array;
  readonly sets: Int32Array;
  readonly data: Int32Array;
  readonly bytes: number;
  readonly bucketScale: number;
  readonly filterScale: number;

  /** Without a buffer, all are empty, and only `bytes` and the scales say something. */
  constructor({ names, setWords, dataWords }: PolicyIndexSize, buffer: SharedArrayBuffer | undefined) {
    let at = 0;
    const area = (words: number): Int32Array => {
      const from = at;
      at += Math.ceil((words * 4) / CACHE_LINE) * CACHE_LINE;
      return buffer ? new Int32Array(buffer, from, words) : NO_WORDS;
    };
    const buckets = bucketsFor(names);
    const filterWords = Math.max(1, Math.ceil((names * FILTER_BITS_PER_NAME) / 32));
    const labels = area((MAX_LISTS * LABEL_COUNTS) / 4);
    this.labels = new Uint8Array(labels.buffer, labels.byteOffset, labels.byteLength);
    this.filter = area(filterWords);
    this.starts = area(buckets + 1);
    this.slots = area(names * SLOT_WORDS);
    this.sets = area(setWords);
    this.data = area(dataWords);
    this.bytes = at;
    this.bucketScale = buckets * 2 ** -32;
    this.filterScale = filterWords * 2 ** -32;
  }

  /** Where the set of the name with this hash begins in `sets`, or -1. */
  find(low: number, middle: number, high: number): number {
    const bits = filterBits(high);
    if ((this.filter[((middle >>> 0) * this.filterScale) | 0]! & bits) !== bits) return -1;
    const bucket = ((low >>> 0) * this.bucketScale) | 0;
    const end = this.starts[bucket + 1]! * SLOT_WORDS;
    const slots = this.slots;
    for (let at = this.starts[bucket]! * SLOT_WORDS; at < end; at += SLOT_WORDS) {
      if (slots[at] === low && slots[at + 1] === middle && slots[at + 2] === high) return slots[at + 3]!;
    }
    return -1;
  }
}

const CACHE_LINE = 64;
const NO_WORDS = new Int32Array(0);
