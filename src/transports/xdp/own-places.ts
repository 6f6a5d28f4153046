/** Which of `server.listen` a frame was for: a small hash table of address, port and VLAN, looked up without allocating. */
import { isMapped } from '../../address/address.ts';
import type { FrameReader } from './frame-reader.ts';

/** An address and port that queries come to; plain data, so that a worker can be told. */
export interface OwnPlace {
  /** Four big-endian words (address.ts), no wildcard. */
  readonly words: readonly number[];
  readonly port: number;
  /** 0 = without a tag. */
  readonly vlan: number;
  /** Index in `server.listen`. */
  readonly listener: number;
  /** The listener is a wildcard, so an answer over its socket must say which address it comes from. */
  readonly wildcard: boolean;
}

export class OwnPlaces {
  readonly #places: readonly OwnPlace[];
  /** Place plus one, 0 = empty; at most half full. */
  readonly #table: Int32Array;
  /** Of each place: four words of the address in the machine's order, port and VLAN, family. */
  readonly #keys: Int32Array;

  constructor(places: readonly OwnPlace[]) {
    this.#places = places;
    this.#table = new Int32Array(2 ** Math.ceil(Math.log2(Math.max(4, places.length * 2))));
    this.#keys = new Int32Array(places.length * 6);
    for (const [i, { words, port, vlan }] of places.entries()) {
      const v4 = isMapped(Int32Array.from(words));
      for (let word = 0; word < 4; word++) this.#keys[i * 6 + word] = v4 && word < 3 ? 0 : swapped(words[word]!);
      this.#keys[i * 6 + 4] = port | (vlan << 16);
      this.#keys[i * 6 + 5] = v4 ? 4 : 6;
      let at = slotOf(this.#keys[i * 6 + 3]!, port, this.#table.length);
      while (this.#table[at] !== 0) at = (at + 1) & (this.#table.length - 1);
      this.#table[at] = i + 1;
    }
  }

  /** The place that the frame was for, or undefined. */
  find(bytes: Uint8Array, frame: FrameReader): OwnPlace | undefined {
    const { transport, family } = frame;
    const port = (bytes[transport + 2]! << 8) | bytes[transport + 3]!;
    const last = wordAt(bytes, transport - 4);
    for (
      let at = slotOf(last, port, this.#table.length);
      this.#table[at] !== 0;
      at = (at + 1) & (this.#table.length - 1)
    ) {
      const place = this.#table[at]! - 1;
      const key = place * 6;
      if (this.#keys[key + 3] !== last || this.#keys[key + 5] !== family) continue;
      if (this.#keys[key + 4] !== (port | (frame.vlan << 16))) continue;
      if (family === 6 && !this.#sameUpper(bytes, transport - 16, key)) continue;
      return this.#places[place];
    }
    return undefined;
  }

  #sameUpper(bytes: Uint8Array, at: number, key: number): boolean {
    for (let word = 0; word < 3; word++) if (this.#keys[key + word] !== wordAt(bytes, at + word * 4)) return false;
    return true;
  }
}

function slotOf(word: number, port: number, slots: number): number {
  return (Math.imul(word ^ port, 0x9e3779b1) >>> 16) & (slots - 1);
}

function wordAt(bytes: Uint8Array, at: number): number {
  return bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24);
}

function swapped(word: number): number {
  return (word << 24) | ((word & 0xff00) << 8) | ((word >>> 8) & 0xff00) | (word >>> 24);
}
