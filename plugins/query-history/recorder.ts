/**
 * The observe hook: one query goes into the totals, into three tables keyed by its name and into two keyed by its source.
 *
 * Two halves of each table take turns (an epoch is ten seconds): the main thread turns `ACTIVE`, and once `BUSY` has been
 * seen 0 after that, nothing writes to the other half any more; it is read and cleared at leisure. `BUSY` and `ACTIVE` are
 * accessed with sequential consistency, as in Dekker's algorithm: a worker that reads the old half has said BUSY before.
 */

import { CACHE_MISS, type Query, RCODE, type SuffixKey, TYPE } from '../../src/contract/plugin.ts';
import { FoldedName } from './folded-name.ts';
import { type HeavyHitters, openHalf } from './heavy-hitters.ts';
import {
  ACTIVE,
  ATTRIBUTE_COUNT,
  BLOCKS,
  BUSY,
  DENIED,
  LARGE,
  MISSES,
  NAME_KINDS,
  NXDOMAIN,
  RANDOM,
  type RecorderMemory,
  SAMPLES,
  SERVFAIL,
  SHAPES,
  SLOW,
  SOURCE_KINDS,
  TYPE_CLASSES,
} from './layout.ts';
import { Sampling } from './sampling.ts';
import type { SharedSuffixes } from './shared-suffixes.ts';
import {
  ANSWER_BYTES,
  CACHE_AT,
  DROP_AT,
  LATENCY_US,
  latencyCell,
  QUERIES,
  RCODE_AT,
  RCODE_COUNT,
  sizeCell,
  TRANSPORT_AT,
  typeCell,
} from './totals.ts';

const OTHER_CLASS = TYPE_CLASSES.length - 1;
const CLASS_OF_TYPE = new Uint8Array(256).fill(OTHER_CLASS);
for (const [i, name] of TYPE_CLASSES.entries()) {
  const type = {
    A: TYPE.A,
    AAAA: TYPE.AAAA,
    HTTPS: TYPE.HTTPS,
    PTR: 12,
    TXT: 16,
    ANY: 255,
    DNSKEY: 48,
    OTHER: undefined,
  }[name];
  if (type !== undefined) CLASS_OF_TYPE[type] = i;
}

/** Of the second word: /56. */
const LINE_MASK6 = -1 << 8;
const SLOW_US = 1_000_000;
const LARGE_BYTES = 900;

export interface RecorderSettings {
  /** Six secret 32-bit integers. */
  readonly sourceKey: readonly number[];
  readonly suffixKey: SuffixKey;
  readonly suffixes: SharedSuffixes;
  /** Prefix lengths of source networks. */
  readonly ipv4Prefix: number;
  readonly ipv6Prefix: number;
  random32(): number;
}

export class Recorder {
  readonly #control: Int32Array;
  readonly #totals: Float64Array;
  readonly #names: readonly (readonly HeavyHitters[])[];
  readonly #sources: readonly (readonly HeavyHitters[])[];
  readonly #folded: FoldedName;
  readonly #sampling: Sampling;
  readonly #key: Int32Array;
  /** Hash of the address that was hashed last. */
  #low = 0;
  #high = 0;
  /** Bits of an address that belong to its network, IPv4 (as ::ffff:a.b.c.d) and IPv6. */
  readonly #mask4: Int32Array;
  readonly #mask6: Int32Array;
  readonly #address = new Int32Array(4);

  constructor(memory: RecorderMemory, settings: RecorderSettings) {
    this.#control = new Int32Array(memory.control);
    this.#totals = new Float64Array(memory.totals);
    const halves = [0, 1] as const;
    this.#names = halves.map((half) => openHalf(memory.names, half, NAME_KINDS, SHAPES).tables);
    this.#sources = halves.map((half) => openHalf(memory.sources, half, SOURCE_KINDS, SHAPES).tables);
    this.#folded = new FoldedName(settings.suffixKey, settings.suffixes);
    this.#sampling = new Sampling(settings.random32());
    // Multipliers have to be odd.
    this.#key = Int32Array.from(settings.sourceKey, (word, i) => (i < 4 ? word : word | 1));
    this.#mask4 = maskWords(96 + settings.ipv4Prefix);
    this.#mask6 = maskWords(settings.ipv6Prefix);
    // A predecessor at this place may have died in the middle of a query.
    Atomics.store(this.#control, BUSY, 0);
  }

  /** Returns whether name and source were looked at. */
  observe(query: Query): boolean {
    const control = this.#control;
    Atomics.store(control, BUSY, 1);
    const half = Atomics.load(control, ACTIVE) & 1;
    // Whole microseconds, at most 17 minutes: a small integer, where a fraction would be an object on the heap.
    const latencyUs = Math.max(0, Math.min(0x3fffffff, (query.nowMs - query.receivedMs) * 1000)) | 0;
    this.#total(query, latencyUs);
    const weight = this.#sampling.next(query);
    if (weight > 0) {
      this.#read(query, latencyUs, weight);
      if (query.question.nameLength > 0) this.#recordName(query, this.#names[half]!);
      this.#recordSource(query, this.#sources[half]!);
    }
    Atomics.store(control, BUSY, 0);
    return weight > 0;
  }

  #total(query: Query, latencyUs: number): void {
    const totals = this.#totals;
    totals[QUERIES]! += 1;
    totals[TRANSPORT_AT + query.transport]! += 1;
    totals[CACHE_AT + query.cacheResult]! += 1;
    if (query.question.nameLength > 0) totals[typeCell(query.question.type)]! += 1;
    if (query.replyLength === 0) {
      if (query.dropReason >= 0) totals[DROP_AT + query.dropReason]! += 1;
      return;
    }
    totals[RCODE_AT + (query.rcode < RCODE_COUNT ? query.rcode : RCODE.SERVFAIL)]! += 1;
    totals[ANSWER_BYTES]! += query.replyLength;
    totals[sizeCell(query.replyLength)]! += 1;
    totals[LATENCY_US]! += latencyUs;
    totals[latencyCell(latencyUs)]! += 1;
  }

  // What became of the query, read once for all tables: a weight, or 0.
  #weight = 0;
  #typeClass = 0;
  #miss = 0;
  #servfail = 0;
  #nxdomain = 0;
  #blocks = 0;
  #slow = 0;
  #large = 0;
  #denied = 0;
  #random = 0;

  #read(query: Query, latencyUs: number, weight: number): void {
    const { type } = query.question;
    const { replyLength, rcode } = query;
    const replied = replyLength > 0;
    this.#weight = weight;
    this.#typeClass = type < 256 ? CLASS_OF_TYPE[type]! : OTHER_CLASS;
    this.#miss = query.cacheResult === CACHE_MISS ? weight : 0;
    this.#servfail = replied && rcode === RCODE.SERVFAIL ? weight : 0;
    this.#nxdomain = replied && rcode === RCODE.NXDOMAIN ? weight : 0;
    this.#denied = !replied || rcode === RCODE.REFUSED ? weight : 0;
    this.#blocks = ((replyLength + 63) >>> 6) * weight;
    this.#slow = latencyUs >= SLOW_US ? weight : 0;
    // The TC bit, RFC 1035 §4.1.1.
    const cut = replied && (query.reply[query.replyStart + 2]! & 2) !== 0;
    this.#large = cut || replyLength > LARGE_BYTES ? weight : 0;
    this.#random = 0;
  }

  /** Reads the question and what became of it; never the client. */
  #recordName(query: Query, tables: readonly HeavyHitters[]): void {
    const { question } = query;
    const folded = this.#folded;
    folded.fold(question);
    this.#random = folded.random ? this.#weight : 0;
    const names = tables[0]!;
    const name = names.add(question.hashLow, question.hashHigh, this.#weight);
    if (name >= 0) {
      if (names.admitted) copyName(names, name, question.name, 0, question.nameLength);
      this.#describe(names.attributes, name);
    }
    const domains = tables[1]!;
    const domain = domains.add(folded.domainLow, folded.domainHigh, this.#weight);
    if (domain >= 0) {
      if (domains.admitted) copyName(domains, domain, question.name, folded.domainAt, question.nameLength);
      this.#describe(domains.attributes, domain);
      domains.markDistinct(domain, question.hashHigh);
    }
    if (!folded.hasPattern) return;
    const patterns = tables[2]!;
    const pattern = patterns.add(folded.patternLow, folded.patternHigh, this.#weight);
    if (pattern < 0) return;
    if (patterns.admitted) copyName(patterns, pattern, question.name, folded.patternAt, question.nameLength);
    this.#describe(patterns.attributes, pattern);
    patterns.markDistinct(pattern, question.hashHigh);
  }

  /** Reads the client's address and what became of the query; never the name, nor what it looks like. */
  #recordSource(query: Query, tables: readonly HeavyHitters[]): void {
    this.#random = 0;
    const from = query.clientWords;
    const address = this.#address;
    const four = query.family === 4;
    const mask = four ? this.#mask4 : this.#mask6;
    for (let i = 0; i < 4; i++) address[i] = from[i]! & mask[i]!;
    const network = this.#addSource(tables[0]!, four);
    if (network >= 0) {
      // Lines that ask, so that nobody is taken for a network: of IPv6 a /56, because a household has many addresses.
      for (let i = 0; i < 4; i++) address[i] = from[i]!;
      if (!four) {
        address[1]! &= LINE_MASK6;
        address[2] = 0;
        address[3] = 0;
      }
      this.#hashSource(four);
      tables[0]!.markDistinct(network, this.#high);
    }
    for (let i = 0; i < 4; i++) address[i] = from[i]!;
    this.#addSource(tables[1]!, four);
  }

  #hashSource(four: boolean): void {
    const address = this.#address;
    const key = this.#key;
    // Multiply and shift, word by word, with secret multipliers: collisions cannot be chosen from outside.
    let low = four ? key[0]! : key[2]!;
    let high = four ? key[1]! : key[3]!;
    for (let i = four ? 3 : 0; i < 4; i++) {
      low = Math.imul(low ^ address[i]!, key[4]!);
      low ^= low >>> 15;
      high = Math.imul((high + address[i]!) | 0, key[5]!);
      high ^= high >>> 13;
    }
    // Sketch and table take the upper bits of the one and the lower bits of the other: spread both over all bits.
    low = Math.imul(low, 0x85ebca6b);
    this.#low = low ^ (low >>> 13);
    high = Math.imul(high, 0xc2b2ae35 | 0);
    this.#high = high ^ (high >>> 16);
  }

  /** The slot, or -1 where it has none. */
  #addSource(table: HeavyHitters, four: boolean): number {
    const address = this.#address;
    this.#hashSource(four);
    const slot = table.add(this.#low, this.#high, this.#weight);
    if (slot < 0) return slot;
    if (table.admitted) {
      for (let i = 0; i < 4; i++) table.keyWords[slot * 4 + i] = address[i]!;
      table.lengths[slot] = 16;
    }
    this.#describe(table.attributes, slot);
    return slot;
  }

  #describe(attributes: Int32Array, slot: number): void {
    const at = slot * ATTRIBUTE_COUNT;
    attributes[at + this.#typeClass]! += this.#weight;
    attributes[at + MISSES]! += this.#miss;
    attributes[at + SERVFAIL]! += this.#servfail;
    attributes[at + NXDOMAIN]! += this.#nxdomain;
    attributes[at + BLOCKS]! += this.#blocks;
    attributes[at + SLOW]! += this.#slow;
    attributes[at + LARGE]! += this.#large;
    attributes[at + DENIED]! += this.#denied;
    attributes[at + RANDOM]! += this.#random;
    attributes[at + SAMPLES]! += 1;
  }
}

function copyName(table: HeavyHitters, slot: number, name: Uint8Array, from: number, to: number): void {
  const keys = table.keys;
  const at = slot * table.shape.keyBytes - from;
  for (let i = from; i < to; i++) keys[at + i] = name[i]!;
  table.lengths[slot] = to - from;
}

function maskWords(bits: number): Int32Array {
  return Int32Array.from({ length: 4 }, (_, i) => {
    const own = Math.min(32, Math.max(0, bits - i * 32));
    return own === 0 ? 0 : -1 << (32 - own);
  });
}
