/**
 * The names that no list is expected to hold, and the question whether a rule would take one: the name itself, or, for a
 * rule on what is below, any name above it. Asked once for each rule of a million, so it works on bytes; the
 * table is made from the operator's file, a feed only looks things up in it.
 */
import { NameReader } from '../formats/name-reader.ts';
import { EXACT, SUBTREE } from '../index/rules.ts';

export interface PopularNamesFile {
  readonly names: PopularNames;
  /** Lines that hold no name, from 1. */
  readonly badLines: readonly number[];
}

interface Node {
  readonly name: Uint8Array;
  /** Stands in the file, perhaps with `www.` before it. */
  popular: boolean;
  /** A popular name below it, as an example. */
  below: Uint8Array | undefined;
}

export class PopularNames {
  /** Names in the file. */
  readonly size: number;
  /** Open addressing over `#nodes`; -1 is free. A quarter full at most. */
  readonly #table: Int32Array;
  readonly #nodes: Node[] = [];

  /** `names`: wire form, lower case. */
  constructor(names: readonly Uint8Array[]) {
    this.size = names.length;
    const labels = names.reduce((sum, name) => sum + labelsOf(name), 0);
    this.#table = new Int32Array(2 ** Math.ceil(Math.log2(8 * labels + 16))).fill(-1);
    for (const name of names) {
      this.#node(name).popular = true;
      // Lists of popular names have example.com, people ask for www.example.com.
      if (name[0] !== 3 || name[1] !== 0x77) this.#node(Uint8Array.of(3, 0x77, 0x77, 0x77, ...name)).popular = true;
      for (let at = name[0]! + 1; name[at] !== undefined && name[at] !== 0; at += name[at]! + 1) {
        this.#node(name.slice(at)).below ??= name;
      }
    }
  }

  /** A file of one name a line; `#` begins a comment. Lines that hold no name are told and left out. */
  static parse(text: string): PopularNamesFile {
    const reader = new NameReader();
    const names: Uint8Array[] = [];
    const badLines: number[] = [];
    const encoder = new TextEncoder();
    text.split('\n').forEach((line, index) => {
      const bytes = encoder.encode(
        line
          .replace(/#.*$/, '')
          .replace(/^\uFEFF/, '')
          .trim(),
      );
      if (bytes.length === 0) return;
      if (reader.read(bytes, 0, bytes.length) === undefined) names.push(reader.name.slice(0, reader.length));
      else badLines.push(index + 1);
    });
    return { names: new PopularNames(names), badLines };
  }

  /** Names on which a rule of some kind would take a popular one; for `SuspectNames`. */
  get takers(): number {
    return this.#nodes.length;
  }

  /** Those names, wire form. */
  *takerNames(): Iterable<Uint8Array> {
    for (const { name } of this.#nodes) yield name;
  }

  /** The popular name, wire form, that a rule of these kinds on `name[0..length)` would take; undefined: none. */
  takenBy(name: Uint8Array, length: number, kinds: number): Uint8Array | undefined {
    const node = this.#find(name, length);
    if (node === undefined) return undefined;
    if (node.popular && (kinds & EXACT) !== 0) return node.name;
    if ((kinds & SUBTREE) === 0) return undefined;
    // `*.popular.example` leaves the popular name itself, but takes its www.
    return node.below ?? (node.popular ? node.name : undefined);
  }

  #find(name: Uint8Array, length: number): Node | undefined {
    const mask = this.#table.length - 1;
    for (let slot = hashOf(name, length) & mask; ; slot = (slot + 1) & mask) {
      const index = this.#table[slot]!;
      if (index < 0) return undefined;
      const node = this.#nodes[index]!;
      if (isSame(node.name, name, length)) return node;
    }
  }

  #node(name: Uint8Array): Node {
    const found = this.#find(name, name.length);
    if (found !== undefined) return found;
    const mask = this.#table.length - 1;
    let slot = hashOf(name, name.length) & mask;
    while (this.#table[slot]! >= 0) slot = (slot + 1) & mask;
    const node = { name, popular: false, below: undefined };
    this.#table[slot] = this.#nodes.push(node) - 1;
    return node;
  }
}

function labelsOf(name: Uint8Array): number {
  let labels = 0;
  for (let at = 0; name[at]; at += name[at]! + 1) labels++;
  return labels;
}

function isSame(one: Uint8Array, name: Uint8Array, length: number): boolean {
  if (one.length !== length) return false;
  for (let i = 0; i < length; i++) if (one[i] !== name[i]) return false;
  return true;
}

/** FNV-1a with a final mix; unkeyed, because only the operator's names are ever put into the table. */
function hashOf(name: Uint8Array, length: number): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < length; i++) hash = Math.imul(hash ^ name[i]!, 0x01000193);
  hash ^= hash >>> 15;
  return Math.imul(hash, 0x2c1b3c6d) ^ (hash >>> 12);
}
