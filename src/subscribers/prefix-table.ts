/**
 * Prefixes of addresses in shared memory: longest match, read by every worker while the main thread writes.
 *
 * Open addressing with linear probing; the length of a prefix is part of its key, and a lookup tries every length that is
 * present, longest first. One entry:
 *
 *   | holder + 1 | expires | length << 16, port | key word … |        (0 = empty, so an unwritten page is empty)
 *
 * Behind all of them stand their sessions, which no lookup reads: four entries of IPv4 then fill one line of the cache.
 *
 * Entries are only added and given new holders, never removed and never moved. So a reader needs no lock and no second
 * look: the holder is stored last and with order (Atomics), and whoever sees it sees the key that belongs to it. An
 * address that nobody holds any more keeps its entry with the holder NOBODY. What outgrows its memory is copied into a
 * larger one, which is handed to the workers as a whole (address-table.ts).
 *
 * A block of CG-NAT ports is a longer prefix: the 16 bits of the port follow those of the address.
 */

/** Nothing is known of the address. */
export const UNKNOWN = -1;
/** The address has an entry, and nobody holds it now. */
export const NOBODY = -2;
/** A number of seconds that no clock reaches. */
export const NEVER = 0x7fffffff;

const PORT_BITS = 16;
/** Longest prefix: an IPv6 address and a port. */
const LENGTHS = 128 + PORT_BITS + 1;
const LENGTH_WORDS = Math.ceil(LENGTHS / 32);
/** Number of entries, then one bit for each length that is present; as long as a line of the cache. */
const HEADER_WORDS = 16;
const EXPIRES_AT = 1;
const META_AT = 2;
const KEY_AT = 3;
const NOBODY_WORD = 0x7fffffff;

/** What is handed to another thread. */
export interface PrefixTableMemory {
  readonly buffer: SharedArrayBuffer;
  /** 1 = IPv4, 2 = the upper half of IPv6, 4 = all of it. */
  readonly keyWords: 1 | 2 | 4;
  readonly capacity: number;
}

export function createPrefixTable(keyWords: 1 | 2 | 4, capacity: number): PrefixTableMemory {
  const words = HEADER_WORDS + capacity * (KEY_AT + keyWords + 1);
  return { buffer: new SharedArrayBuffer(words * 4), keyWords, capacity };
}

export class PrefixTable {
  readonly memory: PrefixTableMemory;
  /** Set by `find`: bits of the prefix that was found, port bits included. */
  length = 0;
  readonly #words: Int32Array;
  /** Where the sessions begin, behind the entries. */
  readonly #sessions: number;
  readonly #entryWords: number;
  readonly #keyWords: number;
  readonly #capacity: number;
  readonly #key = new Int32Array(4);
  /** For each length: a mask for each word of the key, then one for the port. */
  readonly #masks: Int32Array;

  constructor(memory: PrefixTableMemory) {
    this.memory = memory;
    this.#words = new Int32Array(memory.buffer);
    this.#keyWords = memory.keyWords;
    this.#entryWords = KEY_AT + memory.keyWords;
    this.#capacity = memory.capacity;
    this.#sessions = HEADER_WORDS + memory.capacity * this.#entryWords;
    this.#masks = masksOf(memory.keyWords);
  }

  get count(): number {
    return Atomics.load(this.#words, 0);
  }

  /**
   * Who holds the longest prefix that covers the address and port: a number from 0, or UNKNOWN, or NOBODY where that entry
   * has no holder or has expired (`nowSeconds`, on the clock that `set` was given).
   */
  find(w0: number, w1: number, w2: number, w3: number, port: number, nowSeconds: number): number {
    const words = this.#words;
    for (let group = LENGTH_WORDS - 1; group >= 0; group--) {
      let present = Atomics.load(words, 1 + group);
      while (present !== 0) {
        const bit = 31 - Math.clz32(present);
        present &= ~(1 << bit);
        const length = (group << 5) | bit;
        const at = this.#probe(w0, w1, w2, w3, port, length);
        const holder = Atomics.load(words, at);
        if (holder === 0) continue;
        this.length = length;
        return holder === NOBODY_WORD || nowSeconds >= words[at + EXPIRES_AT]! ? NOBODY : holder - 1;
      }
    }
    return UNKNOWN;
  }

  /** Is there an entry for some of the ports of this single address? Tries every block of a length that is present. */
  hasPortBlocks(w0: number, w1: number, w2: number, w3: number): boolean {
    const words = this.#words;
    const addressBits = this.#keyWords * 32;
    for (let bits = 1; bits <= PORT_BITS; bits++) {
      const length = addressBits + bits;
      if ((Atomics.load(words, 1 + (length >> 5)) & (1 << (length & 31))) === 0) continue;
      for (let port = 0; port < 1 << PORT_BITS; port += 1 << (PORT_BITS - bits))
        if (Atomics.load(words, this.#probe(w0, w1, w2, w3, port, length)) !== 0) return true;
    }
    return false;
  }

  /** Set by `holderOf`: as given to `set`. */
  expiresSeconds = 0;
  session = 0;

  /** Holder of exactly this prefix, expired or not; UNKNOWN where it has no entry. */
  holderOf(key: Int32Array, port: number, length: number): number {
    const words = this.#words;
    const at = this.#probe(key[0]!, key[1]!, key[2]!, key[3]!, port, length);
    const holder = words[at]!;
    if (holder === 0) return UNKNOWN;
    this.expiresSeconds = words[at + EXPIRES_AT]!;
    this.session = words[this.#sessionAt(at)]!;
    return holder === NOBODY_WORD ? NOBODY : holder - 1;
  }

  /**
   * The prefix is held by `holder` (or NOBODY) until `expiresSeconds`; `session` is the writer's own. One thread writes.
   * False where there is no room: a table is never filled beyond nine tenths, where probing would take long.
   */
  set(key: Int32Array, port: number, length: number, holder: number, expiresSeconds: number, session: number): boolean {
    const words = this.#words;
    const at = this.#probe(key[0]!, key[1]!, key[2]!, key[3]!, port, length);
    const holderWord = holder === NOBODY ? NOBODY_WORD : holder + 1;
    if (words[at] !== 0) {
      // Nobody's for a moment: no reader may see the new holder with the old one's time, or the other way round.
      Atomics.store(words, at, NOBODY_WORD);
      words[at + EXPIRES_AT] = expiresSeconds;
      words[this.#sessionAt(at)] = session;
      Atomics.store(words, at, holderWord);
      return true;
    }
    if (words[0]! >= Math.floor(this.#capacity * 0.9)) return false;
    words[at + EXPIRES_AT] = expiresSeconds;
    words[this.#sessionAt(at)] = session;
    words[at + META_AT] = this.#meta(port, length);
    for (let i = 0; i < this.#keyWords; i++) words[at + KEY_AT + i] = this.#key[i]!;
    Atomics.store(words, at, holderWord);
    Atomics.or(words, 1 + (length >> 5), 1 << (length & 31));
    Atomics.add(words, 0, 1);
    return true;
  }

  /** Copy every entry into `other`, which has room for them. */
  copyInto(other: PrefixTable): void {
    const words = this.#words;
    const key = new Int32Array(4);
    for (let at = HEADER_WORDS; at < this.#sessions; at += this.#entryWords) {
      const word = words[at]!;
      if (word === 0) continue;
      for (let i = 0; i < this.#keyWords; i++) key[i] = words[at + KEY_AT + i]!;
      const meta = words[at + META_AT]!;
      const holder = word === NOBODY_WORD ? NOBODY : word - 1;
      other.set(key, meta & 0xffff, meta >>> PORT_BITS, holder, words[at + EXPIRES_AT]!, words[this.#sessionAt(at)]!);
    }
  }

  /** Leave every prefix without a holder whose session, cut to the bits of `mask`, is `session`. Returns how many. */
  endSessions(session: number, mask: number, expiresSeconds: number): number {
    const words = this.#words;
    let ended = 0;
    for (let at = HEADER_WORDS; at < this.#sessions; at += this.#entryWords) {
      if (words[at] === 0 || words[at] === NOBODY_WORD || (words[this.#sessionAt(at)]! & mask) !== session) continue;
      Atomics.store(words, at, NOBODY_WORD);
      words[at + EXPIRES_AT] = expiresSeconds;
      ended++;
    }
    return ended;
  }

  /** Where the entry of the prefix stands, or the empty place where it would. */
  #probe(w0: number, w1: number, w2: number, w3: number, port: number, length: number): number {
    const words = this.#words;
    const key = this.#key;
    const keyWords = this.#keyWords;
    const masks = this.#masks;
    const mask = length * (keyWords + 1);
    key[0] = w0 & masks[mask]!;
    let hash = Math.imul(key[0]! ^ Math.imul(length, 0x27d4eb2f), 0x9e3779b1);
    if (keyWords > 1) {
      key[1] = w1 & masks[mask + 1]!;
      hash = Math.imul(hash ^ (hash >>> 15) ^ key[1]!, 0x85ebca6b);
      if (keyWords > 2) {
        key[2] = w2 & masks[mask + 2]!;
        key[3] = w3 & masks[mask + 3]!;
        hash = Math.imul(hash ^ (hash >>> 13) ^ key[2]!, 0xc2b2ae35);
        hash = Math.imul(hash ^ (hash >>> 16) ^ key[3]!, 0x9e3779b1);
      }
    }
    const meta = this.#meta(port, length);
    hash = Math.imul(hash ^ (hash >>> 16) ^ meta, 0x85ebca6b);
    hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
    hash ^= hash >>> 16;
    const entryWords = this.#entryWords;
    const end = this.#sessions;
    // The hash as a fraction of the whole: any number of places will do, not powers of two alone.
    let at = HEADER_WORDS + ((((hash >>> 0) * this.#capacity) / 0x1_0000_0000) >>> 0) * entryWords;
    for (;;) {
      // At least a tenth of the places is empty, so this ends.
      if (Atomics.load(words, at) === 0) return at;
      if (words[at + META_AT] === meta && words[at + KEY_AT] === key[0] && (keyWords === 1 || this.#sameRest(at)))
        return at;
      at += entryWords;
      if (at >= end) at = HEADER_WORDS;
    }
  }

  #sessionAt(at: number): number {
    return this.#sessions + (at - HEADER_WORDS) / this.#entryWords;
  }

  #sameRest(at: number): boolean {
    for (let i = 1; i < this.#keyWords; i++) if (this.#words[at + KEY_AT + i] !== this.#key[i]) return false;
    return true;
  }

  #meta(port: number, length: number): number {
    return (length << PORT_BITS) | (port & this.#masks[length * (this.#keyWords + 1) + this.#keyWords]!);
  }
}

function masksOf(keyWords: number): Int32Array {
  const masks = new Int32Array(LENGTHS * (keyWords + 1));
  for (let length = 0; length < LENGTHS; length++) {
    for (let i = 0; i <= keyWords; i++) {
      const width = i === keyWords ? PORT_BITS : 32;
      const kept = Math.min(width, Math.max(0, length - i * 32));
      masks[length * (keyWords + 1) + i] =
        kept === 0 ? 0 : width === 32 ? -1 << (32 - kept) : (0xffff << (16 - kept)) & 0xffff;
    }
  }
  return masks;
}
