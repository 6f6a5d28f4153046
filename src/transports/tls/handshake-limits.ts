/**
 * How many handshakes are begun: each costs as much as some hundred queries, and whoever opens connections pays nothing for it.
 * Token buckets of all clients together and of each client network (IPv4 /24, IPv6 /56); a full table forgets who was quiet longest.
 */
import { LRUCache } from 'lru-cache';
import { isMapped } from '../../address/address.ts';

export interface HandshakeLimits {
  /** Handshakes per second of this worker. */
  readonly perSecond: number;
  /** Of one network. */
  readonly perNetwork: number;
}

/** Seconds of the rate that may come at once. */
const BURST_SECONDS = 2;
const MOST_NETWORKS = 16_384;
const NO_PREFIX = 0xffff_ff00 | 0;

interface Bucket {
  tokens: number;
  atMs: number;
}

export class HandshakeGate {
  readonly #limits: HandshakeLimits;
  readonly #all: Bucket = { tokens: 0, atMs: Number.NEGATIVE_INFINITY };
  readonly #networks = new LRUCache<string, Bucket>({ max: MOST_NETWORKS });

  constructor(limits: HandshakeLimits) {
    this.#limits = limits;
  }

  /** May a client at this address begin one now? Counts it where it may. */
  admits(words: Int32Array, nowMs: number): boolean {
    const key = networkOf(words);
    let bucket = this.#networks.get(key);
    if (bucket === undefined) {
      bucket = { tokens: 0, atMs: Number.NEGATIVE_INFINITY };
      this.#networks.set(key, bucket);
    }
    const { perSecond, perNetwork } = this.#limits;
    // Its own first: a network that is over its rate takes nothing from the others'.
    if (!fill(bucket, perNetwork, nowMs) || !fill(this.#all, perSecond, nowMs)) return false;
    bucket.tokens--;
    this.#all.tokens--;
    return true;
  }
}

/** False where there is no token in it. */
function fill(bucket: Bucket, rate: number, nowMs: number): boolean {
  const most = rate * BURST_SECONDS;
  const grown = bucket.tokens + ((nowMs - bucket.atMs) / 1000) * rate;
  bucket.tokens = Math.min(most, grown);
  bucket.atMs = nowMs;
  return bucket.tokens >= 1;
}

function networkOf(words: Int32Array): string {
  return isMapped(words) ? `${words[3]! & NO_PREFIX}` : `${words[0]}:${words[1]! & NO_PREFIX}`;
}
