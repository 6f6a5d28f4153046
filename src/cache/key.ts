/**
 * A question's place in a table: its name's keyed 64-bit hash, with type, class, DO, CD and partition mixed in.
 *
 * For one name the first mixing step is a bijection of (type, class), so two types never share a key by construction;
 * different names share one with the odds of the keyed hash, which nobody can compute without the key. So for partitions: with
 * name, type, class, DO and CD the same, each mixing step is a bijection of the partition, and two partitions differ in both
 * halves. An entry of the cache, which is compared in these five and in the second half, can therefore never answer another
 * partition's question, without a word more in the entry.
 */
import type { Question } from '../wire/question.ts';

/** First half: picks shard and bucket. A signed 32-bit integer, every bit well mixed. */
export function keyLow(question: Question): number {
  let h = question.hashLow ^ Math.imul(question.type | (question.class << 16), 0x9e3779b1);
  if (question.dnssecOk) h ^= 0x5bd1e995;
  if (question.checkingDisabled) h ^= 0x27d4eb2f;
  if (question.partition !== 0) h ^= Math.imul(question.partition, 0xc2b2ae3d);
  // MurmurHash3's 32-bit finaliser.
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return h ^ (h >>> 16);
}

/** Second half: the tag inside a bucket. A signed 32-bit integer. */
export function keyHigh(question: Question): number {
  let h = question.hashHigh ^ Math.imul(question.type | (question.class << 16), 0xcc9e2d51);
  if (question.dnssecOk) h ^= 0x165667b1;
  if (question.checkingDisabled) h ^= 0x1b873593;
  if (question.partition !== 0) h ^= Math.imul(question.partition, 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 15), 0x2c1b3c6d);
  return h ^ (h >>> 16);
}

/** Maps a hash onto 0 … `count` - 1 by its upper bits, evenly, whether or not `count` is a power of two. */
export function spread(hash: number, count: number): number {
  return ((hash >>> 0) * count * 2 ** -32) | 0;
}
