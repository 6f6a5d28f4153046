/**
 * The listening sockets of the whole server, owned by the main thread: one UDP and one TCP socket per worker and address
 * (TCP alone where what is spoken there is encrypted), all workers sharing the ports (SO_REUSEPORT). They outlive the workers that use them, so a replacement or a reload
 * takes over packets that are already queued in the kernel.
 */

import { addressWords, type Endpoint, endpointText, isWildcard } from '../address/address.ts';
import { type ListenEntry, takesDatagrams } from '../address/listen-entry.ts';
import { generalError, listenError } from '../errors/errors.ts';
import { EADDRNOTAVAIL, EAFNOSUPPORT, libc } from '../system/libc.ts';
import {
  boundPort,
  grantedReceiveBuffer,
  kernelDrops,
  openTcpListener,
  openUdpListener,
  refuseTakenAddress,
  SocketError,
} from './sockets.ts';
import type { ListenerSocket } from './udp/mmsg-listener.ts';

export interface ListenersOptions {
  readonly endpoints: readonly ListenEntry[];
  readonly workers: number;
  readonly receiveBufferBytes: number;
  /** Leave out addresses that this machine does not have, instead of failing: nobody asked for them by name. */
  readonly skipMissing: boolean;
}

/** The sockets of one worker for one address. */
interface Pair {
  /** Place of the worker. */
  readonly place: number;
  /** -1 = no datagrams are taken here. */
  readonly udp: number;
  /** -1 = closed. */
  tcp: number;
}

interface Opened {
  /** As configured; its port may be 0. */
  readonly endpoint: ListenEntry;
  /** Index in `server.listen`. */
  readonly listener: number;
  /** Port that was really bound. */
  readonly port: number;
  /** One pair per worker. */
  readonly pairs: Pair[];
}

export class Listeners {
  readonly #options: ListenersOptions;
  readonly #opened: Opened[] = [];
  /** Pairs that belong to the predecessor until `adopt`. */
  readonly #borrowed = new Set<Pair>();
  /** Endpoints that were left out, with the reason. */
  readonly skipped: { readonly endpoint: Endpoint; readonly reason: string }[] = [];

  /**
   * Open everything, using what `old` has open already for the same address and worker. Throws SekishoError, with nothing
   * left open that was not open before, where something cannot be.
   */
  constructor(options: ListenersOptions, old?: Listeners) {
    this.#options = options;
    for (const [listener, endpoint] of options.endpoints.entries()) {
      try {
        this.#open(endpoint, listener, old);
      } catch (error) {
        if (!(error instanceof SocketError)) throw error;
        if (options.skipMissing && (error.errno === EADDRNOTAVAIL || error.errno === EAFNOSUPPORT)) {
          this.skipped.push({ endpoint, reason: error.message });
          continue;
        }
        this.close();
        throw listenError(`${endpointText(endpoint)} (server.listen)`, error);
      }
    }
    if (this.#opened.length === 0) {
      throw generalError('SEKISHO_ADDRESS_UNAVAILABLE', 'none of the addresses to listen on exists');
    }
  }

  /** The endpoints with the ports really bound. */
  get bound(): ListenEntry[] {
    return this.#opened.map(({ endpoint, port }) => ({ ...endpoint, port }));
  }

  /** Smallest receive buffer that the kernel granted, in bytes. */
  get receiveBufferBytes(): number {
    return Math.min(...this.#datagrams.flatMap(({ pairs }) => pairs.map(({ udp }) => grantedReceiveBuffer(udp))));
  }

  /** UDP sockets of the worker at `place`. */
  udp(place: number): ListenerSocket[] {
    return this.#datagrams.map(({ endpoint, listener, pairs }) => ({
      fd: pairs[place]!.udp,
      listener,
      address: endpoint.address,
      wildcard: isWildcard(addressWords(endpoint.address)),
      ...(endpoint.proxies && { proxies: endpoint.proxies }),
    }));
  }

  /** The UDP sockets of all workers. */
  get allUdp(): { readonly fd: number; readonly v6: boolean; readonly entry: ListenEntry }[] {
    return this.#datagrams.flatMap(({ endpoint, pairs }) =>
      pairs.map(({ udp }) => ({ fd: udp, v6: endpoint.address.includes(':'), entry: endpoint })),
    );
  }

  /** Duplicates of the TCP sockets of the worker at `place`: libuv closes what it is given, and the originals stay. */
  duplicateTcp(place: number): { fd: number; listener: number }[] {
    return this.#opened.map(({ listener, pairs }) => ({ fd: libc().dup(pairs[place]!.tcp), listener }));
  }

  /** Datagrams that the kernel dropped per endpoint because no worker took them in time. */
  kernelDrops(): { readonly endpoint: Endpoint; readonly drops: number }[] {
    return this.#datagrams.map(({ endpoint, port, pairs }) => ({
      endpoint: { address: endpoint.address, port },
      drops: pairs.reduce((sum, { udp }) => sum + kernelDrops(udp), 0),
    }));
  }

  /** The successor serves: what it took over is its own from now on. */
  adopt(old: Listeners): void {
    for (const opened of old.#opened) {
      opened.pairs.splice(0, opened.pairs.length, ...opened.pairs.filter((pair) => !this.#borrowed.has(pair)));
    }
    this.#borrowed.clear();
  }

  /** Listeners whose socket of the worker at `place` is still this object's own: after `adopt`, nobody else uses them. */
  owned(place: number): number[] {
    return this.#opened
      .filter(({ pairs }) => pairs.some((pair) => pair.place === place))
      .map(({ listener }) => listener);
  }

  /** Accept no more TCP connections; UDP sockets stay open, because answers leave through them. */
  closeTcp(): void {
    for (const { pairs } of this.#opened) {
      for (const pair of pairs) {
        if (this.#borrowed.has(pair) || pair.tcp < 0) continue;
        libc().close(pair.tcp);
        pair.tcp = -1;
      }
    }
  }

  /** Close what is open and not borrowed. */
  close(): void {
    for (const { pairs } of this.#opened) for (const pair of pairs) if (!this.#borrowed.has(pair)) closePair(pair);
    this.#opened.length = 0;
  }

  get #datagrams(): Opened[] {
    return this.#opened.filter(({ endpoint }) => takesDatagrams(endpoint));
  }

  #open(endpoint: ListenEntry, listener: number, old: Listeners | undefined): void {
    const before = old === undefined ? undefined : old.#sameAddress(endpoint);
    const { workers, receiveBufferBytes } = this.#options;
    const sameBuffer = old !== undefined && old.#options.receiveBufferBytes === receiveBufferBytes;
    const reusable = sameBuffer ? (before?.pairs ?? []) : [];
    const address = addressWords(endpoint.address);
    let port = before?.port ?? endpoint.port;
    // A port of our own is shared with ourselves on purpose; any other must be free.
    if (!before && port !== 0)
      for (const transport of socketKinds(endpoint)) refuseTakenAddress(transport, address, port);
    const pairs: Pair[] = [];
    try {
      for (let place = 0; place < workers; place++) {
        const taken = reusable.find((pair) => pair.place === place);
        if (taken) this.#borrowed.add(taken);
        pairs.push(taken ?? openPair(place, endpoint, port, receiveBufferBytes));
        // Port 0: the kernel chooses once, everything else takes the same.
        if (port === 0) port = boundPort(takesDatagrams(endpoint) ? pairs[0]!.udp : pairs[0]!.tcp);
      }
    } catch (error) {
      for (const pair of pairs) if (!this.#borrowed.has(pair)) closePair(pair);
      throw error;
    }
    this.#opened.push({ endpoint, listener, port, pairs });
  }

  /** What is spoken there decides which sockets there are. */
  #sameAddress(endpoint: ListenEntry): Opened | undefined {
    return this.#opened.find(
      (opened) =>
        endpointText(opened.endpoint) === endpointText(endpoint) &&
        takesDatagrams(opened.endpoint) === takesDatagrams(endpoint),
    );
  }
}

function openPair(place: number, endpoint: ListenEntry, port: number, receiveBufferBytes: number): Pair {
  const address = addressWords(endpoint.address);
  if (!takesDatagrams(endpoint)) return { place, udp: -1, tcp: openTcpListener({ address, port, receiveBufferBytes }) };
  const udp = openUdpListener({ address, port, receiveBufferBytes });
  try {
    return {
      place,
      udp,
      tcp: openTcpListener({ address, port: port === 0 ? boundPort(udp) : port, receiveBufferBytes }),
    };
  } catch (error) {
    libc().close(udp);
    throw error;
  }
}

/** Sockets that an address needs. */
export function socketKinds(entry: ListenEntry): ('udp' | 'tcp')[] {
  return takesDatagrams(entry) ? ['udp', 'tcp'] : ['tcp'];
}

function closePair({ udp, tcp }: Pair): void {
  if (udp >= 0) libc().close(udp);
  if (tcp >= 0) libc().close(tcp);
}
