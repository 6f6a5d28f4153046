/**
 * All sinkhole rules as the packet threads look them up: made in the main thread, in shared memory, replaced as a whole.
 *
 *   ends     |f64|f64| …             when each rule ends, monotonic milliseconds
 *   records  |7 words| …             where a rule's name and words stand; flags, slot, place in the configuration
 *   exact    |rule+1|0|rule+1| …     open addressing by the hash of the whole name, which the reader has made already
 *   suffix   |rule+1|0| …            the same for subtree rules, by the hash of the suffix (SuffixHash)
 *   depths   |kinds| × 128           which kinds of rules there are on names with so many labels: most names end here
 *   bytes    names in wire form, lower case; the rules' words for people
 *
 * Every candidate is compared byte by byte: a collision of hashes never discards another name. Linear probing at no more
 * than half load; hashes are keyed, so that nobody can make rules or queries collide.
 */
import { halfSipHash, hashLow, type Question, SuffixHash, type SuffixKey } from '../../src/contract/plugin.ts';

/** Rules that a table may hold, those of the configuration and those of the desk together. */
export const MAX_RULES = 10_000;

/** One rule, for `compileTable`. */
export interface TableRule {
  /** Wire form, lower case. */
  readonly name: Uint8Array;
  /** The name and everything below it; otherwise exactly the name. */
  readonly subtree: boolean;
  /** Only count what it would hit. */
  readonly dryRun: boolean;
  /** Monotonic milliseconds at which it ends by itself; Infinity = never. */
  readonly endsMs: number;
  /** Where its hits are counted in the shared slots; -1 = nowhere. */
  readonly slot: number;
  /** Place in the configuration, from 1; 0 = from the desk. */
  readonly place: number;
  /** For `explain`: ground, approver and end, in UTF-8. */
  readonly about: Uint8Array;
}

/** Plain data and shared memory: what `publish` hands over. */
export interface TableMemory {
  readonly rules: number;
  readonly bytes: number;
  readonly buffer: SharedArrayBuffer;
}

type HashKey = readonly [number, number];

const RECORD_WORDS = 7;
const NAME_AT = 0;
const NAME_LENGTH = 1;
const ABOUT_AT = 2;
const ABOUT_LENGTH = 3;
const FLAGS = 4;
const SLOT = 5;
const PLACE = 6;
const FLAG_SUBTREE = 1;
const FLAG_DRY_RUN = 2;

/** Labels of a name, the root not counted: 0–127. */
const DEPTHS = 128;
const KIND_EXACT = 1;
const KIND_SUBTREE = 2;

/** On one name there are at most the configuration's and the desk's rule, of both kinds, and so at each of its suffixes. */
const MAX_MATCHES = 4 * DEPTHS;

/** What `control` hands to the workers once. */
export interface SharedHits {
  /** Hits of each rule, by its slot; `Atomics`. */
  readonly hits: SharedArrayBuffer;
}

export function compileTable(rules: readonly TableRule[], hashKey: HashKey): TableMemory {
  if (rules.length > MAX_RULES) throw new RangeError(`a table takes at most ${MAX_RULES} rules`);
  const bytes = rules.reduce((sum, { name, about }) => sum + name.length + about.length, 0);
  const memory = { rules: rules.length, bytes, buffer: new SharedArrayBuffer(layout(rules.length, bytes).end) };
  const view = new TableView(memory);
  const suffix = new SuffixHash(suffixKey(hashKey));
  const words = new Int32Array(64);
  const wordBytes = new Uint8Array(words.buffer);
  // Gathered outside the shared memory, to which a copy of many small pieces is much slower than one of all.
  const gathered = new Uint8Array(bytes);
  const { records } = view;
  let free = 0;
  rules.forEach((rule, i) => {
    const { name, about, subtree } = rule;
    view.ends[i] = rule.endsMs;
    const flags = (subtree ? FLAG_SUBTREE : 0) | (rule.dryRun ? FLAG_DRY_RUN : 0);
    const record = i * RECORD_WORDS;
    records[record + NAME_AT] = free;
    records[record + NAME_LENGTH] = name.length;
    records[record + ABOUT_AT] = free + name.length;
    records[record + ABOUT_LENGTH] = about.length;
    records[record + FLAGS] = flags;
    records[record + SLOT] = rule.slot;
    records[record + PLACE] = rule.place;
    gathered.set(name, free);
    gathered.set(about, free + name.length);
    free += name.length + about.length;
    if (subtree) {
      view.depths[suffix.hashName(name)]! |= KIND_SUBTREE;
      put(view.suffix, suffix.low, i);
      return;
    }
    view.depths[labelsOf(name)]! |= KIND_EXACT;
    wordBytes.set(name);
    halfSipHash(words, name.length, hashKey[0], hashKey[1]);
    put(view.exact, hashLow, i);
  });
  view.bytes.set(gathered);
  return memory;
}

/** The table as one thread reads it. */
export class RuleTable {
  /** Rules found by `find`, least specific first. */
  readonly matches = new Int32Array(MAX_MATCHES);
  readonly size: number;
  readonly #view: TableView;
  readonly #suffix: SuffixHash;
  /** Labels of the longest name with a subtree rule. */
  readonly #deepest: number;
  #found = 0;

  constructor(memory: TableMemory, hashKey: HashKey) {
    this.size = memory.rules;
    this.#view = new TableView(memory);
    this.#suffix = new SuffixHash(suffixKey(hashKey));
    let deepest = DEPTHS - 1;
    while (deepest > 0 && (this.#view.depths[deepest]! & KIND_SUBTREE) === 0) deepest--;
    this.#deepest = deepest;
  }

  /** How many rules cover the name asked for, ended or not; which, stands in `matches`, the most specific one last. */
  find(question: Question): number {
    this.#found = 0;
    if (this.size === 0) return 0;
    const { depths } = this.#view;
    const { name, labelStarts, labelCount, nameLength } = question;
    const last = labelCount < this.#deepest ? labelCount : this.#deepest;
    if (last > 0) {
      const hash = this.#suffix;
      hash.begin();
      for (let labels = 1; labels <= last; labels++) {
        const start = labelStarts[labelCount - labels]!;
        hash.absorb(name, start);
        if ((depths[labels]! & KIND_SUBTREE) === 0) continue;
        hash.finish();
        this.#collect(this.#view.suffix, hash.low, name, start, nameLength);
      }
    }
    if ((depths[labelCount]! & KIND_EXACT) !== 0)
      this.#collect(this.#view.exact, question.hashLow, name, 0, nameLength);
    return this.#found;
  }

  /** Monotonic milliseconds. */
  endsMs(rule: number): number {
    return this.#view.ends[rule]!;
  }
  isDryRun(rule: number): boolean {
    return (this.#record(rule, FLAGS) & FLAG_DRY_RUN) !== 0;
  }
  isSubtree(rule: number): boolean {
    return (this.#record(rule, FLAGS) & FLAG_SUBTREE) !== 0;
  }
  slot(rule: number): number {
    return this.#record(rule, SLOT);
  }
  /** Place in the configuration, from 1; 0 = from the desk. */
  place(rule: number): number {
    return this.#record(rule, PLACE);
  }

  /** Wire form. Borrowed. */
  name(rule: number): Uint8Array {
    const at = this.#record(rule, NAME_AT);
    return this.#view.bytes.subarray(at, at + this.#record(rule, NAME_LENGTH));
  }

  /** For people; not for the packet path. */
  about(rule: number): string {
    const at = this.#record(rule, ABOUT_AT);
    // A copy: TextDecoder takes no shared memory.
    return new TextDecoder().decode(this.#view.bytes.slice(at, at + this.#record(rule, ABOUT_LENGTH)));
  }

  /** The rule on the nearest name above that does not reach down to this one; -1 where there is none. For `explain`. */
  exactAbove(question: Question): number {
    for (let i = 1; i < question.labelCount; i++) {
      const start = question.labelStarts[i]!;
      for (let rule = 0; rule < this.size; rule++) {
        if (!this.isSubtree(rule) && this.#isName(rule, question.name, start, question.nameLength)) return rule;
      }
    }
    return -1;
  }

  #collect(table: Int32Array, hash: number, name: Uint8Array, start: number, end: number): void {
    const last = table.length - 1;
    for (let place = hash & last; table[place] !== 0; place = (place + 1) & last) {
      const rule = table[place]! - 1;
      if (this.#found < MAX_MATCHES && this.#isName(rule, name, start, end)) this.matches[this.#found++] = rule;
    }
  }

  /** Whether the rule's name is what stands from `start` to `end`. */
  #isName(rule: number, name: Uint8Array, start: number, end: number): boolean {
    const { records, bytes } = this.#view;
    const length = records[rule * RECORD_WORDS + NAME_LENGTH]!;
    if (length !== end - start) return false;
    const at = records[rule * RECORD_WORDS + NAME_AT]!;
    for (let i = 0; i < length; i++) if (bytes[at + i] !== name[start + i]) return false;
    return true;
  }

  #record(rule: number, word: number): number {
    return this.#view.records[rule * RECORD_WORDS + word]!;
  }
}

class TableView {
  readonly ends: Float64Array;
  readonly records: Int32Array;
  readonly exact: Int32Array;
  readonly suffix: Int32Array;
  readonly depths: Uint8Array;
  readonly bytes: Uint8Array;

  constructor({ rules, bytes, buffer }: TableMemory) {
    const at = layout(rules, bytes);
    this.ends = new Float64Array(buffer, 0, rules);
    this.records = new Int32Array(buffer, at.records, rules * RECORD_WORDS);
    this.exact = new Int32Array(buffer, at.exact, at.places);
    this.suffix = new Int32Array(buffer, at.suffix, at.places);
    this.depths = new Uint8Array(buffer, at.depths, DEPTHS);
    this.bytes = new Uint8Array(buffer, at.bytes, bytes);
  }
}

/** Where the parts begin, in bytes. */
function layout(rules: number, bytes: number) {
  let places = 2;
  while (places < rules * 2) places *= 2;
  const records = rules * 8;
  const exact = records + rules * RECORD_WORDS * 4;
  const suffix = exact + places * 4;
  const depths = suffix + places * 4;
  return { places, records, exact, suffix, depths, bytes: depths + DEPTHS, end: depths + DEPTHS + bytes };
}

function put(table: Int32Array, hash: number, rule: number): void {
  const last = table.length - 1;
  let place = hash & last;
  while (table[place] !== 0) place = (place + 1) & last;
  table[place] = rule + 1;
}

/** HalfSipHash's own way to fill its state from 64 secret bits; they suffice, since bytes are compared as well. */
function suffixKey([key0, key1]: HashKey): SuffixKey {
  return [key0, key1 ^ 0xee, key0 ^ 0x6c796765, key1 ^ 0x74656462];
}

function labelsOf(name: Uint8Array): number {
  let labels = 0;
  for (let at = 0; name[at]! > 0; at += name[at]! + 1) labels++;
  return labels;
}
