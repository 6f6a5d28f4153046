/**
 * What one worker knows of the registered domains that the source is asked about: how much is outstanding, how it goes,
 * and whether the zone is in trouble.
 *
 *                    half or more of what was asked failed or took too long
 *                    (of at least `least` questions), or the outstanding ones reach their cap
 *        WELL  ─────────────────────────────────────────────────────────▶  IN TROUBLE: `limit` queries a second leave
 *          ▲                                                                   │        (they are the probes)
 *          └───────── less than a quarter failed, and nothing piles up ────────┘
 *
 * Counts fade with a time constant of FADE_MS, so that what was is forgotten. Fixed memory, found by the keyed hash of the
 * name; a new zone takes the place in its set of the one that was asked longest ago, one with questions outstanding or in
 * trouble last of all. Zones are told apart by 64 bits of keyed hash: with 4096 zones and a billion misses a day, two are
 * taken for one less than once in ten thousand years.
 */
import { halfSipHash, hashHigh, hashLow } from '../../src/contract/plugin.ts';

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

const WAYS = 8;
const NAME_BYTES = 256;
/** Fields of a zone in the Float64Array. */
const GOOD = 0;
const BAD = 1;
const FADED_MS = 2;
const TOKENS = 3;
const LAST_MS = 4;
const NEW_KNOWN = 5;
const FIELDS = 6;
/** Fields of a zone in the Int32Array. */
const HASH_LOW = 0;
const HASH_HIGH = 1;
const OUTSTANDING = 2;
const TROUBLE = 3;
const LABELS = 4;
const WORDS = 5;

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
/** The zone is in trouble and its share is used up. */
export const OVER_LIMIT = 1;
/** Too much of the zone is outstanding. */
export const TOO_MUCH_OUTSTANDING = 2;

export class ZoneTable {
  readonly #numbers: Float64Array;
  readonly #words: Int32Array;
  readonly #names: Uint8Array;
  readonly #limits: ZoneLimits;
  readonly #setMask: number;
  readonly #key0: number;
  readonly #key1: number;
  readonly #scratch = new Uint8Array(NAME_BYTES);
  readonly #scratchWords = new Int32Array(this.#scratch.buffer);
  /** Zones in trouble now. */
  inTrouble = 0;

  constructor(memory: ZoneMemory, limits: ZoneLimits, key: readonly [number, number]) {
    this.#numbers = new Float64Array(memory.numbers);
    this.#words = new Int32Array(memory.words);
    this.#names = new Uint8Array(memory.names);
    this.#limits = limits;
    this.#setMask = this.#words.length / (WORDS * WAYS) - 1;
    [this.#key0, this.#key1] = key;
  }

  /** A worker begins: nothing of its predecessor's is outstanding any more. */
  forgetOutstanding(): void {
    for (let zone = 0; zone * WORDS < this.#words.length; zone++) {
      this.#words[zone * WORDS + OUTSTANDING] = 0;
      if (this.#words[zone * WORDS + TROUBLE] !== 0) this.inTrouble++;
    }
  }

  /** The zone whose name is the last bytes of `name` from `from` to `end` (wire form), or -1. */
  find(name: Uint8Array, from: number, end: number): number {
    this.#hash(name, from, end);
    const set = (hashLow & this.#setMask) * WAYS;
    for (let zone = set; zone < set + WAYS; zone++) {
      const at = zone * WORDS;
      if (
        this.#words[at + HASH_LOW] === hashLow &&
        this.#words[at + HASH_HIGH] === hashHigh &&
        this.#words[at + LABELS] !== 0
      )
        return zone;
    }
    return -1;
  }

  /** Make room for the zone of that name (wire form, lower case), unless it is there. Returns it. */
  add(name: Uint8Array, labels: number, nowMs: number): number {
    const found = this.find(name, 0, name.length);
    if (found >= 0) return found;
    const set = (hashLow & this.#setMask) * WAYS;
    let taken = set;
    let worth = Number.POSITIVE_INFINITY;
    for (let zone = set; zone < set + WAYS; zone++) {
      const at = zone * WORDS;
      const busy = this.#words[at + OUTSTANDING] !== 0 || this.#words[at + TROUBLE] !== 0;
      const here = this.#words[at + LABELS] === 0 ? -1 : this.#numbers[zone * FIELDS + LAST_MS]! + (busy ? 1e15 : 0);
      if (here >= worth) continue;
      taken = zone;
      worth = here;
    }
    if (this.#words[taken * WORDS + TROUBLE] !== 0) this.inTrouble--;
    this.#words.fill(0, taken * WORDS, (taken + 1) * WORDS);
    this.#numbers.fill(0, taken * FIELDS, (taken + 1) * FIELDS);
    this.#words[taken * WORDS + HASH_LOW] = hashLow;
    this.#words[taken * WORDS + HASH_HIGH] = hashHigh;
    this.#words[taken * WORDS + LABELS] = labels;
    this.#numbers[taken * FIELDS + FADED_MS] = nowMs;
    this.#numbers[taken * FIELDS + LAST_MS] = nowMs;
    this.#names.fill(0, taken * NAME_BYTES, (taken + 1) * NAME_BYTES);
    this.#names.set(name, taken * NAME_BYTES);
    return taken;
  }

  /** May the source be asked about a name of `zone`, for somebody who waits? PASS counts as outstanding. */
  ask(zone: number, worth: number, nowMs: number): number {
    const { outstanding } = this.#limits;
    const at = zone * WORDS;
    const waiting = this.#words[at + OUTSTANDING]!;
    if (waiting >= (worth === KNOWN ? 2 * outstanding : outstanding)) {
      this.#setTrouble(zone, 1);
      return TOO_MUCH_OUTSTANDING;
    }
    if (!this.spend(zone, worth, nowMs)) return OVER_LIMIT;
    this.#words[at + OUTSTANDING] = waiting + 1;
    return PASS;
  }

  /**
   * May one more query be sent to `zone`? Everything that is sent to a zone in trouble passes here: new questions, the
   * same once more, and what is fetched in the background. So no more than the limit leaves.
   */
  spend(zone: number, worth: number, nowMs: number): boolean {
    const { limit } = this.#limits;
    const fields = zone * FIELDS;
    this.#fade(zone, nowMs);
    const elapsed = nowMs - this.#numbers[fields + LAST_MS]!;
    const most = Math.max(LEAST_GATHERED, limit * GATHERED_SHARE);
    const gained = (elapsed * limit * (1 - GATHERED_SHARE)) / 1000;
    const tokens = Math.min(most, this.#numbers[fields + TOKENS]! + gained);
    this.#numbers[fields + LAST_MS] = nowMs;
    this.#numbers[fields + TOKENS] = tokens;
    const needed = 1 + (most - 1) * LEFT_ALONE[worth]!;
    if (this.#words[zone * WORDS + TROUBLE] !== 0 && tokens < needed) return false;
    this.#numbers[fields + TOKENS] = Math.max(0, tokens - 1);
    return true;
  }

  /** A question of `zone` passes although `ask` said otherwise (dry run). */
  passAnyway(zone: number): void {
    this.#words[zone * WORDS + OUTSTANDING]! += 1;
  }

  /** A question of `zone` that passed is no longer outstanding. */
  release(zone: number): void {
    const at = zone * WORDS + OUTSTANDING;
    // The place may have gone to another zone meanwhile.
    if (this.#words[at]! > 0) this.#words[at]! -= 1;
  }

  /** How a question of `zone` went. `failed`: no answer, or a failure. */
  judge(zone: number, failed: boolean, elapsedMs: number, nowMs: number): void {
    const { least, slowMs, outstanding } = this.#limits;
    const fields = zone * FIELDS;
    this.#fade(zone, nowMs);
    const bad = failed || elapsedMs >= slowMs;
    this.#numbers[fields + (bad ? BAD : GOOD)]! += 1;
    const badCount = this.#numbers[fields + BAD]!;
    const all = badCount + this.#numbers[fields + GOOD]!;
    const at = zone * WORDS;
    if (all >= least && badCount >= all * TROUBLE_SHARE) this.#setTrouble(zone, 1);
    else if (badCount < all * WELL_SHARE && this.#words[at + OUTSTANDING]! < outstanding / 2) this.#setTrouble(zone, 0);
  }

  /** A question of `zone` that passed was not asked after all. */
  withdraw(zone: number): void {
    this.release(zone);
    this.#numbers[zone * FIELDS + TOKENS]! += 1;
  }

  isInTrouble(zone: number): boolean {
    return this.#words[zone * WORDS + TROUBLE] !== 0;
  }

  /** One more name of `zone` wants to be known. False where it has had many lately: a zone that answers everything. */
  mayLearn(zone: number, nowMs: number): boolean {
    this.#fade(zone, nowMs);
    if (this.#numbers[zone * FIELDS + NEW_KNOWN]! >= MAX_NEW_KNOWN) return false;
    this.#numbers[zone * FIELDS + NEW_KNOWN]! += 1;
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
    const elapsed = nowMs - this.#numbers[fields + FADED_MS]!;
    // In steps, so that nothing is computed for most questions of a busy zone.
    if (elapsed < FADE_MS / 100) return;
    const factor = Math.exp(-elapsed / FADE_MS);
    this.#numbers[fields + GOOD]! *= factor;
    this.#numbers[fields + BAD]! *= factor;
    this.#numbers[fields + NEW_KNOWN]! *= factor;
    this.#numbers[fields + FADED_MS] = nowMs;
  }

  #hash(name: Uint8Array, from: number, end: number): void {
    for (let i = from; i < end; i++) this.#scratch[i - from] = name[i]!;
    halfSipHash(this.#scratchWords, end - from, this.#key0, this.#key1);
  }
}
