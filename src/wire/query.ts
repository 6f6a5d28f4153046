/**
 * One query on its way through the chain: where it came from, what it asks, and the reply as it is being written.
 *
 * A worker keeps a handful of these and uses them again for every packet; nothing here is allocated per query. Every
 * byte range is *borrowed*: it belongs to a receive buffer that the next packet overwrites. A plugin that wants to keep
 * something copies it.
 *
 *   message  |header|qname|type|class| … |OPT| …      as received, from `start`, `length` bytes
 *   question the lowercased and hashed qname, type, class, DO and CD (wire/question.ts)
 *   reply    |header|question| records … |OPT|         from `replyStart`, `replyLength` bytes so far
 */

import { EDE } from './constants.ts';
import { Question } from './question.ts';
import { TRANSPORT_TABLE, transportOf } from './transports.ts';

/** How a query came: rows of the table in transports.ts. */
export const UDP = 0;
export const TCP = 1;
export const TLS = 2;
export const HTTPS = 3;
export const TRANSPORTS = TRANSPORT_TABLE.map(({ name }) => name);

/** What the cache had to say (`Query.cacheResult`). */
export const CACHE_NOT_ASKED = 0;
export const CACHE_HIT = 1;
export const CACHE_MISS = 2;
export const CACHE_STALE = 3;
/** A failure remembered from shortly before (RFC 9520). */
export const CACHE_FAILURE = 4;
export const CACHE_RESULTS = ['none', 'hit', 'miss', 'stale', 'failure'] as const;

/** The client's cookie (`Query.cookie`, RFC 7873): it sent none, or cookies are off. */
export const COOKIE_NONE = 0;
/** A client cookie alone: it understands cookies and has none of ours yet. */
export const COOKIE_CLIENT_ONLY = 1;
/** A server cookie that is not ours, is too old, or was made for another address. */
export const COOKIE_BAD = 2;
/** A cookie that we made for this very client. */
export const COOKIE_GOOD = 3;
export const COOKIE_STATES = ['none', 'client-only', 'bad', 'good'] as const;

/** Why a packet got no answer, as the label of `sekisho_drops_total`. */
export const DROP_REASONS = [
  'short',
  'response',
  'port-zero',
  'own-address',
  'outsider-malformed',
  'plugin',
  'fault',
  'client-gone',
] as const;
export const DROP_SHORT = 0;
export const DROP_RESPONSE = 1;
export const DROP_PORT_ZERO = 2;
export const DROP_OWN_ADDRESS = 3;
export const DROP_OUTSIDER_MALFORMED = 4;
export const DROP_PLUGIN = 5;
export const DROP_FAULT = 6;
export const DROP_CLIENT_GONE = 7;

/** Bytes kept of the way back: a sockaddr_in6 and the local address of a wildcard socket. */
export const PEER_BYTES = 28;
export const LOCAL_BYTES = 20;

const NO_BYTES = new Uint8Array(0);
const NO_WORDS = new Int32Array(0);

export class Query {
  // ── where it came from ────────────────────────────────────────────────────────────────────────────────────────────
  /** UDP, TCP, TLS, HTTPS: what that means, `transportOf` says. */
  transport = UDP;
  /** Index of the listening address in the order of `server.listen`. */
  listener = 0;
  /** 4 or 6; an IPv4 client of a dual-stack socket counts as 4. */
  family = 4;
  /**
   * Client address as four big-endian 32-bit integers (signed), IPv4 as ::ffff:a.b.c.d (RFC 4291 §2.5.5.2), so
   * `clientWords[3]` is an IPv4 address.
   */
  readonly clientWords = new Int32Array(4);
  /** Client's source port, 0–65535. */
  port = 0;
  /** The client's sockaddr as the kernel gave it, for the way back over UDP. */
  readonly peer = new Uint8Array(PEER_BYTES);
  readonly peerWords = new Int32Array(this.peer.buffer);
  /** Address the client asked, for wildcard sockets: family (first word, 0 = not needed), then 4 or 16 address bytes. */
  readonly local = new Uint8Array(LOCAL_BYTES);
  readonly localWords = new Int32Array(this.local.buffer);
  /** The view that client and listener are in, counted from 1 in the order of `views`; 0 = none. Set by the chain. */
  view = 0;
  /** Lists that apply in the view, as a mask. It only takes away: consent and grounds are asked for as without views. */
  lists = -1;
  /** The view lets its clients have what has expired (RFC 8767). */
  mayBeStale = true;
  /** The plugin whose hook is running acts as a dry run in the view: its verdict is counted and not carried out. */
  dryRun = false;
  /** Connection (or stream of HTTP/2), an index of the server that it came to; -1 on UDP. */
  connection = -1;
  /** Tells a connection's successor in the same place from itself. */
  connectionGeneration = 0;

  // ── the message as received ───────────────────────────────────────────────────────────────────────────────────────
  message: Uint8Array = NO_BYTES;
  start = 0;
  length = 0;

  // ── what it asks (set by wire/reader.ts) ──────────────────────────────────────────────────────────────────────────
  id = 0;
  /** The header's flag word as received (wire/constants.ts FLAG_…). */
  flags = 0;
  /** Name, type, class, DO and CD; the name lowercased and hashed. */
  readonly question = new Question();
  /** The client wrote at least one letter of the name in upper case (0x20 or a person). */
  mixedCase = false;
  /** Bytes of header and question as received; 12 while no question was read. */
  questionEnd = 0;

  // ── EDNS (RFC 6891) ───────────────────────────────────────────────────────────────────────────────────────────────
  /** The client sent an OPT record. */
  edns = false;
  ednsVersion = 0;
  /** The client's UDP payload size as sent; 512 without EDNS. */
  udpSize = 512;
  /** Range of the OPT record's options inside `message`. */
  optionsStart = 0;
  optionsEnd = 0;
  /** The client sent edns-tcp-keepalive (RFC 7828). */
  keepaliveAsked = false;
  /** The client sent the padding option (RFC 7830). */
  padded = false;
  /** Where the data of the client's COOKIE option stands in `message`, and its length; 0 = there is none. */
  cookieStart = 0;
  cookieLength = 0;
  /** COOKIE_… */
  cookie = COOKIE_NONE;
  /**
   * The source is not forged: the query came over TCP, or with a cookie that only this client can have received. False
   * says no more than that nobody knows.
   */
  verified = false;
  /** The reply carries `cookieReply`: client cookie and server cookie, 24 bytes (wire/server-cookies.ts). */
  answersCookie = false;
  readonly cookieReply = new Uint8Array(24);

  // ── the reply ─────────────────────────────────────────────────────────────────────────────────────────────────────
  reply: Uint8Array = NO_BYTES;
  /** The same memory as words, for copying; `replyStart` is a multiple of 4. */
  replyWords: Int32Array = NO_WORDS;
  replyStart = 0;
  /** Bytes that the buffer holds from `replyStart`. */
  replyCapacity = 0;
  /** Bytes written so far; 0 = no reply. */
  replyLength = 0;
  /** Response code of the reply, extended ones included. */
  rcode = 0;
  /** Extended error's info code (RFC 8914), EDE.NONE = none, and its text (ASCII or UTF-8 bytes, made at set-up). */
  ede: number = EDE.NONE;
  edeText: Uint8Array = NO_BYTES;
  /** What the cache gave ends in a CNAME whose target's records are another answer's. */
  incomplete = false;
  /** CACHE_… */
  cacheResult = CACHE_NOT_ASKED;
  /** Why nothing was sent: index of a drop reason (DROP_REASONS), or -1. */
  dropReason = -1;
  /** What came is no query: a response, or bytes that cannot be read as a message. */
  unreadable = false;
  /** Index of the plugin whose verdict decided, or -1. */
  decidedBy = -1;
  /** Where the chain goes on when the query was deferred: index of the next hook. */
  resumeAt = 0;
  /** Type that an answer hook wants looked up under the same name (contract/plugin.ts, LOOK_UP). */
  soughtType = 0;

  // ── time ──────────────────────────────────────────────────────────────────────────────────────────────────────────
  /** Monotonic milliseconds (clock.ts) of the batch in which the query is handled now. */
  nowMs = 0;
  /** When the packet was received. Differs from `nowMs` when the query had to wait for its answer. */
  receivedMs = 0;

  /** Set `clientWords` from 16 address bytes in network order. */
  setClientWords(bytes: Uint8Array, from = 0): void {
    for (let i = 0; i < 4; i++) {
      const at = from + (i << 2);
      this.clientWords[i] = (bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!;
    }
  }

  /** Forget the last query's reply and question; the source's fields are set by the transport. */
  reset(): void {
    this.view = 0;
    this.lists = -1;
    this.mayBeStale = true;
    this.dryRun = false;
    this.id = 0;
    this.flags = 0;
    this.question.clear();
    this.mixedCase = false;
    this.questionEnd = 0;
    this.edns = false;
    this.ednsVersion = 0;
    this.udpSize = 512;
    this.optionsStart = 0;
    this.optionsEnd = 0;
    this.keepaliveAsked = false;
    this.padded = false;
    this.cookieStart = 0;
    this.cookieLength = 0;
    this.cookie = COOKIE_NONE;
    this.verified = transportOf(this).verifiedSource;
    this.answersCookie = false;
    this.replyLength = 0;
    this.rcode = 0;
    this.ede = EDE.NONE;
    this.edeText = NO_BYTES;
    this.incomplete = false;
    this.cacheResult = CACHE_NOT_ASKED;
    this.dropReason = -1;
    this.unreadable = false;
    this.decidedBy = -1;
    this.resumeAt = 0;
    this.soughtType = 0;
  }
}
