/**
 * Gives equal sequences of 32-bit words the same number: rule sets and local data are few, or at least repeat.
 *
 *   arena  |length|w|w|w|length|w|length|w|w| …      the number of a sequence is where its length stands
 *
 * Lives in the thread that builds; the arena goes into the index's memory as it is or in part.
 */
import { halfSipHash, hashLow } from '../../hash/siphash.ts';

/** Words that one arena may hold, so that two numbers fit into one double (rule-sets.ts). */
export const MAX_ARENA_WORDS = 1 << 26;

export class Interner {
  /** Words 0 to `used` hold sequences. Replaced as it grows. */
  arena = new Int32Array(1024);
  used = 0;
  /** Number plus one; 0 = free. */
  #table = new Int32Array(256);
  #count = 0;
  readonly #key0: number;
  readonly #key1: number;

  /** `key0`, `key1`: secret, since what is interned comes from a feed. */
  constructor(key0: number, key1: number) {
    this.#key0 = key0;
    this.#key1 = key1;
  }

  /** The number of the first `count` words of `words`. Throws RangeError when the arena is full. */
  intern(words: Int32Array, count: number): number {
    if (this.#count * 2 >= this.#table.length) this.#growTable();
    const place = this.#find(words, count);
    const known = this.#table[place]!;
    if (known !== 0) return known - 1;
    const at = this.used;
    if (at + count + 1 > MAX_ARENA_WORDS) throw new RangeError('the lists hold too much local data');
    if (at + count + 1 > this.arena.length) {
      const larger = new Int32Array(Math.min(MAX_ARENA_WORDS, Math.max(this.arena.length * 2, at + count + 1)));
      larger.set(this.arena);
      this.arena = larger;
    }
    this.arena[at] = count;
    for (let i = 0; i < count; i++) this.arena[at + 1 + i] = words[i]!;
    this.used = at + count + 1;
    this.#count++;
    this.#table[place] = at + 1;
    return at;
  }

  /** Where the sequence stands in the table, or the free place for it. */
  #find(words: Int32Array, count: number): number {
    halfSipHash(words, count << 2, this.#key0, this.#key1);
    const last = this.#table.length - 1;
    let place = hashLow & last;
    for (;;) {
      const known = this.#table[place]!;
      if (known === 0 || this.#equals(known - 1, words, count)) return place;
      place = (place + 1) & last;
    }
  }

  #equals(number: number, words: Int32Array, count: number): boolean {
    if (this.arena[number] !== count) return false;
    for (let i = 0; i < count; i++) if (this.arena[number + 1 + i] !== words[i]) return false;
    return true;
  }

  #growTable(): void {
    this.#table = new Int32Array(this.#table.length * 4);
    for (let at = 0; at < this.used; ) {
      const count = this.arena[at]!;
      const words = this.arena.subarray(at + 1, at + 1 + count);
      this.#table[this.#find(words, count)] = at + 1;
      at += count + 1;
    }
  }
}
