/**
 * The rule sets of an index being built. A set is a number; equal sets are the same number, so that all names of one
 * plain list share one, and a name on two lists gets the one that holds both rules.
 *
 *   words of a set   exact mask | subtree mask | rule word, data | rule word, data | …     ordered by kind and list
 */
import { isAdblockAction } from './adblock-rules.ts';
import { Interner } from './interner.ts';
import {
  ACTION_ADBLOCK,
  ACTION_LISTED,
  EXACT,
  MAX_DATA_BYTES,
  MAX_LISTS,
  MAX_RECORDS,
  NO_DATA,
  RULE_PLACE,
  ruleAction,
  ruleKind,
  ruleList,
  ruleWord,
  SUBTREE,
} from './rules.ts';
import type { SuffixKey } from './suffix-hash.ts';

/** Unions remembered; beyond that all are forgotten and made again when needed. */
const MAX_UNIONS = 1 << 16;

export class RuleSets {
  readonly sets: Interner;
  readonly data: Interner;
  /** The last `union` left out a rule of its second set, because the first had another on the same names. */
  conflict = false;
  /** Grows with the longest set; the data's scratch holds the longest piece. */
  #words = new Int32Array(64);
  #count = 0;
  readonly #piece = new Int32Array(1 + ((MAX_DATA_BYTES + 3) >> 2));
  readonly #pieceBytes = new Uint8Array(this.#piece.buffer, 4);
  /** First set × 2^26 + second set → their union × 2 + conflict. */
  readonly #unions = new Map<number, number>();

  constructor(key: SuffixKey) {
    this.sets = new Interner(key[0], key[1]);
    this.data = new Interner(key[2], key[3]);
  }

  /** The set with one list's rule alone. Throws RangeError where an argument is out of its bounds. */
  single(list: number, kinds: number, action: number, data?: Uint8Array): number {
    if (!(list >= 0 && list < MAX_LISTS))
      throw new RangeError(`an index holds lists 0 to ${MAX_LISTS - 1}, not ${list}`);
    if (!(kinds >= 1 && kinds <= 3)) throw new RangeError(`${kinds} is no kind of match`);
    if (!(action >= ACTION_LISTED && action <= ACTION_ADBLOCK)) throw new RangeError(`${action} is no action`);
    const reference = data === undefined ? NO_DATA : this.#internData(data);
    this.#clear();
    if ((kinds & EXACT) !== 0) this.#push(ruleWord(list, EXACT, action), reference);
    if ((kinds & SUBTREE) !== 0) this.#push(ruleWord(list, SUBTREE, action), reference);
    return this.#intern();
  }

  /**
   * The set with the rules of both. Where the two hold rules of one list on the same names, those of `first` stay; only
   * local data adds up, to at most MAX_RECORDS. `conflict` tells whether something was left out for that.
   */
  union(first: number, second: number): number {
    this.conflict = false;
    if (first === second) return first;
    const key = first * 0x4000000 + second;
    const known = this.#unions.get(key);
    if (known !== undefined) {
      this.conflict = (known & 1) !== 0;
      return Math.floor(known / 2);
    }
    const union = this.#unite(first, second);
    if (this.#unions.size >= MAX_UNIONS) this.#unions.clear();
    this.#unions.set(key, union * 2 + (this.conflict ? 1 : 0));
    return union;
  }

  /**
   * Take over the part of a set of another index that concerns `lists`: its words are `words[at…]` and its data lie in
   * `data`, both as memory.ts lays them out. Returns -1 where nothing concerns them.
   */
  adopt(words: Int32Array, at: number, data: Int32Array, lists: number): number {
    const adopted: number[] = [];
    for (let i = 0, from = at + 3; i < words[at]!; i++, from += 2) {
      const word = words[from]!;
      if ((lists & (1 << ruleList(word))) === 0) continue;
      const piece = words[from + 1]!;
      // As an interner lays it out: the count of words, then the words.
      const own = piece === NO_DATA ? NO_DATA : this.data.intern(data.subarray(piece + 1), data[piece]!);
      adopted.push(word, own);
    }
    if (adopted.length === 0) return -1;
    this.#clear();
    for (let i = 0; i < adopted.length; i += 2) this.#push(adopted[i]!, adopted[i + 1]!);
    return this.#intern();
  }

  #unite(first: number, second: number): number {
    this.#clear();
    this.#append(first);
    const own = this.#count;
    const arena = this.sets.arena;
    const end = second + 1 + arena[second]!;
    for (let from = second + 3; from < end; from += 2) {
      const word = arena[from]!;
      const piece = arena[from + 1]!;
      let same = 0;
      let verdict = 0;
      for (let at = 2; at < own && verdict === 0; at += 2) {
        const other = this.#words[at]!;
        if (((other ^ word) & RULE_PLACE) !== 0) continue;
        same++;
        if (other === word && this.#words[at + 1] === piece) verdict = KNOWN;
        // Of adblock rules all are kept: which one decides depends on the question.
        else if (isAdblockAction(ruleAction(other)) && isAdblockAction(ruleAction(word))) continue;
        else if (other !== word || piece === NO_DATA || this.#words[at + 1] === NO_DATA) verdict = AGAINST;
      }
      if (verdict === AGAINST || (verdict === 0 && same >= MAX_RECORDS)) this.conflict = true;
      else if (verdict === 0) this.#push(word, piece);
    }
    if (this.#count === own) return first;
    this.#sort();
    return this.#intern();
  }

  #clear(): void {
    this.#words[0] = 0;
    this.#words[1] = 0;
    this.#count = 2;
  }

  #append(set: number): void {
    const count = this.sets.arena[set]!;
    for (let i = 2; i < count; i += 2) this.#push(this.sets.arena[set + 1 + i]!, this.sets.arena[set + 2 + i]!);
  }

  #push(word: number, piece: number): void {
    if (this.#count + 2 > this.#words.length) {
      const larger = new Int32Array(this.#words.length * 2);
      larger.set(this.#words);
      this.#words = larger;
    }
    this.#words[ruleKind(word) === EXACT ? 0 : 1]! |= 1 << ruleList(word);
    this.#words[this.#count] = word;
    this.#words[this.#count + 1] = piece;
    this.#count += 2;
  }

  /** By kind and list; records of one list stay in the order in which they came. Insertion: nearly all is in order. */
  #sort(): void {
    const words = this.#words;
    for (let at = 4; at < this.#count; at += 2) {
      const word = words[at]!;
      const piece = words[at + 1]!;
      let to = at;
      for (; to > 2 && (words[to - 2]! & RULE_PLACE) > (word & RULE_PLACE); to -= 2) {
        words[to] = words[to - 2]!;
        words[to + 1] = words[to - 1]!;
      }
      words[to] = word;
      words[to + 1] = piece;
    }
  }

  #intern(): number {
    return this.sets.intern(this.#words, this.#count);
  }

  #internData(data: Uint8Array): number {
    if (data.length > MAX_DATA_BYTES) throw new RangeError(`${data.length} bytes are too many for a record`);
    const words = (data.length + 3) >> 2;
    this.#piece[words] = 0;
    this.#piece[0] = data.length;
    this.#pieceBytes.set(data);
    return this.data.intern(this.#piece, words + 1);
  }
}

/** Verdicts on a rule of the second set: the first has it, or has another in its place. */
const KNOWN = 1;
const AGAINST = 2;
