/**
 * From the entries of all lists to what the packet threads ask (in-force.ts). For the compiler thread.
 *
 *   parser of list 0 ─▶ sink(0) ─┐              ┌─▶ names          rules on the name asked for
 *   parser of list 1 ─▶ sink(1) ─┼─▶ build() ───┼─▶ nameServers    RPZ-NSDNAME; only where there is one
 *   list 2, unchanged ─▶ keep() ─┘              └─▶ networks       RPZ-CLIENT-IP, RPZ-IP, RPZ-NSIP; likewise
 *
 * Each list is either read again or kept, never both.
 */
import type { ParseSummary } from './formats/parser.ts';
import type { AddressTrigger, EntrySink, HashedSink } from './formats/sink.ts';
import type { CompiledLists, PolicyZoneFacts } from './in-force.ts';
import { PolicyIndexBuilder } from './index/builder.ts';
import { DeepNames } from './index/empty-non-terminals.ts';
import type { ListStatistics, PolicyIndexMemory } from './index/memory.ts';
import { allocateFrom, MemoryPool } from './index/memory-pool.ts';
import { emptyLengths, lengthsAt, type NetworkIndexMemory, NetworkName } from './index/network-index.ts';
import { ACTIONS, EXACT, EXACT_AND_SUBTREE, MAX_LISTS } from './index/rules.ts';
import { SuffixHash, type SuffixKey } from './index/suffix-hash.ts';

/** Buffers that nobody reads any more, for the thread that builds. */
export interface SpareBuffers {
  readonly names?: SharedArrayBuffer;
  readonly nameServers?: SharedArrayBuffer;
  readonly networks?: SharedArrayBuffer;
}

/** Buffers of one version after the other, in the main thread. */
export class ListsMemory {
  readonly #names = new MemoryPool();
  readonly #nameServers = new MemoryPool();
  readonly #networks = new MemoryPool();

  /** For the next version. */
  get spare(): SpareBuffers {
    const [names, nameServers, networks] = [this.#names.spare, this.#nameServers.spare, this.#networks.spare];
    return { ...(names && { names }), ...(nameServers && { nameServers }), ...(networks && { networks }) };
  }

  /** These lists were built, in spare or new buffers. */
  built({ version, names, nameServers, networks }: CompiledLists): void {
    this.#names.built(version, names.buffer);
    if (nameServers) this.#nameServers.built(version, nameServers.buffer);
    if (networks) this.#networks.built(version, networks.index.buffer);
  }

  /** No thread holds the lists of this version any more. */
  release(version: number): void {
    for (const pool of [this.#names, this.#nameServers, this.#networks]) pool.release(version);
  }

  /** Bytes of all buffers known here, room to grow included. */
  get reservedBytes(): number {
    return this.#names.reservedBytes + this.#nameServers.reservedBytes + this.#networks.reservedBytes;
  }
}

export interface ListsBuilderOptions {
  /** The same for all versions of a process: lists are kept by their hashes. */
  readonly key: SuffixKey;
  /** Above that of the lists before. */
  readonly version: number;
  /** Default: new buffers. */
  readonly spare?: SpareBuffers;
}

/** What a list in the form of a zone is read with. */
export interface ZoneForm {
  /** It may have wildcards on names of one label. */
  readonly singleLabels?: boolean;
}

export class ListsBuilder {
  readonly #options: ListsBuilderOptions;
  readonly #names: PolicyIndexBuilder;
  readonly #nameServers: PolicyIndexBuilder;
  readonly #networks: PolicyIndexBuilder;
  readonly #emptyNames: PolicyIndexBuilder;
  readonly #emptyNameServers: PolicyIndexBuilder;
  readonly #deep: { readonly list: number; readonly names: DeepNames; readonly nameServers: DeepNames }[] = [];
  readonly #lengths = emptyLengths();
  readonly #zones: (PolicyZoneFacts | undefined)[] = [];
  #adblock = 0;
  /** Lists that have a place in the index being built. */
  #taken = 0;

  constructor(options: ListsBuilderOptions) {
    this.#options = options;
    this.#names = this.#builder(options.spare?.names);
    this.#nameServers = this.#builder(options.spare?.nameServers);
    this.#networks = this.#builder(options.spare?.networks);
    this.#emptyNames = this.#builder(undefined);
    this.#emptyNameServers = this.#builder(undefined);
  }

  /**
   * Where the rules of list `list` (0–31) go; it can be taken once. Entries are copied. Throws RangeError where the list is out
   * of bounds, was kept, or was asked for before; so does what it returns beyond MAX_NAMES rules. `zone`: the list is a zone,
   * in which a name without a rule may exist.
   */
  sink(list: number, zone?: ZoneForm): EntrySink & HashedSink {
    this.#take(1 << list, list >= 0 && list < MAX_LISTS);
    const fewest = zone?.singleLabels ? 1 : 2;
    const deep = zone && { list, names: new DeepNames(fewest), nameServers: new DeepNames(fewest) };
    if (deep) this.#deep.push(deep);
    return new ListSink(list, this.#options.key, this.#names, this.#nameServers, this.#networks, this.#lengths, deep);
  }

  /** List `list` is one of adblock rules; others need no call. */
  adblock(list: number): void {
    this.#adblock |= 1 << list;
  }

  /** What list `list` says about itself as a policy zone; lists that are none need no call. */
  zone(list: number, facts: PolicyZoneFacts): void {
    this.#zones[list] = facts;
  }

  /**
   * Take over the rules and zones of the unchanged `lists` (a mask) from `before`, without reading their sources. Throws
   * RangeError where `before` was made with another key, or one of the lists was read or kept already.
   */
  keep(before: CompiledLists, lists: number): void {
    this.#take(lists, true);
    this.#names.copyLists(before.names, lists);
    if (before.nameServers) this.#nameServers.copyLists(before.nameServers, lists);
    if (before.networks) {
      this.#networks.copyLists(before.networks.index, lists);
      for (let i = 0; i < this.#lengths.length; i++) this.#lengths[i]! |= before.networks.lengths[i]! & lists;
    }
    this.#adblock |= (before.adblock ?? 0) & lists;
    if (before.emptyNames) this.#emptyNames.copyLists(before.emptyNames, lists);
    if (before.emptyNameServers) this.#emptyNameServers.copyLists(before.emptyNameServers, lists);
    before.zones.forEach((zone, list) => {
      if ((lists & (1 << list)) !== 0) this.#zones[list] = zone;
    });
  }

  /** Make the lists. The builder and its sinks cannot be used afterwards. */
  build(): CompiledLists {
    const nameServers = builtUnlessEmpty(this.#nameServers);
    const networks = builtUnlessEmpty(this.#networks);
    const names = this.#names.build();
    for (const { list, names: deep, nameServers: deepServers } of this.#deep) {
      deep.settle(list, names, this.#emptyNames);
      if (nameServers) deepServers.settle(list, nameServers, this.#emptyNameServers);
    }
    const emptyNames = builtUnlessEmpty(this.#emptyNames);
    const emptyNameServers = builtUnlessEmpty(this.#emptyNameServers);
    const zones = Array.from({ length: MAX_LISTS - Math.clz32(this.#taken) }, (_, list) => this.#zones[list]);
    return {
      version: this.#options.version,
      names,
      ...(nameServers && { nameServers }),
      ...(this.#adblock !== 0 && { adblock: this.#adblock }),
      ...(emptyNames && { emptyNames }),
      ...(emptyNameServers && { emptyNameServers }),
      ...(networks && { networks: { index: networks, lengths: this.#lengths } satisfies NetworkIndexMemory }),
      zones,
    };
  }

  #take(lists: number, inBounds: boolean): void {
    if (!inBounds) throw new RangeError(`there are lists 0 to ${MAX_LISTS - 1}`);
    if ((this.#taken & lists) !== 0) throw new RangeError('a list is read or kept, and once');
    this.#taken |= lists;
  }

  #builder(spare: SharedArrayBuffer | undefined): PolicyIndexBuilder {
    const { key, version } = this.#options;
    return new PolicyIndexBuilder({ key, version, allocate: allocateFrom(spare) });
  }
}

/** Rules that one list brought on names, name servers and networks together. */
export function statisticsOf({ names, nameServers, networks }: CompiledLists, list: number): ListStatistics {
  const sum = { names: 0, duplicates: 0, conflicts: 0 };
  for (const index of [names, nameServers, networks?.index]) {
    const own = index?.lists[list];
    if (!own) continue;
    sum.names += own.names;
    sum.duplicates += own.duplicates;
    sum.conflicts += own.conflicts;
  }
  return sum;
}

/** What a parsed list says about itself as a policy zone; undefined where it is none. */
export function zoneFacts({ zone }: Pick<ParseSummary, 'zone'>): PolicyZoneFacts | undefined {
  if (!zone) return undefined;
  const { name, soa } = zone;
  return {
    name,
    ...(soa && { soa: soa.data }),
    soaTtl: soa?.ttl ?? 0,
    minimumSeconds: soa?.minimumSeconds ?? 0,
  };
}

interface Deep {
  readonly names: DeepNames;
  readonly nameServers: DeepNames;
}

/** One list's rules on their way into the builders. */
class ListSink implements EntrySink, HashedSink {
  readonly #list: number;
  readonly #hash: SuffixHash;
  readonly #names: PolicyIndexBuilder;
  readonly #nameServers: PolicyIndexBuilder;
  readonly #networks: PolicyIndexBuilder;
  readonly #lengths: Int32Array;
  readonly #deep: Deep | undefined;
  readonly #network = new NetworkName();
  /** Numbers of rules without data by action and kind, -1 = not made yet: a feed of a million names has a handful. */
  readonly #nameRules = new Int32Array(ACTIONS.length * KINDS).fill(-1);
  readonly #nameServerRules = new Int32Array(ACTIONS.length * KINDS).fill(-1);
  readonly #networkRules = new Int32Array(ACTIONS.length * KINDS).fill(-1);

  constructor(
    list: number,
    key: SuffixKey,
    names: PolicyIndexBuilder,
    nameServers: PolicyIndexBuilder,
    networks: PolicyIndexBuilder,
    lengths: Int32Array,
    deep: Deep | undefined,
  ) {
    this.#deep = deep;
    this.#list = list;
    this.#hash = new SuffixHash(key);
    this.#names = names;
    this.#nameServers = nameServers;
    this.#networks = networks;
    this.#lengths = lengths;
  }

  entry(name: Uint8Array, _length: number, kind: number, action: number, data: Uint8Array | undefined): void {
    const labels = this.#hash.hashName(name);
    if (labels > 0) this.hashedEntry(this.#hash, labels, kind, action, data, name);
  }

  nameServer(name: Uint8Array, _length: number, kind: number, action: number, data: Uint8Array | undefined): void {
    const labels = this.#hash.hashName(name);
    if (labels > 0) this.hashedNameServer(this.#hash, labels, kind, action, data, name);
  }

  hashedEntry(
    hash: SuffixHash,
    labels: number,
    kind: number,
    action: number,
    data: Uint8Array | undefined,
    name: Uint8Array,
  ): void {
    if (labels > SHALLOW) this.#deep?.names.add(name, labels);
    this.#names.addHashed(this.#rule(this.#names, this.#nameRules, kind, action, data), hash, labels);
  }

  hashedNameServer(
    hash: SuffixHash,
    labels: number,
    kind: number,
    action: number,
    data: Uint8Array | undefined,
    name: Uint8Array,
  ): void {
    if (labels > SHALLOW) this.#deep?.nameServers.add(name, labels);
    this.#nameServers.addHashed(this.#rule(this.#nameServers, this.#nameServerRules, kind, action, data), hash, labels);
  }

  network(
    trigger: AddressTrigger,
    words: Int32Array,
    bits: number,
    action: number,
    data: Uint8Array | undefined,
  ): void {
    this.#network.set(trigger, words, bits);
    this.#networks.add(this.#rule(this.#networks, this.#networkRules, EXACT, action, data), this.#network.bytes);
    this.#lengths[lengthsAt(trigger, bits)]! |= 1 << this.#list;
  }

  #rule(
    builder: PolicyIndexBuilder,
    known: Int32Array,
    kind: number,
    action: number,
    data: Uint8Array | undefined,
  ): number {
    if (data !== undefined) return builder.rule(this.#list, kind, action, data);
    const at = action * KINDS + kind;
    if (known[at]! < 0) known[at] = builder.rule(this.#list, kind, action);
    return known[at]!;
  }
}

const KINDS = EXACT_AND_SUBTREE + 1;
/** No name of so many labels has an empty one between itself and a wildcard. */
const SHALLOW = 2;

function builtUnlessEmpty(builder: PolicyIndexBuilder): PolicyIndexMemory | undefined {
  return builder.added > 0 ? builder.build() : undefined;
}
