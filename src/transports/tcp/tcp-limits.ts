/**
 * What is granted to TCP clients. TCP state is what an attacker wants a resolver to keep (RFC 7766 §10), so each of these has
 * an end. Connections are counted over all workers (tcp-shares.ts); the rest is per worker.
 */
export interface TcpLimits {
  /** Connections at once. Beyond, the longest idle one makes room (RFC 7766 §6.2.3). */
  readonly maxConnections: number;
  /** Connections at once of one IPv4 address or IPv6 /64. Beyond, its own longest idle one makes room. */
  readonly maxPerClient: number;
  /** Longest query; 1–65535 bytes. */
  readonly maxQueryBytes: number;
  /** Queries of one connection that may wait for their answers; beyond, reading pauses. */
  readonly maxInFlight: number;
  /** A connection without outstanding queries that sends nothing is closed after this (RFC 7766 §6.2.3). */
  readonly idleMs: number;
  /** A message must be complete this long after it began. */
  readonly messageMs: number;
  /** Oldest that a connection gets. */
  readonly lifetimeMs: number;
  /** Bytes of answers that a client has not taken from which on nothing more is read from it; at least 65536. */
  readonly pauseBytes: number;
  /** The same, from which on the connection is given up. */
  readonly maxUnsentBytes: number;
  /** The same over all connections. */
  readonly maxTotalUnsentBytes: number;
  /** Time in which a client that reads too slowly must have taken everything. */
  readonly stallMs: number;
}

export const DEFAULT_TCP_LIMITS: TcpLimits = {
  maxConnections: 4096,
  maxPerClient: 64,
  maxQueryBytes: 4096,
  maxInFlight: 64,
  idleMs: 10_000,
  messageMs: 3_000,
  lifetimeMs: 600_000,
  pauseBytes: 128 * 1024,
  maxUnsentBytes: 1024 * 1024,
  maxTotalUnsentBytes: 64 * 1024 * 1024,
  stallMs: 10_000,
};

/** Why a connection ended: the `reason` label of sekisho_tcp_closed_total, and its index there. */
export const CLOSE_REASONS = [
  'client',
  'error',
  'idle',
  'message-timeout',
  'lifetime',
  'stalled',
  'unsent',
  'oversized',
  'empty',
  'client-limit',
  'full',
  'evicted',
  'shutdown',
  'garbage',
  'handshake',
  'flood',
] as const;
/** The client closed, and had its answers. */
export const CLOSED_CLIENT = 0;
/** Reset by the client or the network: nothing to worry about. */
export const CLOSED_ERROR = 1;
export const CLOSED_IDLE = 2;
/** A message was begun and not completed in time. */
export const CLOSED_MESSAGE_TIMEOUT = 3;
export const CLOSED_LIFETIME = 4;
/** The client did not take its answers in time. */
export const CLOSED_STALLED = 5;
/** Too many bytes of answers not taken. */
export const CLOSED_UNSENT = 6;
/** A query above `maxQueryBytes`. */
export const CLOSED_OVERSIZED = 7;
/** A message of length 0. */
export const CLOSED_EMPTY = 8;
/**
 * Its address has its share of connections, and this was the one of them that had been idle longest; or a newcomer, where none
 * of them was idle.
 */
export const CLOSED_CLIENT_LIMIT = 9;
/** A newcomer while every connection had queries outstanding. */
export const CLOSED_FULL = 10;
/** Idle, and made room for a newcomer. */
export const CLOSED_EVICTED = 11;
export const CLOSED_SHUTDOWN = 12;
/** What came was no query: a response, or bytes that cannot be read. */
export const CLOSED_GARBAGE = 13;
/** TLS was not agreed upon, or not in time. */
export const CLOSED_HANDSHAKE = 14;
/** Frames of HTTP/2 that ask nothing, more than any client needs. */
export const CLOSED_FLOOD = 15;
