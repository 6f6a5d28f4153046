/**
 * What each client network owes, in fixed memory that all workers share.
 *
 * A leaky bucket per network: answers are charged, and the debt drains at the budget's rate. Above the burst the network
 * is over its budget; what it goes on asking for is still charged, up to a cap, so a flood keeps it there and ends it
 * within the window once it stops.
 *
 *     owed  −4 × burst ──── 0 ──────── burst ─────────────────────── burst + window × budget
 *           earned         within     │  over: nothing amplified passes    (cap)
 *
 *     set of the network's keyed hash:  |high|low|owed|level, time|unpaid| × 8 ways
 *
 * Ordinary answers earn a network something to amplify with, so that an address with thousands of subscribers behind it
 * is not held to what a household needs. What passed although nothing had been earned is *unpaid*: bytes that left beyond
 * what came in. Once the network is over its budget, answers that are not sent pay for them.
 *
 * A network that is new takes a free way, or that of the network that owes the least. So a full table forgets the
 * lightest and goes on limiting the heaviest, however many sources are forged. Networks are told apart by their address
 * and not by their hash: nobody pays for another's debt. Workers write without locks: two that charge the same network in
 * the same instant may lose one of the charges, which costs precision and nothing else.
 */
import { halfSipHash, hashLow } from '../../src/contract/plugin.ts';

/** A granularity at which debts are kept, e.g. IPv4 /24. */
export interface Level {
  readonly family: 4 | 6;
  /** Bits of the network: 1–32, or 1–64. */
  readonly bits: number;
  /** Bytes per second that drain. */
  readonly budget: number;
}

/** How fast debts grow and drain, for all levels. */
export interface Pace {
  /** Milliseconds of budget that may be owed before the network is over. */
  readonly burstMs: number;
  /** Milliseconds of budget that may be owed above that: so long it stays over after a flood. */
  readonly windowMs: number;
}

/** Levels that can be told apart. */
export const MAX_LEVELS = 8;

const WAYS = 8;
/** Words of an entry. */
const HIGH = 0;
const LOW = 1;
const OWED = 2;
/** Level + 1 in the upper four bits (0 = never used), time in units of 16 ms below. */
const STAMP = 3;
/** Bytes that passed within the burst, beyond what came in and beyond what was earned. */
const UNPAID = 4;
const WORDS = 5;
/** So many bursts may be earned ahead. */
const EARNED_BURSTS = 4;
const TIME_SHIFT = 4;
const TIME_MASK = 0x0fffffff;
/** Four seconds. */
const MAX_AHEAD = 256;
export const ENTRY_BYTES = WORDS * 4;

/** Memory for debts of at most `bytes` bytes. */
export function createBudgetMemory(bytes: number): SharedArrayBuffer {
  const sets = 2 ** Math.floor(Math.log2(Math.max(1, bytes / (WAYS * ENTRY_BYTES))));
  return new SharedArrayBuffer(sets * WAYS * ENTRY_BYTES);
}

/** The time that the table is told: whole units, so that no call on the packet path has to box a number. */
export function tableTime(nowMs: number): number {
  return Math.floor(nowMs / 2 ** TIME_SHIFT) & TIME_MASK;
}

export class BudgetTable {
  readonly #words: Int32Array;
  readonly #setMask: number;
  readonly #levels: readonly Level[];
  /** Per level: bytes per millisecond, and the two marks in bytes. */
  readonly #rate: Float64Array;
  readonly #burst: Float64Array;
  readonly #cap: Float64Array;
  /** Bytes per millisecond of what is unpaid that are forgotten. */
  readonly #forgiven: Float64Array;
  readonly #mask: Int32Array;
  readonly #key0: number;
  readonly #key1: number;
  readonly #hashed = new Int32Array(4);
  /** Networks that were forgotten while they owed something, since the start of this object. */
  displaced = 0;

  constructor(memory: SharedArrayBuffer, levels: readonly Level[], pace: Pace, key: readonly [number, number]) {
    if (levels.length > MAX_LEVELS) throw new RangeError(`${levels.length} levels: at most ${MAX_LEVELS} are possible`);
    this.#words = new Int32Array(memory);
    this.#setMask = this.#words.length / (WAYS * WORDS) - 1;
    this.#levels = levels;
    this.#rate = Float64Array.from(levels, ({ budget }) => budget / 1000);
    this.#burst = Float64Array.from(levels, ({ budget }) => (budget / 1000) * pace.burstMs);
    this.#cap = Float64Array.from(levels, ({ budget }) => (budget / 1000) * (pace.burstMs + pace.windowMs));
    this.#forgiven = this.#burst.map((bytes) => bytes / pace.windowMs);
    // The first 32 bits of the network, or the second: IPv6 networks end inside the first 64.
    this.#mask = Int32Array.from(levels, ({ bits }) => {
      const inWord = bits > 32 ? bits - 32 : bits;
      return inWord === 32 ? -1 : ~(0xffffffff >>> inWord);
    });
    [this.#key0, this.#key1] = key;
  }

  /**
   * Charge `price` ≥ 0 whole bytes to the network of `words` (query.ts, `clientWords`) at `level`. Returns true when that
   * network is over its budget with it. `time`: tableTime.
   */
  charge(level: number, words: Int32Array, price: number, time: number): boolean {
    const high = this.#highOf(level, words);
    const low = this.#lowOf(level, words);
    const table = this.#words;
    const at = this.#place(level, high, low, time);
    const unpaid = this.#unpaidBy(at, level, time);
    const owed = Math.min(this.#cap[level]!, this.#remaining(at, level, time) + price);
    const over = owed > this.#burst[level]!;
    table[at + HIGH] = high;
    table[at + LOW] = low;
    table[at + OWED] = owed;
    table[at + STAMP] = ((level + 1) << 28) | time;
    table[at + UNPAID] = over || owed <= 0 ? unpaid : unpaid + Math.min(price, owed);
    return over;
  }

  /** Ordinary answers went to the network: it may amplify by so many bytes more. Never makes room for it in a full set. */
  earn(level: number, words: Int32Array, bytes: number, time: number): void {
    const high = this.#highOf(level, words);
    const low = this.#lowOf(level, words);
    const table = this.#words;
    const at = this.#place(level, high, low, time);
    const unpaid = this.#unpaidBy(at, level, time);
    table[at + OWED] = Math.max(-EARNED_BURSTS * this.#burst[level]!, this.#remaining(at, level, time) - bytes);
    table[at + HIGH] = high;
    table[at + LOW] = low;
    table[at + STAMP] = ((level + 1) << 28) | time;
    table[at + UNPAID] = unpaid;
  }

  /** Bytes that went to the network beyond what came from it, and are not made up for yet. */
  unpaid(level: number, words: Int32Array, time: number): number {
    const at = this.#find(level, this.#highOf(level, words), this.#lowOf(level, words));
    return at < 0 ? 0 : this.#unpaidBy(at, level, time);
  }

  /** `bytes` came in from the network, and nothing is sent for them. */
  pay(level: number, words: Int32Array, bytes: number): void {
    const at = this.#find(level, this.#highOf(level, words), this.#lowOf(level, words));
    if (at >= 0) this.#words[at + UNPAID] = Math.max(0, this.#words[at + UNPAID]! - bytes);
  }

  /** Bytes that the network owes, as `charge` would find it; nothing is changed. */
  owed(level: number, words: Int32Array, time: number): number {
    const at = this.#find(level, this.#highOf(level, words), this.#lowOf(level, words));
    return at < 0 ? 0 : Math.max(0, this.#remaining(at, level, time));
  }

  /** What `charge` would return; nothing is changed. */
  wouldBeOver(level: number, words: Int32Array, price: number, time: number): boolean {
    const at = this.#find(level, this.#highOf(level, words), this.#lowOf(level, words));
    return this.isOver(level, (at < 0 ? 0 : this.#remaining(at, level, time)) + price);
  }

  /** True when a network at `level` that owes so much is over its budget. */
  isOver(level: number, owed: number): boolean {
    return owed > this.#burst[level]!;
  }

  /** The `count` networks that owe the most, for people: walks the whole table, off the packet path. */
  heaviest(count: number, time: number): { level: number; words: Int32Array; owed: number; over: boolean }[] {
    const found: { level: number; words: Int32Array; owed: number; over: boolean }[] = [];
    for (let at = 0; at < this.#words.length; at += WORDS) {
      const level = (this.#words[at + STAMP]! >>> 28) - 1;
      if (level < 0 || level >= this.#levels.length) continue;
      const owed = Math.floor(this.#remaining(at, level, time));
      if (owed <= 0 || (found.length >= count && owed <= found.at(-1)!.owed)) continue;
      const [high, low] = [this.#words[at + HIGH]!, this.#words[at + LOW]!];
      const words = this.#levels[level]!.family === 4 ? [0, 0, 0xffff, high] : [high, low, 0, 0];
      const place = found.findIndex((other) => other.owed < owed);
      found.splice(place < 0 ? found.length : place, 0, {
        level,
        words: Int32Array.from(words),
        owed,
        over: this.isOver(level, owed),
      });
      if (found.length > count) found.pop();
    }
    return found;
  }

  #highOf(level: number, words: Int32Array): number {
    const { family, bits } = this.#levels[level]!;
    if (family === 4) return words[3]! & this.#mask[level]!;
    return bits > 32 ? words[0]! : words[0]! & this.#mask[level]!;
  }

  #lowOf(level: number, words: Int32Array): number {
    const { family, bits } = this.#levels[level]!;
    return family === 6 && bits > 32 ? words[1]! & this.#mask[level]! : 0;
  }

  #setOf(level: number, high: number, low: number): number {
    this.#hashed[0] = high;
    this.#hashed[1] = low;
    this.#hashed[2] = level;
    halfSipHash(this.#hashed, 12, this.#key0, this.#key1);
    return (hashLow & this.#setMask) * (WAYS * WORDS);
  }

  #find(level: number, high: number, low: number): number {
    const table = this.#words;
    const set = this.#setOf(level, high, low);
    for (let at = set; at < set + WAYS * WORDS; at += WORDS) {
      if (table[at + HIGH] === high && table[at + LOW] === low && table[at + STAMP]! >>> 28 === level + 1) return at;
    }
    return -1;
  }

  /** Where the network's entry is, or else the way that it takes, owing nothing. */
  #place(level: number, high: number, low: number, time: number): number {
    const table = this.#words;
    const found = this.#find(level, high, low);
    if (found >= 0) return found;
    const set = (hashLow & this.#setMask) * (WAYS * WORDS);
    let lightest = set;
    let least = Number.POSITIVE_INFINITY;
    for (let at = set; at < set + WAYS * WORDS; at += WORDS) {
      const other = (table[at + STAMP]! >>> 28) - 1;
      const owed = other < 0 || other >= this.#levels.length ? -1 : Math.max(0, this.#remaining(at, other, time));
      if (owed >= least) continue;
      lightest = at;
      least = owed;
    }
    if (least > 0) this.displaced++;
    table[lightest + OWED] = 0;
    table[lightest + UNPAID] = 0;
    table[lightest + STAMP] = ((level + 1) << 28) | time;
    return lightest;
  }

  /** What is owed by now; below nothing: what was earned, which is forgotten as fast as a debt is. */
  #remaining(at: number, level: number, time: number): number {
    const owed = this.#words[at + OWED]!;
    const drained = this.#elapsedMs(at, time) * this.#rate[level]!;
    return owed < 0 ? Math.min(0, owed + drained) : Math.max(0, owed - drained);
  }

  /** What is unpaid by now: a whole burst is forgotten within the window. */
  #unpaidBy(at: number, level: number, time: number): number {
    return Math.max(0, this.#words[at + UNPAID]! - this.#elapsedMs(at, time) * this.#forgiven[level]!);
  }

  #elapsedMs(at: number, time: number): number {
    // Modulo 2^28, which is 49 days.
    const elapsed = (time - (this.#words[at + STAMP]! & TIME_MASK)) & TIME_MASK;
    // Another worker's round may have begun a little later.
    return elapsed > TIME_MASK - MAX_AHEAD ? 0 : elapsed * 2 ** TIME_SHIFT;
  }
}
