/**
 * Addresses of both families to holders: three prefix tables, so that an entry takes what its family needs.
 *
 *   IPv4, with or without ports     16 bytes an entry, and 4 for its session
 *   IPv6 prefixes up to /64         the same
 *   longer ones, or with ports      32 bytes
 *
 * Written by one thread. A table that gets full is copied into a larger one, some thousand lines a turn of the event loop, and
 * what is written meanwhile goes into both. Readers in other threads learn of the new one through `replaced`
 * (subscribers/desk.ts publishes it), and until they have, what is written still goes into both.
 */
import { isMapped, type Prefix } from '../../address/address.ts';
import { createPrefixTable, PrefixTable, type PrefixTableMemory, UNKNOWN } from './prefix-table.ts';

/** Bits in which an IPv4 prefix differs from its mapped form. */
const MAPPED_BITS = 96;
const LEAST_CAPACITY = 1024;
/** How full a table is made for what it is to hold: short entries then take 31 bytes each. */
const MADE_FILL = 0.64;
/** So full it is copied into a larger one, which is full as above at first. */
const GROWING_FILL = 0.75;
/** A small table doubles instead: its bytes do not matter. */
const SMALL_ENTRIES = 1 << 16;
/** Lines copied in one turn: about half a millisecond. */
const LINES_A_TURN = 1 << 13;

export interface AddressTableMemory {
  readonly v4: PrefixTableMemory;
  readonly v6: PrefixTableMemory;
  readonly v6Long: PrefixTableMemory;
}
type Part = keyof AddressTableMemory;
const KEY_WORDS = { v4: 2, v6: 2, v6Long: 5 } as const;

/** A port is the upper half of the word that follows the address. */
const PORT_SHIFT = 16;

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

  #family = 4;

  /** `locate` and `found` at once. */
  find(words: Int32Array, family: number, port: number, nowSeconds: number): number {
    this.locate(words, family, port);
    return this.found(nowSeconds);
  }

  /** As PrefixTable.locate, for an address as four words and the client's port. */
  locate(words: Int32Array, family: number, port: number): void {
    this.#family = family;
    if (family === 4) {
      this.#v4.locate(words[3]!, port << PORT_SHIFT, 0, 0, 0);
      return;
    }
    this.#v6Long.locate(words[0]!, words[1]!, words[2]!, words[3]!, port << PORT_SHIFT);
    this.#v6.locate(words[0]!, words[1]!, 0, 0, 0);
  }

  /** As PrefixTable.foresee, for an address as four words and the client's port. */
  foresee(words: Int32Array, family: number, port: number): void {
    if (family === 4) {
      this.#v4.foresee(words[3]!, port << PORT_SHIFT, 0, 0, 0);
      return;
    }
    this.#v6Long.foresee(words[0]!, words[1]!, words[2]!, words[3]!, port << PORT_SHIFT);
    this.#v6.foresee(words[0]!, words[1]!, 0, 0, 0);
  }

  /** As PrefixTable.fetch. */
  fetch(): void {
    this.#v4.fetch();
    this.#v6.fetch();
    this.#v6Long.fetch();
  }

  /** As PrefixTable.found. */
  found(nowSeconds: number): number {
    if (this.#family === 4) {
      const holder = this.#v4.found(nowSeconds);
      this.length = this.#v4.length + MAPPED_BITS;
      return holder;
    }
    const long = this.#v6Long.found(nowSeconds);
    this.length = this.#v6Long.length;
    if (long !== UNKNOWN) return long;
    const holder = this.#v6.found(nowSeconds);
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
  /** Larger tables into which parts are being copied, and the line that is next. */
  readonly #growing = new Map<Part, { readonly larger: PrefixTable; line: number }>();
  readonly #maxEntries: number;
  readonly #key = new Int32Array(5);

  constructor(
    options: {
      readonly expected?: Partial<Record<Part, number>>;
      readonly maxEntries?: number;
      readonly replaced?: (memory: AddressTableMemory) => Promise<void>;
    } = {},
  ) {
    const make = (part: Part) =>
      new PrefixTable(createPrefixTable(KEY_WORDS[part], capacityFor(options.expected?.[part] ?? 0)));
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
    const key = this.#key;
    if (this.count >= this.#maxEntries && this.#parts[part].holderOf(key, length) === UNKNOWN) return false;
    // Full although a larger one is being made: it is needed now.
    if (!this.#parts[part].set(key, length, holder, expiresSeconds, session)) {
      this.#finishGrowing(part);
      this.#parts[part].set(key, length, holder, expiresSeconds, session);
    }
    this.#growing.get(part)?.larger.set(key, length, holder, expiresSeconds, session);
    for (const former of this.#former)
      if (former.part === part) former.table.set(key, length, holder, expiresSeconds, session);
    if (this.#parts[part].fill >= GROWING_FILL && !this.#growing.has(part)) this.#grow(part);
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
    const holder = table.holderOf(this.#key, length);
    this.expiresSeconds = table.expiresSeconds;
    this.session = table.session;
    return holder;
  }

  #grow(part: Part): void {
    const { count } = this.#parts[part];
    const expected = count < SMALL_ENTRIES ? count * 2 : count;
    this.#growing.set(part, {
      larger: new PrefixTable(createPrefixTable(KEY_WORDS[part], capacityFor(expected))),
      line: 0,
    });
    // Nobody reads a table that is still being made.
    if (this.#replaced === undefined) this.#finishGrowing(part);
    else setImmediate(() => this.#copyOn(part));
  }

  #copyOn(part: Part): void {
    const growing = this.#growing.get(part);
    if (growing === undefined) return;
    const old = this.#parts[part];
    growing.line = old.copyInto(growing.larger, growing.line, LINES_A_TURN);
    if (growing.line >= old.lines) this.#finishGrowing(part);
    else setImmediate(() => this.#copyOn(part));
  }

  #finishGrowing(part: Part): void {
    const growing = this.#growing.get(part);
    if (growing === undefined) return;
    const old = this.#parts[part];
    old.copyInto(growing.larger, growing.line, old.lines);
    this.#growing.delete(part);
    this.#parts[part] = growing.larger;
    if (!this.#replaced) return;
    const former = { part, table: old };
    this.#former.push(former);
    const forget = () => void this.#former.splice(this.#former.indexOf(former), 1);
    // A worker that could not take it is replaced by one that begins with it: the former one is of no use either way.
    this.#replaced(this.memory).then(forget, forget);
  }

  /** Puts the key words into `#key`; returns the length. */
  #keyOf({ words, bits, port, portBits }: PortPrefix, part: Part): number {
    const key = this.#key;
    if (part === 'v4') {
      key[0] = words[3]!;
      key[1] = port << PORT_SHIFT;
      return bits - MAPPED_BITS + portBits;
    }
    key.set(words);
    key[4] = port << PORT_SHIFT;
    return bits + portBits;
  }
}

function capacityFor(entries: number): number {
  return Math.max(LEAST_CAPACITY, Math.ceil((entries + 1) / MADE_FILL));
}

function partOf({ words, bits, portBits }: PortPrefix): Part {
  if (bits >= MAPPED_BITS && isMapped(words)) return 'v4';
  return bits <= 64 && portBits === 0 ? 'v6' : 'v6Long';
}
