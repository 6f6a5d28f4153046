/**
 * Which rule decides (draft-vixie-dnsop-dns-rpz-04 §5): the name nearest to the question in a chain of CNAMEs, then the
 * list that stands first in the configuration, then the trigger, then the closest rule. Rules of lists that only count are
 * noted on the way, once per list, where they would have decided.
 */

import {
  ACTION_LOCAL_DATA,
  ACTION_PASSTHRU,
  ADDRESS_TRIGGER,
  type AddressTrigger,
  type LoadedLists,
  MAX_LISTS,
  type MessageName,
  type NetworkIndex,
  type PolicyIndex,
  type Query,
} from '../../src/contract/plugin.ts';
import { CnameTarget } from './cname-target.ts';
import {
  ACTION_CNAME,
  ACTION_NONE,
  CLIENT_IP,
  IP,
  NSDNAME,
  NSIP,
  type Policies,
  type Policy,
  QNAME,
} from './policies.ts';
import type { Addresses, ReplyView } from './reply-view.ts';

export class Matcher {
  // ── what decides, set by `matchQuestion` and `matchAt` ────────────────────────────────────────────────────────────
  policy: Policy | undefined = undefined;
  trigger = 0;
  /** ACTION_… */
  action = ACTION_NONE;
  /** Holds the rule's local data, where the action is LOCAL_DATA. */
  rules: PolicyIndex | undefined = undefined;
  /** Where the action is CNAME: to which name. */
  readonly target = new CnameTarget();

  /** Counters of the rules that would have decided but for their list only counting. */
  readonly passed = new Int32Array(MAX_LISTS);
  passedCount = 0;
  /** Lists that are not to be noted again. */
  noted = 0;
  /** What decides was known before the answer: the query hook has carried it out. */
  wasEarly = false;

  #early = 0;
  /** The name server on which the last rule loaded is, where its trigger is NSDNAME. */
  #server: MessageName | undefined = undefined;
  readonly #policies: Policies;
  readonly #view: ReplyView;
  readonly #masks = new Int32Array(NSIP + 1);
  readonly #words = new Int32Array(4);
  readonly #best = new Int32Array(4);

  constructor(policies: Policies, view: ReplyView) {
    this.#policies = policies;
    this.#view = view;
  }

  /** Forget what was noted. `early`: lists of which client and name of the question have been seen to already. */
  begin(early: number): void {
    this.passedCount = 0;
    this.noted = 0;
    this.#early = early;
  }

  /** Triggers on client and name of the question alone, for `asked`. True where a rule decides. */
  matchQuestion(query: Query, lists: LoadedLists, asked: number): boolean {
    const masks = this.#masks;
    const client = lists.networks?.lookup(ADDRESS_TRIGGER.CLIENT_IP, query.clientWords, asked) ?? 0;
    // Exceptions of adblock lists reach the others: all in force are asked, and those asked for count.
    const name = asked === 0 ? 0 : lists.names.lookup(query.question, this.#policies.inForce) & asked;
    if ((client | name) === 0) return false;
    masks.fill(0);
    masks[CLIENT_IP] = client;
    masks[QNAME] = name;
    this.#view.readQuestion(query);
    return this.#choose(query, lists, 0);
  }

  /** All triggers at a position of the chain in the view. True where a rule decides. */
  matchAt(position: number, query: Query, lists: LoadedLists, inForce: number): boolean {
    const view = this.#view;
    const masks = this.#masks;
    const { networks, nameServers } = lists;
    const asked = inForce & ~this.noted;
    const name = view.names[position]!;
    masks.fill(0);
    if (position === 0) masks[CLIENT_IP] = networks?.lookup(ADDRESS_TRIGGER.CLIENT_IP, query.clientWords, asked) ?? 0;
    masks[QNAME] = this.#lookUp(lists.names, name, position, query) & asked;
    if (position === view.last && networks)
      masks[IP] = this.#around(networks, ADDRESS_TRIGGER.IP, view.addresses, asked);
    if (networks) masks[NSIP] = this.#around(networks, ADDRESS_TRIGGER.NSIP, view.serverAddresses, asked, name);
    if (nameServers) {
      for (let i = 0; i < view.serverCount; i++) {
        const server = view.servers[i]!;
        if (name.isAtOrBelow(view.zones[i]!))
          masks[NSDNAME]! |= nameServers.lookupName(server.bytes, server.labelStarts, server.labelCount, asked);
      }
    }
    return this.#choose(query, lists, position);
  }

  /** §5.2: the list that stands first in the configuration; §5.4: in it, the first kind of trigger. */
  #choose(query: Query, lists: LoadedLists, position: number): boolean {
    const masks = this.#masks;
    let left = 0;
    for (let trigger = CLIENT_IP; trigger <= NSIP; trigger++) left |= masks[trigger]!;
    while (left !== 0) {
      const bit = left & -left;
      left ^= bit;
      const policy = this.#policies.byList[31 - Math.clz32(bit)];
      if (policy === undefined) continue;
      for (let trigger = CLIENT_IP; trigger <= NSIP; trigger++) {
        if ((masks[trigger]! & bit) === 0 || !this.load(policy, trigger, query, lists, position)) continue;
        this.wasEarly = position === 0 && trigger <= QNAME && (this.#early & bit) !== 0;
        if (!policy.counts) return true;
        this.noted |= bit;
        if (this.wasEarly) break;
        this.passed[this.passedCount++] = this.#policies.hit(policy, trigger, this.action);
        break;
      }
    }
    return false;
  }

  /** Find the list's rule for this trigger and what it leads to. False where that is nothing. */
  load(policy: Policy, trigger: number, query: Query, lists: LoadedLists, position: number): boolean {
    const rules = this.#rule(policy.list, trigger, query, lists, position);
    if (rules === undefined) return false;
    let action = this.#policies.effective(policy, rules.action, lists.zones[policy.list] !== undefined);
    if (action === ACTION_NONE) return false;
    const name = this.#view.names[position]!;
    if (action === ACTION_CNAME) this.target.set(policy.target!, 0, policy.target!.length, name);
    else if (action === ACTION_LOCAL_DATA && this.target.find(rules, query.question.type, name)) action = ACTION_CNAME;
    // Whoever redirects `*.example` into `www.example` does not mean to cut off the latter.
    // §3.3, the older form of PASSTHRU, where the trigger is a wildcard on names of servers.
    const isOwnServer = trigger === NSDNAME && this.#server !== undefined && this.target.is(this.#server);
    if (action === ACTION_CNAME && (this.target.isItself || isOwnServer)) action = ACTION_PASSTHRU;
    this.policy = policy;
    this.trigger = trigger;
    this.action = action;
    this.rules = rules;
    return true;
  }

  #rule(list: number, trigger: number, query: Query, lists: LoadedLists, position: number): PolicyIndex | undefined {
    const bit = 1 << list;
    const view = this.#view;
    const { networks, nameServers, names } = lists;
    const name = view.names[position]!;
    switch (trigger) {
      case QNAME:
        this.#lookUp(names, name, position, query, bit);
        return names.matchOf(list) ? names : undefined;
      case NSDNAME:
        return nameServers && this.#closestServer(nameServers, list, name) ? nameServers : undefined;
      case CLIENT_IP:
        networks?.lookup(ADDRESS_TRIGGER.CLIENT_IP, query.clientWords, bit);
        return networks?.matchOf(list) ? networks.rules : undefined;
      case IP:
        return networks && this.#closestNetwork(networks, ADDRESS_TRIGGER.IP, view.addresses, list);
      default:
        return networks && this.#closestNetwork(networks, ADDRESS_TRIGGER.NSIP, view.serverAddresses, list, name);
    }
  }

  /** All lists in force, because exceptions of adblock lists reach the others; an alias after the question. `also`: those looked at beside them. */
  #lookUp(names: PolicyIndex, name: MessageName, position: number, { question }: Query, also = 0): number {
    const { bytes, labelStarts, labelCount } = name;
    const inForce = this.#policies.inForce | also;
    return position === 0
      ? names.lookupName(bytes, labelStarts, labelCount, inForce, question.type)
      : names.lookupAlias(bytes, labelStarts, labelCount, inForce, question.type);
  }

  /** Lists that have a network around one of the addresses; `below`: only addresses of servers of zones above this name. */
  #around(
    networks: NetworkIndex,
    trigger: AddressTrigger,
    addresses: Addresses,
    asked: number,
    below?: MessageName,
  ): number {
    const holders = networks.holders(trigger) & asked;
    let mask = 0;
    if (holders === 0) return 0;
    for (let i = 0; i < addresses.count && mask !== holders; i++) {
      if (!this.#concerns(addresses.owners[i]!, below)) continue;
      addresses.copyTo(i, this.#words);
      mask |= networks.lookup(trigger, this.#words, holders & ~mask);
    }
    return mask;
  }

  /** §5.6: the longest prefix; §5.7: of two as long, that around the smaller address. Leaves the rule in `networks`. */
  #closestNetwork(
    networks: NetworkIndex,
    trigger: AddressTrigger,
    addresses: Addresses,
    list: number,
    below?: MessageName,
  ): PolicyIndex | undefined {
    let bits = -1;
    for (let i = 0; i < addresses.count; i++) {
      if (!this.#concerns(addresses.owners[i]!, below)) continue;
      addresses.copyTo(i, this.#words);
      networks.lookup(trigger, this.#words, 1 << list);
      if (!networks.matchOf(list) || networks.bits < bits) continue;
      if (networks.bits === bits && !isSmaller(this.#words, this.#best)) continue;
      bits = networks.bits;
      this.#best.set(this.#words);
    }
    if (bits < 0) return undefined;
    networks.lookup(trigger, this.#best, 1 << list);
    return networks.matchOf(list) ? networks.rules : undefined;
  }

  #concerns(server: number, below: MessageName | undefined): boolean {
    return below === undefined || below.isAtOrBelow(this.#view.zones[server]!);
  }

  /**
   * §5.3: a rule on the server's own name before one on all below a name, a longer name before a shorter one; §5.5: of the
   * rest, the smallest name in the order of DNSSEC. Leaves the rule in `nameServers`.
   */
  #closestServer(nameServers: PolicyIndex, list: number, name: MessageName): boolean {
    const { servers, serverCount, zones } = this.#view;
    let best: MessageName | undefined;
    let bestLabels = 0;
    let bestWildcard = true;
    for (let i = 0; i < serverCount; i++) {
      const server = servers[i]!;
      if (!name.isAtOrBelow(zones[i]!) || !lookUp(nameServers, server, list)) continue;
      const { labels, wildcard } = nameServers;
      if (best !== undefined) {
        const closer =
          wildcard !== bestWildcard
            ? bestWildcard
            : wildcard && labels !== bestLabels
              ? labels > bestLabels
              : compareNames(server, labels, best, bestLabels) < 0;
        if (!closer) continue;
      }
      best = server;
      bestLabels = labels;
      bestWildcard = wildcard;
    }
    this.#server = best;
    return best !== undefined && lookUp(nameServers, best, list);
  }
}

function lookUp(index: PolicyIndex, name: MessageName, list: number): boolean {
  index.lookupName(name.bytes, name.labelStarts, name.labelCount, 1 << list);
  return index.matchOf(list);
}

function isSmaller(one: Int32Array, other: Int32Array): boolean {
  for (let i = 0; i < 4; i++) if (one[i] !== other[i]) return one[i]! >>> 0 < other[i]! >>> 0;
  return false;
}

/** Compare the last labels of two names in canonical order (RFC 4034 §6.1): negative where the first is smaller. */
export function compareNames(one: MessageName, labels: number, other: MessageName, otherLabels: number): number {
  for (let i = 1; i <= labels && i <= otherLabels; i++) {
    const at = one.labelStarts[one.labelCount - i]!;
    const otherAt = other.labelStarts[other.labelCount - i]!;
    const size = one.bytes[at]!;
    const otherSize = other.bytes[otherAt]!;
    for (let k = 1; k <= size && k <= otherSize; k++) {
      const difference = one.bytes[at + k]! - other.bytes[otherAt + k]!;
      if (difference !== 0) return difference;
    }
    if (size !== otherSize) return size - otherSize;
  }
  return labels - otherLabels;
}
