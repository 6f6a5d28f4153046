/**
 * The server's own sockets as sources: a packet that claims to come from one of them is forged, and its answer would come
 * back as a query (guideline (ク)). Two comparisons for everybody else.
 */
import type { NetworkInterfaceInfo } from 'node:os';
import { addressWords, type Endpoint, isWildcard } from '../address/address.ts';
import type { Query } from '../wire/query.ts';

export class OwnAddresses {
  /** Four words of an address and its port, five numbers for each socket. */
  readonly #sockets: Int32Array;

  /** `interfaces`: this machine's, for the listeners that stand for all of its addresses. */
  constructor(listen: readonly Endpoint[], interfaces: NodeJS.Dict<NetworkInterfaceInfo[]>) {
    const own = Object.values(interfaces).flatMap((entries = []) => entries);
    this.#sockets = Int32Array.from(
      listen.flatMap(({ address, port }) => {
        const addresses = isWildcard(addressWords(address))
          ? own.filter(({ family }) => (family === 'IPv6') === address.includes(':')).map((entry) => entry.address)
          : [address];
        return addresses.flatMap((each) => [...addressWords(each), port]);
      }),
    );
  }

  /** True when the source of `query` is one of the server's own sockets. */
  has(query: Query): boolean {
    const sockets = this.#sockets;
    const { clientWords, port } = query;
    for (let at = 0; at < sockets.length; at += 5) {
      if (sockets[at + 4] !== port || sockets[at + 3] !== clientWords[3]) continue;
      if (sockets[at] === clientWords[0] && sockets[at + 1] === clientWords[1] && sockets[at + 2] === clientWords[2])
        return true;
    }
    return false;
  }
}
