/**
 * A TCP connection to a primary (RFC 7766): one question at a time, answers of any number of messages, each in turn. Reading
 * waits for whoever takes the messages, so that a fast primary does not fill our memory.
 */
import { createConnection, type Socket } from 'node:net';
import { FetchFailure, plainReason } from '../source.ts';

export interface Primary {
  /** Address or host name. */
  readonly host: string;
  readonly port: number;
}

export interface ConnectionLimits {
  readonly connectMs: number;
  /** Silence after which the connection is given up. */
  readonly idleMs: number;
}

export class Connection {
  readonly #socket: Socket;
  readonly #chunks: AsyncIterator<Uint8Array>;
  readonly #signal: AbortSignal;
  #buffer: Uint8Array = new Uint8Array(0);

  private constructor(socket: Socket, signal: AbortSignal) {
    this.#socket = socket;
    this.#signal = signal;
    this.#chunks = socket[Symbol.asyncIterator]() as AsyncIterator<Uint8Array>;
  }

  /** Connect. Throws FetchFailure. After `signal` aborts, everything on the connection fails. */
  static open(primary: Primary, limits: ConnectionLimits, signal: AbortSignal): Promise<Connection> {
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(new FetchFailure('was given up'));
      const socket = createConnection({ host: primary.host, port: primary.port, noDelay: true });
      const abort = (): void => void socket.destroy(new FetchFailure('was given up'));
      signal.addEventListener('abort', abort);
      socket.setTimeout(limits.connectMs, () => {
        const ms = socket.connecting ? limits.connectMs : limits.idleMs;
        const what = socket.connecting ? 'no connection' : 'silence';
        socket.destroy(new FetchFailure(`the primary: ${what} for ${ms / 1000} s`, { transient: true }));
      });
      // Stays for the life of the socket: an error while nobody reads must not end the process.
      socket.on('error', (error) => reject(connectionFailure(error)));
      socket.once('close', () => signal.removeEventListener('abort', abort));
      socket.once('connect', () => {
        socket.setTimeout(limits.idleMs);
        resolve(new Connection(socket, signal));
      });
    });
  }

  send(message: Uint8Array): void {
    // RFC 7766 §8: length and message in one segment.
    const frame = new Uint8Array(2 + message.length);
    frame[0] = message.length >>> 8;
    frame[1] = message.length & 0xff;
    frame.set(message, 2);
    this.#socket.write(frame);
  }

  /** The next message, good until the next call. Throws FetchFailure; also where the primary closes instead. */
  async receive(): Promise<Uint8Array> {
    for (;;) {
      const buffer = this.#buffer;
      if (buffer.length >= 2) {
        const end = 2 + ((buffer[0]! << 8) | buffer[1]!);
        if (buffer.length >= end) {
          this.#buffer = buffer.subarray(end);
          return buffer.subarray(2, end);
        }
      }
      this.#buffer = joined(buffer, await this.#nextChunk());
    }
  }

  close(): void {
    this.#socket.destroy();
  }

  async #nextChunk(): Promise<Uint8Array> {
    let next: IteratorResult<Uint8Array>;
    try {
      next = await this.#chunks.next();
    } catch (error) {
      throw connectionFailure(error);
    }
    if (this.#signal.aborted) throw new FetchFailure('was given up');
    if (next.done) throw new FetchFailure('the primary closed the connection in the middle', { transient: true });
    return next.value;
  }
}

function connectionFailure(error: unknown): FetchFailure {
  return error instanceof FetchFailure
    ? error
    : new FetchFailure(`the primary: ${plainReason(error)}`, { transient: true });
}

/** Always a plain Uint8Array. */
function joined(one: Uint8Array, other: Uint8Array): Uint8Array {
  const whole = new Uint8Array(one.length + other.length);
  whole.set(one);
  whole.set(other, one.length);
  return whole;
}
