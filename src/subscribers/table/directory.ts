/**
 * Subscriber numbers (契約者番号, whatever the operator calls its subscribers by) to holders, small numbers from 0 that the
 * tables carry. Numbers lie in one arena of bytes with a hash table beside it: ten million of them as keys of a `Map` would
 * take a gigabyte of heap and long pauses.
 *
 * A holder is never given to another subscriber: what is kept under it can never become somebody else's.
 */
import { MAX_HOLDER } from './prefix-table.ts';

/** Holders of one process: as many as an entry of the tables can name; a byte of consents for each is 16 MiB. */
export const MAX_HOLDERS = MAX_HOLDER + 1;

/** No markup, no space, nothing that a log or a page would have to escape. `@` before it: a contract group. */
const NUMBER = /^@?[A-Za-z0-9][A-Za-z0-9._:@/+-]{0,62}$/;

export function isSubscriberNumber(text: string): boolean {
  return NUMBER.test(text);
}

export function isGroup(number: string): boolean {
  return number.startsWith('@');
}

export class Directory {
  #arena = new Uint8Array(1 << 16);
  #used = 0;
  /** Where a holder's number begins; it ends where the next begins. */
  #starts = new Uint32Array(1 << 10);
  /** holder + 1, 0 = empty. A power of two, at most half full. */
  #table = new Int32Array(1 << 11);
  #count = 0;
  readonly #max: number;

  constructor(max = MAX_HOLDERS) {
    this.#max = max;
  }

  get count(): number {
    return this.#count;
  }

  /** Holder of the number, -1 where it has none. */
  find(number: string): number {
    return this.#table[this.#place(Buffer.from(number, 'latin1'))]! - 1;
  }

  /** Holder of the number, a new one where it has none; -1 where there are as many as there may be. */
  add(number: string): number {
    const bytes = Buffer.from(number, 'latin1');
    const known = this.#table[this.#place(bytes)]!;
    if (known !== 0) return known - 1;
    if (this.#count >= this.#max) return -1;
    if (this.#count * 2 + 2 > this.#table.length) this.#growTable();
    this.#reserve(bytes.length);
    this.#arena.set(bytes, this.#used);
    this.#used += bytes.length;
    const holder = this.#count++;
    this.#starts[holder + 1] = this.#used;
    this.#table[this.#place(bytes)] = holder + 1;
    return holder;
  }

  /** The number of a holder; undefined where there is no such holder. */
  numberOf(holder: number): string | undefined {
    if (holder < 0 || holder >= this.#count) return undefined;
    return Buffer.from(this.#arena.buffer, this.#starts[holder]!, this.#lengthOf(holder)).toString('latin1');
  }

  #lengthOf(holder: number): number {
    return this.#starts[holder + 1]! - this.#starts[holder]!;
  }

  #place(bytes: Uint8Array): number {
    const mask = this.#table.length - 1;
    for (let at = hashOf(bytes, 0, bytes.length) & mask; ; at = (at + 1) & mask) {
      const found = this.#table[at]!;
      if (found === 0 || this.#same(found - 1, bytes)) return at;
    }
  }

  #same(holder: number, bytes: Uint8Array): boolean {
    if (this.#lengthOf(holder) !== bytes.length) return false;
    const start = this.#starts[holder]!;
    for (let i = 0; i < bytes.length; i++) if (this.#arena[start + i] !== bytes[i]) return false;
    return true;
  }

  #reserve(length: number): void {
    if (this.#used + length > this.#arena.length) {
      const larger = new Uint8Array(this.#arena.length * 2);
      larger.set(this.#arena);
      this.#arena = larger;
    }
    if (this.#count + 2 > this.#starts.length) {
      const larger = new Uint32Array(this.#starts.length * 2);
      larger.set(this.#starts);
      this.#starts = larger;
    }
  }

  #growTable(): void {
    const table = new Int32Array(this.#table.length * 2);
    const mask = table.length - 1;
    for (let holder = 0; holder < this.#count; holder++) {
      const start = this.#starts[holder]!;
      let at = hashOf(this.#arena, start, start + this.#lengthOf(holder)) & mask;
      while (table[at] !== 0) at = (at + 1) & mask;
      table[at] = holder + 1;
    }
    this.#table = table;
  }
}

/** FNV-1a, mixed once more: numbers that count up differ in their last digit alone. */
function hashOf(bytes: Uint8Array, from: number, to: number): number {
  let hash = 0x811c9dc5;
  for (let i = from; i < to; i++) hash = Math.imul(hash ^ bytes[i]!, 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 15), 0x85ebca6b);
  return hash ^ (hash >>> 13);
}
