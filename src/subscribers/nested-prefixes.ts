/**
 * Which of the prefixes that were leased lie within each other: a binary tree over their bits (Morrison's Patricia), where
 * nodes with one child only are left out.
 *
 *         2001:db8::/32                 a prefix, or a place where the ways part
 *          ├─ 2001:db8:70:100::/56      … /64 within it
 *          └─ 2001:db8:77::/56
 *
 * For the writer of leases alone: a look-up of a packet goes through hash tables (prefix-table.ts). Like their entries, nodes are
 * only added.
 */

import { IntRecords, NONE } from './int-records.ts';
import type { PortPrefix } from './table/address-table.ts';

/** Words of a node: five of the key, its length with IS_PREFIX, two children, each + 1. */
const LENGTH = 5;
const CHILD = 6;
const NODE_WORDS = 8;
const KEY_WORDS = 5;
const IS_PREFIX = 1 << 8;
const ADDRESS_BITS = 128;

export class NestedPrefixes {
  readonly #nodes = new IntRecords(NODE_WORDS);
  #root = NONE;
  readonly #key = new Int32Array(KEY_WORDS);

  get bytes(): number {
    return this.#nodes.bytes;
  }

  add(prefix: PortPrefix): void {
    const nodes = this.#nodes;
    const length = this.#load(prefix);
    let [parent, side] = [NONE, 0];
    for (let node = this.#root; ; ) {
      if (node === NONE) {
        this.#hang(parent, side, this.#make(length, true));
        return;
      }
      const nodeLength = this.#length(node);
      const common = this.#commonBits(node, Math.min(length, nodeLength));
      if (common === nodeLength && common === length) {
        nodes.set(node, LENGTH, length | IS_PREFIX);
        return;
      }
      if (common < nodeLength) {
        const above = this.#make(common, common === length);
        this.#hang(above, this.#bitOf(node, common), node);
        if (common < length) this.#hang(above, this.#bit(common), this.#make(length, true));
        this.#hang(parent, side, above);
        return;
      }
      parent = node;
      side = this.#bit(nodeLength);
      node = nodes.get(node, CHILD + side) - 1;
    }
  }

  /** Prefixes around `prefix`, shortest first. */
  around(prefix: PortPrefix): PortPrefix[] {
    const found: PortPrefix[] = [];
    const length = this.#load(prefix);
    for (let node = this.#root; node !== NONE; ) {
      const nodeLength = this.#length(node);
      if (nodeLength >= length || this.#commonBits(node, nodeLength) < nodeLength) break;
      if (this.#isPrefix(node)) found.push(this.#prefixOf(node));
      node = this.#nodes.get(node, CHILD + this.#bit(nodeLength)) - 1;
    }
    return found;
  }

  /** Prefixes within `prefix`, itself left out. */
  within(prefix: PortPrefix): PortPrefix[] {
    const length = this.#load(prefix);
    let node = this.#root;
    while (node !== NONE && this.#length(node) < length) {
      const nodeLength = this.#length(node);
      if (this.#commonBits(node, nodeLength) < nodeLength) return [];
      node = this.#nodes.get(node, CHILD + this.#bit(nodeLength)) - 1;
    }
    if (node === NONE || this.#commonBits(node, length) < length) return [];
    const found: PortPrefix[] = [];
    const waiting = [node];
    for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
      if (this.#isPrefix(next) && this.#length(next) > length) found.push(this.#prefixOf(next));
      for (let side = 0; side < 2; side++) {
        const child = this.#nodes.get(next, CHILD + side) - 1;
        if (child !== NONE) waiting.push(child);
      }
    }
    return found;
  }

  #make(length: number, isPrefix: boolean): number {
    const node = this.#nodes.take();
    for (let i = 0; i < KEY_WORDS; i++) {
      const kept = Math.min(32, Math.max(0, length - i * 32));
      this.#nodes.set(node, i, kept === 0 ? 0 : this.#key[i]! & (-1 << (32 - kept)));
    }
    this.#nodes.set(node, LENGTH, isPrefix ? length | IS_PREFIX : length);
    return node;
  }

  #hang(parent: number, side: number, node: number): void {
    if (parent === NONE) this.#root = node;
    else this.#nodes.set(parent, CHILD + side, node + 1);
  }

  /** Puts the key of `prefix` into `#key`; returns its length. The bits of a port follow those of the address. */
  #load({ words, bits, port, portBits }: PortPrefix): number {
    this.#key.set(words);
    this.#key[4] = port << 16;
    return bits + portBits;
  }

  #commonBits(node: number, most: number): number {
    for (let i = 0; i * 32 < most; i++) {
      const difference = this.#nodes.get(node, i) ^ this.#key[i]!;
      if (difference !== 0) return Math.min(most, i * 32 + Math.clz32(difference));
    }
    return most;
  }

  #bit(at: number): number {
    return (this.#key[at >> 5]! >>> (31 - (at & 31))) & 1;
  }

  #bitOf(node: number, at: number): number {
    return (this.#nodes.get(node, at >> 5) >>> (31 - (at & 31))) & 1;
  }

  #length(node: number): number {
    return this.#nodes.get(node, LENGTH) & ~IS_PREFIX;
  }

  #isPrefix(node: number): boolean {
    return (this.#nodes.get(node, LENGTH) & IS_PREFIX) !== 0;
  }

  #prefixOf(node: number): PortPrefix {
    const length = this.#length(node);
    return {
      words: Int32Array.from({ length: 4 }, (_, i) => this.#nodes.get(node, i)),
      bits: Math.min(length, ADDRESS_BITS),
      port: this.#nodes.get(node, 4) >>> 16,
      portBits: Math.max(0, length - ADDRESS_BITS),
    };
  }
}
