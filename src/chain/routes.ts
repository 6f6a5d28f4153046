/**
 * What the chain and the upstream need of the network, and nothing more. Two implementations stand behind each
 * interface: batches of system calls (Linux) and node:dgram (everywhere).
 */
import type { Query } from '../wire/query.ts';

/** The way back to clients of one transport. */
export interface ReplyRoute {
  /**
   * Point `query.reply`, `replyWords`, `replyStart` and `replyCapacity` at memory for the reply. Returns false where the
   * client is gone. Valid until `send` or the next `prepare`.
   */
  prepare(query: Query): boolean;
  /** Send the reply of `query` (at once or with the batch); its memory is free for others afterwards. */
  send(query: Query): void;
  /** The query in `query` ends without a reply, after it had to wait. Only transports that count what is outstanding need it. */
  abandon?(query: Query): void;
}

/** What a transport calls for each packet: returns true when the reply stands in `query` and is to be sent. */
export type PacketHandler = (query: Query) => boolean;

/** Where answers of upstream servers arrive. */
export interface DatagramSink {
  /**
   * One datagram. `socket` is what `UpstreamSockets.send` returned for the query it may belong to; `address` are the
   * sender's 16 bytes as four big-endian words (IPv4 as ::ffff:a.b.c.d). Bytes are borrowed.
   */
  datagram(socket: number, bytes: Uint8Array, start: number, length: number, address: Int32Array, port: number): void;
  /**
   * The same bytes will be handed to `datagram` soon, after others that came with them: time to have memory fetched that
   * this one will need. Nothing is to be decided yet.
   */
  foresee?(bytes: Uint8Array, start: number, length: number): void;
}

/** UDP sockets towards the upstream servers, on many random source ports (RFC 5452 §9.2). */
export interface UpstreamSockets {
  /**
   * Send `length` bytes to an address (four big-endian words, IPv4 mapped) and port from a socket whose port an outsider
   * cannot know. Returns the socket's number (unique for the life of the process, never used again for another port), or
   * -1 where nothing could be sent. May leave with the batch, at `flush`.
   */
  send(bytes: Uint8Array, start: number, length: number, address: Int32Array, port: number): number;
  flush(): void;
  /** Called now and then (about every 10 ms): retires old source ports. */
  tick(nowMs: number): void;
  close(): void;
}
