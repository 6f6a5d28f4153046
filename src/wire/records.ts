/**
 * Walks the records of a message, without allocating: one cursor is used again and again.
 */
import { HEADER_BYTES, TYPE } from './constants.ts';
import { skipName } from './reader.ts';

/** Longest TTL, in seconds (RFC 8767 §4). */
const MAX_TTL = 0x7fffffff;

export class RecordCursor {
  bytes: Uint8Array = new Uint8Array(0);
  /** Section of the current record: 0 answer, 1 authority, 2 additional. */
  section = 0;
  /** Offset of the owner name (possibly compressed). */
  owner = 0;
  type = 0;
  class = 0;
  /** Seconds, 0–2^31-1; a TTL with the top bit set counts as 0 (RFC 2181 §8). */
  ttl = 0;
  /** Offset of the TTL. */
  ttlAt = 0;
  dataStart = 0;
  dataEnd = 0;
  /** Set when the message turned out to be broken; `next` returns false from then on. */
  broken = false;
  #start = 0;
  #end = 0;
  #at = 0;
  #left = 0;
  #answers = 0;
  #authorities = 0;
  #index = 0;

  /** Begin before the first record of the message of `length` bytes at `start`. Returns false where header or question is broken. */
  open(bytes: Uint8Array, start: number, length: number): boolean {
    this.bytes = bytes;
    this.#start = start;
    this.#end = start + length;
    this.broken = false;
    this.#index = 0;
    this.#left = 0;
    if (length < HEADER_BYTES) return this.#break();
    this.#answers = (bytes[start + 6]! << 8) | bytes[start + 7]!;
    this.#authorities = (bytes[start + 8]! << 8) | bytes[start + 9]!;
    const questions = (bytes[start + 4]! << 8) | bytes[start + 5]!;
    this.#left = this.#answers + this.#authorities + ((bytes[start + 10]! << 8) | bytes[start + 11]!);
    let at = start + HEADER_BYTES;
    for (let i = 0; i < questions; i++) {
      at = skipName(bytes, at, this.#end, start);
      if (at < 0 || at + 4 > this.#end) return this.#break();
      at += 4;
    }
    this.#at = at;
    return true;
  }

  /** Go to the next record. Returns false at the end, or where the message is broken. */
  next(): boolean {
    if (this.broken || this.#left === 0) return false;
    const bytes = this.bytes;
    this.owner = this.#at;
    const at = skipName(bytes, this.#at, this.#end, this.#start);
    if (at < 0 || at + 10 > this.#end) return this.#break();
    this.type = (bytes[at]! << 8) | bytes[at + 1]!;
    this.class = (bytes[at + 2]! << 8) | bytes[at + 3]!;
    this.ttlAt = at + 4;
    const ttl = (bytes[at + 4]! << 24) | (bytes[at + 5]! << 16) | (bytes[at + 6]! << 8) | bytes[at + 7]!;
    // RFC 8767 §4: a TTL with the top bit set counts as the longest there is, no longer as 0 (RFC 2181 §8).
    this.ttl = ttl < 0 && this.type !== TYPE.OPT ? MAX_TTL : ttl;
    this.dataStart = at + 10;
    this.dataEnd = at + 10 + ((bytes[at + 8]! << 8) | bytes[at + 9]!);
    if (this.dataEnd > this.#end) return this.#break();
    this.section = this.#index < this.#answers ? 0 : this.#index < this.#answers + this.#authorities ? 1 : 2;
    this.#index++;
    this.#left--;
    this.#at = this.dataEnd;
    return true;
  }

  /** Offset behind the last record read. */
  get position(): number {
    return this.#at;
  }

  #break(): false {
    this.broken = true;
    return false;
  }
}
