/**
 * Which client networks ask for what fails: counts of fixed size, by a keyed hash, that fade within seconds. Nothing is
 * kept of an address: a count tells neither who it is, nor what was asked.
 */
import { halfSipHash, hashLow, type Query } from '../../src/contract/plugin.ts';

/** Places of a row; a network has one in each of two rows, and counts what is less. */
const PLACES = 4096;
const PLACE_BITS = 12;
const FADE_MS = 1000;
/** Counts fall to nine tenths in a second, to a third in ten. */
const FADE = 0.9;
/** A network is clean while less than so much of what it asked for is in vain, or may be. */
const CLEAN = 2;

export class ClientNetworks {
  readonly #counts = new Float32Array(2 * PLACES);
  readonly #hashed = new Int32Array(4);
  readonly #key0: number;
  readonly #key1: number;
  #fadedMs = Number.NEGATIVE_INFINITY;

  /** `key`: 64 secret bits. */
  constructor([key0, key1]: readonly [number, number]) {
    this.#key0 = key0 ^ 0x5bd1e995;
    this.#key1 = key1;
  }

  /** The client's network (IPv4 /24, IPv6 /56) as a number: the same one for the same network. For the moment only. */
  of({ clientWords, family }: Query): number {
    if (family === 4) return clientWords[3]! & ~0xff;
    const hashed = this.#hashed;
    hashed[0] = clientWords[0]!;
    hashed[1] = clientWords[1]! & ~0xff;
    halfSipHash(hashed, 8, this.#key0, this.#key1);
    return hashLow;
  }

  /** A number of the network that says nothing about it to whoever has not the key. */
  hashOf(network: number): number {
    this.#hashed[0] = network;
    halfSipHash(this.#hashed, 4, this.#key0, this.#key1);
    return hashLow;
  }

  isClean(network: number, nowMs: number): boolean {
    this.#fade(nowMs);
    const counts = this.#counts;
    const hash = this.hashOf(network);
    return Math.min(counts[hash & (PLACES - 1)]!, counts[second(hash)]!) < CLEAN;
  }

  add(network: number, queries: number): void {
    const counts = this.#counts;
    const hash = this.hashOf(network);
    const one = hash & (PLACES - 1);
    const other = second(hash);
    counts[one] = Math.max(0, counts[one]! + queries);
    counts[other] = Math.max(0, counts[other]! + queries);
  }

  #fade(nowMs: number): void {
    if (nowMs - this.#fadedMs < FADE_MS) return;
    const seconds = Math.min(60, (nowMs - this.#fadedMs) / FADE_MS);
    this.#fadedMs = nowMs;
    const factor = FADE ** seconds;
    for (let i = 0; i < this.#counts.length; i++) this.#counts[i]! *= factor;
  }
}

function second(hash: number): number {
  return PLACES + ((hash >>> PLACE_BITS) & (PLACES - 1));
}
