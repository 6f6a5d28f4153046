/**
 * Networks of RPZ triggers (client address, address in the answer, address of a name server) in a policy index of their own.
 *
 *   192.0.2.0/24 as RPZ-IP  →  the "name"  17.120.192.0.2.0…  .  2.     17 bytes: bits and address; 1 byte: trigger
 *
 * So a network gets what names have: all lists in one table, equal rules once, data in one place, no false match but by
 * the odds of suffix-hash.ts. A lookup tries the prefix lengths that occur, longest first. The table is not that of the
 * names, so no query name, whatever its bytes, is ever taken for a network.
 */
import type { AddressTrigger } from '../formats/sink.ts';
import type { PolicyIndexMemory } from './memory.ts';
import { PolicyIndex } from './policy-index.ts';

/** IPv4 networks are ::ffff:0:0/96 and longer: 0 to 128 bits. */
export const PREFIX_LENGTHS = 129;
const TRIGGERS = 4;
const NAME_BYTES = 1 + 17 + 1 + 1 + 1;

/** Plain data and shared memory. */
export interface NetworkIndexMemory {
  readonly index: PolicyIndexMemory;
  /** For each trigger and prefix length, the mask of lists that have such a network (`lengthsAt`). */
  readonly lengths: Int32Array;
}

export function emptyLengths(): Int32Array {
  return new Int32Array(TRIGGERS * PREFIX_LENGTHS);
}

/** Place of a trigger's prefix length in `lengths`. */
export function lengthsAt(trigger: AddressTrigger, bits: number): number {
  return trigger * PREFIX_LENGTHS + bits;
}

/** Writes a network as the name under which the index holds it; `words` and `bits` as in net/address.ts. */
export class NetworkName {
  readonly bytes = new Uint8Array(NAME_BYTES);
  readonly labelStarts = Uint8Array.of(0, 18);

  constructor() {
    this.bytes[0] = 17;
    this.bytes[18] = 1;
  }

  set(trigger: AddressTrigger, words: Int32Array, bits: number): void {
    const { bytes } = this;
    bytes[1] = bits;
    bytes[19] = trigger;
    for (let i = 0; i < 4; i++) {
      const kept = bits - 32 * i;
      const word = kept >= 32 ? words[i]! : kept <= 0 ? 0 : words[i]! & (-1 << (32 - kept));
      bytes[2 + 4 * i] = word >>> 24;
      bytes[3 + 4 * i] = word >>> 16;
      bytes[4 + 4 * i] = word >>> 8;
      bytes[5 + 4 * i] = word;
    }
  }
}

export class NetworkIndex {
  /** Holds the rule that `matchOf` found: `action`, `dataCount`, `dataStart`, `dataEnd`, `data`. */
  readonly rules: PolicyIndex;
  /** Prefix length of the rule that `matchOf` found, 0–128 (IPv4: 96 and up). */
  bits = 0;
  readonly #name = new NetworkName();
  /** Lists that have any network, by trigger. */
  readonly #holders = new Int32Array(TRIGGERS);
  /** Prefix lengths that occur, longest first, by trigger, and the lists that have each. */
  readonly #bits: readonly Uint8Array[];
  readonly #lists: readonly Int32Array[];
  /** What the last lookup was about. */
  readonly #words = new Int32Array(4);
  #trigger: AddressTrigger = 1;
  #asked = 0;

  constructor({ index, lengths }: NetworkIndexMemory) {
    this.rules = new PolicyIndex(index);
    const bitsOf: number[][] = Array.from({ length: TRIGGERS }, () => []);
    for (let trigger = 0; trigger < TRIGGERS; trigger++) {
      for (let bits = PREFIX_LENGTHS - 1; bits >= 0; bits--) {
        const lists = lengths[trigger * PREFIX_LENGTHS + bits]!;
        this.#holders[trigger]! |= lists;
        if (lists !== 0) bitsOf[trigger]?.push(bits);
      }
    }
    this.#bits = bitsOf.map((bits) => Uint8Array.from(bits));
    this.#lists = bitsOf.map((all, trigger) =>
      Int32Array.from(all, (bits) => lengths[trigger * PREFIX_LENGTHS + bits]!),
    );
  }

  /** The mask of lists that have a network of this trigger at all; 0 = no need to look. */
  holders(trigger: AddressTrigger): number {
    return this.#holders[trigger]!;
  }

  /** The mask of those of `lists` that have a network around the address; `words` as in net/address.ts. */
  lookup(trigger: AddressTrigger, words: Int32Array, lists: number): number {
    this.#asked = lists & this.#holders[trigger]!;
    if (this.#asked === 0) return 0;
    this.#trigger = trigger;
    for (let i = 0; i < 4; i++) this.#words[i] = words[i]!;
    const bits = this.#bits[trigger]!;
    const holders = this.#lists[trigger]!;
    let mask = 0;
    for (let i = 0; i < bits.length; i++) {
      const asked = this.#asked & holders[i]! & ~mask;
      if (asked !== 0) mask |= this.#at(bits[i]!, asked);
    }
    return mask;
  }

  /**
   * The rule of the list that wins for the address last looked up, the one with the longest prefix (draft-vixie-dnsop-dns-rpz
   * §5.6): in `rules` and `bits`. False where the list has none, or was not asked for.
   */
  matchOf(list: number): boolean {
    const bit = 1 << list;
    if ((this.#asked & bit) === 0) return false;
    const bits = this.#bits[this.#trigger]!;
    const holders = this.#lists[this.#trigger]!;
    for (let i = 0; i < bits.length; i++) {
      if ((holders[i]! & bit) === 0 || this.#at(bits[i]!, bit) === 0) continue;
      this.bits = bits[i]!;
      return this.rules.matchOf(list);
    }
    return false;
  }

  #at(bits: number, lists: number): number {
    const name = this.#name;
    name.set(this.#trigger, this.#words, bits);
    return this.rules.lookupName(name.bytes, name.labelStarts, 2, lists);
  }
}
