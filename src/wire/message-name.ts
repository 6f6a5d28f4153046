/**
 * A name read out of a message: compression resolved, in lower case, its labels found. One is used again and again.
 */
import { MAX_NAME_BYTES } from './constants.ts';
import type { Question } from './question.ts';
import { LOWER, skipName } from './reader.ts';

export class MessageName {
  /** Lowercased wire form, root label included, from byte 0. */
  readonly bytes = new Uint8Array(256);
  /** 1–255; 0 while nothing was read. */
  length = 0;
  /** Labels without the root. */
  labelCount = 0;
  /** Where each label's length byte stands, leftmost first. */
  readonly labelStarts = new Uint8Array(128);
  /** Offset behind the name in the message it was read from. */
  behind = 0;

  /** Read the name at `at` of the message that begins at `start`. False, and nothing read, where it is broken (RFC 1035 §4.1.4). */
  read(message: Uint8Array, at: number, end: number, start: number): boolean {
    this.length = 0;
    this.labelCount = 0;
    this.behind = skipName(message, at, end, start);
    if (this.behind < 0) return false;
    const { bytes, labelStarts } = this;
    let length = 0;
    // skipName has been this way: no pointer leads astray, and the name fits.
    for (;;) {
      const size = message[at]!;
      if (size >= 0xc0) {
        at = start + (((size & 0x3f) << 8) | message[at + 1]!);
        continue;
      }
      if (size > 0) labelStarts[this.labelCount++] = length;
      bytes[length++] = size;
      for (let i = 1; i <= size; i++) bytes[length++] = LOWER[message[at + i]!]!;
      if (size === 0) break;
      at += size + 1;
    }
    this.length = length;
    return true;
  }

  /** Take an uncompressed name, `bytes[from…]`, whose length was checked. */
  set(bytes: Uint8Array, from = 0): void {
    this.read(bytes, from, Math.min(bytes.length, from + MAX_NAME_BYTES), from);
  }

  /** Take the name asked for. */
  copyQuestion(question: Question): void {
    for (let i = 0; i < question.nameLength; i++) this.bytes[i] = question.name[i]!;
    for (let i = 0; i < question.labelCount; i++) this.labelStarts[i] = question.labelStarts[i]!;
    this.length = question.nameLength;
    this.labelCount = question.labelCount;
  }

  equals(other: MessageName): boolean {
    return this.length === other.length && this.#endsWith(other, 0);
  }

  /** The same name as `other` or one below it. */
  isAtOrBelow(other: MessageName): boolean {
    const skipped = this.labelCount - other.labelCount;
    if (skipped < 0) return false;
    const at = skipped === 0 ? 0 : skipped === this.labelCount ? this.length - 1 : this.labelStarts[skipped]!;
    return this.length - at === other.length && this.#endsWith(other, at);
  }

  #endsWith(other: MessageName, at: number): boolean {
    for (let i = 0; i < other.length; i++) if (this.bytes[at + i] !== other.bytes[i]) return false;
    return true;
  }
}
