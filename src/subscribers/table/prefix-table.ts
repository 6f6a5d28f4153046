/**
 * Prefixes of addresses in shared memory: longest match, read by every worker while the main thread writes.
 *
 * A hash table whose buckets are lines of the processor's cache; the length of a prefix is part of its key, and a lookup
 * tries every length that is present, longest first. What does not fit its line stands in the next one that has room.
 *
 *   short keys, 64 bits   | length, holder + 1 | expires | key | key |               four to a line; 0 = empty
 *   long keys, 160 bits   | length, holder + 1 | expires | key … (5) | session |     two to a line
 *
 * The sessions of short keys, which no lookup reads, stand behind all lines. A key is the address from its highest bit on; a
 * block of CG-NAT ports is a longer prefix: the 16 bits of the port follow those of the address.
 *
 * With ten million entries a lookup is a wait for memory and little else. So it asks for the lines of all lengths before it
 * looks into the first (`locate`), and the memory is asked for in huge pages (huge-pages.ts).
 *
 * Entries are only added and given new holders, never removed and never moved. So a reader needs no lock: the word with
 * the holder is stored last and with order (Atomics), and whoever sees it sees the key that belongs to it. An address that
 * nobody holds any more keeps its entry with the holder NOBODY. What outgrows its memory is copied into a larger one, which
 * is handed to the workers as a whole (address-table.ts).
 */
import { adviseHugePages } from '../../system/huge-pages.ts';

/** Nothing is known of the address. */
export const UNKNOWN = -1;
/** The address has an entry, and nobody holds it now. */
export const NOBODY = -2;
/** A number of seconds that no clock reaches. */
export const NEVER = 0x7fffffff;
/** What an entry can say of holders: 24 bits, less the two for empty and nobody. */
export const MAX_HOLDER = 0xff_fffd;

const PORT_BITS = 16;
/** Longest prefix: an IPv6 address and a port. */
const LENGTHS = 128 + PORT_BITS + 1;
const LINE_WORDS = 16;
const LINE_BYTES = LINE_WORDS * 4;
/** In the header, which is a line too: number of entries, how often a length was added, one bit for each length. */
const COUNT_AT = 0;
const LENGTHS_CHANGED_AT = 1;
const LENGTH_BITS_AT = 2;
const LENGTH_WORDS = Math.ceil(LENGTHS / 32);
const EXPIRES_AT = 1;
const KEY_AT = 2;
const LONG_SESSION_AT = 7;
const KEY_WORDS = 5;
/** Four lengths for each packet of a batch of 64. */
const MAX_FORESEEN = 256;
const LOCATED_WORDS = 1 + KEY_WORDS;
const HOLDER_BITS = 24;
const HOLDER_MASK = 0xff_ffff;
const NOBODY_BITS = HOLDER_MASK;
/** Never filled beyond: probing would take long, and with no empty place no end. */
const FULL = 0.9;

/** By length: the bits that a prefix keeps of each word of the key. */
const MASKS = Int32Array.from({ length: LENGTHS * KEY_WORDS }, (_, at) => {
  const kept = Math.floor(at / KEY_WORDS) - 32 * (at % KEY_WORDS);
  return kept <= 0 ? 0 : kept >= 32 ? -1 : -1 << (32 - kept);
});
/** x86-64 keeps reads in their order by itself. */
const NEEDS_FENCE = process.arch !== 'x64';
const fence = new Int32Array(new SharedArrayBuffer(4));

/** What is handed to another thread. */
export interface PrefixTableMemory {
  readonly buffer: SharedArrayBuffer;
  /** Words of a key: 2 (IPv4 and a port, or the upper half of IPv6) or 5 (IPv6 and a port). */
  readonly keyWords: 2 | 5;
  readonly capacity: number;
  /** Word of the buffer at which a line of the cache, and with it the header, begins. */
  readonly start: number;
}

export function createPrefixTable(keyWords: 2 | 5, entries: number): PrefixTableMemory {
  const lines = Math.ceil(entries / entriesInLine(keyWords));
  const capacity = lines * entriesInLine(keyWords);
  const words = (1 + lines) * LINE_WORDS + (keyWords === 2 ? capacity : 0);
  const buffer = new SharedArrayBuffer(words * 4 + LINE_BYTES);
  const address = adviseHugePages(buffer);
  return { buffer, keyWords, capacity, start: ((LINE_BYTES - (address % LINE_BYTES)) % LINE_BYTES) / 4 };
}

function entriesInLine(keyWords: 2 | 5): number {
  return keyWords === 2 ? 4 : 2;
}

export class PrefixTable {
  readonly memory: PrefixTableMemory;
  /** Set by `found`: bits of the prefix that was found, port bits included. */
  length = 0;
  readonly #words: Int32Array;
  /** Where the sessions begin, behind the last entry. */
  readonly #end: number;
  readonly #lines: number;
  readonly #entryWords: number;
  readonly #keyWords: number;
  /** Lengths that are present, longest first, as of `#lengthsSeen`. */
  readonly #lengths = new Uint8Array(LENGTHS);
  #lengthCount = 0;
  #lengthsSeen = 0;
  /** By place in `#lengths`, each LOCATED_WORDS long: where the line begins, and the key cut to the length. */
  readonly #located = new Int32Array((LENGTHS + 1) * LOCATED_WORDS);
  /** Lines that `foresee` noted and `fetch` has not read yet. */
  readonly #foreseen = new Int32Array(MAX_FORESEEN);
  #foreseenCount = 0;
  /** What `locate` and `fetch` read, kept so that no compiler leaves the reading out; of no meaning. */
  readAhead = 0;

  constructor(memory: PrefixTableMemory) {
    this.memory = memory;
    this.#keyWords = memory.keyWords;
    this.#entryWords = LINE_WORDS / entriesInLine(memory.keyWords);
    this.#lines = memory.capacity / entriesInLine(memory.keyWords);
    const words = (1 + this.#lines) * LINE_WORDS + (memory.keyWords === 2 ? memory.capacity : 0);
    this.#words = new Int32Array(memory.buffer, memory.start * 4, words);
    this.#end = (1 + this.#lines) * LINE_WORDS;
  }

  get count(): number {
    return Atomics.load(this.#words, COUNT_AT);
  }

  /** Entries over the places for them. */
  get fill(): number {
    return this.count / this.memory.capacity;
  }

  /** Compute where the key may stand and ask the memory for it, without waiting. */
  locate(k0: number, k1: number, k2: number, k3: number, k4: number): void {
    const words = this.#words;
    if (words[LENGTHS_CHANGED_AT] !== this.#lengthsSeen) this.#readLengths();
    const count = this.#lengthCount;
    let ahead = 0;
    for (let i = 0; i < count; i++) ahead |= words[this.#locate(i, this.#lengths[i]!, k0, k1, k2, k3, k4)]!;
    this.readAhead = ahead;
  }

  /** Note where the key may stand, for `fetch`. What is beyond the room for it is not noted, and costs its wait later. */
  foresee(k0: number, k1: number, k2: number, k3: number, k4: number): void {
    if (this.#words[LENGTHS_CHANGED_AT] !== this.#lengthsSeen) this.#readLengths();
    const count = Math.min(this.#lengthCount, MAX_FORESEEN - this.#foreseenCount);
    for (let i = 0; i < count; i++)
      this.#foreseen[this.#foreseenCount++] = this.#locate(LENGTHS, this.#lengths[i]!, k0, k1, k2, k3, k4);
  }

  /**
   * Ask the memory for every line that was noted. Nothing but reads in this loop, so that the processor has many of them under
   * way at once, which it has not where each stands among the work of its look-up.
   */
  fetch(): void {
    const words = this.#words;
    const foreseen = this.#foreseen;
    const count = this.#foreseenCount;
    let ahead = 0;
    for (let i = 0; i < count; i++) ahead |= words[foreseen[i]!]!;
    this.readAhead = ahead;
    this.#foreseenCount = 0;
  }

  /**
   * Who holds the longest prefix of the key that `locate` was given: a number from 0, or UNKNOWN, or NOBODY where that entry
   * has no holder or has expired (`nowSeconds`, on the clock that `set` was given).
   */
  found(nowSeconds: number): number {
    const words = this.#words;
    const count = this.#lengthCount;
    for (let i = 0; i < count; i++) {
      const at = this.#probe(i, this.#lengths[i]!);
      for (let head = words[at]!; head !== 0; head = words[at]!) {
        if (NEEDS_FENCE) Atomics.store(fence, 0, 0);
        const expires = words[at + EXPIRES_AT]!;
        if (NEEDS_FENCE) Atomics.store(fence, 0, 0);
        // Whose time this is: a writer passes through NOBODY, so the same holder before and after is one and the same lease.
        // An atomic read, because the compiler may take a second plain one for the first.
        if (Atomics.load(words, at) !== head) continue;
        this.length = this.#lengths[i]!;
        const holder = head & HOLDER_MASK;
        return holder === NOBODY_BITS || nowSeconds >= expires ? NOBODY : holder - 1;
      }
    }
    return UNKNOWN;
  }

  /** Is there an entry for some of the ports of this single address? Tries every block of a length that is present. */
  hasPortBlocks(k0: number, k1: number, k2: number, k3: number): boolean {
    const words = this.#words;
    // Of an IPv4 address the port stands in the second word, of an IPv6 address in the fifth.
    const isLong = this.#keyWords === KEY_WORDS;
    for (let bits = 1; bits <= PORT_BITS; bits++) {
      const length = (isLong ? 128 : 32) + bits;
      if ((words[LENGTH_BITS_AT + (length >> 5)]! & (1 << (length & 31))) === 0) continue;
      for (let port = 0; port < 1 << PORT_BITS; port += 1 << (PORT_BITS - bits)) {
        const word = port << PORT_BITS;
        this.#locate(LENGTHS, length, k0, isLong ? k1 : word, k2, k3, word);
        if (Atomics.load(words, this.#probe(LENGTHS, length)) !== 0) return true;
      }
    }
    return false;
  }

  /** Set by `holderOf`: as given to `set`. */
  expiresSeconds = 0;
  session = 0;

  /** Holder of exactly this prefix, expired or not; UNKNOWN where it has no entry. */
  holderOf(key: Int32Array, length: number): number {
    const words = this.#words;
    const at = this.#placeOf(key, length);
    const head = words[at]!;
    if (head === 0) return UNKNOWN;
    this.expiresSeconds = words[at + EXPIRES_AT]!;
    this.session = words[this.#sessionAt(at)]!;
    const holder = head & HOLDER_MASK;
    return holder === NOBODY_BITS ? NOBODY : holder - 1;
  }

  /**
   * The prefix is held by `holder` (or NOBODY) until `expiresSeconds`; `session` is the writer's own. One thread writes.
   * False where there is no room.
   */
  set(key: Int32Array, length: number, holder: number, expiresSeconds: number, session: number): boolean {
    const words = this.#words;
    const at = this.#placeOf(key, length);
    const head = (length << HOLDER_BITS) | (holder === NOBODY ? NOBODY_BITS : holder + 1);
    if (words[at] !== 0) {
      // Nobody's for a moment: no reader may see the new holder with the old one's time, or the other way round.
      Atomics.store(words, at, (length << HOLDER_BITS) | NOBODY_BITS);
      Atomics.store(words, at + EXPIRES_AT, expiresSeconds);
      words[this.#sessionAt(at)] = session;
      Atomics.store(words, at, head);
      return true;
    }
    if (this.fill >= FULL) return false;
    words[at + EXPIRES_AT] = expiresSeconds;
    words[this.#sessionAt(at)] = session;
    for (let i = 0; i < this.#keyWords; i++) words[at + KEY_AT + i] = key[i]! & MASKS[length * KEY_WORDS + i]!;
    Atomics.store(words, at, head);
    Atomics.add(words, COUNT_AT, 1);
    const bits = LENGTH_BITS_AT + (length >> 5);
    const bit = 1 << (length & 31);
    if ((words[bits]! & bit) === 0) {
      Atomics.or(words, bits, bit);
      Atomics.add(words, LENGTHS_CHANGED_AT, 1);
    }
    return true;
  }

  /**
   * Copy what stands in `lines` lines from line `from` on into `other`, which has room for it. Lines follow one another in
   * the order of their hashes in both, so this goes through memory from front to back. Returns the line after the last.
   */
  copyInto(other: PrefixTable, from: number, lines: number): number {
    const words = this.#words;
    const to = Math.min(this.#lines, from + lines);
    const key = new Int32Array(5);
    for (let at = LINE_WORDS + from * LINE_WORDS; at < LINE_WORDS + to * LINE_WORDS; at += this.#entryWords) {
      const head = words[at]!;
      if (head === 0) continue;
      for (let i = 0; i < this.#keyWords; i++) key[i] = words[at + KEY_AT + i]!;
      const bits = head & HOLDER_MASK;
      const holder = bits === NOBODY_BITS ? NOBODY : bits - 1;
      other.set(key, head >>> HOLDER_BITS, holder, words[at + EXPIRES_AT]!, words[this.#sessionAt(at)]!);
    }
    return to;
  }

  get lines(): number {
    return this.#lines;
  }

  #readLengths(): void {
    const words = this.#words;
    // Read first: a length that is added meanwhile is seen next time.
    this.#lengthsSeen = Atomics.load(words, LENGTHS_CHANGED_AT);
    this.#lengthCount = 0;
    for (let group = LENGTH_WORDS - 1; group >= 0; group--) {
      let present = Atomics.load(words, LENGTH_BITS_AT + group);
      while (present !== 0) {
        const bit = 31 - Math.clz32(present);
        present &= ~(1 << bit);
        this.#lengths[this.#lengthCount++] = (group << 5) | bit;
      }
    }
  }

  /** Fill place `i` of `#located` for a prefix of the key; returns where its line begins. */
  #locate(i: number, length: number, k0: number, k1: number, k2: number, k3: number, k4: number): number {
    const located = this.#located;
    const at = i * LOCATED_WORDS;
    const mask = length * KEY_WORDS;
    const m0 = k0 & MASKS[mask]!;
    const m1 = k1 & MASKS[mask + 1]!;
    located[at + 1] = m0;
    located[at + 2] = m1;
    let hash = Math.imul(m0 ^ Math.imul(length, 0x27d4eb2f), 0x9e3779b1);
    hash = Math.imul(hash ^ (hash >>> 15) ^ m1, 0x85ebca6b);
    if (this.#keyWords === 5) {
      const m2 = k2 & MASKS[mask + 2]!;
      const m3 = k3 & MASKS[mask + 3]!;
      const m4 = k4 & MASKS[mask + 4]!;
      located[at + 3] = m2;
      located[at + 4] = m3;
      located[at + 5] = m4;
      hash = Math.imul(hash ^ (hash >>> 13) ^ m2, 0xc2b2ae35);
      hash = Math.imul(hash ^ (hash >>> 16) ^ m3, 0x9e3779b1);
      hash = Math.imul(hash ^ (hash >>> 15) ^ m4, 0x85ebca6b);
    }
    hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
    hash ^= hash >>> 16;
    // The hash as a fraction of the whole: any number of lines will do, and a larger table keeps their order.
    const line = LINE_WORDS + Math.floor(((hash >>> 0) * this.#lines) / 0x1_0000_0000) * LINE_WORDS;
    located[at] = line;
    return line;
  }

  /** From the line in place `i` of `#located` on: where the entry stands, or the empty place where it would. */
  #probe(i: number, length: number): number {
    const words = this.#words;
    const located = this.#located;
    const entryWords = this.#entryWords;
    const end = this.#end;
    const key = i * LOCATED_WORDS + 1;
    const k0 = located[key]!;
    const k1 = located[key + 1]!;
    const isLong = this.#keyWords === 5;
    let at = located[key - 1]!;
    // At least a tenth of the places is empty, so this ends.
    for (;;) {
      const head = words[at]!;
      if (head === 0) return at;
      if (
        words[at + KEY_AT] === k0 &&
        words[at + KEY_AT + 1] === k1 &&
        head >>> HOLDER_BITS === length &&
        (!isLong || this.#sameRest(at, key))
      )
        return at;
      at += entryWords;
      if (at === end) at = LINE_WORDS;
    }
  }

  #sameRest(at: number, key: number): boolean {
    for (let i = 2; i < 5; i++) if (this.#words[at + KEY_AT + i] !== this.#located[key + i]) return false;
    return true;
  }

  /** The writer's own search, in the place behind those of all lengths. */
  #placeOf(key: Int32Array, length: number): number {
    this.#locate(LENGTHS, length, key[0]!, key[1]!, key[2]!, key[3]!, key[4]!);
    return this.#probe(LENGTHS, length);
  }

  #sessionAt(at: number): number {
    return this.#keyWords === 5 ? at + LONG_SESSION_AT : this.#end + ((at - LINE_WORDS) >> 2);
  }
}
