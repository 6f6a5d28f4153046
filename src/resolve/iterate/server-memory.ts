/**
 * What is known of each authoritative server by its address, in memory that all workers share: how fast it answers, what it
 * cannot do, its cookie. A fixed table of sets of eight places; the one not used for longest gives way.
 *
 *   set: hash of the address (keyed) ─▶ 8 places of 128 bytes
 *   place: address(4) · used · srtt · deviation · timeouts · until: down, without EDNS, case lost, without cookie · cookie(9) …
 *
 * Nobody takes a lock. Two workers may write one place at a time; what is mixed then is a measurement or a cookie, and both
 * are put right by the next answer. An address is written last, and compared whole.
 */
import { halfSipHash, hashHigh, hashLow } from '../../hash/siphash.ts';

/** Bytes of the largest server cookie (RFC 7873 §4.2). */
export const MAX_SERVER_COOKIE = 32;

const WAYS = 8;
const SETS = 2048;
const PLACE_WORDS = 32;
const WORDS = SETS * WAYS * PLACE_WORDS;

// Words of a place; instants are whole seconds of the monotonic clock, 0 = never.
const ADDRESS = 0;
const USED = 4;
/** Microseconds; 0 = not measured. */
const SRTT = 5;
const DEVIATION = 6;
/** Queries unanswered since the last answer. */
const TIMEOUTS = 7;
const DOWN_UNTIL = 8;
const NO_EDNS_UNTIL = 9;
const CASE_LOST_UNTIL = 10;
const NO_COOKIE_UNTIL = 11;
/** When it last showed that it knows EDNS and keeps the case: one odd answer does not take that away. */
const EDNS_SEEN = 12;
const CASE_SEEN = 13;
const COOKIE_LENGTH = 14;
const COOKIE = 15;

/** How long a server is waited for at first, in milliseconds, before its latency is known. */
export const FIRST_TIMEOUT_MS = 400;
const MIN_TIMEOUT_MS = 150;
const MAX_TIMEOUT_MS = 1500;
/** Timeouts in a row from which a server rests, and for how long: twice as long each time, in seconds. */
const TIMEOUTS_TO_REST = 3;
const FIRST_REST = 2;
const LONGEST_REST = 120;
/** RFC 6891 §6.2.2: what it cannot do is forgotten after a while; seconds. */
const INABILITY = 900;
const CASE_INABILITY = 3600;
const ABILITY = 3600;

export interface ServerMemory {
  readonly words: SharedArrayBuffer;
}

/** 2 MiB, of which only the pages in use cost memory. */
export function createServerMemory(): ServerMemory {
  return { words: new SharedArrayBuffer(WORDS * 4) };
}

/** A place in the table: valid until its server gives way, which costs what is known of it and nothing more. */
export type ServerPlace = number;

export class ServerTable {
  readonly #words: Int32Array;
  readonly #bytes: Uint8Array;
  readonly #key0: number;
  readonly #key1: number;

  constructor(memory: ServerMemory, key: readonly [number, number]) {
    this.#words = new Int32Array(memory.words);
    this.#bytes = new Uint8Array(memory.words);
    [this.#key0, this.#key1] = key;
  }

  /** The place of the server at `address` (four words), made where it has none. */
  place(address: Int32Array, nowMs: number): ServerPlace {
    const words = this.#words;
    halfSipHash(address, 16, this.#key0, this.#key1);
    const set = (hashLow & (SETS - 1)) * WAYS * PLACE_WORDS;
    let oldest = set;
    for (let at = set; at < set + WAYS * PLACE_WORDS; at += PLACE_WORDS) {
      if (isAt(words, at, address)) return at;
      if (words[at + USED]! < words[oldest + USED]!) oldest = at;
    }
    words.fill(0, oldest, oldest + PLACE_WORDS);
    words[oldest + USED] = seconds(nowMs);
    for (let i = 3; i >= 0; i--) words[oldest + ADDRESS + i] = address[i]!;
    return oldest;
  }

  /** The same without making one; -1 where nothing is known of it. */
  find(address: Int32Array): ServerPlace {
    halfSipHash(address, 16, this.#key0, this.#key1);
    const set = (hashLow & (SETS - 1)) * WAYS * PLACE_WORDS;
    for (let at = set; at < set + WAYS * PLACE_WORDS; at += PLACE_WORDS) if (isAt(this.#words, at, address)) return at;
    return -1;
  }

  /** Smoothed round trip in milliseconds; 0 = not measured. */
  rttMs(place: ServerPlace): number {
    return this.#words[place + SRTT]! / 1000;
  }

  timeouts(place: ServerPlace): number {
    return this.#words[place + TIMEOUTS]!;
  }

  /** How long to wait for its answer (RFC 6298 §2.3, with bounds of our own). */
  timeoutMs(place: ServerPlace): number {
    const words = this.#words;
    if (words[place + SRTT] === 0) return FIRST_TIMEOUT_MS;
    const waitMs = (words[place + SRTT]! + 4 * words[place + DEVIATION]!) / 1000;
    return Math.min(MAX_TIMEOUT_MS, Math.max(MIN_TIMEOUT_MS, waitMs * 2));
  }

  /** It left several queries unanswered and is not asked for a while, unless there is no other. */
  rests(place: ServerPlace, nowMs: number): boolean {
    return seconds(nowMs) < this.#words[place + DOWN_UNTIL]!;
  }

  sent(place: ServerPlace, nowMs: number): void {
    this.#words[place + USED] = seconds(nowMs);
  }

  /** It answered `rttMs` after it was asked; below 0: that cannot be told (RFC 6298 §3, Karn). */
  answered(place: ServerPlace, rttMs: number): void {
    const words = this.#words;
    words[place + TIMEOUTS] = 0;
    words[place + DOWN_UNTIL] = 0;
    if (rttMs < 0) return;
    const rtt = Math.max(1, Math.round(rttMs * 1000));
    const srtt = words[place + SRTT]!;
    if (srtt === 0) {
      words[place + SRTT] = rtt;
      words[place + DEVIATION] = rtt >> 1;
    } else {
      const deviation = words[place + DEVIATION]!;
      words[place + DEVIATION] = deviation + ((Math.abs(srtt - rtt) - deviation) >> 2);
      words[place + SRTT] = Math.max(1, srtt + ((rtt - srtt) >> 3));
    }
  }

  timedOut(place: ServerPlace, nowMs: number): void {
    const words = this.#words;
    const row = Math.min(30, words[place + TIMEOUTS]! + 1);
    words[place + TIMEOUTS] = row;
    if (row >= TIMEOUTS_TO_REST)
      words[place + DOWN_UNTIL] =
        seconds(nowMs) + Math.min(LONGEST_REST, FIRST_REST * 2 ** Math.min(6, row - TIMEOUTS_TO_REST));
  }

  usesEdns(place: ServerPlace, nowMs: number): boolean {
    return seconds(nowMs) >= this.#words[place + NO_EDNS_UNTIL]!;
  }

  showsEdns(place: ServerPlace, nowMs: number): void {
    this.#words[place + EDNS_SEEN] = seconds(nowMs);
  }

  /** It answered without EDNS what it did not understand with it. */
  lacksEdns(place: ServerPlace, nowMs: number): void {
    const now = seconds(nowMs);
    if (!isRecent(this.#words[place + EDNS_SEEN]!, now)) this.#words[place + NO_EDNS_UNTIL] = now + INABILITY;
  }

  keepsCase(place: ServerPlace, nowMs: number): boolean {
    return seconds(nowMs) >= this.#words[place + CASE_LOST_UNTIL]!;
  }

  showsCase(place: ServerPlace, nowMs: number): void {
    this.#words[place + CASE_SEEN] = seconds(nowMs);
  }

  /** It lost the case of the name over TCP too, where nobody forges. */
  losesCase(place: ServerPlace, nowMs: number): void {
    const now = seconds(nowMs);
    if (!isRecent(this.#words[place + CASE_SEEN]!, now)) this.#words[place + CASE_LOST_UNTIL] = now + CASE_INABILITY;
  }

  usesCookie(place: ServerPlace, nowMs: number): boolean {
    return seconds(nowMs) >= this.#words[place + NO_COOKIE_UNTIL]!;
  }

  lacksCookie(place: ServerPlace, nowMs: number): void {
    this.#words[place + NO_COOKIE_UNTIL] = seconds(nowMs) + INABILITY;
    this.forgetCookie(place);
  }

  /** Write the client cookie for this server: eight bytes that nobody without the key can know (RFC 9018 §3). */
  putClientCookie(address: Int32Array, bytes: Uint8Array, at: number): void {
    halfSipHash(address, 16, this.#key1 ^ 0x636f6f6b, this.#key0);
    const low = hashLow;
    const high = hashHigh;
    for (let i = 0; i < 4; i++) {
      bytes[at + i] = low >>> (i * 8);
      bytes[at + 4 + i] = high >>> (i * 8);
    }
  }

  /** Bytes of the server's cookie, written at `at`; 0 where it gave none. */
  putServerCookie(place: ServerPlace, bytes: Uint8Array, at: number): number {
    const length = Math.min(MAX_SERVER_COOKIE, Math.max(0, this.#words[place + COOKIE_LENGTH]!));
    const from = (place + COOKIE) * 4;
    for (let i = 0; i < length; i++) bytes[at + i] = this.#bytes[from + i]!;
    return length;
  }

  /** The server has sent a right cookie before, and is held to it. */
  expectsCookie(place: ServerPlace): boolean {
    return this.#words[place + COOKIE_LENGTH]! > 0;
  }

  keepCookie(place: ServerPlace, bytes: Uint8Array, at: number, length: number): void {
    const to = (place + COOKIE) * 4;
    for (let i = 0; i < length; i++) this.#bytes[to + i] = bytes[at + i]!;
    this.#words[place + COOKIE_LENGTH] = length;
  }

  forgetCookie(place: ServerPlace): void {
    this.#words[place + COOKIE_LENGTH] = 0;
  }
}

function isAt(words: Int32Array, at: number, address: Int32Array): boolean {
  return (
    words[at] === address[0] &&
    words[at + 1] === address[1] &&
    words[at + 2] === address[2] &&
    words[at + 3] === address[3] &&
    words[at + USED] !== 0
  );
}

/** Whole seconds, from 1. */
function seconds(nowMs: number): number {
  return ((nowMs / 1000) | 0) + 1;
}

function isRecent(seen: number, now: number): boolean {
  return seen > 0 && now - seen < ABILITY;
}
