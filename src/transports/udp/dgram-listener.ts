/**
 * UDP on node:dgram, where batched system calls are not available. It answers everything that the batches answer, at
 * a multiple of the cost.
 *
 * node:dgram cannot say which address a packet was sent to, nor from which address an answer shall leave. So a wildcard
 * (0.0.0.0, ::) becomes one socket for each address of this machine's interfaces, as they are at the start: an address
 * that is added later is not served, and of 127.0.0.0/8 only 127.0.0.1 is.
 */
import type { RemoteInfo, Socket } from 'node:dgram';
import { type NetworkInterfaceInfo, networkInterfaces } from 'node:os';
import { isWildcard } from '../../address/address.ts';
import { type ListenEntry, takesDatagrams } from '../../address/listen-entry.ts';
import type { PacketHandler } from '../../chain/routes.ts';
import type { Metrics } from '../../metrics/registry.ts';
import type { Clock } from '../../time/clock.ts';
import { HEADER_BYTES, MAX_UDP_BYTES } from '../../wire/constants.ts';
import { Query, UDP } from '../../wire/query.ts';
import { ProxiedClients } from '../proxy/proxied-clients.ts';
import type { DatagramListener } from './datagram-listener.ts';
import { createNumericSocket, plainAddressText, readAddress, zoneOf } from './dgram-address.ts';

/** Longest query taken over UDP; real ones stay below 600 bytes, padding included (RFC 8467 §4.1). */
const MAX_QUERY_BYTES = 2048;
/** Copying by words may touch a few bytes behind the reply. */
const SLACK_BYTES = 112;
const RECEIVE_BUFFER_BYTES = 4 << 20;
/** Bytes of answers that one socket may hold back when the kernel takes no more. */
const MAX_QUEUED_BYTES = 1 << 20;
/** Address families as Linux numbers them: the layout of `Query.peer` and `Query.local` is the same everywhere. */
const AF_INET = 2;
const AF_INET6 = 10;

type Interfaces = NodeJS.Dict<NetworkInterfaceInfo[]>;

export interface DgramListenerParts {
  /** Addresses without brackets, and ports, in the order of `server.listen`; port 0 lets the system choose. */
  readonly addresses: readonly ListenEntry[];
  readonly handle: PacketHandler;
  readonly clock: Clock;
  readonly metrics: Metrics;
  /** What wildcards are expanded to; by default this machine's interfaces. */
  readonly interfaces?: Interfaces;
}

interface BoundSocket {
  readonly socket: Socket;
  readonly listener: number;
  /** Position in `#sockets`; kept in the upper half of a query's first local word, for the way back. */
  readonly index: number;
  /** `Query.localWords` of every query that comes here, the index included. */
  readonly localWords: Int32Array;
  /** Undefined where clients speak for themselves. */
  readonly proxied: ProxiedClients | undefined;
}

type Bind = Pick<BoundSocket, 'listener' | 'proxied'> & { readonly wildcard: boolean };

export class DgramListener implements DatagramListener {
  readonly kind = 'dgram';
  readonly bound: { address: string; port: number }[] = [];
  readonly #parts: DgramListenerParts;
  readonly #sockets: BoundSocket[] = [];
  readonly #query = new Query();
  readonly #receiveBuffer = new Uint8Array(MAX_QUERY_BYTES);
  readonly #reply: Uint8Array;
  readonly #replyWords: Int32Array;
  /** Names of interfaces by scope id and back: link-local addresses need them (RFC 4007 §11). */
  readonly #zones = new Map<number, string>();
  readonly #scopes = new Map<string, number>();
  #receiving = true;
  #closed = false;
  readonly #values: Float64Array;
  readonly #oversized: number;
  readonly #receiveErrors: number;
  readonly #sendErrors: number;

  /** Bind all addresses. Rejects with the system's error, nothing left open, where one of them is not available. */
  static async open(parts: DgramListenerParts): Promise<DgramListener> {
    const listener = new DgramListener(parts);
    try {
      await listener.#bindAll(parts.interfaces ?? networkInterfaces());
    } catch (error) {
      listener.close();
      throw error;
    }
    return listener;
  }

  private constructor(parts: DgramListenerParts) {
    this.#parts = parts;
    const memory = new ArrayBuffer(MAX_UDP_BYTES + SLACK_BYTES);
    this.#reply = new Uint8Array(memory);
    this.#replyWords = new Int32Array(memory);
    const { metrics } = parts;
    this.#values = metrics.values;
    this.#oversized = metrics.counter(
      'sekisho_udp_oversized_total',
      'Datagrams longer than any query, answered FORMERR by their header.',
    );
    this.#receiveErrors = metrics.counter('sekisho_udp_receive_errors_total', 'Failed calls to receive UDP datagrams.');
    this.#sendErrors = metrics.counter('sekisho_udp_send_errors_total', 'UDP answers that the kernel refused to send.');
  }

  prepare(query: Query): boolean {
    query.reply = this.#reply;
    query.replyWords = this.#replyWords;
    query.replyStart = 0;
    query.replyCapacity = MAX_UDP_BYTES;
    return !this.#closed;
  }

  send(query: Query): void {
    if (this.#closed) return;
    const socket = this.#sockets[query.localWords[0]! >>> 16]?.socket;
    if (socket === undefined || socket.getSendQueueSize() > MAX_QUEUED_BYTES) {
      this.#values[this.#sendErrors]! += 1;
      return;
    }
    // A copy: what the kernel cannot take at once waits in the socket, and the reply's memory is used again.
    const reply = Buffer.from(query.reply.subarray(query.replyStart, query.replyStart + query.replyLength));
    socket.send(reply, (query.peer[2]! << 8) | query.peer[3]!, this.#peerText(query), this.#sent);
  }

  /** Nothing is gathered: each answer leaves at once. */
  flush(): void {}

  stopReceiving(): void {
    this.#receiving = false;
  }

  close(): void {
    this.#closed = true;
    for (const { socket } of this.#sockets) socket.close();
    this.#sockets.length = 0;
  }

  readonly #sent = (error: Error | null): void => {
    if (error) this.#values[this.#sendErrors]! += 1;
  };

  async #bindAll(interfaces: Interfaces): Promise<void> {
    for (const [name, entries] of Object.entries(interfaces)) {
      for (const entry of entries ?? []) {
        if (entry.family !== 'IPv6' || entry.scopeid === 0) continue;
        this.#zones.set(entry.scopeid, name);
        this.#scopes.set(name, entry.scopeid);
      }
    }
    const words = new Int32Array(4);
    for (const [listener, entry] of this.#parts.addresses.entries()) {
      if (!takesDatagrams(entry)) continue;
      const { address, port, proxies } = entry;
      if (!readAddress(address, words)) throw new Error(`'${address}' is no IP address`);
      const wildcard = isWildcard(words);
      const local = wildcard ? localAddresses(interfaces, address.includes(':')) : [address];
      if (local.length === 0) throw new Error(`this machine has no address that '${address}' could stand for`);
      let actualPort = port;
      const proxied = proxies && new ProxiedClients(proxies, this.#parts.metrics);
      for (const each of local) actualPort = await this.#bind(each, actualPort, { listener, wildcard, proxied });
    }
  }

  /** Returns the port. */
  async #bind(address: string, port: number, { listener, wildcard, proxied }: Bind): Promise<number> {
    const socket = await bindSocket(address, port);
    const words = new Int32Array(4);
    readAddress(address, words);
    const localWords = new Int32Array(5);
    const index = this.#sockets.length;
    const v6 = address.includes(':');
    const family = wildcard ? (v6 ? AF_INET6 : AF_INET) : 0;
    localWords[0] = (index << 16) | family;
    if (family === AF_INET) localWords[1] = networkOrder(words[3]!);
    if (family === AF_INET6) for (let i = 0; i < 4; i++) localWords[1 + i] = networkOrder(words[i]!);
    const bound: BoundSocket = { socket, listener, index, localWords, proxied };
    this.#sockets.push(bound);
    socket.on('message', (message, sender) => this.#receive(bound, message, sender));
    socket.on('error', () => {
      this.#values[this.#receiveErrors]! += 1;
    });
    const actual = socket.address();
    this.bound.push({ address: actual.address, port: actual.port });
    return actual.port;
  }

  #receive(bound: BoundSocket, message: Buffer, sender: RemoteInfo): void {
    if (!this.#receiving || this.#closed) return;
    const oversized = message.length > MAX_QUERY_BYTES;
    if (oversized) this.#values[this.#oversized]! += 1;
    const query = this.#query;
    // Port 0 cannot be answered; only a forger sends from it.
    if (sender.port === 0 || !readAddress(sender.address, query.clientWords)) {
      this.#values[this.#receiveErrors]! += 1;
      return;
    }
    this.#describeSender(query, sender);
    query.transport = UDP;
    query.listener = bound.listener;
    for (let i = 0; i < 5; i++) query.localWords[i] = bound.localWords[i]!;
    query.connection = -1;
    const taken = oversized ? message.subarray(0, MAX_QUERY_BYTES) : message;
    this.#receiveBuffer.set(taken);
    const header = bound.proxied?.readDatagram(query, this.#receiveBuffer, 0, taken.length) ?? 0;
    if (header < 0) return;
    query.message = this.#receiveBuffer;
    query.start = header;
    // A header alone is malformed (RFC 1035 §4.1.1: FORMERR), and so is what no query needs.
    query.length = oversized ? HEADER_BYTES : taken.length - header;
    query.nowMs = this.#parts.clock.nowMs();
    query.receivedMs = query.nowMs;
    this.prepare(query);
    if (this.#parts.handle(query)) this.send(query);
  }

  /** Who sent the datagram: the client, or the proxy that spoke for it. */
  #peerText({ peer, peerWords }: Query): string {
    const words = new Int32Array(4);
    if (peer[0] === AF_INET) {
      words[2] = 0xffff;
      words[3] = networkOrder(peerWords[1]!);
      return plainAddressText(words);
    }
    for (let i = 0; i < 4; i++) words[i] = networkOrder(peerWords[2 + i]!);
    const scope = peerWords[6]!;
    const address = plainAddressText(words);
    return scope === 0 ? address : `${address}%${this.#zones.get(scope) ?? scope}`;
  }

  /** Family, port and the sockaddr; `clientWords` are set. */
  #describeSender(query: Query, sender: RemoteInfo): void {
    const { peer, peerWords, clientWords } = query;
    const v6 = sender.family === 'IPv6';
    query.family = v6 ? 6 : 4;
    query.port = sender.port;
    for (let i = 0; i < 7; i++) peerWords[i] = 0;
    peer[0] = v6 ? AF_INET6 : AF_INET;
    peer[2] = sender.port >>> 8;
    peer[3] = sender.port & 255;
    if (!v6) {
      peerWords[1] = networkOrder(clientWords[3]!);
      return;
    }
    for (let i = 0; i < 4; i++) peerWords[2 + i] = networkOrder(clientWords[i]!);
    const zone = zoneOf(sender.address);
    if (zone !== '') peerWords[6] = this.#scopes.get(zone) ?? (Number(zone) || 0);
  }
}

/** All addresses of one family, those of link-local scope with their zone. */
function localAddresses(interfaces: Interfaces, v6: boolean): string[] {
  return Object.entries(interfaces).flatMap(([name, entries = []]) =>
    entries
      .filter((entry) => (entry.family === 'IPv6') === v6)
      .map((entry) => (entry.family === 'IPv6' && entry.scopeid !== 0 ? `${entry.address}%${name}` : entry.address)),
  );
}

function bindSocket(address: string, port: number): Promise<Socket> {
  const socket = createNumericSocket(address.includes(':') ? 6 : 4);
  return new Promise((resolve, reject) => {
    socket.once('error', (error) => {
      socket.close();
      reject(error);
    });
    socket.bind({ address, port, exclusive: true }, () => {
      socket.removeAllListeners('error');
      try {
        socket.setRecvBufferSize(RECEIVE_BUFFER_BYTES);
      } catch {
        // Some systems refuse more than their limit instead of granting it; the default then stays.
      }
      resolve(socket);
    });
  });
}

/** A big-endian word as the little-endian machine word that has the same bytes in memory. */
function networkOrder(word: number): number {
  return (word << 24) | ((word & 0xff00) << 8) | ((word >>> 8) & 0xff00) | (word >>> 24);
}
