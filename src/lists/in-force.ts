/**
 * The lists as the packet threads see them: what each one is (from the configuration) and what all of them hold (compiled,
 * shared, replaced as a whole while packets flow).
 *
 *   compiler thread ─▶ main thread (desk.ts) ─▶ publish ─▶ ListsInForce.take: between two packets, in every worker
 *
 * Hooks read `current` for each packet and keep no reference to it or to what they found there.
 */
import type { ListCategory } from '../grounds/categories.ts';
import type { Ground } from '../grounds/ground.ts';
import type { PolicyIndexMemory } from './index/memory.ts';
import { NetworkIndex, type NetworkIndexMemory } from './index/network-index.ts';
import { PolicyIndex } from './index/policy-index.ts';
import { MAX_LISTS } from './index/rules.ts';

/** What is only suspected never blocks. */
export type ListTier = 'confirmed' | 'suspected';

/** What a policy list does instead of what its rules say (`override`). */
export type PolicyOverride =
  | { readonly action: 'given' | 'disabled' | 'passthru' | 'drop' | 'nxdomain' | 'nodata' | 'tcp-only' }
  /** `name`: wire form, lower case. */
  | { readonly action: 'cname'; readonly name: Uint8Array };

/** One list as configured. Its place in the configuration is its bit in every mask. */
export interface ListFacts {
  readonly name: string;
  readonly category: ListCategory;
  readonly tier: ListTier;
  /** Only count what it would hit. */
  readonly dryRun: boolean;
  readonly override: PolicyOverride;
  /** Stated in full; absent where consent is the ground. */
  readonly ground?: Ground;
}

/** What a policy zone says about itself. */
export interface PolicyZoneFacts {
  /** Wire form, lower case. */
  readonly name: Uint8Array;
  /** Data of its SOA in wire form, names uncompressed; absent where the list is no RPZ or had none. */
  readonly soa?: Uint8Array;
  readonly soaTtl: number;
  /** Seconds for which its negative answers may be kept (RFC 2308 §4). */
  readonly minimumSeconds: number;
}

/** What the compiler makes of all lists together. Plain data and shared memory. */
export interface CompiledLists {
  /** Counts up within a process. */
  readonly version: number;
  /** Rules on the name asked for. */
  readonly names: PolicyIndexMemory;
  /** Rules on names of name servers (RPZ-NSDNAME); absent where no list has one. */
  readonly nameServers?: PolicyIndexMemory;
  /** Rules on addresses (RPZ-CLIENT-IP, RPZ-IP, RPZ-NSIP); absent where no list has one. */
  readonly networks?: NetworkIndexMemory;
  /** Names that exist in a policy zone without a rule and stop a wildcard (index/empty-non-terminals.ts), where there are any. */
  readonly emptyNames?: PolicyIndexMemory;
  readonly emptyNameServers?: PolicyIndexMemory;
  /** Mask of the lists of adblock rules, where there are any. */
  readonly adblock?: number;
  /** By list; undefined for lists that are no policy zones. */
  readonly zones: readonly (PolicyZoneFacts | undefined)[];
}

/** The compiled lists, ready to be asked in this thread. */
export class LoadedLists {
  readonly version: number;
  readonly names: PolicyIndex;
  readonly nameServers: PolicyIndex | undefined;
  readonly networks: NetworkIndex | undefined;
  readonly zones: readonly (PolicyZoneFacts | undefined)[];

  /** `facts`: of all lists; without them no exception reaches beyond its own list. */
  constructor(compiled: CompiledLists, facts: readonly ListFacts[] = []) {
    this.version = compiled.version;
    const zones = compiled.zones.reduce((mask, zone, list) => (zone ? mask | (1 << list) : mask), 0);
    this.names = new PolicyIndex(compiled.names, {
      zones,
      emptyNames: compiled.emptyNames,
      adblock: compiled.adblock ?? 0,
      reach: exceptionsReach(facts, compiled.adblock ?? 0),
    });
    this.nameServers =
      compiled.nameServers && new PolicyIndex(compiled.nameServers, { zones, emptyNames: compiled.emptyNameServers });
    this.networks = compiled.networks && new NetworkIndex(compiled.networks);
    this.zones = compiled.zones;
  }
}

/**
 * AdGuard's exceptions hold for all lists together. Here they reach the adblock lists of the same category alone, so that no feed
 * opens a hole in a list of another kind; what is a dry run or disabled changes nothing elsewhere, and what is suspected nothing
 * that is confirmed.
 */
function exceptionsReach(facts: readonly ListFacts[], adblock: number): Int32Array {
  const reach = new Int32Array(MAX_LISTS);
  facts.forEach((to, i) => {
    facts.forEach((from, k) => {
      if ((adblock & (1 << i)) === 0 || (adblock & (1 << k)) === 0 || from.category !== to.category) return;
      if (from.dryRun || from.override.action === 'disabled') return;
      if (from.tier === 'confirmed' || to.tier === 'suspected') reach[i]! |= 1 << k;
    });
  });
  return reach;
}

export class ListsInForce {
  /** As configured; list `i` is bit `i` of every mask. */
  readonly facts: readonly ListFacts[];
  /** Undefined until the first lists are compiled. */
  current: LoadedLists | undefined = undefined;

  constructor(facts: readonly ListFacts[]) {
    this.facts = facts;
  }

  /** Put the compiled lists in force; older ones than those in force are left alone, so that messages out of turn do no harm. */
  take(compiled: CompiledLists): void {
    if (compiled.version > (this.current?.version ?? 0)) this.current = new LoadedLists(compiled, this.facts);
  }

  /** The mask of the lists for which `wanted` is true. */
  mask(wanted: (facts: ListFacts) => boolean): number {
    return this.facts.reduce((mask, facts, i) => (wanted(facts) ? mask | (1 << i) : mask), 0);
  }
}
