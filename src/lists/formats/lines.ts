/**
 * Cuts a stream of chunks into lines, in place wherever a line lies in one chunk, and refuses what is no text list.
 *
 * The first bytes are held back until there are enough of them to tell a list from a captive portal's page. A line that
 * spans chunks is put together in a buffer of bounded size; what is longer is skipped, and a "line" that never ends ends
 * the file.
 */

/** Why a whole file is no list. */
export type RefusalReason = 'empty-file' | 'html' | 'utf-16' | 'binary' | 'endless-line' | 'no-header' | 'bad-zone';

export interface Refusal {
  readonly reason: RefusalReason;
  /** A sentence for people. */
  readonly message: string;
  /** From 1. */
  readonly line: number;
}

/** Reads many lines at a time where they are of the simplest kind. */
export interface QuickLines {
  /** Lines read by the last call. */
  readonly count: number;
  /**
   * Read whole lines from `from`, of which the first has number `line`, up to the first that is of another kind or has no
   * end before `to`. Gives where that begins. `bytes` is borrowed.
   */
  read(bytes: Uint8Array, from: number, to: number, line: number): number;
}

export interface LineHandler {
  /** Is asked before each line; what it leaves comes to `line`. */
  readonly quick?: QuickLines | undefined;
  /** One line without its line end. `bytes` is borrowed. */
  line(bytes: Uint8Array, from: number, to: number, line: number): void;
  /** A line longer than the bound; only its beginning is at hand. */
  longLine(bytes: Uint8Array, from: number, to: number, line: number): void;
}

const HEAD_BYTES = 512;
/** What is longer than this and has no line end is no text. */
const ENDLESS_BYTES = 1 << 20;
const NEWLINE = 10;
const RETURN = 13;

export class LineSplitter {
  refusal: Refusal | undefined;
  /** Lines seen. */
  lines = 0;
  /** Bytes fed. */
  bytes = 0;
  readonly #handler: LineHandler;
  readonly #maxLineBytes: number;
  /** The head at first, then the beginning of a line whose end has not come yet. */
  readonly #carry: Uint8Array;
  #carried = 0;
  /** Bytes of the present line that did not fit into the carry. */
  #overflow = 0;
  #started = false;

  constructor(handler: LineHandler, maxLineBytes: number) {
    this.#handler = handler;
    this.#maxLineBytes = maxLineBytes;
    // One more for the \r, which is not part of the line.
    this.#carry = new Uint8Array(Math.max(maxLineBytes + 1, HEAD_BYTES));
  }

  feed(chunk: Uint8Array): void {
    if (this.refusal !== undefined || chunk.length === 0) return;
    // A Buffer is another shape to the engine: the loops below are to see one shape alone.
    const bytes =
      chunk.constructor === Uint8Array ? chunk : new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    this.bytes += bytes.length;
    if (this.#started) {
      this.#consume(bytes, 0);
      return;
    }
    const missing = Math.min(HEAD_BYTES - this.#carried, bytes.length);
    this.#carry.set(bytes.subarray(0, missing), this.#carried);
    this.#carried += missing;
    if (this.#carried < HEAD_BYTES) return;
    this.#start();
    if (this.refusal === undefined) this.#consume(bytes, missing);
  }

  end(): void {
    if (this.refusal !== undefined) return;
    if (!this.#started) this.#start();
    if (this.refusal === undefined && this.#carried + this.#overflow > 0) this.#finishLine();
  }

  #start(): void {
    this.#started = true;
    const head = this.#carry.slice(0, this.#carried);
    this.#carried = 0;
    this.refusal = refusalOf(head);
    if (this.refusal !== undefined) return;
    const mark = head[0] === 0xef && head[1] === 0xbb && head[2] === 0xbf ? 3 : 0;
    this.#consume(head, mark);
  }

  #consume(bytes: Uint8Array, at: number): void {
    const nul = bytes.indexOf(0, at);
    const end = nul < 0 ? bytes.length : nul;
    let from = this.#quick(bytes, at, end);
    for (let i = from; i < end; i++) {
      if (bytes[i] !== NEWLINE) continue;
      if (this.#carried + this.#overflow > 0) {
        this.#keep(bytes, from, i);
        this.#finishLine();
      } else {
        this.#emit(bytes, from, i > from && bytes[i - 1] === RETURN ? i - 1 : i);
      }
      from = this.#quick(bytes, i + 1, end);
      i = from - 1;
    }
    if (nul >= 0) this.#refuse('binary', 'there is a NUL byte: the file is no text, or it is UTF-16 or compressed');
    else this.#keep(bytes, from, end);
  }

  /** Gives where the next line begins that is to be read one by one. */
  #quick(bytes: Uint8Array, from: number, to: number): number {
    const { quick } = this.#handler;
    if (quick === undefined || from >= to || this.#carried + this.#overflow > 0) return from;
    const next = quick.read(bytes, from, to, this.lines + 1);
    this.lines += quick.count;
    return next;
  }

  #keep(bytes: Uint8Array, from: number, to: number): void {
    const room = Math.min(to - from, this.#maxLineBytes + 1 - this.#carried);
    for (let i = 0; i < room; i++) this.#carry[this.#carried + i] = bytes[from + i]!;
    this.#carried += room;
    this.#overflow += to - from - room;
    if (this.#overflow > ENDLESS_BYTES)
      this.#refuse('endless-line', `a line goes on for more than ${ENDLESS_BYTES} bytes: this is no list`);
  }

  #finishLine(): void {
    const size = this.#carried;
    const overflow = this.#overflow;
    this.#carried = 0;
    this.#overflow = 0;
    if (overflow > 0) this.#handler.longLine(this.#carry, 0, size, ++this.lines);
    else this.#emit(this.#carry, 0, size > 0 && this.#carry[size - 1] === RETURN ? size - 1 : size);
  }

  #emit(bytes: Uint8Array, from: number, to: number): void {
    if (to - from > this.#maxLineBytes) this.#handler.longLine(bytes, from, to, ++this.lines);
    else this.#handler.line(bytes, from, to, ++this.lines);
  }

  #refuse(reason: RefusalReason, message: string): void {
    this.refusal ??= { reason, message, line: this.lines + 1 };
  }
}

/** What the first bytes of a file give away. */
function refusalOf(head: Uint8Array): Refusal | undefined {
  const refuse = (reason: RefusalReason, message: string): Refusal => ({ reason, message, line: 1 });
  const [first = 0, second = 0] = head;
  if ((first === 0xff && second === 0xfe) || (first === 0xfe && second === 0xff))
    return refuse('utf-16', 'the file is UTF-16: convert it to UTF-8');
  if (first === 0x1f && second === 0x8b) return refuse('binary', 'the file is gzip-compressed: unpack it first');
  if (first === 0x50 && second === 0x4b && head[2] === 3)
    return refuse('binary', 'the file is a zip archive: unpack it');
  let at = first === 0xef && second === 0xbb && head[2] === 0xbf ? 3 : 0;
  while (at < head.length && isBlank(head[at]!)) at++;
  if (at === head.length && head.length < HEAD_BYTES) return refuse('empty-file', 'the file is empty');
  // No format begins a line with `<`.
  if (head[at] === 0x3c)
    return refuse('html', 'HTML or XML came instead of a list: a login page, an error page or a wrong address');
  return undefined;
}

function isBlank(byte: number): boolean {
  return byte === 0x20 || (byte >= 9 && byte <= 13);
}
