/**
 * Keeps a listener of the control plane open to newcomers, whatever others hold: connections are bounded in all and by address,
 * and at either bound the one that has brought no whole request for longest makes room (as RFC 7766 §6.2.3 has it for DNS).
 *
 *     waiting, longest first:  opened, headers half sent, body half sent, kept alive     ◀── may be closed for a newcomer
 *     answering:               a whole request has come, its answer is not out yet        ◀── is never
 *
 * Time limits of node:http alone do not help: whoever opens connections again as fast as they run out keeps everybody else out.
 *
 * A connection that stands still is closed, unless its request is being worked on: a handler may take minutes (a list that is
 * fetched, a ledger that is read from one end to the other), and what it finds out has to reach whoever asked.
 * A connection that is kept alive may be closed at the very moment at which its client sends the next request, which is lost then.
 * So where half of the places are taken, answers say that theirs is closed (RFC 9112 §9.6), and nobody relies on it any more.
 */
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

export interface HttpConnectionsOptions {
  /** Connections at once. */
  readonly most: number;
  /** Of one address, as node:net writes it. */
  readonly mostPerAddress: number;
  /** Addresses that speak for many, such as a proxy's: bounded by `most` alone. */
  readonly unbounded?: (address: string) => boolean;
  /** Longest that a connection may stand still while nobody works on a request of it. */
  readonly idleMs: number;
  /** A connection was closed, to make room or because there is none. */
  readonly closed: () => void;
  /** A connection stood still for `idleMs` and was left open, because its request is being worked on. */
  readonly spared?: () => void;
}

/** Connections in the order in which they opened or were last answered. */
type Waiting = Map<Socket, State>;

interface State {
  request: IncomingMessage | undefined;
  response: ServerResponse | undefined;
}

/** To be called before the server listens. */
export function boundConnections(server: Server, options: HttpConnectionsOptions): void {
  const all: Waiting = new Map();
  const byAddress = new Map<string, Waiting>();

  server.on('connection', (socket: Socket) => {
    // Gone before it was looked at.
    if (socket.remoteAddress === undefined) return void socket.destroy();
    const address = socket.remoteAddress;
    const ofAddress = byAddress.get(address) ?? new Map();
    const full = ofAddress.size >= options.mostPerAddress && options.unbounded?.(address) !== true;
    const crowded = full ? ofAddress : all.size >= options.most ? all : undefined;
    if (crowded !== undefined) {
      options.closed();
      const longest = longestWaiting(crowded);
      (longest ?? socket).destroy();
      if (longest === undefined) return;
      // 'close' comes later, and the place is needed now.
      forget(longest);
    }
    byAddress.set(address, ofAddress);
    const state: State = { request: undefined, response: undefined };
    all.set(socket, state);
    ofAddress.set(socket, state);
    addresses.set(socket, address);
    socket.once('close', () => forget(socket));
  });

  const crowdedAt = (address: string): boolean =>
    all.size > options.most / 2 ||
    ((byAddress.get(address)?.size ?? 0) > options.mostPerAddress / 2 && options.unbounded?.(address) !== true);

  // Ahead of whoever answers: afterwards no header can be set.
  server.prependListener('request', (request: IncomingMessage, response: ServerResponse) => {
    const { socket } = request;
    const state = all.get(socket);
    if (state === undefined) return;
    state.request = request;
    state.response = response;
    if (crowdedAt(addresses.get(socket) ?? '')) response.setHeader('connection', 'close');
    response.once('close', () => {
      if (state.request !== request) return;
      state.request = undefined;
      state.response = undefined;
      for (const waiting of [all, byAddress.get(addresses.get(socket) ?? '')]) {
        if (waiting?.delete(socket)) waiting.set(socket, state);
      }
    });
  });

  server.timeout = options.idleMs;
  server.on('timeout', (socket: Socket) => {
    const state = all.get(socket);
    // With the head of the answer sent, it is the client who stands still: it does not read.
    const worked = state?.request?.complete === true && state.response?.headersSent === false;
    if (!worked) return void socket.destroy();
    options.spared?.();
    // The timer runs once; a socket that nothing moves on needs it set again.
    socket.setTimeout(options.idleMs);
  });

  const addresses = new WeakMap<Socket, string>();
  function forget(socket: Socket): void {
    const address = addresses.get(socket) ?? '';
    const ofAddress = byAddress.get(address);
    all.delete(socket);
    ofAddress?.delete(socket);
    if (ofAddress?.size === 0) byAddress.delete(address);
  }
}

function longestWaiting(waiting: Waiting): Socket | undefined {
  for (const [socket, { request }] of waiting) if (request?.complete !== true) return socket;
  return undefined;
}
