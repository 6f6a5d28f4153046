/**
 * Takes a TCP stream apart into DNS messages, each behind its length in two bytes (RFC 1035 §4.2.2, RFC 7766 §8).
 *
 *   chunk    | 00 1d message | 00 1d message | 00 1d mes      whole messages are read where they lie
 *   partial                                  | 00 1d mes …    the rest is kept until its end has come
 *
 * Nothing longer than the largest query is ever kept, so a connection costs a bounded number of bytes.
 */

/** What `next` found. */
export const FRAME_NONE = 0;
export const FRAME_MESSAGE = 1;
/** A length of zero: not a DNS message. */
export const FRAME_EMPTY = 2;
/** A length above what a query may have. */
export const FRAME_TOO_LONG = 3;

const NO_BYTES = new Uint8Array(0);

export class FrameReader {
  /** The message that `next` found: `length` bytes from `start`. Borrowed until the next call. */
  message: Uint8Array = NO_BYTES;
  start = 0;
  length = 0;
  readonly #maxBytes: number;
  #chunk: Uint8Array = NO_BYTES;
  #at = 0;
  /** Kept for the life of the reader once a message came in pieces; most connections never need it. */
  #partial: Uint8Array = NO_BYTES;
  #filled = 0;

  /** `maxBytes`: longest message, 1–65535. */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** A message has begun and its end has not come. */
  get begun(): boolean {
    return this.#filled > 0;
  }

  /** Bytes of the last chunk were not looked at yet. */
  get pending(): boolean {
    return this.#at < this.#chunk.length;
  }

  /** Take the next bytes of the stream; they are borrowed until `next` returns FRAME_NONE, which must come first. */
  feed(chunk: Uint8Array): void {
    if (this.pending) throw new Error('the last chunk was not read to its end');
    this.#chunk = chunk;
    this.#at = 0;
  }

  /** Find the next message. After FRAME_EMPTY or FRAME_TOO_LONG the stream makes no sense any more. */
  next(): number {
    if (this.#filled > 0) return this.#completePartial();
    const chunk = this.#chunk;
    const at = this.#at;
    const available = chunk.length - at;
    if (available >= 2) {
      const length = (chunk[at]! << 8) | chunk[at + 1]!;
      if (length === 0) return FRAME_EMPTY;
      if (length > this.#maxBytes) return FRAME_TOO_LONG;
      if (available >= length + 2) {
        this.#at = at + 2 + length;
        return this.#found(chunk, at + 2, length);
      }
    }
    if (available > 0) {
      if (this.#partial.length === 0) this.#partial = new Uint8Array(this.#maxBytes + 2);
      this.#take(available);
    }
    this.#chunk = NO_BYTES;
    this.#at = 0;
    return FRAME_NONE;
  }

  /** Forget everything, for the next connection. */
  clear(): void {
    this.message = NO_BYTES;
    this.#chunk = NO_BYTES;
    this.#at = 0;
    this.#filled = 0;
  }

  #completePartial(): number {
    if (this.#filled < 2) this.#take(2 - this.#filled);
    if (this.#filled >= 2) {
      const length = (this.#partial[0]! << 8) | this.#partial[1]!;
      if (length === 0) return FRAME_EMPTY;
      if (length > this.#maxBytes) return FRAME_TOO_LONG;
      this.#take(length + 2 - this.#filled);
      if (this.#filled === length + 2) {
        this.#filled = 0;
        return this.#found(this.#partial, 2, length);
      }
    }
    this.#chunk = NO_BYTES;
    this.#at = 0;
    return FRAME_NONE;
  }

  /** Move up to `wanted` bytes from the chunk to the partial message. */
  #take(wanted: number): void {
    const chunk = this.#chunk;
    const partial = this.#partial;
    const end = Math.min(chunk.length, this.#at + wanted);
    let filled = this.#filled;
    for (let at = this.#at; at < end; at++) partial[filled++] = chunk[at]!;
    this.#filled = filled;
    this.#at = end;
  }

  #found(bytes: Uint8Array, start: number, length: number): number {
    this.message = bytes;
    this.start = start;
    this.length = length;
    return FRAME_MESSAGE;
  }
}
