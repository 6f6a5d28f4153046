/**
 * The names of one message as a tree of labels: equal names (RFC 4343: ignoring case) become the same small number, so
 * comparing two of them, or asking whether one lies above the other, costs nothing, and a name written once is found
 * again for compression.
 *
 *   root(0) ── com(1) ── example(2) ─┬─ www(3)
 *                                    └─ ns1(4)       labels stay where they are, in the message that was read
 *
 * Everything is preallocated. What a hostile message can make it do is bounded: the number of labels, and the probes of
 * the hash table; a message beyond that is refused.
 */
import { HEADER_BYTES, MAX_LABEL_BYTES, MAX_MESSAGE_BYTES, MAX_NAME_BYTES } from './constants.ts';
import { MAX_POINTER_HOPS } from './reader.ts';

/** The root's node. */
export const ROOT = 0;
/** Labels that one message may hold: a quarter of its bytes. */
export const MAX_NODES = 16384;
const NODE_BITS = 14;
const TABLE_SIZE = MAX_NODES * 2;
const MAX_EPOCH = (1 << (32 - NODE_BITS)) - 1;
/** At half load an honest message never comes near; labels made to collide end here. */
const MAX_PROBES = 64;
/** A compression pointer holds 14 bits (RFC 1035 §4.1.4). */
const POINTER_LIMIT = 0x4000;

/** ASCII upper case to lower case, every other byte to itself (RFC 4343 §3). */
const LOWER = new Uint8Array(256);
for (let i = 0; i < 256; i++) LOWER[i] = i >= 0x41 && i <= 0x5a ? i + 0x20 : i;

export class NameTree {
  /** The node one label up; the root's is the root. */
  readonly parent = new Uint16Array(MAX_NODES);
  /** Free for the holder; 0 on a new node. */
  readonly flags = new Uint8Array(MAX_NODES);
  /** Free for the holder; -1 on a new node. */
  readonly first = new Int16Array(MAX_NODES);
  /** Free for the holder; -1 on a new node. */
  readonly alias = new Int16Array(MAX_NODES);
  /** Offset behind the name that `intern` read last. */
  behind = 0;
  /** Write every label in lower case, not only those that were read from the question. */
  lowerAll = false;
  /** Where the node's label stands in the message, counted from its start. */
  readonly #labelAt = new Uint16Array(MAX_NODES);
  /** Where the name was written, for compression; 0 = nowhere. */
  readonly #written = new Uint16Array(MAX_NODES);
  /** Epoch and node; an entry of another epoch is free. */
  readonly #table = new Int32Array(TABLE_SIZE);
  readonly #labels = new Uint16Array(128);
  #epoch = 0;
  #count = 0;
  #bytes: Uint8Array = new Uint8Array(0);
  #start = 0;
  #end = 0;
  #questionEnd = 0;

  /** Forget all names and begin with the message of `length` bytes at `start`; its question ends `questionEnd` bytes in. */
  reset(bytes: Uint8Array, start: number, length: number, questionEnd: number): void {
    this.#bytes = bytes;
    this.#start = start;
    this.#end = start + Math.min(length, MAX_MESSAGE_BYTES);
    this.#questionEnd = questionEnd;
    this.lowerAll = false;
    this.#epoch++;
    if (this.#epoch > MAX_EPOCH) {
      this.#table.fill(0);
      this.#epoch = 1;
    }
    this.#count = 0;
    this.#add(ROOT, 0);
  }

  /**
   * The node of the possibly compressed name at offset `at` of the message's array, or -1 where it is broken or there
   * are too many names. The rules for pointers are those of `skipName` (wire/reader.ts).
   */
  intern(at: number): number {
    const bytes = this.#bytes;
    const start = this.#start;
    const end = this.#end;
    const labels = this.#labels;
    let count = 0;
    let total = 1;
    let hops = 0;
    let lowest = at;
    let behind = -1;
    for (;;) {
      if (at >= end) return -1;
      const size = bytes[at]!;
      if (size === 0) break;
      if (size <= MAX_LABEL_BYTES) {
        total += size + 1;
        if (total > MAX_NAME_BYTES) return -1;
        labels[count++] = at - start;
        at += size + 1;
        continue;
      }
      if (size < 0xc0 || at + 1 >= end) return -1;
      const target = start + (((size & 0x3f) << 8) | bytes[at + 1]!);
      if (behind < 0) behind = at + 2;
      if (target >= lowest || target < start + HEADER_BYTES || ++hops > MAX_POINTER_HOPS) return -1;
      lowest = target;
      at = target;
    }
    this.behind = behind < 0 ? at + 1 : behind;
    let node = ROOT;
    for (let i = count - 1; i >= 0 && node >= 0; i--) node = this.#child(node, labels[i]!);
    return node;
  }

  /** Say that the name of `node` and those above it stand in the output, from `at` on. */
  setWritten(node: number, at: number): void {
    while (node !== ROOT) {
      this.#written[node] = at;
      at += this.#bytes[this.#start + this.#labelAt[node]!]! + 1;
      node = this.parent[node]!;
    }
  }

  /**
   * Write the name of `node` at `at`, the offset in the message being written. Returns the offset behind it. `compress`:
   * point to a name written before, and let later names point here.
   */
  write(out: Uint8Array, at: number, node: number, compress: boolean): number {
    const bytes = this.#bytes;
    while (node !== ROOT) {
      if (compress) {
        const target = this.#written[node]!;
        if (target !== 0) {
          out[at] = 0xc0 | (target >>> 8);
          out[at + 1] = target;
          return at + 2;
        }
        if (at < POINTER_LIMIT) this.#written[node] = at;
      }
      const labelAt = this.#labelAt[node]!;
      // A label read from the question has the case that we gave it (0x20), which nobody is to see.
      const lower = this.lowerAll || labelAt < this.#questionEnd;
      let from = this.#start + labelAt;
      const size = bytes[from++]!;
      out[at++] = size;
      for (const stop = from + size; from < stop; from++) {
        const byte = bytes[from]!;
        out[at++] = lower ? LOWER[byte]! : byte;
      }
      node = this.parent[node]!;
    }
    out[at] = 0;
    return at + 1;
  }

  #child(parent: number, labelAt: number): number {
    const bytes = this.#bytes;
    const from = this.#start + labelAt;
    const size = bytes[from]!;
    let hash = Math.imul(parent + 1, 0x9e3779b1) ^ size;
    for (let i = 1; i <= size; i++) hash = Math.imul(hash ^ LOWER[bytes[from + i]!]!, 0x01000193);
    hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d);
    let slot = (hash ^ (hash >>> 13)) & (TABLE_SIZE - 1);
    for (let probe = 0; probe < MAX_PROBES; probe++) {
      const entry = this.#table[slot]!;
      if (entry >>> NODE_BITS !== this.#epoch) {
        if (this.#count === MAX_NODES) return -1;
        this.#table[slot] = (this.#epoch << NODE_BITS) | this.#count;
        return this.#add(parent, labelAt);
      }
      const node = entry & (MAX_NODES - 1);
      if (this.parent[node] === parent && this.#sameLabel(from, this.#start + this.#labelAt[node]!)) return node;
      slot = (slot + 1) & (TABLE_SIZE - 1);
    }
    return -1;
  }

  #sameLabel(one: number, other: number): boolean {
    if (one === other) return true;
    const bytes = this.#bytes;
    const size = bytes[one]!;
    if (bytes[other] !== size) return false;
    for (let i = 1; i <= size; i++) if (LOWER[bytes[one + i]!] !== LOWER[bytes[other + i]!]) return false;
    return true;
  }

  #add(parent: number, labelAt: number): number {
    const node = this.#count++;
    this.parent[node] = parent;
    this.#labelAt[node] = labelAt;
    this.#written[node] = 0;
    this.flags[node] = 0;
    this.first[node] = -1;
    this.alias[node] = -1;
    return node;
  }
}
