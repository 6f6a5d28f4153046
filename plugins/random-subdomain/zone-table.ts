/**
 * What one worker knows of the zones that the source is asked about: how much is outstanding, how it goes, and whether
 * the zone is in trouble.
 *
 *                    half or more of what was asked failed or took too long
 *                    (of at least `least` questions), or the outstanding ones reach their cap
 *        WELL  ─────────────────────────────────────────────────────────▶  IN TROUBLE: `limit` queries a second leave
 *          ▲                                                                   │        (they are the probes)
 *          └───────── less than a quarter failed, and nothing piles up ────────┘
 *
 * A name lies in several zones, and trouble belongs to the narrowest of them that explains it:
 *
 *     x8f3k.broken.customer.cdn.example
 *           └──────────────┬──────────┘
 *           broken.customer.cdn.example   in trouble: limited, and no longer counted in those above it
 *                  customer.cdn.example   looked at once something below cdn.example goes wrong
 *                           cdn.example   well: its other names are asked as ever
 *
 * The widest is what somebody registered (zone-finder.ts). Below it, zones that the answers name (owners of SOA and NS
 * records) are kept, and, once questions fail or pile up, the suffixes of what is asked. Counts fade with a time constant
 * of FADE_MS, so that what was is forgotten. Fixed memory, found by the keyed hash of the name; a new zone takes the place
 * in its set of the one that was of use longest ago. Zones are told apart by 64 bits of keyed hash: with 4096 zones and a
 * billion misses a day, two are taken for one less than once in ten thousand years.
 */
import type { Question } from '../../src/contract/plugin.ts';
import { MAX_LABELS, Suffixes } from './suffixes.ts';

export interface ZoneLimits {
  /** Queries a second that may be sent to a zone in trouble, all together. */
  readonly limit: number;
  /** Questions of one zone outstanding at once; known names get as many again. */
  readonly outstanding: number;
  /** Questions before a zone can be found to be in trouble. */
  readonly least: number;
  /** An answer that takes longer counts as a failure. */
  readonly slowMs: number;
}

/** Time in which counts fade to a third. */
export const FADE_MS = 10_000;
const TROUBLE_SHARE = 0.5;
const WELL_SHARE = 0.25;
/** Names of one zone that become known in about FADE_MS, at most. */
const MAX_NEW_KNOWN = 1000;
/** A zone that has answered within so long, and did not fail since, is well. */
const WELL_MS = 600_000;
/** Below a registered domain less evidence is enough: it comes first, and touches less. */
const NARROW_SHARE = 0.75;
/** A suffix that failed so often is one that fails; random names fail once each. */
const REPEATS = 3;
/** A try without an answer counts for so much of a failure: it comes seconds before the question has failed. */
const LATE = 0.5;
/** Suffixes below a registered domain that are looked at. */
const DEPTH = 3;
/** So many failures, or this share of the outstanding ones, make its suffixes be looked at. */
const HINT_FAILURES = 1.5;
const HINT_OUTSTANDING = 8;
/** Known names that are answered are not limited: at least so many, and at most this share of them failing. */
const KNOWN_ANSWERED = 5;
const KNOWN_FAILING_SHARE = 0.1;
/** Share of zones, each counted once a second, whose answers are slow: above it that is not a zone's doing. */
const ALL_SLOW_SHARE = 0.5;

const WAYS = 8;
const NAME_BYTES = 256;
/** Fields of a zone in the Float64Array. */
const GOOD = 0;
const BAD = 1;
const FADED_MS = 2;
const TOKENS = 3;
const LAST_MS = 4;
const NEW_KNOWN = 5;
/** Of BAD, what suffixes below it have failed repeatedly. */
const REPEATED = 6;
const KNOWN_GOOD = 7;
const KNOWN_BAD = 8;
/** When it last answered. */
const ANSWERED_MS = 9;
const FIELDS = 10;
/** Fields of a zone in the Int32Array; the first is the other half of its hash. */
const HASH_HIGH = 1;
const OUTSTANDING = 2;
const TROUBLE = 3;
const LABELS = 4;
/** What makes it a zone: REGISTERED, CUT, or neither: a suffix that is looked at. */
const KIND = 5;
/** The zone below it that last held half of what is outstanding, + 1. */
const HEAVY = 6;
const WORDS = 7;

/** Somebody's: the widest zone that is limited. */
export const REGISTERED = 1;
/** Answers named it as a zone. */
export const CUT = 2;
/** In ip6.arpa, where zones are cut at a few lengths of prefixes. */
export const REVERSE6 = 4;
/** It is known to exist, as names are. */
const KNOWN_ZONE = 8;
/** Labels of an IPv6 /48, /56 and /64 in ip6.arpa. */
const REVERSE6_LABELS = [14, 16, 18] as const;

/** Memory of one worker's table; the main thread reads it for the admin route. */
export interface ZoneMemory {
  readonly numbers: SharedArrayBuffer;
  readonly words: SharedArrayBuffer;
  /** Wire form of each zone's name, 256 bytes each. */
  readonly names: SharedArrayBuffer;
}

/** Room for at least `zones` zones. */
export function createZoneMemory(zones: number): ZoneMemory {
  const capacity = WAYS * 2 ** Math.ceil(Math.log2(Math.max(1, zones / WAYS)));
  return {
    numbers: new SharedArrayBuffer(capacity * FIELDS * 8),
    words: new SharedArrayBuffer(capacity * WORDS * 4),
    names: new SharedArrayBuffer(capacity * NAME_BYTES),
  };
}

/** An empty memory of the same size as `memory`. */
export function sameSize({ numbers, words, names }: ZoneMemory): ZoneMemory {
  return {
    numbers: new SharedArrayBuffer(numbers.byteLength),
    words: new SharedArrayBuffer(words.byteLength),
    names: new SharedArrayBuffer(names.byteLength),
  };
}

/** Of two memories of one size. Not under a lock: a zone that changes meanwhile may be a mixture. */
export function copyZoneMemory(from: ZoneMemory, to: ZoneMemory): void {
  new Float64Array(to.numbers).set(new Float64Array(from.numbers));
  new Int32Array(to.words).set(new Int32Array(from.words));
  new Uint8Array(to.names).set(new Uint8Array(from.names));
}

/**
 * So much of a second's limit may gather, and the rest comes evenly: in no second are more sent than the limit. Of small
 * limits two may gather.
 */
const GATHERED_SHARE = 0.25;
const LEAST_GATHERED = 2;
/** What a question is worth to a zone in trouble: each class leaves more of the limit to the next. */
export const UNKNOWN = 0;
/** Nobody waits for it in vain: the name is known and something stale is at hand, or it was sent before. */
export const SPARED = 1;
export const KNOWN = 2;
/** Share of the tokens that a class leaves alone. */
const LEFT_ALONE = [0.5, 0.25, 0] as const;

/** What `ask` said. */
export const PASS = 0;
/** A zone in trouble, whose share is used up. */
export const OVER_LIMIT = 1;
/** Too much of a zone is outstanding. */
export const TOO_MUCH_OUTSTANDING = 2;

/** How a zone does (`standing`): it has answered lately, and nothing speaks for a failure … */
export const WELL = 0;
/** … or nothing is known of it … */
export const NEW = 1;
/** … or what it was asked lately has failed. */
export const FAILING = 2;

/** How long a zone is kept beyond its last question, by what is known of it: the worth of its place. */
const KEEP_TROUBLE_MS = 60_000;
const KEEP_WELL_MS = 120_000;
const KEEP_ASKED_MS = 30_000;

/** Names a zone: its suffixes' hashes are those of the question that was located last. */
export class ZoneTable {
  readonly #numbers: Float64Array;
  readonly #words: Int32Array;
  readonly #names: Uint8Array;
  readonly #limits: ZoneLimits;
  readonly #setMask: number;
  readonly suffixes: Suffixes;
  /** Zones of the name that was located last, widest first. */
  readonly #path = new Int32Array(MAX_LABELS + 1);
  #length = 0;
  /** Labels at which the question that `ask` let pass is counted, as bits: `release` wants them. */
  passedAt = 0;
  /** Share of zones whose answers are slow, smoothed. */
  #slowShare = 0;
  /** Zones in trouble now. */
  inTrouble = 0;

  /** `key`: 64 secret bits. */
  constructor(memory: ZoneMemory, limits: ZoneLimits, key: readonly [number, number]) {
    this.#numbers = new Float64Array(memory.numbers);
    this.#words = new Int32Array(memory.words);
    this.#names = new Uint8Array(memory.names);
    this.#limits = limits;
    this.#setMask = this.#words.length / (WORDS * WAYS) - 1;
    this.suffixes = new Suffixes(key);
  }

  /** A worker begins: nothing of its predecessor's is outstanding any more. */
  forgetOutstanding(): void {
    for (let zone = 0; zone * WORDS < this.#words.length; zone++) {
      this.#words[zone * WORDS + OUTSTANDING] = 0;
      if (this.#words[zone * WORDS + TROUBLE] !== 0) this.inTrouble++;
    }
  }

  // ── finding ───────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Find the zones of a name: what follows is about them. Returns false while it is not known what was registered. */
  locate(question: Question, partition = question.partition): boolean {
    this.suffixes.ofQuestion(question, partition);
    return this.#walk();
  }

  /** The one zone of what was located, or -1 where there are several, or none: `resume` finds it again for less. */
  get onlyZone(): number {
    return this.#length === 1 ? this.#path[0]! : -1;
  }

  /** Tells whether the place of a zone has gone to another one. */
  tagOf(zone: number): number {
    return this.#words[zone * WORDS + HASH_HIGH]!;
  }

  /**
   * Go on with what was located when `onlyZone` said so, without its suffixes' hashes. False where the zone has lost its
   * place meanwhile.
   */
  resume(zone: number, tag: number): boolean {
    if (zone < 0 || this.tagOf(zone) !== tag) return false;
    this.#path[0] = zone;
    this.#length = 1;
    this.suffixes.count = 0;
    return true;
  }

  #walk(): boolean {
    const path = this.#path;
    const words = this.#words;
    const { count } = this.suffixes;
    let at = MAX_LABELS + 1;
    // The longest registered one counts: of somebody's public suffix, such as those of large hosters, the zones come apart.
    for (let labels = count; labels >= 2; labels--) {
      const zone = this.#find(labels);
      if (zone < 0) continue;
      path[--at] = zone;
      if ((words[zone * WORDS + KIND]! & REGISTERED) === 0) continue;
      this.#length = MAX_LABELS + 1 - at;
      path.copyWithin(0, at, MAX_LABELS + 1);
      return true;
    }
    this.#length = 0;
    return false;
  }

  #find(labels: number): number {
    const low = this.suffixes.low[labels]!;
    const high = this.suffixes.high[labels]!;
    const words = this.#words;
    const set = (low & this.#setMask) * WAYS;
    for (let zone = set; zone < set + WAYS; zone++) {
      const at = zone * WORDS;
      if (words[at] === low && words[at + HASH_HIGH] === high && words[at + LABELS] === labels) return zone;
    }
    return -1;
  }

  /** Make room for what somebody registered (wire form, lower case). */
  addRegistered(name: Uint8Array, labels: number, nowMs: number, kind = 0, partition = 0): void {
    this.suffixes.ofName(name, partition);
    const zone = this.#add(labels, nowMs);
    this.#words[zone * WORDS + KIND]! |= REGISTERED | kind;
    this.#names.fill(0, zone * NAME_BYTES, (zone + 1) * NAME_BYTES);
    this.#names.set(name, zone * NAME_BYTES);
  }

  /** An answer to the question that was located named one of its suffixes, of so many labels, as a zone. */
  learnCut(question: Question, labels: number, nowMs: number): void {
    const words = this.#words;
    if (this.#length === 0 || labels > MAX_LABELS || labels <= words[this.#path[0]! * WORDS + LABELS]!) return;
    const zone = this.#addSuffix(question, labels, nowMs);
    if ((words[zone * WORDS + KIND]! & CUT) !== 0) return;
    words[zone * WORDS + KIND]! |= CUT;
    this.#walk();
  }

  /** Something of a zone goes wrong, or piles up: look at the suffixes of the question that was located, too. */
  #lookCloser(question: Question, nowMs: number): void {
    const base = this.#path[0]!;
    const words = this.#words;
    const hinted =
      this.#numbers[base * FIELDS + BAD]! >= HINT_FAILURES ||
      words[base * WORDS + OUTSTANDING]! * HINT_OUTSTANDING >= this.#limits.outstanding;
    if (!hinted) return;
    const labels = words[base * WORDS + LABELS]!;
    if ((words[base * WORDS + KIND]! & REVERSE6) !== 0) {
      for (const each of REVERSE6_LABELS) if (each < question.labelCount) this.#addSuffix(question, each, nowMs);
    } else {
      const last = Math.min(labels + DEPTH, question.labelCount - 1, MAX_LABELS);
      for (let each = labels + 1; each <= last; each++) this.#addSuffix(question, each, nowMs);
    }
    this.#walk();
  }

  #addSuffix(question: Question, labels: number, nowMs: number): number {
    const found = this.#find(labels);
    if (found >= 0) return found;
    const zone = this.#add(labels, nowMs);
    const from = question.labelStarts[question.labelCount - labels]!;
    const at = zone * NAME_BYTES;
    for (let i = from; i < question.nameLength; i++) this.#names[at + i - from] = question.name[i]!;
    return zone;
  }

  #add(labels: number, nowMs: number): number {
    const found = this.#find(labels);
    if (found >= 0) return found;
    const words = this.#words;
    const set = (this.suffixes.low[labels]! & this.#setMask) * WAYS;
    let taken = set;
    let worth = Number.POSITIVE_INFINITY;
    for (let zone = set; zone < set + WAYS; zone++) {
      const here = words[zone * WORDS + LABELS] === 0 ? -1 : this.#worthOf(zone, nowMs);
      if (here >= worth) continue;
      taken = zone;
      worth = here;
    }
    const at = taken * WORDS;
    if (words[at + TROUBLE] !== 0) this.inTrouble--;
    words.fill(0, at, at + WORDS);
    this.#numbers.fill(0, taken * FIELDS, (taken + 1) * FIELDS);
    words[at] = this.suffixes.low[labels]!;
    words[at + HASH_HIGH] = this.suffixes.high[labels]!;
    words[at + LABELS] = labels;
    this.#numbers[taken * FIELDS + FADED_MS] = nowMs;
    this.#numbers[taken * FIELDS + LAST_MS] = nowMs;
    this.#numbers[taken * FIELDS + ANSWERED_MS] = Number.NEGATIVE_INFINITY;
    return taken;
  }

  /** Until when a zone is worth its place. One that never answered goes before one that did, however busy it is. */
  #worthOf(zone: number, nowMs: number): number {
    const fields = zone * FIELDS;
    const at = zone * WORDS;
    let keepMs = 0;
    if (this.#words[at + TROUBLE] !== 0) keepMs = KEEP_TROUBLE_MS;
    else if (nowMs - this.#numbers[fields + ANSWERED_MS]! < WELL_MS) keepMs = KEEP_WELL_MS;
    else if (this.#words[at + OUTSTANDING] !== 0) keepMs = KEEP_ASKED_MS;
    return this.#numbers[fields + LAST_MS]! + keepMs;
  }

  // ── asking ────────────────────────────────────────────────────────────────────────────────────────────────────────

  /**
   * May the source be asked what was located, for somebody who waits? PASS counts as outstanding: keep `passedAt`.
   * `question`: the one that was located.
   */
  ask(question: Question, worth: number, nowMs: number): number {
    this.passedAt = 0;
    if (this.#length === 0) return PASS;
    this.#lookCloser(question, nowMs);
    const path = this.#path;
    const words = this.#words;
    const { outstanding } = this.#limits;
    const cap = worth === KNOWN ? 2 * outstanding : outstanding;
    for (let i = this.#length - 1; i >= 0; i--) {
      const zone = path[i]!;
      const waiting = words[zone * WORDS + OUTSTANDING]!;
      if (waiting >= cap) {
        const heavy = this.#heldBy(zone, waiting);
        if (heavy >= 0 && !this.#isOnPath(heavy, i)) {
          // Those of another zone below this one: they are limited there, and these here are not.
          if (waiting >= 2 * outstanding) return TOO_MUCH_OUTSTANDING;
        } else {
          this.#setTrouble(heavy >= 0 ? heavy : zone, 1);
          return TOO_MUCH_OUTSTANDING;
        }
      }
      if (words[zone * WORDS + TROUBLE] !== 0) break;
    }
    if (!this.#spendAll(worth, nowMs)) return OVER_LIMIT;
    this.#count();
    return PASS;
  }

  /**
   * May one more query be sent for what was located? Everything that is sent to a zone in trouble passes here: new
   * questions, the same once more, and what is fetched in the background. So no more than the limit leaves.
   */
  spend(worth: number, nowMs: number): boolean {
    return this.#spendAll(worth, nowMs);
  }

  /** What was located passes although `ask` said otherwise (dry run). */
  passAnyway(): void {
    this.passedAt = 0;
    this.#count();
  }

  #count(): void {
    const words = this.#words;
    const path = this.#path;
    for (let i = this.#length - 1; i >= 0; i--) {
      const at = path[i]! * WORDS;
      words[at + OUTSTANDING]! += 1;
      this.passedAt |= 1 << words[at + LABELS]!;
      // The deepest that holds half comes first and stays.
      for (let j = this.#length - 1; j > i; j--) {
        if (words[path[j]! * WORDS + OUTSTANDING]! * 2 < words[at + OUTSTANDING]!) continue;
        words[at + HEAVY] = path[j]! + 1;
        break;
      }
      if (words[at + TROUBLE] !== 0) break;
    }
  }

  /** The zone below `zone` that holds half of what waits for it, or -1. */
  #heldBy(zone: number, waiting: number): number {
    const words = this.#words;
    const heavy = words[zone * WORDS + HEAVY]! - 1;
    if (heavy < 0 || words[heavy * WORDS + LABELS]! <= words[zone * WORDS + LABELS]!) return -1;
    return words[heavy * WORDS + OUTSTANDING]! * 2 >= waiting ? heavy : -1;
  }

  #isOnPath(zone: number, from: number): boolean {
    for (let i = from; i < this.#length; i++) if (this.#path[i] === zone) return true;
    return false;
  }

  #spendAll(worth: number, nowMs: number): boolean {
    const words = this.#words;
    for (let i = 0; i < this.#length; i++) if (!this.#hasToken(this.#path[i]!, worth, nowMs)) return false;
    for (let i = 0; i < this.#length; i++) {
      const zone = this.#path[i]!;
      const tokens = this.#numbers[zone * FIELDS + TOKENS]!;
      if (words[zone * WORDS + TROUBLE] === 0 || !this.#isAnswered(zone, worth))
        this.#numbers[zone * FIELDS + TOKENS] = Math.max(0, tokens - 1);
    }
    return true;
  }

  #hasToken(zone: number, worth: number, nowMs: number): boolean {
    const { limit } = this.#limits;
    const fields = zone * FIELDS;
    this.#fade(zone, nowMs);
    const elapsed = nowMs - this.#numbers[fields + LAST_MS]!;
    const most = Math.max(LEAST_GATHERED, limit * GATHERED_SHARE);
    const gained = (elapsed * limit * (1 - GATHERED_SHARE)) / 1000;
    const tokens = Math.min(most, this.#numbers[fields + TOKENS]! + gained);
    this.#numbers[fields + LAST_MS] = nowMs;
    this.#numbers[fields + TOKENS] = tokens;
    if (this.#words[zone * WORDS + TROUBLE] === 0 || this.#isAnswered(zone, worth)) return true;
    return tokens >= 1 + (most - 1) * LEFT_ALONE[worth]!;
  }

  /** Names known to exist are answered, whatever fails: they are no part of the trouble. */
  #isAnswered(zone: number, worth: number): boolean {
    const good = this.#numbers[zone * FIELDS + KNOWN_GOOD]!;
    return (
      worth === KNOWN &&
      good >= KNOWN_ANSWERED &&
      this.#numbers[zone * FIELDS + KNOWN_BAD]! < good * KNOWN_FAILING_SHARE
    );
  }

  // ── what became of it ─────────────────────────────────────────────────────────────────────────────────────────────

  /** A question that passed is no longer outstanding. `passedAt`: as it was then; what was located is the question. */
  release(passedAt: number): void {
    const words = this.#words;
    for (let i = 0; i < this.#length; i++) {
      const at = this.#path[i]! * WORDS;
      // The place may have gone to another zone meanwhile.
      if ((passedAt & (1 << words[at + LABELS]!)) !== 0 && words[at + OUTSTANDING]! > 0) words[at + OUTSTANDING]! -= 1;
    }
  }

  /** A question that passed was not asked after all. */
  withdraw(passedAt: number): void {
    this.release(passedAt);
    for (let i = 0; i < this.#length; i++) this.#numbers[this.#path[i]! * FIELDS + TOKENS]! += 1;
  }

  /** How the question that was located went. `failed`: no answer, or a failure. */
  judge(failed: boolean, elapsedMs: number, nowMs: number): void {
    const slow = elapsedMs >= this.#limits.slowMs;
    const bad = failed || (slow && this.#slowShare < ALL_SLOW_SHARE);
    if (!failed && this.#length > 0) this.#vote(slow, nowMs);
    this.#add1(bad, 1, nowMs);
  }

  /** The question that was located has no answer yet, and should have one. */
  late(nowMs: number): void {
    this.#add1(true, LATE, nowMs);
  }

  /** A name that is known to exist was asked for. */
  judgeKnown(failed: boolean): void {
    for (let i = 0; i < this.#length; i++)
      this.#numbers[this.#path[i]! * FIELDS + (failed ? KNOWN_BAD : KNOWN_GOOD)]! += 1;
  }

  /** Where most zones are slow at once, that is the upstream's doing. Each is heard once a second. */
  #vote(slow: boolean, nowMs: number): void {
    const fields = this.#path[0]! * FIELDS;
    if (nowMs - this.#numbers[fields + ANSWERED_MS]! < 1000) return;
    this.#slowShare += ((slow ? 1 : 0) - this.#slowShare) / 32;
  }

  #add1(bad: boolean, weight: number, nowMs: number): void {
    const numbers = this.#numbers;
    const words = this.#words;
    let below = -1;
    for (let i = this.#length - 1; i >= 0; i--) {
      const zone = this.#path[i]!;
      const fields = zone * FIELDS;
      this.#fade(zone, nowMs);
      numbers[fields + (bad ? BAD : GOOD)]! += weight;
      if (!bad) numbers[fields + ANSWERED_MS] = nowMs;
      else if (below >= 0 && numbers[below * FIELDS + BAD]! >= REPEATS) {
        const first = numbers[below * FIELDS + BAD]! - weight < REPEATS;
        numbers[fields + REPEATED]! += first ? numbers[below * FIELDS + BAD]! : weight;
      }
      this.#evaluate(zone, i, below);
      if (words[zone * WORDS + TROUBLE] !== 0) return;
      below = zone;
    }
  }

  #evaluate(zone: number, place: number, below: number): void {
    const { least, outstanding } = this.#limits;
    const numbers = this.#numbers;
    const fields = zone * FIELDS;
    const bad = numbers[fields + BAD]!;
    const all = bad + numbers[fields + GOOD]!;
    if (this.#words[zone * WORDS + TROUBLE] !== 0) {
      const waiting = this.#words[zone * WORDS + OUTSTANDING]!;
      if (bad < all * WELL_SHARE && waiting < outstanding / 2) this.#setTrouble(zone, 0);
      return;
    }
    if (all < (place > 0 ? least * NARROW_SHARE : least) || bad < all * TROUBLE_SHARE) return;
    // What lies below it explains it: that one is found out next, if it goes on.
    if (numbers[fields + REPEATED]! * 2 >= bad) return;
    if (below >= 0 && numbers[below * FIELDS + BAD]! * 2 >= bad) return;
    this.#setTrouble(zone, 1);
    this.#discount(place);
  }

  /** What failed in the zone at `place` is no longer held against those around it. */
  #discount(place: number): void {
    const numbers = this.#numbers;
    const zone = this.#path[place]! * FIELDS;
    for (let i = place - 1; i >= 0; i--) {
      const around = this.#path[i]! * FIELDS;
      numbers[around + BAD] = Math.max(0, numbers[around + BAD]! - numbers[zone + BAD]!);
      numbers[around + REPEATED] = Math.max(0, numbers[around + REPEATED]! - numbers[zone + BAD]!);
    }
  }

  /** One of the zones that were located is in trouble. */
  isInTrouble(): boolean {
    for (let i = 0; i < this.#length; i++) if (this.#words[this.#path[i]! * WORDS + TROUBLE] !== 0) return true;
    return false;
  }

  /** How the narrowest zone of what was located does that anything is known of. */
  standing(nowMs: number): number {
    for (let i = this.#length - 1; i >= 0; i--) {
      const zone = this.#path[i]!;
      const fields = zone * FIELDS;
      if (this.#words[zone * WORDS + TROUBLE] !== 0) return FAILING;
      this.#fade(zone, nowMs);
      const bad = this.#numbers[fields + BAD]!;
      if (bad >= LATE && bad > this.#numbers[fields + GOOD]!) return FAILING;
      if (nowMs - this.#numbers[fields + ANSWERED_MS]! < WELL_MS) return WELL;
    }
    return NEW;
  }

  /** The widest zone that was located is in the filter of known names: told once, it need not be looked up again. */
  get isKnownZone(): boolean {
    return this.#length > 0 && (this.#words[this.#path[0]! * WORDS + KIND]! & KNOWN_ZONE) !== 0;
  }

  setKnownZone(): void {
    if (this.#length > 0) this.#words[this.#path[0]! * WORDS + KIND]! |= KNOWN_ZONE;
  }

  /** Labels of the widest zone that was located; 0 where there is none. */
  get registeredLabels(): number {
    return this.#length === 0 ? 0 : this.#words[this.#path[0]! * WORDS + LABELS]!;
  }

  /** Hash of the widest zone that was located. */
  get registeredLow(): number {
    return this.#words[this.#path[0]! * WORDS]!;
  }

  get registeredHigh(): number {
    return this.#words[this.#path[0]! * WORDS + HASH_HIGH]!;
  }

  /** One more name of what was located wants to be known. False where its zone has had many lately. */
  mayLearn(nowMs: number): boolean {
    if (this.#length === 0) return false;
    const fields = this.#path[0]! * FIELDS;
    this.#fade(this.#path[0]!, nowMs);
    if (this.#numbers[fields + NEW_KNOWN]! >= MAX_NEW_KNOWN) return false;
    this.#numbers[fields + NEW_KNOWN]! += 1;
    return true;
  }

  /** Zones in trouble, for people: walks the whole table, off the packet path. */
  troubled(): { name: Uint8Array; outstanding: number; failedShare: number }[] {
    const found: { name: Uint8Array; outstanding: number; failedShare: number }[] = [];
    for (let zone = 0; zone * WORDS < this.#words.length; zone++) {
      if (this.#words[zone * WORDS + TROUBLE] === 0) continue;
      const [good, bad] = [this.#numbers[zone * FIELDS + GOOD]!, this.#numbers[zone * FIELDS + BAD]!];
      found.push({
        name: this.#names.slice(zone * NAME_BYTES, (zone + 1) * NAME_BYTES),
        outstanding: this.#words[zone * WORDS + OUTSTANDING]!,
        failedShare: good + bad === 0 ? 0 : bad / (good + bad),
      });
    }
    return found;
  }

  #setTrouble(zone: number, trouble: number): void {
    const at = zone * WORDS + TROUBLE;
    if (this.#words[at] === trouble) return;
    this.#words[at] = trouble;
    this.inTrouble += trouble === 1 ? 1 : -1;
  }

  #fade(zone: number, nowMs: number): void {
    const fields = zone * FIELDS;
    const numbers = this.#numbers;
    const elapsed = nowMs - numbers[fields + FADED_MS]!;
    // In steps, so that nothing is computed for most questions of a busy zone.
    if (elapsed < FADE_MS / 100) return;
    const factor = Math.exp(-elapsed / FADE_MS);
    numbers[fields + GOOD]! *= factor;
    numbers[fields + BAD]! *= factor;
    numbers[fields + NEW_KNOWN]! *= factor;
    numbers[fields + REPEATED]! *= factor;
    numbers[fields + KNOWN_GOOD]! *= factor;
    numbers[fields + KNOWN_BAD]! *= factor;
    numbers[fields + FADED_MS] = nowMs;
  }
}
