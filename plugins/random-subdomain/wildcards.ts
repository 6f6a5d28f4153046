/**
 * Below which names everything exists: what a wildcard answers (RFC 4592) proves nothing about a name. An NXDOMAIN shows
 * that there is none; where none was seen, one name drawn at random is asked for, once a day, before anything below is
 * taken for known. Nothing of a client's is in that question.
 *
 *     evidence for shop.example.com ─▶ example.com: free ─▶ known
 *                                        │ unknown ─▶ ask q7…x.example.com ─ NXDOMAIN ─▶ free, and known
 *                                        │                                 ─ an answer ▶ wildcard: not known
 *                                        └ wildcard ─▶ not known
 *
 * One table of fixed size for each worker; few questions at once, so many a second.
 */
import { halfSipHash, hashHigh, hashLow, Question } from '../../src/contract/plugin.ts';

const PLACES = 8192;
const MASK = PLACES - 1;
const KEEP_MS = 86_400_000;
/** Names that wait for the answer to such a question. */
const WAITING = 32;
const GIVEN_UP_MS = 10_000;
const LABEL = 16;
const ALPHABET = 'abcdefghijklmnopqrstuvwxyz0123456789';

export const UNSEEN = 0;
export const FREE = 1;
export const WILDCARD = 2;

interface Waiting {
  /** What is asked. */
  readonly probe: Question;
  /** The name that becomes known when it does not exist. */
  readonly name: Question;
  parentLow: number;
  parentHigh: number;
  askedMs: number;
}

export class Wildcards {
  readonly #low = new Int32Array(PLACES);
  readonly #high = new Int32Array(PLACES);
  readonly #state = new Uint8Array(PLACES);
  readonly #atMs = new Float64Array(PLACES);
  readonly #waiting: readonly Waiting[];
  readonly #random32: () => number;
  readonly #key0: number;
  readonly #key1: number;
  #under = 0;

  /** `key`: what names of questions are hashed with (`DataContext.hashKey`). */
  constructor(key: readonly [number, number], random32: () => number) {
    [this.#key0, this.#key1] = key;
    this.#random32 = random32;
    this.#waiting = Array.from({ length: WAITING }, () => ({
      probe: new Question(),
      name: new Question(),
      parentLow: 0,
      parentHigh: 0,
      askedMs: Number.NEGATIVE_INFINITY,
    }));
  }

  /** What is known about names right below that one. */
  state(low: number, high: number, nowMs: number): number {
    const place = low & MASK;
    if (this.#low[place] !== low || this.#high[place] !== high) return UNSEEN;
    return nowMs - this.#atMs[place]! < KEEP_MS ? this.#state[place]! : UNSEEN;
  }

  set(low: number, high: number, state: number, nowMs: number): void {
    const place = low & MASK;
    this.#low[place] = low;
    this.#high[place] = high;
    this.#state[place] = state;
    this.#atMs[place] = nowMs;
  }

  /**
   * Ask whether there is a wildcard right below the parent of `question`, whose hash is given. Returns what is to be asked, or
   * undefined where that is being asked already, or too much is.
   */
  probe(question: Question, parentLow: number, parentHigh: number, nowMs: number): Question | undefined {
    let free: Waiting | undefined;
    for (const one of this.#waiting) {
      if (nowMs - one.askedMs >= GIVEN_UP_MS) free ??= one;
      else if (one.parentLow === parentLow && one.parentHigh === parentHigh) return undefined;
    }
    const rest = question.nameLength - question.labelStarts[1]!;
    if (free === undefined || question.labelCount < 2 || rest + LABEL + 1 > 255) return undefined;
    if (free.askedMs === Number.NEGATIVE_INFINITY) this.#under++;
    free.parentLow = parentLow;
    free.parentHigh = parentHigh;
    free.askedMs = nowMs;
    free.name.copyFrom(question);
    this.#write(free.probe, question);
    return free.probe;
  }

  /**
   * Something that nobody waited for is resolved: was it one of ours? Returns the name that has become known by it, for the
   * moment, or undefined.
   */
  resolved(question: Question, exists: boolean, failed: boolean, nowMs: number): Question | undefined {
    if (this.#under === 0) return undefined;
    for (const one of this.#waiting) {
      if (one.askedMs === Number.NEGATIVE_INFINITY || !sameName(one.probe, question)) continue;
      one.askedMs = Number.NEGATIVE_INFINITY;
      this.#under--;
      if (failed) return undefined;
      this.set(one.parentLow, one.parentHigh, exists ? WILDCARD : FREE, nowMs);
      return exists ? undefined : one.name;
    }
    return undefined;
  }

  /** A random label in place of the first one of `like`. */
  #write(probe: Question, like: Question): void {
    const from = like.labelStarts[1]!;
    probe.clear();
    probe.name[0] = LABEL;
    for (let i = 1; i <= LABEL; i++) probe.name[i] = ALPHABET.charCodeAt(this.#random32() % ALPHABET.length);
    for (let i = from; i < like.nameLength; i++) probe.name[LABEL + 1 + i - from] = like.name[i]!;
    probe.nameLength = LABEL + 1 + like.nameLength - from;
    probe.labelCount = like.labelCount;
    probe.labelStarts[0] = 0;
    for (let i = 1; i < like.labelCount; i++) probe.labelStarts[i] = like.labelStarts[i]! - from + LABEL + 1;
    probe.type = like.type;
    probe.class = like.class;
    probe.partition = like.partition;
    halfSipHash(probe.nameWords, probe.nameLength, this.#key0, this.#key1);
    probe.hashLow = hashLow;
    probe.hashHigh = hashHigh;
  }
}

function sameName(one: Question, other: Question): boolean {
  if (one.nameLength !== other.nameLength) return false;
  for (let i = 0; i < one.nameLength; i++) if (one.name[i] !== other.name[i]) return false;
  return true;
}
