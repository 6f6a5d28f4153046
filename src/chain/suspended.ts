/**
 * Queries that wait for an answer: a fixed pool, so that nothing grows however slow the upstream is.
 *
 * A slot keeps the packet and the way back; `restore` puts both into a Query again and reads the packet again (150 ns,
 * far less than keeping every field in step). Packets above 512 bytes are kept without their EDNS options, save what the reply depends on.
 */
import type { PendingShares } from '../overload/pending-shares.ts';
import { EDNS_FLAG_DO, EDNS_OPTION, OPT_BYTES, TYPE } from '../wire/constants.ts';
import { LOCAL_BYTES, PEER_BYTES, type Query } from '../wire/query.ts';
import { readQuery } from '../wire/reader.ts';
import { put16 } from '../wire/writer.ts';

/** Longest packet kept whole. */
const PACKET_BYTES = 512;
/** Slot: packet, sockaddr, local address. */
const PEER_AT = PACKET_BYTES;
const LOCAL_AT = PEER_AT + PEER_BYTES;
const SLOT_BYTES = LOCAL_AT + LOCAL_BYTES;

/** Numbers kept per slot, as fields of one Int32Array. */
const TRANSPORT = 0;
const LISTENER = 1;
const FAMILY = 2;
const PORT = 3;
const CONNECTION = 4;
const CONNECTION_GENERATION = 5;
const LENGTH = 6;
const RESUME_AT = 7;
const CACHE_RESULT = 8;
const CLIENT = 9;
const FIELDS = 13;

export class SuspendedQueries {
  /** Queries that can wait at once. */
  readonly capacity: number;
  /** Chains waiters of one upstream question: the next token, or -1. Free for whoever holds the token. */
  readonly next: Int32Array;
  readonly #bytes: Uint8Array;
  /** The same memory; slots are whole words. */
  readonly #words: Int32Array;
  readonly #fields: Int32Array;
  readonly #receivedMs: Float64Array;
  readonly #generation: Int32Array;
  readonly #shares: PendingShares | undefined;
  readonly #free: Int32Array;
  #freeCount: number;

  /** `shares`: bounds what one client may hold of it. */
  constructor(capacity: number, shares?: PendingShares) {
    this.capacity = capacity;
    this.#shares = shares;
    const memory = new ArrayBuffer(capacity * SLOT_BYTES);
    this.#bytes = new Uint8Array(memory);
    this.#words = new Int32Array(memory);
    this.#fields = new Int32Array(capacity * FIELDS);
    this.#receivedMs = new Float64Array(capacity);
    this.#generation = new Int32Array(capacity);
    this.next = new Int32Array(capacity).fill(-1);
    this.#free = Int32Array.from({ length: capacity }, (_, i) => capacity - 1 - i);
    this.#freeCount = capacity;
  }

  /** Queries waiting now. */
  get size(): number {
    return this.capacity - this.#freeCount;
  }

  /** Keep `query`. Returns its token, or -1 where the pool is full or its client holds its share of it. */
  hold(query: Query): number {
    if (this.#freeCount === 0) return -1;
    const token = this.#free[this.#freeCount - 1]!;
    if (this.#shares?.take(token, query, this.#freeCount) === false) return -1;
    this.#freeCount--;
    const bytes = this.#bytes;
    const slot = token * SLOT_BYTES;
    const length = query.length <= PACKET_BYTES ? copyPacket(query, bytes, slot) : condensePacket(query, bytes, slot);
    const peer = (slot + PEER_AT) >>> 2;
    for (let i = 0; i < PEER_BYTES >>> 2; i++) this.#words[peer + i] = query.peerWords[i]!;
    const local = (slot + LOCAL_AT) >>> 2;
    for (let i = 0; i < LOCAL_BYTES >>> 2; i++) this.#words[local + i] = query.localWords[i]!;
    const fields = this.#fields;
    const at = token * FIELDS;
    fields[at + TRANSPORT] = query.transport;
    fields[at + LISTENER] = query.listener;
    fields[at + FAMILY] = query.family;
    fields[at + PORT] = query.port;
    fields[at + CONNECTION] = query.connection;
    fields[at + CONNECTION_GENERATION] = query.connectionGeneration;
    fields[at + LENGTH] = length;
    fields[at + RESUME_AT] = query.resumeAt;
    fields[at + CACHE_RESULT] = query.cacheResult;
    for (let i = 0; i < 4; i++) fields[at + CLIENT + i] = query.clientWords[i]!;
    this.#receivedMs[token] = query.receivedMs;
    this.next[token] = -1;
    return token;
  }

  /** Changes each time the slot is given back, so that a late holder of a token notices. */
  generation(token: number): number {
    return this.#generation[token]!;
  }

  /** Put the query that `token` stands for into `query`, read again. The slot stays held; the packet is borrowed from it. */
  restore(token: number, query: Query, key0: number, key1: number): void {
    const bytes = this.#bytes;
    const slot = token * SLOT_BYTES;
    const fields = this.#fields;
    const at = token * FIELDS;
    // Before the reset, which makes something of it.
    query.transport = fields[at + TRANSPORT]!;
    query.reset();
    query.message = bytes;
    query.start = slot;
    query.length = fields[at + LENGTH]!;
    const peer = (slot + PEER_AT) >>> 2;
    for (let i = 0; i < PEER_BYTES >>> 2; i++) query.peerWords[i] = this.#words[peer + i]!;
    const local = (slot + LOCAL_AT) >>> 2;
    for (let i = 0; i < LOCAL_BYTES >>> 2; i++) query.localWords[i] = this.#words[local + i]!;
    query.listener = fields[at + LISTENER]!;
    query.family = fields[at + FAMILY]!;
    query.port = fields[at + PORT]!;
    query.connection = fields[at + CONNECTION]!;
    query.connectionGeneration = fields[at + CONNECTION_GENERATION]!;
    for (let i = 0; i < 4; i++) query.clientWords[i] = fields[at + CLIENT + i]!;
    readQuery(query, key0, key1);
    query.resumeAt = fields[at + RESUME_AT]!;
    query.cacheResult = fields[at + CACHE_RESULT]!;
    query.receivedMs = this.#receivedMs[token]!;
  }

  /** Give the slot back. */
  release(token: number): void {
    this.#shares?.release(token);
    this.#generation[token] = (this.#generation[token]! + 1) | 0;
    this.#free[this.#freeCount++] = token;
  }
}

function copyPacket(query: Query, bytes: Uint8Array, slot: number): number {
  const { message, start, length } = query;
  for (let i = 0; i < length; i++) bytes[slot + i] = message[start + i]!;
  return length;
}

/** Header, question and an OPT record that says the same as the client's, without its options but keepalive, padding and cookie. */
function condensePacket(query: Query, bytes: Uint8Array, slot: number): number {
  const { message, start, questionEnd } = query;
  for (let i = 0; i < questionEnd; i++) bytes[slot + i] = message[start + i]!;
  bytes.fill(0, slot + 6, slot + 12);
  if (!query.edns) return questionEnd;
  bytes[slot + 11] = 1;
  const at = slot + questionEnd;
  bytes.fill(0, at, at + OPT_BYTES);
  put16(bytes, at + 1, TYPE.OPT);
  put16(bytes, at + 3, query.udpSize);
  put16(bytes, at + 7, query.question.dnssecOk ? EDNS_FLAG_DO : 0);
  let to = at + OPT_BYTES;
  if (query.keepaliveAsked) {
    put16(bytes, to, EDNS_OPTION.TCP_KEEPALIVE);
    put16(bytes, to + 2, 0);
    to += 4;
  }
  if (query.padded) {
    put16(bytes, to, EDNS_OPTION.PADDING);
    put16(bytes, to + 2, 0);
    to += 4;
  }
  if (query.cookieLength > 0) {
    put16(bytes, to, EDNS_OPTION.COOKIE);
    put16(bytes, to + 2, query.cookieLength);
    for (let i = 0; i < query.cookieLength; i++) bytes[to + 4 + i] = message[query.cookieStart + i]!;
    to += 4 + query.cookieLength;
  }
  put16(bytes, at + 9, to - at - OPT_BYTES);
  return to - slot;
}
