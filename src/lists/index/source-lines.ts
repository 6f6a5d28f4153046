/**
 * In which line of its list a name stands, for explain. Eight bytes a name, in the thread that builds, not shared.
 *
 * Twenty-four bits of the hash and twenty-eight of the line number make one double, and the doubles are sorted. Several
 * names share 24 bits, so the answer is a few lines to look at, in which the name is then searched.
 */
import type { SuffixHash } from './suffix-hash.ts';

const LINE_RANGE = 1 << 28;

export class SourceLines {
  #entries = new Float64Array(1024);
  #count = 0;
  #sorted = true;

  /** The name whose hash is `hash` stands in `line`, 1 to 2^28 - 1; other lines are not kept. */
  add(hash: SuffixHash, line: number): void {
    if (!(line > 0 && line < LINE_RANGE)) return;
    if (this.#count === this.#entries.length) {
      const larger = new Float64Array(this.#count * 2);
      larger.set(this.#entries);
      this.#entries = larger;
    }
    this.#entries[this.#count++] = (hash.high >>> 8) * LINE_RANGE + line;
    this.#sorted = false;
  }

  /** Lines in which the name may stand, ascending; every line in which it does stand is among them. */
  find(hash: SuffixHash): number[] {
    if (!this.#sorted) this.#sort();
    const from = (hash.high >>> 8) * LINE_RANGE;
    let low = 0;
    for (let high = this.#count; low < high; ) {
      const middle = (low + high) >>> 1;
      if (this.#entries[middle]! < from) low = middle + 1;
      else high = middle;
    }
    const lines: number[] = [];
    for (; low < this.#count && this.#entries[low]! < from + LINE_RANGE; low++) lines.push(this.#entries[low]! - from);
    return lines;
  }

  #sort(): void {
    this.#entries = this.#entries.slice(0, this.#count).sort();
    this.#sorted = true;
  }
}
