/**
 * Questions that a miss hook let pass and that are not resolved yet: where each is counted, what it was charged, and from
 * which network it came. Bounded: what finds no place is counted nowhere.
 *
 *     question ─▶ place in a table with linear probing ─▶ |key|key|levels|charged|network|flags|zone|tag|
 */
import type { Question } from '../../src/contract/plugin.ts';

const KEY0 = 0;
const KEY1 = 1;
const LEVELS = 2;
const CHARGED = 3;
const NETWORK = 4;
const FLAGS = 5;
const ZONE = 6;
const TAG = 7;
const WORDS = 8;
const TAKEN = 1;
const KNOWN = 2;
const CLEAN = 4;

export class InFlight {
  readonly #words: Int32Array;
  readonly #mask: number;
  #size = 0;
  /** Of the question that was taken out last. */
  levels = 0;
  charged = 0;
  network = 0;
  known = false;
  zone = -1;
  tag = 0;

  /** `capacity`: a power of two; half of it is used. */
  constructor(capacity = 16_384) {
    this.#words = new Int32Array(capacity * WORDS);
    this.#mask = capacity - 1;
  }

  get size(): number {
    return this.#size;
  }

  /**
   * Keep what is known of a question. `levels`: where it is counted (zone-table.ts, `passedAt`); `network`: a hash of the
   * client's; `clean`: nothing that this network asked for has failed lately; `zone` and `tag`: what `ZoneTable.resume`
   * wants. False where there is no room.
   */
  put(
    question: Question,
    levels: number,
    charged: number,
    network: number,
    known: boolean,
    clean: boolean,
    zone = -1,
    tag = 0,
  ): boolean {
    if (this.#size * 2 > this.#mask) return false;
    const words = this.#words;
    let at = this.#find(question);
    if (at < 0) {
      at = -at - 1;
      this.#size++;
    }
    words[at + KEY0] = key0(question);
    words[at + KEY1] = key1(question);
    words[at + LEVELS] = levels;
    words[at + CHARGED] = charged;
    words[at + NETWORK] = network;
    words[at + ZONE] = zone;
    words[at + TAG] = tag;
    words[at + FLAGS] = TAKEN | (known ? KNOWN : 0) | (clean ? CLEAN : 0);
    return true;
  }

  /** The question is sent once more: `more` is added to what it was charged. */
  chargeMore(question: Question, more: number): void {
    const at = this.#find(question);
    if (at >= 0) this.#words[at + CHARGED]! += more;
  }

  /** Nothing that the network of those who wait for it asked for had failed when it was put in. */
  isClean(question: Question): boolean {
    const at = this.#find(question);
    return at >= 0 && (this.#words[at + FLAGS]! & CLEAN) !== 0;
  }

  has(question: Question): boolean {
    return this.#find(question) >= 0;
  }

  /** Take it out; what was kept is in the fields then. False, and the fields say nothing, where it is not there. */
  take(question: Question): boolean {
    const words = this.#words;
    const at = this.#find(question);
    this.levels = 0;
    this.charged = 0;
    this.network = 0;
    this.known = false;
    this.zone = -1;
    if (at < 0) return false;
    this.levels = words[at + LEVELS]!;
    this.charged = words[at + CHARGED]!;
    this.network = words[at + NETWORK]!;
    this.known = (words[at + FLAGS]! & KNOWN) !== 0;
    this.zone = words[at + ZONE]!;
    this.tag = words[at + TAG]!;
    this.#remove(at / WORDS);
    return true;
  }

  /** Where it stands, or −1 − the free place that ends the search. */
  #find(question: Question): number {
    const words = this.#words;
    const low = key0(question);
    const high = key1(question);
    for (let place = low & this.#mask; ; place = (place + 1) & this.#mask) {
      const at = place * WORDS;
      if (words[at + FLAGS] === 0) return -at - 1;
      if (words[at + KEY0] === low && words[at + KEY1] === high) return at;
    }
  }

  /** Knuth, TAOCP 3, algorithm 6.4R: what follows moves up, so that no search ends too early. */
  #remove(place: number): void {
    const words = this.#words;
    this.#size--;
    let hole = place;
    for (let next = (hole + 1) & this.#mask; words[next * WORDS + FLAGS] !== 0; next = (next + 1) & this.#mask) {
      const home = words[next * WORDS + KEY0]! & this.#mask;
      // It may move where its home does not lie behind the hole.
      if (((next - home) & this.#mask) < ((next - hole) & this.#mask)) continue;
      words.copyWithin(hole * WORDS, next * WORDS, (next + 1) * WORDS);
      hole = next;
    }
    words[hole * WORDS + FLAGS] = 0;
  }
}

function key0(question: Question): number {
  return question.hashLow ^ Math.imul(question.type, 0x9e3779b1);
}

function key1(question: Question): number {
  const bits =
    (question.partition << 18) |
    (question.class << 2) |
    (question.dnssecOk ? 2 : 0) |
    (question.checkingDisabled ? 1 : 0);
  return question.hashHigh ^ Math.imul(bits, 0x85ebca6b);
}
