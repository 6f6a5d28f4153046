/**
 * Records of a fixed number of 32-bit words, off the heap and in chunks: millions of them cost the collector nothing, and
 * growing copies nothing. A record is named by its number; one that is let go is used again.
 */
const CHUNK_BITS = 14;
const CHUNK_RECORDS = 1 << CHUNK_BITS;
const CHUNK_MASK = CHUNK_RECORDS - 1;

/** No record. */
export const NONE = -1;

export class IntRecords {
  readonly #words: number;
  readonly #chunks: Int32Array[] = [];
  #used = 0;
  /** First of those let go; each names the next in its first word. */
  #free = NONE;
  #live = 0;

  constructor(words: number) {
    this.#words = words;
  }

  /** Records in use. */
  get live(): number {
    return this.#live;
  }

  /** Numbers below it were in use at some time. */
  get end(): number {
    return this.#used;
  }

  get bytes(): number {
    return this.#chunks.length * CHUNK_RECORDS * this.#words * 4;
  }

  /** A record whose words are all 0. */
  take(): number {
    this.#live++;
    if (this.#free !== NONE) {
      const record = this.#free;
      this.#free = this.get(record, 0);
      const at = (record & CHUNK_MASK) * this.#words;
      this.#chunks[record >> CHUNK_BITS]!.fill(0, at, at + this.#words);
      return record;
    }
    if (this.#used >> CHUNK_BITS === this.#chunks.length)
      this.#chunks.push(new Int32Array(CHUNK_RECORDS * this.#words));
    return this.#used++;
  }

  letGo(record: number): void {
    this.#live--;
    this.set(record, 0, this.#free);
    this.#free = record;
  }

  get(record: number, word: number): number {
    return this.#chunks[record >> CHUNK_BITS]![(record & CHUNK_MASK) * this.#words + word]!;
  }

  set(record: number, word: number, value: number): void {
    this.#chunks[record >> CHUNK_BITS]![(record & CHUNK_MASK) * this.#words + word] = value;
  }
}
