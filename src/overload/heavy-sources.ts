/**
 * Has the kernel drop the sources that a worker sheds most of, before their packets cost it anything: those of which it shed
 * HEAVY packets in one epoch. They keep their share, as a rate that follows the share up and down from epoch to epoch, so that
 * nobody gets less than without the kernel; and for a short term only: whoever still asks too much then is found again within
 * an epoch, and whoever does not is free.
 *
 * Two tables of candidates (hosts, networks), each source at one place; of several at one place the one stays that is shed
 * most (majority vote). All is bounded: entries in force, entries made in one epoch.
 */
import type { ClientPlaces } from './client-places.ts';

/** Packets of a source that were shed in one epoch (25 ms) and make it heavy: 5120 a second beyond its share. */
const HEAVY = 128;
/** A rate that is off by less than this share of it stays as it is. */
const NEAR_ENOUGH = 0.2;
const CANDIDATES = 256;
/** Entries that are made in one epoch at most, and that one worker has at once. */
const MOST_AN_EPOCH = 32;
const MOST_ENTRIES = 256;
export const TERM_MS = 2000;
const EPOCHS_A_SECOND = 40;

/** Where such entries are kept; drops/drop-table.ts. */
export interface DropSink {
  dropHost(words: Int32Array, term: SinkTerm): boolean;
  dropNetwork(network: { readonly words: Int32Array; readonly bits: number }, family: 4 | 6, term: SinkTerm): boolean;
  removeHost(words: Int32Array): void;
  removeNetwork(network: { readonly words: Int32Array; readonly bits: number }, family: 4 | 6): void;
}

interface SinkTerm {
  readonly reason: 'host-share' | 'network-share';
  readonly termMs: number;
  readonly passPerSecond: number;
}

interface Entry {
  readonly words: Int32Array;
  readonly family: 4 | 6;
  readonly network: boolean;
  /** Packets an epoch that pass. */
  share: number;
  readonly endsMs: number;
}

export class HeavySources {
  readonly #sink: DropSink;
  /** Hosts, then networks: the source's words, and how often it was shed more than others at its place. */
  readonly #words = new Int32Array(2 * CANDIDATES * 4);
  readonly #counts = new Int32Array(2 * CANDIDATES);
  readonly #entries: Entry[] = [];
  #madeInEpoch = 0;

  constructor(sink: DropSink) {
    this.#sink = sink;
  }

  /** Entries that this worker made and that have not ended. */
  get size(): number {
    return this.#entries.length;
  }

  /** A packet was shed because its host or network is over its share: packets an epoch. */
  shed(words: Int32Array, family: number, client: ClientPlaces, network: boolean, share: number, nowMs: number): void {
    const place = ((network ? client.network0 : client.host0) & (CANDIDATES - 1)) + (network ? CANDIDATES : 0);
    if (!this.#same(place, words, family, network)) {
      if (this.#counts[place]! > 0) {
        this.#counts[place]! -= 1;
        return;
      }
      this.#stand(place, words, family, network);
    }
    this.#counts[place]! += 1;
    if (this.#counts[place] === HEAVY) this.#drop(place, family === 4 ? 4 : 6, network, share, nowMs);
  }

  /** A new epoch begins, in which a host is served `hostShare` packets and a network `networkShare`. */
  clear(nowMs: number, hostShare: number, networkShare: number): void {
    this.#counts.fill(0);
    this.#madeInEpoch = 0;
    // The kernel has let them go already; they were made in order.
    while (this.#entries.length > 0 && this.#entries[0]!.endsMs <= nowMs) this.#remove(this.#entries.shift()!);
    for (const entry of this.#entries) {
      const share = entry.network ? networkShare : hostShare;
      if (Math.abs(share - entry.share) <= entry.share * NEAR_ENOUGH) continue;
      entry.share = share;
      this.#put(entry, nowMs);
    }
  }

  /** Nothing is shed any more: nobody is dropped for it. */
  end(): void {
    for (const entry of this.#entries.splice(0)) this.#remove(entry);
  }

  #drop(place: number, family: 4 | 6, network: boolean, share: number, nowMs: number): void {
    if (this.#madeInEpoch >= MOST_AN_EPOCH || this.#entries.length >= MOST_ENTRIES) return;
    const words = this.#words.slice(place * 4, place * 4 + 4);
    const entry: Entry = { words, family, network, share, endsMs: nowMs + TERM_MS };
    if (!this.#put(entry, nowMs)) return;
    this.#madeInEpoch++;
    this.#entries.push(entry);
  }

  /** False where the table is full. */
  #put(entry: Entry, nowMs: number): boolean {
    const { words, family, network, share, endsMs } = entry;
    const term: SinkTerm = {
      reason: network ? 'network-share' : 'host-share',
      termMs: endsMs - nowMs,
      passPerSecond: Math.max(1, share) * EPOCHS_A_SECOND,
    };
    return network ? this.#sink.dropNetwork(prefixOf(entry), family, term) : this.#sink.dropHost(words, term);
  }

  #remove(entry: Entry): void {
    if (entry.network) this.#sink.removeNetwork(prefixOf(entry), entry.family);
    else this.#sink.removeHost(entry.words);
  }

  #same(place: number, words: Int32Array, family: number, network: boolean): boolean {
    const at = place * 4;
    if (family === 4)
      return this.#words[at + 2] === 0xffff && this.#words[at + 3] === (network ? words[3]! & ~0xff : words[3]!);
    return (
      this.#words[at] === words[0]! &&
      this.#words[at + 1] === (network ? words[1]! & ~0xff : words[1]!) &&
      this.#words[at + 2] === 0
    );
  }

  /** An IPv6 host is its /64, its network the /56 (client-places.ts). */
  #stand(place: number, words: Int32Array, family: number, network: boolean): void {
    const at = place * 4;
    const v4 = family === 4;
    this.#words[at] = v4 ? 0 : words[0]!;
    this.#words[at + 1] = v4 ? 0 : network ? words[1]! & ~0xff : words[1]!;
    this.#words[at + 2] = v4 ? 0xffff : 0;
    this.#words[at + 3] = v4 ? (network ? words[3]! & ~0xff : words[3]!) : 0;
  }
}

function prefixOf({ words, family }: Entry): { words: Int32Array; bits: number } {
  return { words, bits: family === 4 ? 120 : 56 };
}
