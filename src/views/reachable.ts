/**
 * Which clients of a view an earlier view has taken: the first match counts, so a network that stands in an earlier one as a whole,
 * for the same listeners, never comes to the later.
 */
import { isMapped, type Prefix, parsePrefix } from '../address/address.ts';
import type { ViewConfig } from './view-config.ts';

/** A network of a view to which no client ever comes. */
export interface Unreachable {
  /** Place of the view, and of the network in its `clients`; the network is undefined where the view is for every client. */
  readonly view: number;
  readonly client: number | undefined;
  /** Names of the views that have taken it. */
  readonly takenBy: readonly string[];
}

/** Both families, for a view without `clients`. */
const EVERYBODY: readonly Prefix[] = ['0.0.0.0/0', '::/0'].map(parsePrefix);

/** `listeners`: how many the server has. */
export function unreachable(
  views: readonly Pick<ViewConfig, 'name' | 'clients' | 'listeners'>[],
  listeners: number,
): Unreachable[] {
  const found: Unreachable[] = [];
  /** By listener: what earlier views have taken there, and which. */
  const taken = Array.from({ length: listeners }, () => new Taken());
  for (const [view, { name, clients, listeners: own }] of views.entries()) {
    const places = own.length > 0 ? own : Array.from({ length: listeners }, (_, i) => i);
    const networks = clients.map(parsePrefix);
    const everywhere = (network: Prefix) => places.every((place) => taken[place]!.covers(network));
    const by = (network: Prefix) => [...new Set(places.flatMap((place) => taken[place]!.around(network)))];
    if (networks.length === 0) {
      if (EVERYBODY.every(everywhere)) found.push({ view, client: undefined, takenBy: EVERYBODY.flatMap(by) });
    }
    for (const [client, network] of networks.entries())
      if (everywhere(network)) found.push({ view, client, takenBy: by(network) });
    for (const place of places)
      for (const network of networks.length > 0 ? networks : EVERYBODY) taken[place]!.add(network, name);
  }
  return found.map((one) => ({ ...one, takenBy: [...new Set(one.takenBy)] }));
}

/** Networks that are taken at one listener, as binary tries: a node is one bit of the address further. */
class Taken {
  /** IPv4 apart: `::/0` does not hold it (address/prefix-set.ts). */
  readonly #v4 = newNode();
  readonly #v6 = newNode();

  add(network: Prefix, view: string): void {
    let { node, bit } = this.#start(network);
    for (; bit < network.bits; bit++) {
      const half = bitAt(network, bit);
      node.halves[half] ??= newNode();
      node = node.halves[half];
    }
    node.whole ??= view;
  }

  /** All of it is taken, by one view or by several together. */
  covers(network: Prefix): boolean {
    return isWhole(this.#inside(network));
  }

  /** Views that have taken `network` or parts of it. */
  around(network: Prefix): string[] {
    const views: string[] = [];
    collect(this.#inside(network), views);
    return views;
  }

  /** What is known of the network: its own node, or one above it that is taken as a whole. */
  #inside(network: Prefix): Node | undefined {
    let { node, bit } = this.#start(network);
    for (; node.whole === undefined && bit < network.bits; bit++) {
      const half = node.halves[bitAt(network, bit)];
      if (half === undefined) return undefined;
      node = half;
    }
    return node;
  }

  #start({ bits, words }: Prefix): { node: Node; bit: number } {
    return bits >= 96 && isMapped(words) ? { node: this.#v4, bit: 96 } : { node: this.#v6, bit: 0 };
  }
}

interface Node {
  readonly halves: [Node | undefined, Node | undefined];
  /** The view that has taken all of it. */
  whole: string | undefined;
}

function newNode(): Node {
  return { halves: [undefined, undefined], whole: undefined };
}

function isWhole(node: Node | undefined): boolean {
  if (node === undefined) return false;
  return node.whole !== undefined || (isWhole(node.halves[0]) && isWhole(node.halves[1]));
}

function collect(node: Node | undefined, views: string[]): void {
  if (node === undefined) return;
  if (node.whole !== undefined) views.push(node.whole);
  for (const half of node.halves) collect(half, views);
}

function bitAt({ words }: Prefix, bit: number): 0 | 1 {
  return ((words[bit >> 5]! >>> (31 - (bit & 31))) & 1) as 0 | 1;
}
