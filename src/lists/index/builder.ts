/**
 * Builds a policy index (memory.ts) from the names of all lists. For the compiler thread.
 *
 *   add()    hash the name, append |hash|hash|hash|set| to the records
 *   build()  count how many records fall into each bucket → give each bucket its range → put the records there, merging
 *            equal names → the same once more without the gaps, into shared memory
 *
 * Nothing is made per name but sixteen bytes of records. A list that did not change is taken over from the index in force
 * by its hashes, without reading its source again.
 */
import { layOut, mergeRecords } from './layout.ts';
import {
  LABEL_COUNTS,
  type ListStatistics,
  MAX_NAMES,
  type PolicyIndexMemory,
  PolicyIndexView,
  SLOT_WORDS,
} from './memory.ts';
import { RuleSets } from './rule-sets.ts';
import { EXACT, MAX_LISTS, ruleList, SUBTREE } from './rules.ts';
import { SuffixHash, type SuffixKey } from './suffix-hash.ts';

export interface PolicyIndexBuilderOptions {
  readonly key: SuffixKey;
  readonly version: number;
  /** Gives a buffer of at least so many bytes, content undefined (memory-pool.ts); a new one without. */
  readonly allocate?: (bytes: number) => SharedArrayBuffer;
}

/**
 * Records are kept apart by the first bits of their hash, and so come to their buckets part by part: what is written at a
 * time fits into the processor's cache.
 */
const PARTS = 64;
const PART_SHIFT = 26;
/** Words of one chunk of records: 256 KiB. */
const CHUNK_WORDS = 1 << 16;

export class PolicyIndexBuilder {
  readonly #key: SuffixKey;
  readonly #version: number;
  readonly #allocate: (bytes: number) => SharedArrayBuffer;
  readonly #hash: SuffixHash;
  readonly #rules: RuleSets;
  readonly #labels = new Uint8Array(MAX_LISTS * LABEL_COUNTS);
  readonly #duplicates = new Float64Array(MAX_LISTS);
  readonly #conflicts = new Float64Array(MAX_LISTS);
  #lists = 0;
  /** The records of each part of the hash's range, in chunks; and how many words of the last one are used. */
  #parts: Int32Array<ArrayBuffer>[][] = Array.from({ length: PARTS }, () => []);
  readonly #used = new Int32Array(PARTS).fill(CHUNK_WORDS);
  #records = 0;

  constructor({ key, version, allocate }: PolicyIndexBuilderOptions) {
    this.#allocate = allocate ?? ((bytes) => new SharedArrayBuffer(bytes));
    this.#key = key;
    this.#version = version;
    this.#hash = new SuffixHash(key);
    this.#rules = new RuleSets(key);
  }

  /** Rules added so far, duplicates included. */
  get added(): number {
    return this.#records;
  }

  /**
   * The number of a rule, for `add`: list 0–31, kinds (EXACT, SUBTREE or both), ACTION_…, and for ACTION_LOCAL_DATA one
   * record (rules.ts). Equal rules have equal numbers. Throws RangeError where an argument is out of its bounds.
   */
  rule(list: number, kinds: number, action: number, data?: Uint8Array): number {
    const rule = this.#rules.single(list, kinds, action, data);
    this.#lists = Math.max(this.#lists, list + 1);
    return rule;
  }

  /**
   * The list has `rule` on the name at `at` of `name`: uncompressed wire form, in lower case. Returns false, and does nothing, where that is no name or the root: a list never decides
   * about everything. Throws RangeError beyond MAX_NAMES rules.
   */
  add(rule: number, name: Uint8Array, at = 0): boolean {
    const hash = this.#hash;
    const labels = hash.hashName(name, at);
    if (labels <= 0) return false;
    this.addHashed(rule, hash, labels);
    return true;
  }

  /** The same where the name is hashed already, under the builder's key, and has so many labels: at least one. */
  addHashed(rule: number, hash: SuffixHash, labels: number): void {
    this.#append(hash.low, hash.middle, hash.high, rule);
    const arena = this.#rules.sets.arena;
    const list = ruleList(arena[rule + 3]!);
    const kinds = (arena[rule + 1] !== 0 ? EXACT : 0) | (arena[rule + 2] !== 0 ? SUBTREE : 0);
    this.#labels[list * LABEL_COUNTS + labels]! |= kinds;
  }

  /**
   * Take over all rules of `lists` (a mask) from another index. Lists keep their numbers. Throws RangeError where the
   * other was made with another key.
   */
  copyLists(memory: PolicyIndexMemory, lists: number): void {
    if (memory.key.some((word, i) => word !== this.#key[i])) throw new RangeError('the index has another key');
    const view = new PolicyIndexView(memory.size, memory.buffer);
    const adopted = new Map<number, number>();
    for (let at = 0; at < memory.size.names * SLOT_WORDS; at += SLOT_WORDS) {
      const from = view.slots[at + 3]!;
      let set = adopted.get(from);
      if (set === undefined) {
        set = this.#rules.adopt(view.sets, from, view.data, lists);
        adopted.set(from, set);
      }
      if (set >= 0) this.#append(view.slots[at]!, view.slots[at + 1]!, view.slots[at + 2]!, set);
    }
    for (let list = 0; list < memory.lists.length; list++) {
      if ((lists & (1 << list)) === 0) continue;
      this.#lists = Math.max(this.#lists, list + 1);
      this.#duplicates[list]! += memory.lists[list]!.duplicates;
      this.#conflicts[list]! += memory.lists[list]!.conflicts;
      for (let i = list * LABEL_COUNTS; i < (list + 1) * LABEL_COUNTS; i++) this.#labels[i]! |= view.labels[i]!;
    }
  }

  /** Make the index. The builder cannot be used afterwards. */
  build(): PolicyIndexMemory {
    const chunks = this.#takeChunks();
    const merged = mergeRecords(chunks, this.#records, this.#rules, (rule, conflict) => {
      const list = ruleList(this.#rules.sets.arena[rule + 3]!);
      if (conflict) this.#conflicts[list]!++;
      else this.#duplicates[list]!++;
    });
    const version = this.#version;
    const { size, bytes, buffer, view, setUses } = layOut(merged, this.#rules, (bytes) => this.#allocate(bytes));
    view.labels.set(this.#labels);
    return { version, key: this.#key, lists: this.#statistics(setUses), bytes, size, buffer };
  }

  /**
   * All chunks by descending part, cut to what is used of them; the builder lets go of them. Descending, because V8 takes
   * numbers for small integers as long as it has seen no other, and would throw code away halfway.
   */
  #takeChunks(): Int32Array<ArrayBuffer>[] {
    const parts = this.#parts;
    this.#parts = [];
    const cut = parts.map((chunks, part) => {
      const last = chunks.pop();
      return last ? [...chunks, last.subarray(0, this.#used[part])] : chunks;
    });
    return cut.reverse().flat();
  }

  #statistics(setUses: Int32Array): ListStatistics[] {
    const { arena, used } = this.#rules.sets;
    const names = new Float64Array(MAX_LISTS);
    for (let at = 0; at < used; at += arena[at]! + 1) {
      const holders = arena[at + 1]! | arena[at + 2]!;
      for (let list = 0; list < this.#lists; list++) if ((holders & (1 << list)) !== 0) names[list]! += setUses[at]!;
    }
    return Array.from({ length: this.#lists }, (_, list) => ({
      names: names[list]!,
      duplicates: this.#duplicates[list]!,
      conflicts: this.#conflicts[list]!,
    }));
  }

  #append(low: number, middle: number, high: number, set: number): void {
    if (this.#records >= MAX_NAMES) throw new RangeError(`an index takes at most ${MAX_NAMES} rules`);
    const part = low >>> PART_SHIFT;
    const chunks = this.#parts[part]!;
    let at = this.#used[part]!;
    if (at === CHUNK_WORDS) {
      chunks.push(new Int32Array(CHUNK_WORDS));
      at = 0;
    }
    const chunk = chunks[chunks.length - 1]!;
    chunk[at] = low;
    chunk[at + 1] = middle;
    chunk[at + 2] = high;
    chunk[at + 3] = set;
    this.#used[part] = at + SLOT_WORDS;
    this.#records++;
  }
}
