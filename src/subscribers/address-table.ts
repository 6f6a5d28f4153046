/**
 * Addresses of both families to holders: three prefix tables, so that an entry takes what its family needs.
 *
 *   IPv4, with or without ports     16 bytes an entry, and 4 for its session
 *   IPv6 prefixes up to /64         20 and 4 bytes
 *   longer ones, or with ports      28 and 4 bytes
 *
 * Written by one thread. A table that is full is replaced by a larger one; readers in other threads learn of it through
 * `replaced` (subscribers/desk.ts publishes it), and until they have, what is written goes into both.
 */
import { isMapped, type Prefix } from '../net/address.ts';
import { createPrefixTable, PrefixTable, type PrefixTableMemory, UNKNOWN } from './prefix-table.ts';

/** Bits in which an IPv4 prefix differs from its mapped form. */
const MAPPED_BITS = 96;
const LEAST_CAPACITY = 1024;
/** How far a table is filled at first: one whose size is known beforehand to 32 bytes an entry, one that grew less. */
const EXPECTED_FILL = { v4: 0.64, v6: 0.75, v6Long: 0.75 } as const;
const GROWN_FILL = 0.6;

export interface AddressTableMemory {
  readonly v4: PrefixTableMemory;
  readonly v6: PrefixTableMemory;
  readonly v6Long: PrefixTableMemory;
}
type Part = keyof AddressTableMemory;
const KEY_WORDS = { v4: 1, v6: 2, v6Long: 4 } as const;

/** Reads; any thread. */
export class AddressReader {
  /** Set by `find`: bits of the prefix found, as of an IPv6 address, port bits included. */
  length = 0;
  readonly #v4: PrefixTable;
  readonly #v6: PrefixTable;
  readonly #v6Long: PrefixTable;

  constructor(memory: AddressTableMemory) {
    this.#v4 = new PrefixTable(memory.v4);
    this.#v6 = new PrefixTable(memory.v6);
    this.#v6Long = new PrefixTable(memory.v6Long);
  }

  /** As PrefixTable.find, for an address as four words and the client's port. */
  find(words: Int32Array, family: number, port: number, nowSeconds: number): number {
    if (family === 4) {
      const holder = this.#v4.find(words[3]!, 0, 0, 0, port, nowSeconds);
      this.length = this.#v4.length + MAPPED_BITS;
      return holder;
    }
    const long = this.#v6Long.find(words[0]!, words[1]!, words[2]!, words[3]!, port, nowSeconds);
    this.length = this.#v6Long.length;
    if (long !== UNKNOWN) return long;
    const holder = this.#v6.find(words[0]!, words[1]!, 0, 0, 0, nowSeconds);
    this.length = this.#v6.length;
    return holder;
  }

  /** PrefixTable.hasPortBlocks, for an address as four words. */
  sharedByPorts(words: Int32Array, family: number): boolean {
    if (family === 4) return this.#v4.hasPortBlocks(words[3]!, 0, 0, 0);
    return this.#v6Long.hasPortBlocks(words[0]!, words[1]!, words[2]!, words[3]!);
  }
}

/** A prefix, and the ports of its single address that belong to the holder: an aligned block of 2^(16 − portBits). */
export interface PortPrefix extends Prefix {
  readonly port: number;
  /** 0 = all ports. */
  readonly portBits: number;
}

/** Writes; one thread. */
export class AddressTable {
  /** Called with the memory as it is now, when a part was replaced. Resolves when every reader has it. */
  readonly #replaced: ((memory: AddressTableMemory) => Promise<void>) | undefined;
  readonly #parts: Record<Part, PrefixTable>;
  /** Parts that some reader may still use, by part. */
  readonly #former: { readonly part: Part; readonly table: PrefixTable }[] = [];
  readonly #maxEntries: number;
  readonly #key = new Int32Array(4);

  constructor(
    options: {
      readonly expected?: Partial<Record<Part, number>>;
      readonly maxEntries?: number;
      readonly replaced?: (memory: AddressTableMemory) => Promise<void>;
    } = {},
  ) {
    const make = (part: Part) =>
      new PrefixTable(
        createPrefixTable(KEY_WORDS[part], capacityFor(options.expected?.[part] ?? 0, EXPECTED_FILL[part])),
      );
    this.#parts = { v4: make('v4'), v6: make('v6'), v6Long: make('v6Long') };
    this.#maxEntries = options.maxEntries ?? 1 << 24;
    this.#replaced = options.replaced;
  }

  get memory(): AddressTableMemory {
    const { v4, v6, v6Long } = this.#parts;
    return { v4: v4.memory, v6: v6.memory, v6Long: v6Long.memory };
  }

  get count(): number {
    return Object.values(this.#parts).reduce((sum, { count }) => sum + count, 0);
  }

  get bytes(): number {
    return Object.values(this.#parts).reduce((sum, { memory }) => sum + memory.buffer.byteLength, 0);
  }

  /** False where the table holds as much as it may: the address stays unknown. */
  set(prefix: PortPrefix, holder: number, expiresSeconds: number, session = 0): boolean {
    const part = partOf(prefix);
    const length = this.#keyOf(prefix, part);
    const { port } = prefix;
    if (!this.#parts[part].set(this.#key, port, length, holder, expiresSeconds, session)) {
      if (this.count >= this.#maxEntries) return false;
      this.#grow(part);
      this.#keyOf(prefix, part);
      this.#parts[part].set(this.#key, port, length, holder, expiresSeconds, session);
    }
    for (const former of this.#former)
      if (former.part === part) former.table.set(this.#key, port, length, holder, expiresSeconds, session);
    return true;
  }

  /** Set by `holderOf`: until when, and in which session. */
  expiresSeconds = 0;
  session = 0;

  /** Who holds exactly this prefix, expired or not. */
  holderOf(prefix: PortPrefix): number {
    const part = partOf(prefix);
    const length = this.#keyOf(prefix, part);
    const table = this.#parts[part];
    const holder = table.holderOf(this.#key, prefix.port, length);
    this.expiresSeconds = table.expiresSeconds;
    this.session = table.session;
    return holder;
  }

  /** PrefixTable.endSessions, in all parts. */
  endSessions(session: number, mask: number, expiresSeconds: number): number {
    for (const { table } of this.#former) table.endSessions(session, mask, expiresSeconds);
    return Object.values(this.#parts).reduce((sum, part) => sum + part.endSessions(session, mask, expiresSeconds), 0);
  }

  #grow(part: Part): void {
    const old = this.#parts[part];
    const larger = new PrefixTable(createPrefixTable(KEY_WORDS[part], capacityFor(old.count, GROWN_FILL)));
    old.copyInto(larger);
    this.#parts[part] = larger;
    if (!this.#replaced) return;
    const former = { part, table: old };
    this.#former.push(former);
    const forget = () => void this.#former.splice(this.#former.indexOf(former), 1);
    // A worker that could not take it is replaced by one that begins with it: the former one is of no use either way.
    this.#replaced(this.memory).then(forget, forget);
  }

  /** Puts the key words into `#key`; returns the length. */
  #keyOf({ words, bits, portBits }: PortPrefix, part: Part): number {
    this.#key.set(words);
    if (part !== 'v4') return bits + portBits;
    this.#key[0] = words[3]!;
    return bits - MAPPED_BITS + portBits;
  }
}

function capacityFor(entries: number, fill: number): number {
  return Math.max(LEAST_CAPACITY, Math.ceil((entries + 1) / fill));
}

function partOf({ words, bits, portBits }: PortPrefix): Part {
  if (bits >= MAPPED_BITS && isMapped(words)) return 'v4';
  return bits <= 64 && portBits === 0 ? 'v6' : 'v6Long';
}
