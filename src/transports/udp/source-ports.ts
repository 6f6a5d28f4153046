/**
 * The source ports that upstreams are asked from (RFC 5452 §9.2), the same for both ways of packet I/O: how many, which one
 * is next, when one ends. Sockets are connected, each to one upstream: the kernel gives them nothing from anybody else,
 * and a stranger's packet to such a port is answered as one to a closed port is (ICMP port unreachable), so that ports
 * cannot be found by knocking (SAD DNS, CCS 2020).
 *
 *   one destination      │ drawn in this turn ……… │ not yet drawn ……………………… │
 *   ports:               0                      next ◀─ swapped ─ random       length
 *
 * Ports are drawn at random without putting back: each once a turn, so a query's port says nothing of the next one's, and
 * as many ports are in use as there are. After some uses, or some time, a port gives way to a new one, drawn by the
 * CSPRNG from the whole range, and listens a little longer for late answers.
 */

/** Ports from here up to 65535 are drawn: the whole range above the well-known ones. */
export const FIRST_PORT = 1024;
const PORTS = 65536 - FIRST_PORT;
/** How long a port is drawn, at least and at most; and how long it then still listens. */
const MIN_LIFETIME_MS = 120_000;
const MAX_LIFETIME_MS = 600_000;
const GRACE_MS = 5_000;
/** How often a port is drawn at most. */
const USES = 32;
/** Draws to find a port that may be used and that nobody has. */
const BIND_ATTEMPTS = 16;
/** Share of all sockets that may be in their time of grace. */
const GRACE_SHARE = 1 / 8;
/** Ports looked at in one tick for having lived long enough. */
const LOOKED_AT = 64;
/** Destinations that have ports of their own. */
const MAX_DESTINATIONS = 64;

export interface SourcePort<Socket> {
  /** Never used again for another port. */
  readonly number: number;
  readonly socket: Socket;
  uses: number;
  /** When it is drawn no more; from then on, when it is closed. */
  endsMs: number;
}

/** Sockets that several `SourcePorts` of one thread share, so that all groups of servers together keep within the limit. */
export class SocketBudget {
  /** Sockets open at a time, all destinations and those in their time of grace included. */
  readonly limit: number;
  open = 0;
  /** Those in their time of grace. */
  retired = 0;
  destinations = 0;

  constructor(limit: number) {
    this.limit = limit;
  }

  /** Sockets that one destination may have in use. */
  get share(): number {
    return Math.max(1, Math.floor((this.limit * (1 - GRACE_SHARE)) / Math.max(1, this.destinations)));
  }

  get graceLeft(): boolean {
    return this.retired < Math.max(1, this.limit * GRACE_SHARE);
  }
}

export interface SourcePortsParts<Socket> {
  readonly budget: SocketBudget;
  /** A CSPRNG: a 32-bit unsigned integer. */
  readonly random32: () => number;
  readonly nowMs: () => number;
  /** Ports that are somebody else's (reserved-ports.ts), by number, where not 0. */
  readonly reserved?: Uint8Array;
  /** A socket bound to `port` and connected to the destination; undefined where the port is taken or none can be opened. */
  readonly open: (address: Int32Array, destinationPort: number, port: number, number: number) => Socket | undefined;
  readonly close: (socket: Socket, number: number) => void;
}

class Destination<Socket> {
  readonly address: Int32Array;
  readonly port: number;
  readonly ports: SourcePort<Socket>[] = [];
  /** Ports before this place have been drawn in this turn. */
  next = 0;
  /** Place looked at next for ports that have lived long enough. */
  looked = 0;
  usedMs = 0.1;

  constructor(address: Int32Array, port: number) {
    this.address = Int32Array.from(address);
    this.port = port;
  }
}

export class SourcePorts<Socket> {
  readonly #parts: SourcePortsParts<Socket>;
  readonly #destinations: Destination<Socket>[] = [];
  /** In the order in which they are closed. */
  readonly #retired: SourcePort<Socket>[] = [];
  #retiredFrom = 0;
  #last: Destination<Socket> | undefined;
  #nextNumber = 0;
  #closed = false;

  constructor(parts: SourcePortsParts<Socket>) {
    this.#parts = parts;
  }

  /** The port for the next query to this destination; undefined where no socket can be opened. */
  draw(address: Int32Array, port: number): SourcePort<Socket> | undefined {
    if (this.#closed) return undefined;
    const destination = this.#destination(address, port);
    const { ports } = destination;
    const { budget } = this.#parts;
    if (ports.length === 0 || (ports.length < budget.share && budget.open < budget.limit)) this.#openOne(destination);
    if (ports.length === 0) return undefined;
    if (destination.next >= ports.length) destination.next = 0;
    const at = destination.next + this.#below(ports.length - destination.next);
    const drawn = ports[at]!;
    if (++drawn.uses >= USES && budget.graceLeft) {
      this.#retire(destination, at, this.#parts.nowMs());
    } else {
      ports[at] = ports[destination.next]!;
      ports[destination.next++] = drawn;
    }
    return drawn;
  }

  tick(nowMs: number): void {
    const { budget } = this.#parts;
    const { share } = budget;
    for (const destination of this.#destinations) {
      const { ports } = destination;
      for (let looked = Math.min(LOOKED_AT, ports.length); looked > 0; looked--) {
        if (!budget.graceLeft) break;
        if (destination.looked >= ports.length) destination.looked = 0;
        const at = destination.looked;
        if (nowMs >= ports[at]!.endsMs || ports.length > share) this.#retire(destination, at, nowMs);
        else destination.looked++;
      }
    }
    const retired = this.#retired;
    while (this.#retiredFrom < retired.length && nowMs >= retired[this.#retiredFrom]!.endsMs) {
      budget.retired--;
      this.#close(retired[this.#retiredFrom++]!);
    }
    if (this.#retiredFrom > retired.length >>> 1) {
      retired.splice(0, this.#retiredFrom);
      this.#retiredFrom = 0;
    }
  }

  close(): void {
    this.#closed = true;
    const { budget } = this.#parts;
    const destinations = this.#destinations.splice(0);
    budget.destinations -= destinations.length;
    for (const { ports } of destinations) for (const port of ports.splice(0)) this.#close(port);
    const retired = this.#retired.splice(this.#retiredFrom);
    budget.retired -= retired.length;
    for (const port of retired) this.#close(port);
    this.#retired.length = 0;
    this.#retiredFrom = 0;
  }

  #destination(address: Int32Array, port: number): Destination<Socket> {
    if (this.#last && isAt(this.#last, address, port)) return this.#last;
    let found = this.#destinations.find((each) => isAt(each, address, port));
    if (!found) {
      if (this.#destinations.length >= MAX_DESTINATIONS) this.#forget();
      found = new Destination(address, port);
      this.#destinations.push(found);
      this.#parts.budget.destinations++;
    }
    found.usedMs = this.#parts.nowMs();
    this.#last = found;
    return found;
  }

  /** The destination that was not asked for longest gives its place up. */
  #forget(): void {
    const destinations = this.#destinations;
    let oldest = 0;
    for (let i = 1; i < destinations.length; i++)
      if (destinations[i]!.usedMs < destinations[oldest]!.usedMs) oldest = i;
    const [gone] = destinations.splice(oldest, 1);
    this.#parts.budget.destinations--;
    const nowMs = this.#parts.nowMs();
    while (gone!.ports.length > 0) this.#retire(gone!, gone!.ports.length - 1, nowMs);
  }

  #openOne(destination: Destination<Socket>): void {
    const { reserved } = this.#parts;
    for (let attempt = 0; attempt < BIND_ATTEMPTS; attempt++) {
      const number = this.#nextNumber;
      const port = FIRST_PORT + this.#below(PORTS);
      if (reserved !== undefined && reserved[port] !== 0) continue;
      const socket = this.#parts.open(destination.address, destination.port, port, number);
      if (socket === undefined) continue;
      this.#nextNumber++;
      this.#parts.budget.open++;
      // Spread, so that ports opened together do not end together.
      const lifetimeMs = MIN_LIFETIME_MS + this.#below(MAX_LIFETIME_MS - MIN_LIFETIME_MS);
      destination.ports.push({ number, socket, uses: 0, endsMs: this.#parts.nowMs() + lifetimeMs });
      return;
    }
  }

  #retire(destination: Destination<Socket>, at: number, nowMs: number): void {
    const { ports } = destination;
    const port = ports[at]!;
    // Its place in the part drawn or not yet drawn is taken by another of the same part.
    if (at < destination.next) {
      ports[at] = ports[--destination.next]!;
      ports[destination.next] = ports.at(-1)!;
    } else ports[at] = ports.at(-1)!;
    ports.pop();
    port.endsMs = nowMs + GRACE_MS;
    this.#retired.push(port);
    this.#parts.budget.retired++;
  }

  #close(port: SourcePort<Socket>): void {
    this.#parts.budget.open--;
    this.#parts.close(port.socket, port.number);
  }

  /** 0 … below-1. The bias of the product is below 2⁻¹⁶. */
  #below(below: number): number {
    return Math.floor(((this.#parts.random32() >>> 0) / 0x1_0000_0000) * below);
  }
}

function isAt<Socket>(destination: Destination<Socket>, address: Int32Array, port: number): boolean {
  if (destination.port !== port) return false;
  for (let w = 0; w < 4; w++) if (destination.address[w] !== address[w]) return false;
  return true;
}
