/**
 * Accepted connections that must first say for whom they speak: the header of the PROXY protocol is taken off their beginning, and
 * what came behind it is left to whoever reads next. Bounded in number and time.
 */
import type { Socket } from 'node:net';
import { type ProxiedClients, REFUSED_HEADER, REFUSED_SOURCE } from './proxied-clients.ts';
import { PROXY_INCOMPLETE } from './proxy-header.ts';

/** Connections that may stand here at once: proxies send the header with the first segment. */
const MOST_WAITING = 1024;

/** The client's address as `Query.clientWords`, and its port. Called while the connection is still open. */
export type Admit = (words: Int32Array, port: number) => void;

interface Waiting {
  readonly sinceMs: number;
  readonly proxied: ProxiedClients;
  readonly stop: () => void;
}

export class ProxyIntake {
  /** Longest first. */
  readonly #waiting = new Map<Socket, Waiting>();

  get size(): number {
    return this.#waiting.size;
  }

  /** `words` and `port`: of the proxy. `admit` is called once the header is there, with the connection paused behind it. */
  take(
    socket: Socket,
    proxied: ProxiedClients,
    proxy: { words: Int32Array; port: number },
    nowMs: number,
    admit: Admit,
  ): void {
    if (!proxied.believes(proxy.words)) return void refuse(socket, proxied, REFUSED_SOURCE);
    for (const [longest] of this.#waiting) {
      if (this.#waiting.size < MOST_WAITING) break;
      this.#drop(longest);
    }
    const words = Int32Array.from(proxy.words);
    let held: Buffer = Buffer.alloc(0);
    const onData = (chunk: Buffer) => {
      held = held.length === 0 ? chunk : Buffer.concat([held, chunk]);
      const { header } = proxied;
      const length = header.read(held, 0, held.length, true);
      if (length === PROXY_INCOMPLETE) return;
      this.#forget(socket);
      if (length < 0) return void refuse(socket, proxied, REFUSED_HEADER);
      socket.pause();
      if (held.length > length) socket.unshift(held.subarray(length));
      if (header.local) admit(words, proxy.port);
      else admit(header.clientWords, header.port);
    };
    const onEnd = () => {
      this.#forget(socket);
      refuse(socket, proxied, REFUSED_HEADER);
    };
    socket.on('data', onData);
    socket.on('end', onEnd);
    socket.on('error', ignore);
    socket.on('close', onEnd);
    const stop = () => {
      socket.off('data', onData);
      socket.off('end', onEnd);
      socket.off('error', ignore);
      socket.off('close', onEnd);
    };
    this.#waiting.set(socket, { sinceMs: nowMs, proxied, stop });
  }

  /** Close what has not said enough by then. */
  sweep(nowMs: number, allowedMs: number): void {
    for (const [socket, { sinceMs }] of this.#waiting) {
      if (nowMs - sinceMs < allowedMs) return;
      this.#drop(socket);
    }
  }

  close(): void {
    for (const socket of this.#waiting.keys()) this.#drop(socket);
  }

  #drop(socket: Socket): void {
    const waiting = this.#waiting.get(socket);
    this.#forget(socket);
    if (waiting) refuse(socket, waiting.proxied, REFUSED_HEADER);
  }

  #forget(socket: Socket): void {
    this.#waiting.get(socket)?.stop();
    this.#waiting.delete(socket);
  }
}

function refuse(socket: Socket, proxied: ProxiedClients, reason: number): void {
  proxied.refuse(reason);
  socket.on('error', ignore);
  socket.destroy();
}

/** ECONNRESET and the like; 'close' follows. */
function ignore(): void {}
