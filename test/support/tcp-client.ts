/** A TCP server on the loopback interface and clients for it, for tests. */
import { connect, type Socket } from 'node:net';
import type { PacketHandler } from '../../src/chain/routes.ts';
import { SuspendedQueries } from '../../src/chain/suspended.ts';
import { Metrics } from '../../src/metrics/registry.ts';
import { ManualClock } from '../../src/time/clock.ts';
import { TcpServer } from '../../src/transports/tcp/tcp.ts';
import type { CLOSE_REASONS, TcpLimits } from '../../src/transports/tcp/tcp-limits.ts';
import { Query } from '../../src/wire/query.ts';
import { answer, KEY0, KEY1, until, writeAnswer } from './net-queries.ts';

export interface TestServer {
  readonly server: TcpServer;
  readonly port: number;
  readonly clock: ManualClock;
  readonly metrics: Metrics;
  /** Move the clock and let the server look at its deadlines. */
  pass(ms: number): void;
  /** Connections closed for this reason so far. */
  closedFor(reason: (typeof CLOSE_REASONS)[number]): number;
  /** Connections accepted so far. */
  accepted(): number;
}

export async function startServer(
  options: { handle?: PacketHandler; limits?: Partial<TcpLimits>; host?: string } = {},
): Promise<TestServer> {
  const { handle = answer, limits = {}, host = '127.0.0.1' } = options;
  const clock = new ManualClock();
  const metrics = new Metrics();
  const server = new TcpServer({ handle, clock, metrics, limits });
  const { port } = await server.listen({ host, port: 0 }, 0);
  const value = (name: string, labels = {}): number => metrics.values[metrics.counter(name, '', labels)]!;
  return {
    server,
    port,
    clock,
    metrics,
    pass(ms) {
      clock.advance(ms);
      server.tick(clock.nowMs());
    },
    closedFor: (reason) => value('sekisho_tcp_closed_total', { reason }),
    accepted: () => value('sekisho_tcp_accepted_total'),
  };
}

/** A handler that holds every query back until the test says so. */
export class Holding {
  readonly suspended = new SuspendedQueries(4096);
  readonly tokens: number[] = [];
  readonly #query = new Query();

  readonly handle: PacketHandler = (query) => {
    if (answer(query)) this.tokens.push(this.suspended.hold(query));
    return false;
  };

  /** Wait until `count` queries are held. */
  held(count: number): Promise<void> {
    return until(() => this.tokens.length >= count);
  }

  /** Answer the query at `position` of those held. Returns false where its client is gone. */
  answer(server: TcpServer, position = 0): boolean {
    const query = this.take(position);
    if (!server.prepare(query)) return false;
    writeAnswer(query);
    server.send(query);
    return true;
  }

  /** Stop holding the query at `position`, borrowed until the next call. */
  take(position = 0): Query {
    const [token] = this.tokens.splice(position, 1);
    if (token === undefined) throw new Error(`no query is held at ${position}`);
    this.suspended.restore(token, this.#query, KEY0, KEY1);
    this.suspended.release(token);
    return this.#query;
  }
}

export class TcpClient {
  readonly socket: Socket;
  /** Pieces in which the answers came. */
  chunks = 0;
  /** The server has closed, or the connection broke. */
  closed = false;
  #received = Buffer.alloc(0);

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.on('data', (chunk) => {
      this.chunks++;
      this.#received = Buffer.concat([this.#received, chunk]);
    });
    socket.on('error', () => {
      this.closed = true;
    });
    socket.on('end', () => {
      this.closed = true;
    });
    socket.on('close', () => {
      this.closed = true;
    });
  }

  static open(port: number, host = '127.0.0.1', localAddress?: string): Promise<TcpClient> {
    const socket = connect({ port, host, noDelay: true, ...(localAddress !== undefined && { localAddress }) });
    const client = new TcpClient(socket);
    // A server may close before the client has noticed that it was accepted.
    return new Promise((resolve) => {
      socket.once('connect', () => resolve(client));
      socket.once('close', () => resolve(client));
    });
  }

  /** Send messages in one piece, each behind its length. */
  send(...messages: Uint8Array[]): void {
    this.write(
      Buffer.concat(messages.flatMap((message) => [Buffer.of(message.length >>> 8, message.length & 255), message])),
    );
  }

  write(bytes: Uint8Array): void {
    this.socket.write(bytes);
  }

  /** Ids of the next `count` answers. */
  async ids(count: number): Promise<number[]> {
    const ids: number[] = [];
    while (ids.length < count) ids.push((await this.next()).readUInt16BE(0));
    return ids;
  }

  /** The next answer, without its length. Rejects where the connection ends before it. */
  async next(): Promise<Buffer> {
    const complete = (): boolean =>
      this.#received.length >= 2 && this.#received.length >= 2 + this.#received.readUInt16BE(0);
    await until(() => complete() || this.closed);
    if (!complete()) throw new Error('closed before the answer came');
    const end = 2 + this.#received.readUInt16BE(0);
    const message = this.#received.subarray(2, end);
    this.#received = this.#received.subarray(end);
    return message;
  }

  /** Resolves when the server has closed. */
  gone(): Promise<void> {
    return until(() => this.closed);
  }

  destroy(): void {
    this.socket.destroy();
  }
}
