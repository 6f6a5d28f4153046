/**
 * Names of zones and of what is in them, found from below: the closest name that is here, at or above the one asked for
 * (the *closest encloser* of RFC 4592 §3.3.1). Made once, read by packet threads without allocating.
 *
 *   slots   |node+1|0|node+1| …     open addressing by a hash of the whole name, at no more than half load
 *
 * Names come from the configuration, so nobody outside can make them collide; a candidate is compared byte by byte.
 */
import type { Question } from '../wire/question.ts';

export class SuffixTable {
  /** Bytes of the name that `find` found last, root label included. */
  foundLength = 0;
  readonly #names: readonly Uint8Array[];
  readonly #slots: Int32Array;
  /** By a few bits of the last label, whether there is a name below such a one: most questions end here. */
  readonly #tops = new Uint8Array(256);
  /** By number of labels, whether there is a name with so many. */
  readonly #depths = new Uint8Array(128);

  /** Wire form, lower case, each once. A name's number is its place here. */
  constructor(names: readonly Uint8Array[]) {
    this.#names = names;
    let places = 2;
    while (places < names.length * 2) places *= 2;
    this.#slots = new Int32Array(places);
    for (const [node, name] of names.entries()) {
      this.#depths[labelsOf(name)] = 1;
      this.#tops[topOf(name, lastLabelOf(name))] = 1;
      let slot = hashOf(name, 0, name.length) & (places - 1);
      while (this.#slots[slot] !== 0) slot = (slot + 1) & (places - 1);
      this.#slots[slot] = node + 1;
    }
  }

  /** Number of the closest name at or above the question's; -1 where there is none. */
  find(question: Question): number {
    return this.findName(question.name, question.nameLength, question.labelStarts, question.labelCount);
  }

  /** The same for a name in wire form, lower case, whose labels begin at `labelStarts`. */
  findName(name: Uint8Array, length: number, labelStarts: ArrayLike<number>, labelCount: number): number {
    const first = labelCount > 0 && this.#tops[topOf(name, labelStarts[labelCount - 1]!)] === 0 ? labelCount : 0;
    for (let i = first; i <= labelCount; i++) {
      if (this.#depths[labelCount - i] === 0) continue;
      const start = i === labelCount ? length - 1 : labelStarts[i]!;
      const node = this.#at(name, start, length);
      if (node >= 0) {
        this.foundLength = length - start;
        return node;
      }
    }
    return -1;
  }

  #at(name: Uint8Array, start: number, end: number): number {
    const last = this.#slots.length - 1;
    for (let slot = hashOf(name, start, end) & last; this.#slots[slot] !== 0; slot = (slot + 1) & last) {
      const node = this.#slots[slot]! - 1;
      if (isSame(this.#names[node]!, name, start, end)) return node;
    }
    return -1;
  }
}

/** Where the last label of a name begins; the root's own place where there is none. */
function lastLabelOf(name: Uint8Array): number {
  let at = 0;
  while (name[at]! > 0 && name[at + name[at]! + 1]! > 0) at += name[at]! + 1;
  return at;
}

/** Eight bits of the label at `at`: its length, its first and its last byte. */
function topOf(name: Uint8Array, at: number): number {
  const size = name[at]!;
  return (Math.imul(size, 37) ^ Math.imul(name[at + 1]! | 0, 5) ^ Math.imul(name[at + size]!, 11)) & 255;
}

/** FNV-1a, finished by a multiplication so that the low bits are mixed. */
function hashOf(name: Uint8Array, start: number, end: number): number {
  let hash = 0x811c9dc5;
  for (let i = start; i < end; i++) hash = Math.imul(hash ^ name[i]!, 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d);
  return hash ^ (hash >>> 13);
}

function isSame(own: Uint8Array, name: Uint8Array, start: number, end: number): boolean {
  if (own.length !== end - start) return false;
  for (let i = 0; i < own.length; i++) if (own[i] !== name[start + i]) return false;
  return true;
}

export function labelsOf(name: Uint8Array): number {
  let labels = 0;
  for (let at = 0; name[at]! > 0; at += name[at]! + 1) labels++;
  return labels;
}
