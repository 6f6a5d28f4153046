/**
 * Questions to which no answer could be obtained recently (RFC 9520). They are not truth, so they stand apart from the answers,
 * in a table of fixed size that all workers share.
 *
 * A slot is four words: two halves of the key, when the failure ends, and what it was. Nobody takes a lock; as in
 * chess programs' shared tables (Hyatt, "A lock-less transposition table"), each half of the key is stored XORed with a
 * word of data, so that a slot in which two writers' words are mixed matches neither key.
 *
 * The key is 64 bits of keyed hash and the question itself is not kept. With a full table of 65 536 failures a lookup of
 * another question compares with 4 slots: the odds of a false hit are 2^-62, one in 4.6 × 10^18, and cannot be bettered
 * without the key. It would cost one question a SERVFAIL.
 */
import { EDE } from '../wire/constants.ts';
import type { Question } from '../wire/question.ts';
import { keyHigh, keyLow } from './key.ts';

/** How long a failure lasts at first, in seconds: trouble on the way to the servers, which may end at any moment. */
export const NETWORK_FAILURE_SECONDS = 1;
/** … and a server's SERVFAIL, or another answer that is none. */
export const SERVFAIL_SECONDS = 5;
/** RFC 9520 §3.2: never longer than five minutes. Seconds. */
export const MAX_FAILURE_SECONDS = 300;

const SLOTS = 65_536;
const WAYS = 4;
const SLOT_WORDS = 4;
const BUCKETS = SLOTS / WAYS;
const TABLE = 16;

/** Word 0 counts `clearAll` calls; failures of earlier epochs are void. */
const EPOCH = 0;
const EPOCH_MASK = 0xfff;
/** Word 1: when the last failure, and its memory for the back-off, ends. Later nothing in the table means anything. */
const LATEST = 1;

/** Words of a slot. */
const UNTIL = 2;
/** Extended error (16 bits) | how many times in a row (4; 0 = network trouble, which is not counted) | epoch (12). */
const WHAT = 3;
const TIMES_SHIFT = 16;
const TIMES_MASK = 15;
const EPOCH_SHIFT = 20;

/** Ends of failures are kept in sixteenths of a second: 32 bits last four years. */
const TICKS = 16;

export interface FailureMemory {
  readonly words: SharedArrayBuffer;
}

/** 1 MiB, of which only the pages in use cost memory. */
export function createFailureMemory(): FailureMemory {
  return { words: new SharedArrayBuffer((TABLE + SLOTS * SLOT_WORDS) * 4) };
}

export class FailureTable {
  readonly #words: Int32Array;

  constructor(memory: FailureMemory) {
    this.#words = new Int32Array(memory.words);
  }

  /**
   * `question` failed at `nowMs`. `ede` says why (RFC 8914); EDE.NONE counts as EDE.OTHER. `baseSeconds` is how long that
   * lasts at first: NETWORK_FAILURE_SECONDS or SERVFAIL_SECONDS, at least 1.
   *
   * RFC 9520 §3.2, back-off: a failure that comes again within as long after its end as it lasted lasts twice as long,
   * up to MAX_FAILURE_SECONDS. Network trouble does not grow, so that recovery is seen at once. Failures reported while
   * one lasts (several workers asked at the same time) are the same failure and change nothing.
   */
  record(question: Question, ede: number, nowMs: number, baseSeconds: number): void {
    const words = this.#words;
    const low = keyLow(question);
    const high = keyHigh(question);
    const epoch = Atomics.load(words, EPOCH) & EPOCH_MASK;
    const now = ticks(nowMs);
    const bucket = bucketOf(low);
    const grows = baseSeconds > NETWORK_FAILURE_SECONDS;
    let times = grows ? 1 : 0;
    let slot = find(words, bucket, low, high, epoch);
    if (slot >= 0) {
      const until = words[slot + UNTIL]!;
      if (now < until) return;
      const before = (words[slot + WHAT]! >>> TIMES_SHIFT) & TIMES_MASK;
      if (grows && before > 0 && now < until + duration(baseSeconds, before)) times = Math.min(before + 1, TIMES_MASK);
    } else {
      slot = victim(words, bucket, epoch);
    }
    const until = now + duration(baseSeconds, times);
    const what = ((ede < 0 ? EDE.OTHER : ede) & 0xffff) | (times << TIMES_SHIFT) | (epoch << EPOCH_SHIFT);
    words[slot] = low ^ until;
    words[slot + 1] = high ^ what;
    words[slot + UNTIL] = until;
    words[slot + WHAT] = what;
    const latest = until + duration(baseSeconds, times);
    let known = Atomics.load(words, LATEST);
    while (known < latest) {
      const seen = Atomics.compareExchange(words, LATEST, known, latest);
      if (seen === known) break;
      known = seen;
    }
  }

  /** The extended error of the failure that `question` is under at `nowMs`, or -1: ask upstream. */
  active(question: Question, nowMs: number): number {
    const words = this.#words;
    // While all is well the table itself is not touched.
    if (ticks(nowMs) >= words[LATEST]!) return -1;
    const low = keyLow(question);
    const slot = find(words, bucketOf(low), low, keyHigh(question), Atomics.load(words, EPOCH) & EPOCH_MASK);
    return slot >= 0 && ticks(nowMs) < words[slot + UNTIL]! ? words[slot + WHAT]! & 0xffff : -1;
  }

  /** Seconds, rounded up, that the failure which `question` is under at `nowMs` still lasts; 0 = none. For the control plane. */
  secondsLeft(question: Question, nowMs: number): number {
    const words = this.#words;
    const low = keyLow(question);
    const slot = find(words, bucketOf(low), low, keyHigh(question), Atomics.load(words, EPOCH) & EPOCH_MASK);
    return slot < 0 ? 0 : Math.max(0, Math.ceil((words[slot + UNTIL]! - ticks(nowMs)) / TICKS));
  }

  /** `question` was answered at `nowMs`. */
  forget(question: Question, nowMs: number): void {
    const words = this.#words;
    if (ticks(nowMs) >= words[LATEST]!) return;
    const low = keyLow(question);
    const slot = find(words, bucketOf(low), low, keyHigh(question), Atomics.load(words, EPOCH) & EPOCH_MASK);
    if (slot >= 0) words.fill(0, slot, slot + SLOT_WORDS);
  }

  /** Forget all failures at once, at no cost: upstreams have recovered or were exchanged. */
  clearAll(): void {
    const words = this.#words;
    // After 4095 epochs their numbers come again: then, and only then, the table is really emptied.
    if (((Atomics.add(words, EPOCH, 1) + 1) & EPOCH_MASK) === 0) words.fill(0, TABLE);
  }
}

function ticks(nowMs: number): number {
  return ((nowMs * TICKS) / 1000) | 0;
}

/** Of the failure that is the `times`th in a row; in ticks. */
function duration(baseSeconds: number, times: number): number {
  return Math.min(Math.max(baseSeconds, 1) * 2 ** Math.max(times - 1, 0), MAX_FAILURE_SECONDS) * TICKS;
}

function bucketOf(low: number): number {
  return TABLE + (low & (BUCKETS - 1)) * WAYS * SLOT_WORDS;
}

function find(words: Int32Array, bucket: number, low: number, high: number, epoch: number): number {
  for (let slot = bucket; slot < bucket + WAYS * SLOT_WORDS; slot += SLOT_WORDS) {
    const what = words[slot + WHAT]!;
    if ((words[slot]! ^ words[slot + UNTIL]!) !== low || (words[slot + 1]! ^ what) !== high) continue;
    if (what >>> EPOCH_SHIFT === epoch && words[slot + UNTIL] !== 0) return slot;
  }
  return -1;
}

/** The slot to write over: a void one, else the one that ends first. */
function victim(words: Int32Array, bucket: number, epoch: number): number {
  let best = bucket;
  let earliest = 0x7fffffff;
  for (let slot = bucket; slot < bucket + WAYS * SLOT_WORDS; slot += SLOT_WORDS) {
    if (words[slot + WHAT]! >>> EPOCH_SHIFT !== epoch) return slot;
    if (words[slot + UNTIL]! < earliest) {
      earliest = words[slot + UNTIL]!;
      best = slot;
    }
  }
  return best;
}
