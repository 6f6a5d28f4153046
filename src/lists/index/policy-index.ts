/**
 * Looks names up in the policy index: one walk over the labels from the right, for all lists together.
 *
 *   www.example.com   com → example.com → www.example.com
 *                     SUBTREE   SUBTREE     EXACT          rules of this kind count at this place
 *
 * At each place first the number of labels is looked at (no list holds a name of one label: `com` costs nothing), then
 * the filter, and only then the table (memory.ts). Odds of taking one name for another: suffix-hash.ts.
 */
import type { Question } from '../../wire/question.ts';
import { filterBits, LABEL_COUNTS, type PolicyIndexMemory, PolicyIndexView } from './memory.ts';
import { EXACT, MAX_LISTS, NO_DATA, ruleAction, ruleKind, ruleList, SUBTREE } from './rules.ts';
import { SuffixHash } from './suffix-hash.ts';

/** Lists in the form of a zone, where RFC 4592 says what a wildcard is about. */
export interface ZoneSemantics {
  /** Their mask. */
  readonly zones: number;
  /** Names that exist there without a rule (empty-non-terminals.ts); undefined where there is none. */
  readonly emptyNames: PolicyIndexMemory | undefined;
}

/** Three words of hash and the number of labels. */
const CANDIDATE_WORDS = 4;

export class PolicyIndex {
  readonly memory: PolicyIndexMemory;

  // ── set by matchOf ────────────────────────────────────────────────────────────────────────────────────────────────
  /** ACTION_… of the rule that wins in the list. */
  action = 0;
  /** Labels of the name on which the rule is; where it is a wildcard, without the `*`. */
  labels = 0;
  /** The rule is on a name above the one looked up (SUBTREE). */
  wildcard = false;
  /** Pieces of local data: `dataStart(i)`, `dataEnd(i)`. */
  dataCount = 0;

  /** The data area; a piece's format is in rules.ts. */
  readonly data: Uint8Array;
  readonly #dataWords: Int32Array;
  readonly #filter: Int32Array;
  readonly #filterScale: number;
  readonly #view: PolicyIndexView;
  readonly #sets: Int32Array;
  /** Kinds of rules on names with so many labels, all lists together. */
  readonly #kinds = new Uint8Array(LABEL_COUNTS);
  /** Labels of the longest name held. */
  readonly #deepest: number;
  readonly #hash: SuffixHash;
  /** Names whose kind may match in the lookup under way: hash and number of labels. */
  readonly #candidates = new Int32Array(LABEL_COUNTS * CANDIDATE_WORDS);
  /** What the last lookup found: sets, and labels of their names, shortest name first. */
  readonly #foundSets = new Int32Array(LABEL_COUNTS);
  readonly #foundLabels = new Uint8Array(LABEL_COUNTS);
  #found = 0;
  #labelCount = 0;
  /** The lists that the last lookup was about. */
  #asked = 0;
  /** Where `matchOf`'s rule stands in the sets. */
  #rule = 0;
  readonly #zones: number;
  readonly #emptyNames: PolicyIndex | undefined;

  constructor(memory: PolicyIndexMemory, semantics?: ZoneSemantics) {
    this.memory = memory;
    this.#zones = semantics?.zones ?? 0;
    this.#emptyNames = semantics?.emptyNames && new PolicyIndex(semantics.emptyNames);
    const view = new PolicyIndexView(memory.size, memory.buffer);
    this.#view = view;
    this.#filter = view.filter;
    this.#filterScale = view.filterScale;
    this.#sets = view.sets;
    this.#dataWords = view.data;
    this.data = new Uint8Array(view.data.buffer, view.data.byteOffset, view.data.byteLength);
    this.#hash = new SuffixHash(memory.key);
    for (let i = 0; i < MAX_LISTS * LABEL_COUNTS; i++) this.#kinds[i % LABEL_COUNTS]! |= view.labels[i]!;
    let deepest = LABEL_COUNTS - 1;
    while (deepest > 0 && this.#kinds[deepest] === 0) deepest--;
    this.#deepest = deepest;
  }

  /** Rules of which lists act on the name that is asked for; see `lookupName`. */
  lookup(question: Question, lists: number): number {
    return this.lookupName(question.name, question.labelStarts, question.labelCount, lists);
  }

  /**
   * The mask of those of `lists` that have a rule on the name; bit 31 makes it negative. `name` is lowercased wire form,
   * with label `i` at `labelStarts[i]`. With no `lists` at all the name is not even read: who consented to nothing is not
   * inspected. The last call is what `matchOf` speaks about.
   */
  lookupName(name: Uint8Array, labelStarts: Uint8Array, labelCount: number, lists: number): number {
    this.#found = 0;
    this.#asked = lists;
    if (lists === 0) return 0;
    this.#labelCount = labelCount;
    const hash = this.#hash;
    const kinds = this.#kinds;
    const candidates = this.#candidates;
    const last = labelCount < this.#deepest ? labelCount : this.#deepest;
    let count = 0;
    hash.begin();
    for (let labels = 1; labels <= last; labels++) {
      hash.absorb(name, labelStarts[labelCount - labels]!);
      if ((kinds[labels]! & (labels === labelCount ? EXACT : SUBTREE)) === 0) continue;
      hash.finish();
      candidates[count] = hash.low;
      candidates[count + 1] = hash.middle;
      candidates[count + 2] = hash.high;
      candidates[count + 3] = labels;
      count += CANDIDATE_WORDS;
    }
    // A loop of its own: the filter's cache lines then arrive side by side. At 5 M names that saves a third of the lookup.
    const filter = this.#filter;
    let mask = 0;
    for (let at = 0; at < count; at += CANDIDATE_WORDS) {
      const bits = filterBits(candidates[at + 2]!);
      if ((filter[((candidates[at + 1]! >>> 0) * this.#filterScale) | 0]! & bits) !== bits) continue;
      mask |= this.#take(at, labelCount, lists);
    }
    return (mask & this.#zones) === 0 ? mask : mask & ~this.#stopped(name, labelStarts, mask & this.#zones);
  }

  /** The list has a wildcard at all. */
  hasWildcards(list: number): boolean {
    const own = this.#view.labels.subarray(list * LABEL_COUNTS, (list + 1) * LABEL_COUNTS);
    return own.some((kinds) => (kinds & SUBTREE) !== 0);
  }

  /** Labels of the uppermost wildcard of the list above the name last looked up; -1 where there is none. */
  topWildcard(list: number): number {
    for (let i = 0; i < this.#found; i++) {
      const labels = this.#foundLabels[i]!;
      if (labels < this.#labelCount && (this.#sets[this.#foundSets[i]! + SUBTREE]! & (1 << list)) !== 0) return labels;
    }
    return -1;
  }

  /**
   * The rule of the list (0–31) that wins for the name last looked up: the name itself before a wildcard, a longer
   * wildcard before a shorter one. Sets `action`, `labels`, `wildcard` and the data. False where the list has none, or
   * was not asked for.
   */
  matchOf(list: number): boolean {
    const sets = this.#sets;
    const bit = 1 << list;
    for (let i = this.#found - 1; i >= 0; i--) {
      const set = this.#foundSets[i]!;
      const labels = this.#foundLabels[i]!;
      const kind = labels === this.#labelCount ? EXACT : SUBTREE;
      if ((sets[set + kind]! & bit & this.#asked) === 0) continue;
      this.#settle(set, list, kind);
      this.labels = labels;
      this.wildcard = kind === SUBTREE;
      return true;
    }
    return false;
  }

  /** Where piece `i` (from 0) of the winning rule's data begins in `data`. */
  dataStart(i: number): number {
    return (this.#sets[this.#rule + 2 * i + 1]! + 2) << 2;
  }

  /** Where it ends. */
  dataEnd(i: number): number {
    return this.dataStart(i) + this.#dataWords[this.#sets[this.#rule + 2 * i + 1]! + 1]!;
  }

  /**
   * RFC 4592 §3.3.1: of `lists`, those whose wildcard does not reach the name, because a name between the two, or the name
   * itself without a rule, exists in the zone. They are forgotten.
   */
  #stopped(name: Uint8Array, labelStarts: Uint8Array, lists: number): number {
    const sets = this.#sets;
    const labelCount = this.#labelCount;
    let reaching = 0;
    let stopped = 0;
    let next = 0;
    const hash = this.#hash;
    hash.begin();
    for (let labels = 1; labels <= labelCount; labels++) {
      hash.absorb(name, labelStarts[labelCount - labels]!);
      if (reaching !== 0) {
        hash.finish();
        const existing = this.#holdersAt(hash.low, hash.middle, hash.high) | (this.#emptyNames?.holdersOf(hash) ?? 0);
        stopped |= existing & reaching;
      }
      while (next < this.#found && this.#foundLabels[next]! < labels) next++;
      if (next === this.#found || this.#foundLabels[next] !== labels) continue;
      const set = this.#foundSets[next]!;
      const here = sets[set + (labels === labelCount ? EXACT : SUBTREE)]! & lists;
      // A rule here decides: what stopped a wildcard further up is of no matter.
      stopped &= ~here;
      reaching |= here;
    }
    this.#asked &= ~stopped;
    return stopped;
  }

  /** Lists that have a rule of whatever kind on exactly the name with this hash. */
  #holdersAt(low: number, middle: number, high: number): number {
    const set = this.#view.find(low, middle, high);
    return set < 0 ? 0 : this.#sets[set + EXACT]! | this.#sets[set + SUBTREE]!;
  }

  /** The same, for another index. */
  holdersOf({ low, middle, high }: SuffixHash): number {
    return this.#holdersAt(low, middle, high);
  }

  /** The candidate passed the filter. Remember what it is and return the lists that matter. */
  #take(candidate: number, labelCount: number, lists: number): number {
    const candidates = this.#candidates;
    const set = this.#view.find(candidates[candidate]!, candidates[candidate + 1]!, candidates[candidate + 2]!);
    if (set < 0) return 0;
    const labels = candidates[candidate + 3]!;
    // A set's masks stand behind its first word in the order of the kinds.
    const mask = this.#sets[set + (labels === labelCount ? EXACT : SUBTREE)]! & lists;
    if (mask === 0) return 0;
    this.#foundSets[this.#found] = set;
    this.#foundLabels[this.#found++] = labels;
    return mask;
  }

  /** Find the list's rules of this kind in the set: there is at least one, and they stand together. */
  #settle(set: number, list: number, kind: number): void {
    const sets = this.#sets;
    const end = set + 3 + 2 * sets[set]!;
    let at = set + 3;
    while (ruleList(sets[at]!) !== list || ruleKind(sets[at]!) !== kind) at += 2;
    this.#rule = at;
    this.action = ruleAction(sets[at]!);
    this.dataCount = 0;
    while (at < end && sets[at] === sets[this.#rule] && sets[at + 1] !== NO_DATA) {
      this.dataCount++;
      at += 2;
    }
  }
}
