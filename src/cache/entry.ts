/**
 * One answer in the arena, in words:
 *
 *   0  length (15 bits) | TTL count (11) | DO | CD | AD | ends in a CNAME     never 0: a 0 there marks the unused end of a ring
 *   1  first half of the key, to find the entry's bucket again
 *   2  stored at, in seconds of the monotonic clock
 *   3  expires at
 *   4  rcode (12 bits) | info code of the extended error + 1 (17)
 *   5… the message, its question lowercased at byte 12, rounded up to whole words
 *    … where each TTL stands in the message, two 16-bit offsets a word
 */
import type { Answer } from '../wire/answer.ts';
import { HEADER_BYTES } from '../wire/constants.ts';
import type { Question } from '../wire/question.ts';
import type { Shard } from './memory.ts';

export const ENTRY_HEADER_WORDS = 5;
export const KEY_LOW = 1;
export const STORED_AT = 2;
export const EXPIRES_AT = 3;
export const CODES = 4;
/** Longest message kept. */
export const MAX_STORED_BYTES = 16384;

const LENGTH_MASK = 0x7fff;
const TTL_COUNT_SHIFT = 15;
const TTL_COUNT_MASK = 0x7ff;
const DNSSEC_OK = 1 << 26;
const CHECKING_DISABLED = 1 << 27;
const AUTHENTIC_DATA = 1 << 28;
const INCOMPLETE = 1 << 29;
const RCODE_MASK = 0xfff;
const EDE_SHIFT = 12;

/** Words that the entry with this first word takes; at most 5 + 8192 + 1024 whatever the word holds. */
export function entryWords(head: number): number {
  return wordsFor(messageLength(head), ttlCount(head));
}

export function wordsFor(length: number, ttls: number): number {
  return ENTRY_HEADER_WORDS + ((length + 3) >>> 2) + ((ttls + 1) >>> 1);
}

export function messageLength(head: number): number {
  return head & LENGTH_MASK;
}

export function ttlCount(head: number): number {
  return (head >>> TTL_COUNT_SHIFT) & TTL_COUNT_MASK;
}

export function authenticData(head: number): boolean {
  return (head & AUTHENTIC_DATA) !== 0;
}

/** It ends in a CNAME whose target's records are another answer's. */
export function incomplete(head: number): boolean {
  return (head & INCOMPLETE) !== 0;
}

export function rcodeOf(codes: number): number {
  return codes & RCODE_MASK;
}

/** Info code, or EDE.NONE. */
export function edeOf(codes: number): number {
  return (codes >>> EDE_SHIFT) - 1;
}

/**
 * True when the entry at `ref` answers `question`. Every byte of the key is compared, so no other name's answer is ever
 * served. Safe on an entry that a writer is changing: it reads nothing outside the arena.
 */
export function answers(shard: Shard, ref: number, question: Question): boolean {
  const words = shard.words;
  if (ref < shard.arenaStart || ref >= shard.arenaEnd - ENTRY_HEADER_WORDS) return false;
  const head = words[ref]!;
  const nameLength = question.nameLength;
  if (ref + entryWords(head) > shard.arenaEnd || messageLength(head) < HEADER_BYTES + nameLength + 4) return false;
  if (((head & DNSSEC_OK) !== 0) !== question.dnssecOk) return false;
  if (((head & CHECKING_DISABLED) !== 0) !== question.checkingDisabled) return false;
  const nameWords = question.nameWords;
  const nameAt = ref + ENTRY_HEADER_WORDS + (HEADER_BYTES >>> 2);
  const whole = nameLength >>> 2;
  for (let i = 0; i < whole; i++) if (words[nameAt + i] !== nameWords[i]) return false;
  const bytes = shard.bytes;
  const at = nameAt << 2;
  for (let i = whole << 2; i < nameLength; i++) if (bytes[at + i] !== question.name[i]) return false;
  const behind = at + nameLength;
  return (
    ((bytes[behind]! << 8) | bytes[behind + 1]!) === question.type &&
    ((bytes[behind + 2]! << 8) | bytes[behind + 3]!) === question.class
  );
}

/**
 * True when the entry at `ref` is about `name` or, with `subtree`, about a name below it; of `type`, or -1 for every one. As
 * safe as `answers`.
 */
export function concerns(shard: Shard, ref: number, name: Uint8Array, subtree: boolean, type: number): boolean {
  const { words, bytes } = shard;
  if (ref < shard.arenaStart || ref >= shard.arenaEnd - ENTRY_HEADER_WORDS) return false;
  const head = words[ref]!;
  if (ref + entryWords(head) > shard.arenaEnd) return false;
  const from = ((ref + ENTRY_HEADER_WORDS) << 2) + HEADER_BYTES;
  const end = from + messageLength(head) - HEADER_BYTES - 4;
  let at = from;
  // Label by label to where `name` would begin.
  let behind = from;
  while (behind < end && bytes[behind] !== 0) behind += bytes[behind]! + 1;
  if (behind >= end || bytes[behind] !== 0) return false;
  behind++;
  if (type >= 0 && ((bytes[behind]! << 8) | bytes[behind + 1]!) !== type) return false;
  while (behind - at > name.length) at += bytes[at]! + 1;
  if (behind - at !== name.length || (at !== from && !subtree)) return false;
  for (let i = 0; i < name.length; i++) if (bytes[at + i] !== name[i]) return false;
  return true;
}

/** Write `answer`, whose TTLs are within bounds, at `ref`; the caller has made room. `storedAt`: seconds. */
export function writeEntry(
  shard: Shard,
  ref: number,
  question: Question,
  low: number,
  answer: Answer,
  storedAt: number,
): void {
  const { words } = shard;
  const ttls = answer.ttlCount;
  words[ref] =
    answer.length |
    (ttls << TTL_COUNT_SHIFT) |
    (question.dnssecOk ? DNSSEC_OK : 0) |
    (question.checkingDisabled ? CHECKING_DISABLED : 0) |
    (answer.authenticData ? AUTHENTIC_DATA : 0) |
    (answer.incomplete ? INCOMPLETE : 0);
  words[ref + KEY_LOW] = low;
  words[ref + STORED_AT] = storedAt;
  words[ref + EXPIRES_AT] = storedAt + answer.ttl;
  words[ref + CODES] = (answer.rcode & RCODE_MASK) | ((answer.ede + 1) << EDE_SHIFT);
  const message = ref + ENTRY_HEADER_WORDS;
  const messageWords = (answer.length + 3) >>> 2;
  const source = answer.words;
  for (let i = 0; i < messageWords; i++) words[message + i] = source[i]!;
  const offsets = answer.ttlOffsets;
  const offsetsAt = (message + messageWords) << 1;
  for (let i = 0; i < ttls; i++) shard.halves[offsetsAt + i] = offsets[i]!;
}
