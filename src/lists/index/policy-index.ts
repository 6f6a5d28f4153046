/**
 * Looks names up in the policy index: one walk over the labels from the right, for all lists together.
 *
 *   www.example.com   com → example.com → www.example.com
 *                     SUBTREE   SUBTREE     EXACT          rules of this kind count at this place
 *
 * At each place first the number of labels is looked at (no list holds a name of one label: `com` costs nothing), then
 * the filter, and only then the table (memory.ts). Odds of taking one name for another: suffix-hash.ts.
 */
import { RCODE, TYPE } from '../../wire/constants.ts';
import type { Question } from '../../wire/question.ts';
import { BAD, EXCEPTION, holdsFor, IMPORTANT, REWRITE, rewriteAt } from './adblock-rules.ts';
import { filterBits, LABEL_COUNTS, type PolicyIndexMemory, PolicyIndexView } from './memory.ts';
import {
  ACTION_ADBLOCK,
  ACTION_LISTED,
  ACTION_LOCAL_DATA,
  ACTION_NODATA,
  ACTION_NXDOMAIN,
  ACTION_PASSTHRU,
  ACTION_REFUSED,
  ACTION_SERVFAIL,
  EXACT,
  MAX_LISTS,
  MAX_RECORDS,
  NO_DATA,
  ruleAction,
  ruleKind,
  ruleList,
  SUBTREE,
} from './rules.ts';
import { SuffixHash } from './suffix-hash.ts';

/** Lists in the form of a zone, where RFC 4592 says what a wildcard is about. */
export interface ZoneSemantics {
  /** Their mask. */
  readonly zones: number;
  /** Names that exist there without a rule (empty-non-terminals.ts); undefined where there is none. */
  readonly emptyNames: PolicyIndexMemory | undefined;
  /** Lists of adblock rules. */
  readonly adblock?: number;
  /** For each list the adblock lists whose exceptions reach it, itself aside. */
  readonly reach?: Int32Array;
}

/** Beside the flags of a rewrite: an exception lifts it. */
const LIFTED = 0x80;
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
  readonly #adblock: number;
  readonly #reach: Int32Array;
  /** Lists that hold an exception for the question, and one that is important; they hold along its chain of aliases. */
  #excepting = 0;
  #exceptingAlways = 0;
  /** Lists with adblock rules on the name last looked up, all of which are lifted. */
  excepted = 0;
  /** Of each adblock list, the labels of the name on which the rule that decides is. */
  readonly #decidingLabels = new Uint8Array(MAX_LISTS);

  /** $dnsrewrite rules on the name last looked up, exceptions included. */
  readonly #rewritePieces = new Int32Array(MAX_RECORDS);
  readonly #rewriteList = new Uint8Array(MAX_RECORDS);
  readonly #rewriteFlags = new Uint8Array(MAX_RECORDS);
  readonly #rewriteLabels = new Uint8Array(MAX_RECORDS);
  #rewrites = 0;
  /** Lists that answer so. */
  #rewriting = 0;
  /** Pieces of the records that `matchOf` found so. */
  readonly #records = new Int32Array(MAX_RECORDS);

  constructor(memory: PolicyIndexMemory, semantics?: ZoneSemantics) {
    this.memory = memory;
    this.#zones = semantics?.zones ?? 0;
    this.#adblock = semantics?.adblock ?? 0;
    this.#reach = semantics?.reach ?? new Int32Array(MAX_LISTS);
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
    return this.lookupName(question.name, question.labelStarts, question.labelCount, lists, question.type);
  }

  /**
   * The mask of those of `lists` that have a rule on the name; bit 31 makes it negative. `name` is lowercased wire form,
   * with label `i` at `labelStarts[i]`. With no `lists` at all the name is not even read: who consented to nothing is not
   * inspected. The last call is what `matchOf` speaks about. `type`: of the question.
   */
  lookupName(
    name: Uint8Array,
    labelStarts: Uint8Array,
    labelCount: number,
    lists: number,
    type: number = TYPE.A,
  ): number {
    this.#excepting = 0;
    this.#exceptingAlways = 0;
    const mask = this.#lookUp(name, labelStarts, labelCount, lists);
    return (mask & this.#adblock) === 0 ? mask : this.#weigh(name, labelStarts, labelCount, mask, type, true);
  }

  /** The same for a name to which the one last given to `lookupName` leads: what excepts that one excepts this one too. */
  lookupAlias(name: Uint8Array, labelStarts: Uint8Array, labelCount: number, lists: number, type: number): number {
    const mask = this.#lookUp(name, labelStarts, labelCount, lists);
    return (mask & this.#adblock) === 0 ? mask : this.#weigh(name, labelStarts, labelCount, mask, type, false);
  }

  #lookUp(name: Uint8Array, labelStarts: Uint8Array, labelCount: number, lists: number): number {
    this.#found = 0;
    this.excepted = 0;
    this.#asked = lists;
    if (this.#adblock !== 0) {
      this.#rewriting = 0;
      this.#decidingLabels.fill(0);
    }
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
    if ((bit & this.#adblock) !== 0) return this.#decides(list);
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

  #decides(list: number): boolean {
    if ((this.#asked & (1 << list)) === 0 || this.#decidingLabels[list] === 0) return false;
    this.action = ACTION_LISTED;
    this.labels = this.#decidingLabels[list]!;
    this.wildcard = this.labels !== this.#labelCount;
    this.dataCount = 0;
    if ((this.#rewriting & (1 << list)) !== 0) this.#settleRewrite(list);
    return true;
  }

  /** What the list's $dnsrewrite rules come to: a response code alone, else a CNAME, else all records together. */
  #settleRewrite(list: number): void {
    const { data } = this;
    const pieces = this.#rewritePieces;
    let code = -1;
    let alias = -1;
    let count = 0;
    for (let i = 0; i < this.#rewrites; i++) {
      if (this.#rewriteList[i] !== list || (this.#rewriteFlags[i]! & (EXCEPTION | LIFTED)) !== 0) continue;
      const at = rewriteAt(data, (pieces[i]! + 2) << 2);
      const type = (data[at + 1]! << 8) | data[at + 2]!;
      if (type === 0) {
        if (code < 0) code = data[at]!;
      } else {
        if (type === TYPE.CNAME && alias < 0) alias = pieces[i]!;
        this.#records[count++] = pieces[i]!;
      }
    }
    if (code >= 0) {
      this.action =
        code === RCODE.NXDOMAIN
          ? ACTION_NXDOMAIN
          : code === RCODE.REFUSED
            ? ACTION_REFUSED
            : code === RCODE.SERVFAIL
              ? ACTION_SERVFAIL
              : ACTION_NODATA;
      return;
    }
    if (alias >= 0) this.#records[0] = alias;
    this.action = ACTION_LOCAL_DATA;
    this.dataCount = alias >= 0 ? 1 : count;
    this.#rule = -1;
  }

  /**
   * Weigh the adblock rules on the name (adblock-rules.ts). Gives `mask` without the lists of which nothing is left, and
   * remembers the exceptions for its aliases where `isQuestion`.
   */
  #weigh(
    name: Uint8Array,
    labelStarts: Uint8Array,
    labelCount: number,
    mask: number,
    type: number,
    isQuestion: boolean,
  ): number {
    const sets = this.#sets;
    const deciding = this.#decidingLabels;
    const adblock = mask & this.#adblock;
    let blocking = 0;
    let blockingAlways = 0;
    let excepting = this.#excepting;
    let exceptingAlways = this.#exceptingAlways;
    this.#rewrites = 0;
    for (let i = 0; i < this.#found; i++) {
      const set = this.#foundSets[i]!;
      const kind = this.#foundLabels[i] === labelCount ? EXACT : SUBTREE;
      for (let at = set + 3, end = at + 2 * sets[set]!; at < end; at += 2) {
        const list = ruleList(sets[at]!);
        const bit = 1 << list;
        if ((bit & adblock) === 0 || ruleKind(sets[at]!) !== kind) continue;
        const piece = sets[at + 1]!;
        const from = (piece + 2) << 2;
        const flags = piece === NO_DATA ? plainFlags(ruleAction(sets[at]!)) : this.data[from]!;
        if ((flags & BAD) !== 0 || this.#isTakenOut(set, kind, list, flags, piece)) continue;
        if (piece !== NO_DATA && !holdsFor(this.data, from, type, name, labelStarts, labelCount)) continue;
        if ((flags & REWRITE) !== 0) {
          // Nobody asked for the name at the end of an alias.
          if (isQuestion) this.#noteRewrite(list, piece, flags, this.#foundLabels[i]!);
          continue;
        }
        const important = (flags & IMPORTANT) !== 0;
        if ((flags & EXCEPTION) !== 0) {
          if (important) exceptingAlways |= bit;
          else excepting |= bit;
        } else {
          if (important) blockingAlways |= bit;
          else blocking |= bit;
          deciding[list] = this.#foundLabels[i]!;
        }
      }
    }
    let left = 0;
    for (let list = 0; list < MAX_LISTS; list++) {
      const bit = 1 << list;
      if (((blocking | blockingAlways) & bit) === 0) continue;
      const reach = this.#reach[list]! | bit;
      if ((exceptingAlways & reach) !== 0) continue;
      if ((blockingAlways & bit) !== 0 || (excepting & reach) === 0) left |= bit;
    }
    if (this.#rewrites > 0) left |= this.#weighRewrites();
    if (isQuestion) {
      this.#excepting = excepting;
      this.#exceptingAlways = exceptingAlways;
    }
    this.excepted = adblock & ~left;
    this.#asked &= ~this.excepted;
    return (mask & ~this.#adblock) | left;
  }

  #noteRewrite(list: number, piece: number, flags: number, labels: number): void {
    // Beyond that, rules are left out: the longest name's come last and are what a list means most.
    if (this.#rewrites === MAX_RECORDS) return;
    const i = this.#rewrites++;
    this.#rewriteList[i] = list;
    this.#rewritePieces[i] = piece;
    this.#rewriteFlags[i] = flags;
    this.#rewriteLabels[i] = labels;
  }

  /** Take out the rewrites that exceptions of their kind lift. Gives the lists with some that are left. */
  #weighRewrites(): number {
    const flags = this.#rewriteFlags;
    for (let i = 0; i < this.#rewrites; i++) {
      if ((flags[i]! & EXCEPTION) !== 0) continue;
      const list = this.#rewriteList[i]!;
      const reach = this.#reach[list]! | (1 << list);
      for (let k = 0; k < this.#rewrites; k++) {
        const lifts = (flags[k]! & EXCEPTION) !== 0 && (reach & (1 << this.#rewriteList[k]!)) !== 0;
        if (!lifts || (flags[i]! & ~flags[k]! & IMPORTANT) !== 0) continue;
        if (this.#liftsRewrite(this.#rewritePieces[k]!, this.#rewritePieces[i]!)) flags[i]! |= LIFTED;
      }
      if ((flags[i]! & LIFTED) !== 0) continue;
      this.#rewriting |= 1 << list;
      this.#decidingLabels[list] = this.#rewriteLabels[i]!;
    }
    return this.#rewriting;
  }

  /** The exception is one to all rewrites, or to this very answer. */
  #liftsRewrite(exception: number, rewrite: number): boolean {
    const { data } = this;
    const from = rewriteAt(data, (exception + 2) << 2);
    const size = this.#pieceEnd(exception) - from;
    if (size === 0) return true;
    const at = rewriteAt(data, (rewrite + 2) << 2);
    if (this.#pieceEnd(rewrite) - at !== size) return false;
    for (let i = 0; i < size; i++) if (data[from + i] !== data[at + i]) return false;
    return true;
  }

  #pieceEnd(piece: number): number {
    return ((piece + 2) << 2) + this.#dataWords[piece + 1]!;
  }

  /** A $badfilter on the same name, in this list or one that reaches it, says all that the rule says. */
  #isTakenOut(set: number, kind: number, list: number, flags: number, piece: number): boolean {
    const sets = this.#sets;
    const reach = (this.#reach[list]! | (1 << list)) & this.#asked;
    for (let at = set + 3, end = at + 2 * sets[set]!; at < end; at += 2) {
      const other = sets[at + 1]!;
      if (other === NO_DATA || ruleKind(sets[at]!) !== kind || ((1 << ruleList(sets[at]!)) & reach) === 0) continue;
      if (ruleAction(sets[at]!) !== ACTION_ADBLOCK || this.data[(other + 2) << 2] !== (flags | BAD)) continue;
      if (this.#sameConditions(piece, other)) return true;
    }
    return false;
  }

  #sameConditions(piece: number, other: number): boolean {
    const { data } = this;
    const otherAt = (other + 2) << 2;
    const size = this.#dataWords[other + 1]!;
    // A plain rule has no piece: no types, and no names.
    if (piece === NO_DATA) return size === 3 && data[otherAt + 1] === 0 && data[otherAt + 2] === 0;
    if (size !== this.#dataWords[piece + 1]) return false;
    const at = (piece + 2) << 2;
    for (let i = 1; i < size; i++) if (data[at + i] !== data[otherAt + i]) return false;
    return true;
  }

  /** Where piece `i` (from 0) of the winning rule's data begins in `data`. */
  dataStart(i: number): number {
    // Behind the response code.
    if (this.#rule < 0) return rewriteAt(this.data, (this.#records[i]! + 2) << 2) + 1;
    return (this.#sets[this.#rule + 2 * i + 1]! + 2) << 2;
  }

  /** Where it ends. */
  dataEnd(i: number): number {
    if (this.#rule < 0) return this.#pieceEnd(this.#records[i]!);
    return this.dataStart(i) + this.#dataWords[this.#sets[this.#rule + 2 * i + 1]! + 1]!;
  }

  /**
   * RFC 4592 §3.3.1: of `lists`, those whose wildcard does not reach the name, because a name between the two, or the name
   * itself without a rule, exists in the zone. They are forgotten.
   */
  #stopped(name: Uint8Array, labelStarts: Uint8Array, lists: number): number {
    const sets = this.#sets;
    const labelCount = this.#labelCount;
    // The plain case: all of them have a rule on the name itself, and no wildcard is asked.
    const deepest = this.#found - 1;
    const isExact = this.#foundLabels[deepest] === labelCount;
    if (isExact && (lists & ~sets[this.#foundSets[deepest]! + EXACT]!) === 0) return 0;
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

function plainFlags(action: number): number {
  return action === ACTION_PASSTHRU ? EXCEPTION : 0;
}
