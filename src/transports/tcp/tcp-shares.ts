/**
 * Who has how many TCP connections, over all workers: limits that held in each worker alone would be many times what the
 * configuration says, and the connection that has been idle longest may be another worker's.
 *
 *     words   lock · connections · free list │ condemned, by worker │ chains, by client │ places
 *     place   state · worker thread · worker's place · next of the chain · client (two words)          since: idle since when
 *
 *     free ──enter──▶ quiet ◀──────▶ busy ──leave──▶ free
 *                       └─ condemned: it counts no more, and its worker closes it at its next look
 *
 * Entering and leaving take a lock for a microsecond; between quiet and busy a worker changes its own places without it. The
 * main thread gives back what a dead worker held. One memory belongs to one set of workers: a reload begins with another.
 */

import { isMapped } from '../../address/address.ts';
import { halfSipHash, hashLow } from '../../hash/siphash.ts';

export interface TcpSharesMemory {
  readonly words: SharedArrayBuffer;
  /** Monotonic milliseconds, one for each place. */
  readonly since: SharedArrayBuffer;
  readonly places: number;
  readonly chains: number;
  readonly maxConnections: number;
  readonly maxPerClient: number;
}

/** The client has its share, and none of its connections is idle. */
export const ENTER_CLIENT_LIMIT = -1;
/** There is no place, and no connection is idle. */
export const ENTER_FULL = -2;
/** The lock could not be had just now, because whoever holds it gets no processor: enter again at the next look. */
export const ENTER_UNCOUNTED = -3;

const LOCK = 0;
const CONNECTIONS = 1;
/** Index of the first free place plus one; 0 = none. */
const FREE_LIST = 2;
const CONDEMNED_COUNTS = 16;
/** More workers than there can be (config.ts). */
const MOST_WORKERS = 64;
const CHAINS = CONDEMNED_COUNTS + MOST_WORKERS;

/** Words of a place. */
const PLACE_WORDS = 8;
const STATE = 0;
const THREAD = 1;
const WORKER = 2;
const NEXT = 3;
const CLIENT_HIGH = 4;
const CLIENT_LOW = 5;
/** Hash of the client, whose low bits are its chain. */
const CHAIN = 6;

const FREE = 0;
const QUIET = 1;
const BUSY = 2;
/** Made room for another connection of its client. */
export const CONDEMNED_BY_CLIENT = 3;
/** Made room for somebody else's. */
export const CONDEMNED_BY_OTHERS = 4;

/** Looks at the lock before waiting for it: longer than anybody holds it who is not interrupted. */
const SPINS = 1_000;
/** Waits of a packet thread, about a millisecond together: a holder who was interrupted needs the processor meanwhile. */
const WAITS = 10;
/** The same of the main thread, where no packets wait. */
const PATIENT_WAITS = 5_000;
const WAIT_MS = 0.1;
const MAIN_THREAD = -1;

export function createTcpShares(limits: { maxConnections: number; maxPerClient: number }): TcpSharesMemory {
  const { maxConnections, maxPerClient } = limits;
  // Those condemned keep their places until they are closed.
  const places = 2 * maxConnections + 64;
  const chains = 2 ** Math.ceil(Math.log2(maxConnections + 1));
  const words = new Int32Array(new SharedArrayBuffer(4 * (CHAINS + chains + places * PLACE_WORDS)));
  const memory = {
    words: words.buffer,
    since: new SharedArrayBuffer(8 * places),
    places,
    chains,
    maxConnections,
    maxPerClient,
  };
  relink(memory, words, MAIN_THREAD);
  return memory;
}

/** Give back what the worker thread `serial` held; it is gone. False where the lock could not be had. */
export function releaseTcpSharesOf(memory: TcpSharesMemory, serial: number): boolean {
  const words = new Int32Array(memory.words);
  // It may have died with the lock in its hand.
  Atomics.compareExchange(words, LOCK, serial, 0);
  if (!lock(words, MAIN_THREAD, PATIENT_WAITS)) return false;
  relink(memory, words, serial);
  Atomics.store(words, LOCK, 0);
  return true;
}

/** Make free list, chains and count again from the states of the places; those of the thread `gone` become free. */
function relink(memory: TcpSharesMemory, words: Int32Array, gone: number): void {
  const first = CHAINS + memory.chains;
  words.fill(0, CHAINS, first);
  words[FREE_LIST] = 0;
  words[CONNECTIONS] = 0;
  for (let place = memory.places - 1; place >= 0; place--) {
    const at = first + place * PLACE_WORDS;
    if (words[at + THREAD] === gone) words[at + STATE] = FREE;
    const state = words[at + STATE]!;
    if (state === FREE) {
      words[at + NEXT] = words[FREE_LIST]!;
      words[FREE_LIST] = place + 1;
    } else if (state === QUIET || state === BUSY) {
      const chain = CHAINS + (words[at + CHAIN]! & (memory.chains - 1));
      words[at + NEXT] = words[chain]!;
      words[chain] = place + 1;
      words[CONNECTIONS]!++;
    }
  }
}

function lock(words: Int32Array, owner: number, waits: number): boolean {
  for (let spins = 0; ; spins++) {
    const holder = Atomics.compareExchange(words, LOCK, 0, owner);
    if (holder === 0) return true;
    if (spins < SPINS) continue;
    if (--waits < 0) return false;
    Atomics.wait(words, LOCK, holder, WAIT_MS);
  }
}

/** A worker's view. */
export class TcpShares {
  readonly #memory: TcpSharesMemory;
  readonly #words: Int32Array;
  readonly #since: Float64Array;
  readonly #first: number;
  readonly #serial: number;
  readonly #worker: number;
  readonly #key0: number;
  readonly #key1: number;
  readonly #client = new Int32Array(3);
  #condemnedSeen: number;
  /** Places to be left as soon as the lock can be had. */
  readonly #owed: number[] = [];
  /** This worker's own place that the last `enter` has condemned, or -1. */
  condemned = -1;

  /** `serial`: number of the thread, from 1; `worker`: place among the workers; `key`: 64 secret bits. */
  constructor(memory: TcpSharesMemory, serial: number, worker: number, key: readonly [number, number]) {
    this.#memory = memory;
    this.#words = new Int32Array(memory.words);
    this.#since = new Float64Array(memory.since);
    this.#first = CHAINS + memory.chains;
    this.#serial = serial;
    this.#worker = worker;
    [this.#key0, this.#key1] = key;
    this.#condemnedSeen = Atomics.load(this.#words, CONDEMNED_COUNTS + worker);
  }

  /**
   * A place for a connection of the client at `address`, or ENTER_…. Where the client has its share, its own longest idle
   * connection is condemned for it; where all places are taken, `longestQuiet` (this worker's, or -1), else whichever has been
   * idle longest (RFC 7766 §6.2.3).
   */
  enter(address: Int32Array, nowMs: number, longestQuiet: number): number {
    const words = this.#words;
    this.condemned = -1;
    // IPv4 by address; IPv6 by /64, of which one subscriber has a whole one at least.
    const client = this.#client;
    client[0] = isMapped(address) ? 0xffff : address[0]!;
    client[1] = isMapped(address) ? address[3]! : address[1]!;
    halfSipHash(client, 8, this.#key0, this.#key1);
    const hash = hashLow;
    if (!lock(words, this.#serial, WAITS)) return ENTER_UNCOUNTED;
    const place = this.#enterLocked(client[0]!, client[1]!, hash, nowMs, longestQuiet);
    Atomics.store(words, LOCK, 0);
    return place;
  }

  /** The connection is over. */
  leave(place: number): void {
    if (place < 0) return;
    if (!lock(this.#words, this.#serial, WAITS)) {
      this.#owed.push(place);
      return;
    }
    this.#leaveLocked(place);
    Atomics.store(this.#words, LOCK, 0);
  }

  /** Its last outstanding query was answered. */
  quiet(place: number, nowMs: number): void {
    if (place < 0) return;
    this.#since[place] = nowMs;
    Atomics.compareExchange(this.#words, this.#at(place) + STATE, BUSY, QUIET);
  }

  /** A query is outstanding. Whoever has condemned it before was first. */
  busy(place: number): void {
    if (place >= 0) Atomics.compareExchange(this.#words, this.#at(place) + STATE, QUIET, BUSY);
  }

  /** CONDEMNED_…, or 0 where the connection in `place` may stay. */
  sentence(place: number): number {
    if (place < 0) return 0;
    const state = Atomics.load(this.#words, this.#at(place) + STATE);
    return state === CONDEMNED_BY_CLIENT || state === CONDEMNED_BY_OTHERS ? state : 0;
  }

  /** To be called now and then. True where some of this worker's connections were condemned since the last call. */
  look(): boolean {
    while (this.#owed.length > 0 && lock(this.#words, this.#serial, WAITS)) {
      this.#leaveLocked(this.#owed.pop()!);
      Atomics.store(this.#words, LOCK, 0);
    }
    const count = Atomics.load(this.#words, CONDEMNED_COUNTS + this.#worker);
    if (count === this.#condemnedSeen) return false;
    this.#condemnedSeen = count;
    return true;
  }

  /** The next look finds something: this worker's own connections were condemned too. */
  remind(): void {
    this.#condemnedSeen--;
  }

  #enterLocked(high: number, low: number, hash: number, nowMs: number, longestQuiet: number): number {
    const words = this.#words;
    const { maxConnections, maxPerClient } = this.#memory;
    const chain = CHAINS + (hash & (this.#memory.chains - 1));
    let held = 0;
    let oldest = -1;
    for (let place = words[chain]! - 1; place >= 0; place = words[this.#at(place) + NEXT]! - 1) {
      const at = this.#at(place);
      if (words[at + CLIENT_HIGH] !== high || words[at + CLIENT_LOW] !== low) continue;
      held++;
      oldest = this.#older(oldest, place);
    }
    if (held >= maxPerClient) {
      if (!this.#condemn(oldest, CONDEMNED_BY_CLIENT)) return ENTER_CLIENT_LIMIT;
    } else if (words[CONNECTIONS]! >= maxConnections) {
      if (!this.#condemn(longestQuiet, CONDEMNED_BY_OTHERS) && !this.#condemn(this.#oldest(), CONDEMNED_BY_OTHERS))
        return ENTER_FULL;
    }
    const place = words[FREE_LIST]! - 1;
    if (place < 0) return ENTER_FULL;
    const at = this.#at(place);
    words[FREE_LIST] = words[at + NEXT]!;
    words[at + THREAD] = this.#serial;
    words[at + WORKER] = this.#worker;
    words[at + CLIENT_HIGH] = high;
    words[at + CLIENT_LOW] = low;
    words[at + CHAIN] = hash;
    words[at + NEXT] = words[chain]!;
    words[chain] = place + 1;
    words[CONNECTIONS]!++;
    this.#since[place] = nowMs;
    Atomics.store(words, at + STATE, QUIET);
    return place;
  }

  #leaveLocked(place: number): void {
    const words = this.#words;
    const at = this.#at(place);
    if (this.sentence(place) === 0) this.#unlink(place);
    Atomics.store(words, at + STATE, FREE);
    words[at + THREAD] = 0;
    words[at + NEXT] = words[FREE_LIST]!;
    words[FREE_LIST] = place + 1;
  }

  /** False where it is not idle, or there is none. */
  #condemn(place: number, sentence: number): boolean {
    if (place < 0) return false;
    const words = this.#words;
    const at = this.#at(place);
    if (Atomics.compareExchange(words, at + STATE, QUIET, sentence) !== QUIET) return false;
    this.#unlink(place);
    if (words[at + THREAD] === this.#serial) this.condemned = place;
    else Atomics.add(words, CONDEMNED_COUNTS + words[at + WORKER]!, 1);
    return true;
  }

  /** Out of its chain and out of the count. */
  #unlink(place: number): void {
    const words = this.#words;
    const at = this.#at(place);
    let from = CHAINS + (words[at + CHAIN]! & (this.#memory.chains - 1));
    while (words[from] !== place + 1 && words[from] !== 0) from = this.#at(words[from]! - 1) + NEXT;
    if (words[from] === place + 1) words[from] = words[at + NEXT]!;
    words[CONNECTIONS]!--;
  }

  /** The place that has been quiet longest; a walk over all, needed only where this worker has none that is. */
  #oldest(): number {
    let oldest = -1;
    for (let place = 0; place < this.#memory.places; place++) oldest = this.#older(oldest, place);
    return oldest;
  }

  #older(one: number, other: number): number {
    if (Atomics.load(this.#words, this.#at(other) + STATE) !== QUIET) return one;
    return one < 0 || this.#since[other]! < this.#since[one]! ? other : one;
  }

  #at(place: number): number {
    return this.#first + place * PLACE_WORDS;
  }
}
