/**
 * Which interfaces are taken, what is served on each, and why not: a pure function of the configuration and of what the
 * machine is. `sekisho check` says what it says, the server does it.
 *
 * A wildcard stands for every address of the machine's interfaces. An interface is found by the addresses that it has; each one
 * that is taken serves all places, as Linux answers for all of its addresses on every interface. An interface that is a VLAN is
 * served at the one below, by its tag.
 */
import type { NetworkInterfaceInfo } from 'node:os';
import { addressWords, endpointText, isLoopback, isWildcard } from '../../address/address.ts';
import { type ListenEntry, takesDatagrams } from '../../address/listen-entry.ts';
import type { InterfaceFacts } from './interface-facts.ts';
import type { OwnPlace } from './own-places.ts';

/** `server.udp.xdp`. */
export interface FastPathOptions {
  /** Names of interfaces, or those that have the addresses of `server.listen`. */
  readonly interfaces: 'auto' | readonly string[];
  /** Numbers of receive queues, or all. */
  readonly queues: 'auto' | readonly number[];
  readonly zeroCopy: boolean;
  /** Let the kernel's stack run the program where the driver cannot. */
  readonly generic: boolean;
  /** 0 = off. */
  readonly busyPollMicroseconds: number;
}

export interface PlannedInterface {
  readonly facts: InterfaceFacts;
  readonly queues: readonly number[];
  readonly places: readonly OwnPlace[];
}

export interface FastPathPlan {
  readonly interfaces: readonly PlannedInterface[];
  /** Why what is left out stays with the sockets, one sentence each. */
  readonly reasons: readonly string[];
}

export interface PlanParts {
  /** With the ports that were really bound. */
  readonly listen: readonly ListenEntry[];
  readonly workers: number;
  readonly options: FastPathOptions;
  readonly addresses: NodeJS.Dict<NetworkInterfaceInfo[]>;
  readonly facts: (name: string) => InterfaceFacts | undefined;
  /** `server.udp.io: auto`: only what is better for all workers is taken. */
  readonly cautious: boolean;
}

export function planFastPath({ listen, workers, options, addresses, facts, cautious }: PlanParts): FastPathPlan {
  const reasons: string[] = [];
  const { found, named } = placesOf(listen, addresses, reasons, options.interfaces !== 'auto');
  if (found.length === 0) return { interfaces: [], reasons };
  const names = options.interfaces === 'auto' ? [...named] : options.interfaces;
  /** By the interface that the program is attached to: VLANs served there. */
  const attached = new Map<string, { facts: InterfaceFacts; vlans: Set<number> }>();
  for (const name of names) {
    const own = facts(name);
    const lower = own?.vlan === undefined ? own : facts(own.vlan.lower);
    if (own === undefined || lower === undefined) {
      reasons.push(`there is no interface '${own?.vlan?.lower ?? name}'`);
      continue;
    }
    if (lower.loopback) {
      reasons.push(`interface '${name}' is the loopback, which the kernel serves best`);
      continue;
    }
    const taken = attached.get(lower.name) ?? { facts: lower, vlans: new Set<number>() };
    taken.vlans.add(own.vlan?.id ?? 0);
    attached.set(lower.name, taken);
  }
  const interfaces: PlannedInterface[] = [];
  for (const { facts: each, vlans } of attached.values()) {
    const all = Array.from({ length: each.queues }, (_, i) => i);
    const queues = options.queues === 'auto' ? all : options.queues.filter((queue) => queue < each.queues);
    if (queues.length === 0) {
      reasons.push(`interface '${each.name}' has ${each.queues} receive queues, and none of server.udp.xdp.queues`);
      continue;
    }
    if (queues.length < workers) {
      const few = `interface '${each.name}' has ${queues.length} receive queues for ${workers} workers`;
      if (cautious) {
        reasons.push(`${few}: with sockets all workers get their share (ethtool -L ${each.name} combined ${workers})`);
        continue;
      }
      reasons.push(`${few}: ${workers - queues.length} get only what comes by sockets`);
    }
    const places = [...vlans].flatMap((vlan) => found.map((place) => ({ ...place, vlan })));
    interfaces.push({ facts: each, queues, places });
  }
  return { interfaces, reasons };
}

/** Addresses that are served, and the names of the interfaces that have them. */
function placesOf(
  listen: readonly ListenEntry[],
  addresses: NodeJS.Dict<NetworkInterfaceInfo[]>,
  reasons: string[],
  anywhere: boolean,
) {
  const outside = Object.entries(addresses).flatMap(([name, entries = []]) =>
    entries
      // Link-local addresses mean nothing without their interface; such clients are few, and the sockets have them.
      .filter((entry) => !entry.internal && !(entry.family === 'IPv6' && entry.scopeid !== 0))
      .map(({ address }) => ({ name, address })),
  );
  const found: Omit<OwnPlace, 'vlan'>[] = [];
  const named = new Set<string>();
  for (const [listener, entry] of listen.entries()) {
    if (!takesDatagrams(entry)) continue;
    const words = addressWords(entry.address);
    if (entry.proxies !== undefined) {
      reasons.push(`${endpointText(entry)} hears proxies, by its socket`);
      continue;
    }
    if (isLoopback(words)) {
      reasons.push(`${endpointText(entry)} is on the loopback interface, which the kernel serves best`);
      continue;
    }
    const wildcard = isWildcard(words);
    const v6 = entry.address.includes(':');
    const mine = outside.filter(({ address }) => (wildcard ? address.includes(':') === v6 : address === entry.address));
    for (const { name } of mine) named.add(name);
    if (mine.length === 0 && (wildcard || !anywhere)) {
      const name = wildcard ? 'no interface but the loopback has an address for it' : 'no interface has this address';
      reasons.push(`${endpointText(entry)}: ${name}; name one in server.udp.xdp.interfaces`);
      continue;
    }
    const texts = wildcard ? new Set(mine.map(({ address }) => address)) : [entry.address];
    for (const text of texts) found.push({ words: [...addressWords(text)], port: entry.port, listener, wildcard });
  }
  return { found, named };
}
