/**
 * Sources whose packets the kernel drops, as the server sees them: entries with a reason and an end, a rate where some are to pass.
 * Main thread and workers write to the same maps; whoever reads a source's entry sees one of them whole.
 *
 * Times are those of the kernel's monotonic clock, as process.hrtime has it. What has ended is inert at once and swept away
 * later. A full table refuses new entries and keeps the ones it has.
 */
import { addressText, isMapped, type Prefix, prefixText } from '../address/address.ts';
import { type Bpf, BpfError, MAP_HASH, MAP_LPM_TRIE, MAP_NO_PREALLOC, MAP_PERCPU_ARRAY } from '../bpf/bpf.ts';
import { possibleProcessors } from '../system/processors.ts';
import { type DropMaps, ENTRY_BYTES, FAMILY_BITS, HOST_KEY_BYTES, NETWORK_KEY_BYTES } from './drop-check.ts';

/** Why a source is dropped; the number is an index here. `let-pass` ends the search and drops nothing. */
export const DROP_REASONS = ['let-pass', 'host-share', 'network-share', 'outsider'] as const;
export type DropReason = (typeof DROP_REASONS)[number];

const MAX_HOSTS = 16_384;
const MAX_NETWORKS = 16_384;

/** One entry, for people. */
export interface DropEntry {
  /** Address or network in canonical text; an IPv6 host is its /64. */
  readonly source: string;
  readonly reason: DropReason;
  /** Milliseconds until it ends; null = it lasts as long as the configuration. */
  readonly endsInMs: number | null;
  /** Packets a second that pass all the same; 0 = none. */
  readonly passPerSecond: number;
}

export interface DropTerm {
  readonly reason: DropReason;
  /** From now on; Infinity = until it is removed. */
  readonly termMs: number;
  /** Packets a second that pass all the same; 0 = none. */
  readonly passPerSecond: number;
}

/** Throws BpfError. */
export function createDropMaps(bpf: Bpf): DropMaps {
  const valueBytes = ENTRY_BYTES;
  const hosts = bpf.createMap({
    type: MAP_HASH,
    keyBytes: HOST_KEY_BYTES,
    valueBytes,
    entries: MAX_HOSTS,
    name: 'sekisho_hosts',
  });
  const networks = bpf.createMap({
    type: MAP_LPM_TRIE,
    keyBytes: NETWORK_KEY_BYTES,
    valueBytes,
    entries: MAX_NETWORKS,
    flags: MAP_NO_PREALLOC,
    name: 'sekisho_nets',
  });
  const counters = bpf.createMap({
    type: MAP_PERCPU_ARRAY,
    keyBytes: 4,
    valueBytes: 8,
    entries: DROP_REASONS.length,
    name: 'sekisho_drops',
  });
  return { hosts, networks, counters };
}

export class DropTable {
  readonly maps: DropMaps;
  readonly #bpf: Bpf;
  readonly #nowNs: () => bigint;
  readonly #value = new Uint8Array(ENTRY_BYTES);
  readonly #view = new DataView(this.#value.buffer);
  readonly #processors = possibleProcessors();

  constructor(bpf: Bpf, maps: DropMaps, nowNs: () => bigint = process.hrtime.bigint) {
    this.#bpf = bpf;
    this.maps = maps;
    this.#nowNs = nowNs;
  }

  /** `words`: address.ts; of IPv6 the first 64 bits count. False where the table is full. */
  dropHost(words: Int32Array, term: DropTerm): boolean {
    return this.#update(this.maps.hosts, hostKey(words), term);
  }

  removeHost(words: Int32Array): void {
    this.#remove(this.maps.hosts, hostKey(words));
  }

  /** A network of `words` and `bits` (address.ts: an IPv4 /n has 96 + n). `family` tells ::/0 from 0.0.0.0/0. */
  dropNetwork({ words, bits }: Prefix, family: 4 | 6, term: DropTerm): boolean {
    return this.#update(this.maps.networks, networkKey(words, bits, family), term);
  }

  removeNetwork({ words, bits }: Prefix, family: 4 | 6): void {
    this.#remove(this.maps.networks, networkKey(words, bits, family));
  }

  /** Nothing is in the tables, not even what has ended. */
  get empty(): boolean {
    return this.#kinds.every(([map, keyBytes]) => this.#bpf.keys(map, keyBytes, 1).length === 0);
  }

  /** All that drops something, up to `limit`. */
  entries(limit: number): DropEntry[] {
    const now = this.#nowNs();
    const found: DropEntry[] = [];
    for (const [map, keyBytes, text] of this.#kinds) {
      for (const key of this.#bpf.keys(map, keyBytes, limit - found.length)) {
        const value = this.#bpf.lookup(map, key, ENTRY_BYTES);
        const entry = value && entryOf(value, text(key), now);
        if (entry) found.push(entry);
      }
    }
    return found;
  }

  /** Remove what has ended. Looks at up to `limit` entries of each map; those that stay do not hide the others for good. */
  sweep(limit: number): number {
    const now = this.#nowNs();
    let removed = 0;
    for (const [map, keyBytes] of this.#kinds) {
      for (const key of this.#bpf.keys(map, keyBytes, limit)) {
        const value = this.#bpf.lookup(map, key, ENTRY_BYTES);
        const end = value && new DataView(value.buffer).getBigUint64(0, true);
        if (end && end <= now && this.#bpf.remove(map, key)) removed++;
      }
    }
    return removed;
  }

  /** Packets dropped for a reason, by processor. */
  dropped(reason: DropReason): readonly number[] {
    const key = new Uint8Array(4);
    key[0] = DROP_REASONS.indexOf(reason);
    const bytes = this.#bpf.lookup(this.maps.counters, key, this.#processors * 8);
    if (bytes === undefined) return [];
    const view = new DataView(bytes.buffer);
    return Array.from({ length: this.#processors }, (_, i) => Number(view.getBigUint64(i * 8, true)));
  }

  get #kinds() {
    return [
      [this.maps.hosts, HOST_KEY_BYTES, hostText],
      [this.maps.networks, NETWORK_KEY_BYTES, networkText],
    ] as const;
  }

  #update(map: number, key: Uint8Array, { reason, termMs, passPerSecond }: DropTerm): boolean {
    const view = this.#view;
    const now = this.#nowNs();
    view.setBigUint64(0, Number.isFinite(termMs) ? now + BigInt(Math.round(termMs * 1e6)) : 0n, true);
    view.setBigUint64(8, passPerSecond > 0 ? BigInt(Math.round(1e9 / passPerSecond)) : 0n, true);
    view.setBigUint64(16, 0n, true);
    view.setUint32(24, DROP_REASONS.indexOf(reason), true);
    try {
      this.#bpf.update(map, key, this.#value);
      return true;
    } catch (error) {
      // A table that is full; or a kernel before 5.19, where threads without CAP_BPF may not write.
      if (error instanceof BpfError) return false;
      throw error;
    }
  }

  /** What cannot be removed ends by itself. */
  #remove(map: number, key: Uint8Array): void {
    try {
      this.#bpf.remove(map, key);
    } catch (error) {
      if (!(error instanceof BpfError)) throw error;
    }
  }
}

function entryOf(value: Uint8Array, source: string, now: bigint): DropEntry | undefined {
  const view = new DataView(value.buffer);
  const end = view.getBigUint64(0, true);
  const interval = Number(view.getBigUint64(8, true));
  const reason = DROP_REASONS[view.getUint32(24, true)];
  if (reason === undefined || reason === 'let-pass' || (end !== 0n && end <= now)) return undefined;
  return {
    source,
    reason,
    endsInMs: end === 0n ? null : Number((end - now) / 1_000_000n),
    passPerSecond: interval === 0 ? 0 : Math.round(1e9 / interval),
  };
}

function hostKey(words: Int32Array): Uint8Array {
  const key = new Uint8Array(HOST_KEY_BYTES);
  const view = new DataView(key.buffer);
  const v4 = isMapped(words);
  view.setUint32(0, v4 ? 4 : 6, true);
  view.setInt32(4, v4 ? words[3]! : words[0]!);
  if (!v4) view.setInt32(8, words[1]!);
  return key;
}

function networkKey(words: Int32Array, bits: number, family: 4 | 6): Uint8Array {
  const key = new Uint8Array(NETWORK_KEY_BYTES);
  const view = new DataView(key.buffer);
  view.setUint32(0, FAMILY_BITS + (family === 4 ? Math.max(0, bits - 96) : bits), true);
  view.setUint32(4, family, true);
  if (family === 4) view.setInt32(8, words[3]!);
  else for (let i = 0; i < 4; i++) view.setInt32(8 + i * 4, words[i]!);
  return key;
}

function hostText(key: Uint8Array): string {
  const view = new DataView(key.buffer);
  if (view.getUint32(0, true) === 4) return addressText(Int32Array.of(0, 0, 0xffff, view.getInt32(4)));
  return `${addressText(Int32Array.of(view.getInt32(4), view.getInt32(8), 0, 0))}/64`;
}

function networkText(key: Uint8Array): string {
  const view = new DataView(key.buffer);
  const bits = view.getUint32(0, true) - FAMILY_BITS;
  if (view.getUint32(4, true) === 4)
    return prefixText({ words: Int32Array.of(0, 0, 0xffff, view.getInt32(8)), bits: 96 + bits });
  const words = Int32Array.from({ length: 4 }, (_, i) => view.getInt32(8 + i * 4));
  return prefixText({ words, bits });
}
