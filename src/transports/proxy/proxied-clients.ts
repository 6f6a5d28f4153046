/** The proxies that are believed at one listening address, and the client that one of them spoke for last. */
import { parsePrefix } from '../../address/address.ts';
import { PrefixSet } from '../../address/prefix-set.ts';
import type { Metrics } from '../../metrics/registry.ts';
import type { Query } from '../../wire/query.ts';
import { ProxyHeader } from './proxy-header.ts';

const REFUSALS = ['source', 'header'] as const;
/** Who sent it is none of the proxies. */
export const REFUSED_SOURCE = 0;
/** A proxy sent no header, or one that cannot be read. */
export const REFUSED_HEADER = 1;

export class ProxiedClients {
  readonly #proxies: PrefixSet;
  readonly #values: Float64Array;
  readonly #refused: number;
  readonly header = new ProxyHeader();

  /** `proxies`: networks in CIDR notation. */
  constructor(proxies: readonly string[], metrics: Metrics) {
    this.#proxies = new PrefixSet(proxies.map(parsePrefix));
    this.#values = metrics.values;
    this.#refused = metrics.counters(
      'sekisho_proxy_refused_total',
      'Datagrams and connections refused where the PROXY protocol is required, by reason.',
      'reason',
      REFUSALS,
    );
  }

  /** May who has this address say for whom it asks? */
  believes(words: Int32Array): boolean {
    return this.#proxies.has(words);
  }

  refuse(reason: number): void {
    this.#values[this.#refused + reason]! += 1;
  }

  /**
   * The datagram of a sender whom `query` holds: put the client that its header names in the sender's place. Returns the length
   * of the header, or -1 where the datagram is to be dropped.
   */
  readDatagram(query: Query, bytes: Uint8Array, from: number, end: number): number {
    if (!this.believes(query.clientWords)) {
      this.refuse(REFUSED_SOURCE);
      return -1;
    }
    const { header } = this;
    const length = header.read(bytes, from, end, false);
    if (length <= 0) {
      this.refuse(REFUSED_HEADER);
      return -1;
    }
    if (header.local) return length;
    for (let i = 0; i < 4; i++) query.clientWords[i] = header.clientWords[i]!;
    query.family = header.family;
    query.port = header.port;
    return length;
  }
}
