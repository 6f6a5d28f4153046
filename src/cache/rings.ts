/**
 * Which answers stay: S3-FIFO (Yang et al., "FIFO queues are all you need for cache eviction", SOSP 2023) over two rings
 * of bytes and a table of ghosts.
 *
 *   insert ─▶ small ring (10 %) ── asked again ──▶ main ring (90 %) ◀─┐ asked again since: back to the head,
 *     │            └─ else ─▶ ghost                     │            │ frequency lowered
 *     └─ name is a ghost ─────────────────────────────▶─┘ tail ──────┴─ else: gone
 *
 * As long as the main ring was never full there is nothing to choose between, and entries go there at once: whatever is
 * inserted is written once, and no other entry is touched.
 *
 * A flood of names that are asked once runs through the small ring and leaves the main ring alone. A hit only raises a
 * counter: nothing moves, so readers need no lock. Everything here runs under the shard's lock.
 */
import { EXPIRES_AT, entryWords, KEY_LOW, messageLength } from './entry.ts';
import { spread } from './key.ts';
import {
  BUCKET_WORDS,
  END,
  ENTRIES,
  EVICTIONS,
  FREQUENCY_WORD,
  GHOST_HITS,
  GHOST_WAYS,
  HEAD,
  LIVE_WORDS,
  MAIN,
  type Shard,
  SMALL,
  START,
  TAIL,
  USED,
  WAYS,
  WIRE_BYTES,
} from './memory.ts';

/** Frequency bits of a slot's byte: hits since it was inserted or went round, up to 3. */
export const FREQUENCY_MASK = 3;
/** Somebody is refreshing this entry. */
export const REFRESH_CLAIMED = 4;

/** Hits in the small ring that take an entry to the main one. */
const PROMOTE_AT = 2;
/** Entries sent round the main ring for one insert: bounds the time for which the lock is held. */
const MOST_REINSERTIONS = 16;

/** Word index of the bucket for the first half of a key. */
export function bucketAt(shard: Shard, low: number): number {
  return shard.tableStart + spread(low, shard.buckets) * BUCKET_WORDS;
}

/** Byte index of the frequency of `slot`, which lies in the bucket at `bucket`. */
export function frequencyAt(bucket: number, slot: number): number {
  return ((bucket + FREQUENCY_WORD) << 2) + slot - bucket;
}

/**
 * Room for `size` words in `ring` (SMALL or MAIN), at most an eighth of it; what is oldest gives way. Returns where.
 * `goneBefore`: entries that expired before this second are of no use to anybody.
 */
export function makeRoom(shard: Shard, ring: number, size: number, goneBefore: number): number {
  const words = shard.words;
  if (ring === MAIN) {
    let reinsertions = MOST_REINSERTIONS;
    while (!fits(words, MAIN, size)) if (popMain(shard, reinsertions > 0, goneBefore)) reinsertions--;
  } else {
    while (!fits(words, SMALL, size)) popSmall(shard, goneBefore);
  }
  return push(words, ring, size);
}

/**
 * The main ring was never full, so there is no reason to throw anything away. Once it was, the gap that the last eviction
 * left is smaller than an entry may be: a 72nd of the ring.
 */
export function isRoomy(shard: Shard): boolean {
  const words = shard.words;
  return words[MAIN + USED]! < (words[MAIN + END]! - words[MAIN + START]!) * (1 - 1 / 64);
}

/** True when the name was thrown out of the small ring not long ago; forgets it. Wrongly true with odds of 1 in 4 096. */
export function takeGhost(shard: Shard, bucket: number, tag: number): boolean {
  const halves = shard.halves;
  const at = ghostsAt(shard, bucket);
  const print = fingerprint(tag);
  for (let i = at; i < at + GHOST_WAYS; i++) {
    if (halves[i] !== print) continue;
    for (; i < at + GHOST_WAYS - 1; i++) halves[i] = halves[i + 1]!;
    halves[i] = 0;
    shard.words[GHOST_HITS]!++;
    return true;
  }
  return false;
}

/** An empty slot of the bucket; where there is none, the entry of least use is thrown out. */
export function freeSlot(shard: Shard, bucket: number, now: number): number {
  const { words, bytes } = shard;
  // The bucket is one line of memory, and the entries, which are looked at only where it is full, lie all over the place.
  for (let slot = bucket; slot < bucket + WAYS; slot++) if (words[slot + WAYS] === 0) return slot;
  let victim = bucket;
  let lowest = 0x7fffffff;
  for (let slot = bucket; slot < bucket + WAYS; slot++) {
    const ref = words[slot + WAYS]!;
    const expired = words[ref + EXPIRES_AT]! <= now;
    const frequency = bytes[frequencyAt(bucket, slot)]! & FREQUENCY_MASK;
    const worth = (expired ? 0 : 8) + (frequency << 1) + (ref >= shard.mainStart ? 1 : 0);
    if (worth >= lowest) continue;
    lowest = worth;
    victim = slot;
  }
  evict(shard, bucket, victim);
  return victim;
}

/** Point `slot` at the entry just written at `ref`. */
export function fillSlot(
  shard: Shard,
  bucket: number,
  slot: number,
  tag: number,
  ref: number,
  frequency: number,
): void {
  const words = shard.words;
  const head = words[ref]!;
  words[slot] = tag;
  words[slot + WAYS] = ref;
  shard.bytes[frequencyAt(bucket, slot)] = frequency;
  words[ENTRIES]!++;
  words[LIVE_WORDS]! += entryWords(head);
  words[WIRE_BYTES]! += messageLength(head);
}

/** Empty `slot`; the entry's bytes are dead until the ring comes round to them. */
export function emptySlot(shard: Shard, slot: number): void {
  const words = shard.words;
  const head = words[words[slot + WAYS]!]!;
  words[slot] = 0;
  words[slot + WAYS] = 0;
  words[ENTRIES]!--;
  words[LIVE_WORDS]! -= entryWords(head);
  words[WIRE_BYTES]! -= messageLength(head);
}

function evict(shard: Shard, bucket: number, slot: number): void {
  const words = shard.words;
  if (words[slot + WAYS]! < shard.mainStart) addGhost(shard, bucket, words[slot]!);
  emptySlot(shard, slot);
  words[EVICTIONS]!++;
}

/** Take the oldest entry out of the small ring: to the main ring, or out. */
function popSmall(shard: Shard, goneBefore: number): void {
  const words = shard.words;
  const ref = oldest(words, SMALL);
  const size = entryWords(words[ref]!);
  words[SMALL + TAIL] = ref + size;
  words[SMALL + USED]! -= size;
  const bucket = bucketAt(shard, words[ref + KEY_LOW]!);
  const slot = slotOf(words, bucket, ref);
  if (slot < 0) return;
  const frequency = shard.bytes[frequencyAt(bucket, slot)]!;
  const useful = words[ref + EXPIRES_AT]! >= goneBefore;
  if (useful && ((frequency & FREQUENCY_MASK) >= PROMOTE_AT || isRoomy(shard))) {
    const to = makeRoom(shard, MAIN, size, goneBefore);
    for (let i = 0; i < size; i++) words[to + i] = words[ref + i]!;
    words[slot + WAYS] = to;
    shard.bytes[frequencyAt(bucket, slot)] = frequency & ~FREQUENCY_MASK;
  } else {
    evict(shard, bucket, slot);
  }
}

/** Take the oldest entry out of the main ring: back to its head where it was asked for, or out. True when it went back. */
function popMain(shard: Shard, mayGoBack: boolean, goneBefore: number): boolean {
  const words = shard.words;
  const ref = oldest(words, MAIN);
  const size = entryWords(words[ref]!);
  words[MAIN + TAIL] = ref + size;
  words[MAIN + USED]! -= size;
  const bucket = bucketAt(shard, words[ref + KEY_LOW]!);
  const slot = slotOf(words, bucket, ref);
  if (slot < 0) return false;
  const at = frequencyAt(bucket, slot);
  const frequency = shard.bytes[at]!;
  if (!mayGoBack || (frequency & FREQUENCY_MASK) === 0 || words[ref + EXPIRES_AT]! < goneBefore) {
    evict(shard, bucket, slot);
    return false;
  }
  // What was just taken out always fits again. The head is never ahead of it in the same lap, so copying upwards is safe
  // even where the two overlap.
  const to = push(words, MAIN, size);
  for (let i = 0; i < size; i++) words[to + i] = words[ref + i]!;
  words[slot + WAYS] = to;
  shard.bytes[at] = frequency - 1;
  return true;
}

/** The oldest entry of a ring that is not empty; steps over the unused end. */
function oldest(words: Int32Array, ring: number): number {
  const tail = words[ring + TAIL]!;
  const end = words[ring + END]!;
  if (tail < end && words[tail] !== 0) return tail;
  words[ring + USED]! -= end - tail;
  return words[ring + START]!;
}

function fits(words: Int32Array, ring: number, size: number): boolean {
  const head = words[ring + HEAD]!;
  const end = words[ring + END]!;
  const free = end - words[ring + START]! - words[ring + USED]!;
  // An entry is never split: where it does not fit before the end, the end stays unused.
  return (head + size <= end ? size : size + end - head) <= free;
}

/** Take `size` words at the head; `fits` said yes. */
function push(words: Int32Array, ring: number, size: number): number {
  let head = words[ring + HEAD]!;
  const end = words[ring + END]!;
  if (head + size > end) {
    if (head < end) words[head] = 0;
    words[ring + USED]! += end - head;
    head = words[ring + START]!;
  }
  words[ring + HEAD] = head + size;
  words[ring + USED]! += size;
  return head;
}

/** The slot that points at `ref`, or -1: the entry is dead. */
function slotOf(words: Int32Array, bucket: number, ref: number): number {
  for (let slot = bucket; slot < bucket + WAYS; slot++) if (words[slot + WAYS] === ref) return slot;
  return -1;
}

/** The newest ghost stands first; the oldest falls off. */
function addGhost(shard: Shard, bucket: number, tag: number): void {
  const halves = shard.halves;
  const at = ghostsAt(shard, bucket);
  for (let i = at + GHOST_WAYS - 1; i > at; i--) halves[i] = halves[i - 1]!;
  halves[at] = fingerprint(tag);
}

/** One value of the bucket's ghosts, for `AnswerCache.foresee`. */
export function ghostLine(shard: Shard, bucket: number): number {
  return shard.halves[ghostsAt(shard, bucket)]!;
}

/** A mixture of values at the ring's head, where the next entry goes: an entry of usual size takes three lines. */
export function headLines(shard: Shard, ring: number): number {
  const words = shard.words;
  const head = words[ring + HEAD]!;
  if (head < shard.arenaStart || head + 32 >= shard.arenaEnd) return 0;
  return words[head]! ^ words[head + 16]! ^ words[head + 32]!;
}

function ghostsAt(shard: Shard, bucket: number): number {
  return (shard.ghostStart << 1) + ((bucket - shard.tableStart) / BUCKET_WORDS) * GHOST_WAYS;
}

/** 0 means no ghost. */
function fingerprint(tag: number): number {
  return tag & 0xffff || 1;
}
