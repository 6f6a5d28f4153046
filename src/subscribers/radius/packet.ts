/**
 * RADIUS accounting on the wire (RFC 2866 §3, RFC 2865 §5): a strict reader of requests and a writer of responses.
 *
 *   | code | identifier | length (2) | authenticator (16) | type, length, value | type, length, value | …
 */
import { createHash } from 'node:crypto';
import type { Prefix } from '../../address/address.ts';
import { withoutHostBits } from '../leases/lease-bounds.ts';

const ACCOUNTING_REQUEST = 4;
const ACCOUNTING_RESPONSE = 5;
const HEADER_BYTES = 20;
/** RFC 2866 §3. */
const MAX_BYTES = 4095;

const ATTRIBUTE = {
  USER_NAME: 1,
  NAS_IP_ADDRESS: 4,
  FRAMED_IP_ADDRESS: 8,
  CLASS: 25,
  CALLING_STATION_ID: 31,
  NAS_IDENTIFIER: 32,
  PROXY_STATE: 33,
  ACCT_STATUS_TYPE: 40,
  ACCT_DELAY_TIME: 41,
  ACCT_SESSION_ID: 44,
  EVENT_TIMESTAMP: 55,
  CHARGEABLE_USER_IDENTITY: 89,
  NAS_IPV6_ADDRESS: 95,
  FRAMED_IPV6_PREFIX: 97,
  DELEGATED_IPV6_PREFIX: 123,
  FRAMED_IPV6_ADDRESS: 168,
} as const;

export const STATUS = { START: 1, STOP: 2, INTERIM_UPDATE: 3, ACCOUNTING_ON: 7, ACCOUNTING_OFF: 8 } as const;

/** What a request says, as far as it matters here. */
export interface AccountingRequest {
  readonly identifier: number;
  readonly status: number;
  readonly sessionId: string;
  /** Bytes as latin1; empty where the attribute is missing. */
  readonly identities: {
    readonly 'user-name': string;
    readonly 'calling-station-id': string;
    readonly 'chargeable-user-identity': string;
    readonly class: string;
  };
  /** What the NAS calls itself: NAS-IP-Address, NAS-IPv6-Address (four words each), NAS-Identifier. */
  readonly nas: {
    readonly address: Int32Array | undefined;
    readonly ipv6Address: Int32Array | undefined;
    readonly identifier: string;
  };
  /** Bits beyond a prefix are cleared. */
  readonly prefixes: readonly FramedPrefix[];
  /** Attributes that should hold an address or a prefix, and do not. */
  readonly unreadable: number;
  readonly delaySeconds: number;
  /** Seconds since 1970. */
  readonly eventTimestamp: number | undefined;
  /** Proxy-State attributes as they came. */
  readonly proxyState: readonly Buffer[];
}

export interface FramedPrefix extends Prefix {
  /** From an attribute for IPv4. */
  readonly ipv4: boolean;
}

export type PacketFault = 'malformed' | 'bad-authenticator';

/** The request in `packet`, or what is wrong with it: neither gets an answer (RFC 2866 §3). */
export function readAccountingRequest(packet: Buffer, secret: Buffer): AccountingRequest | PacketFault {
  if (packet.length < HEADER_BYTES || packet[0] !== ACCOUNTING_REQUEST) return 'malformed';
  const length = packet.readUInt16BE(2);
  // RFC 2866 §3: what lies beyond the length is padding; a packet that is shorter is discarded.
  if (length < HEADER_BYTES || length > MAX_BYTES || length > packet.length) return 'malformed';
  const message = packet.subarray(0, length);
  if (!isAuthentic(message, secret)) return 'bad-authenticator';
  return readAttributes(message) ?? 'malformed';
}

/** The response: Proxy-State comes back as it was sent (RFC 2865 §5.33). */
export function accountingResponse(request: AccountingRequest, packet: Buffer, secret: Buffer): Buffer {
  const attributes = Buffer.concat([...request.proxyState]);
  const response = Buffer.alloc(HEADER_BYTES + attributes.length);
  response[0] = ACCOUNTING_RESPONSE;
  response[1] = request.identifier;
  response.writeUInt16BE(response.length, 2);
  packet.copy(response, 4, 4, HEADER_BYTES);
  attributes.copy(response, HEADER_BYTES);
  // RFC 2866 §3: MD5 over code, identifier, length, the request's authenticator, attributes and secret.
  createHash('md5').update(response).update(secret).digest().copy(response, 4);
  return response;
}

/** RFC 2866 §3: MD5 over the packet with sixteen zeros for the authenticator, and the secret. */
export function requestAuthenticator(message: Buffer, secret: Buffer): Buffer {
  return createHash('md5')
    .update(message.subarray(0, 4))
    .update(ZEROS)
    .update(message.subarray(HEADER_BYTES))
    .update(secret)
    .digest();
}

const ZEROS = Buffer.alloc(16);

function isAuthentic(message: Buffer, secret: Buffer): boolean {
  return requestAuthenticator(message, secret).compare(message, 4, HEADER_BYTES) === 0;
}

function readAttributes(message: Buffer): AccountingRequest | undefined {
  const identities = { 'user-name': '', 'calling-station-id': '', 'chargeable-user-identity': '', class: '' };
  const prefixes: FramedPrefix[] = [];
  const proxyState: Buffer[] = [];
  let [status, sessionId, delaySeconds, unreadable] = [0, '', 0, 0];
  let nasAddress: Int32Array | undefined;
  let nasIpv6Address: Int32Array | undefined;
  let nasIdentifier = '';
  let eventTimestamp: number | undefined;
  // One attribute that cannot be read must not keep a Stop from being heard.
  const take = (prefix: FramedPrefix | undefined) => {
    if (prefix) prefixes.push(prefix);
    else unreadable++;
  };
  for (let at = HEADER_BYTES; at < message.length; ) {
    const size = message[at + 1] ?? 0;
    if (size < 2 || at + size > message.length) return undefined;
    const value = message.subarray(at + 2, at + size);
    switch (message[at]) {
      case ATTRIBUTE.USER_NAME:
        identities['user-name'] = value.toString('latin1');
        break;
      case ATTRIBUTE.CALLING_STATION_ID:
        identities['calling-station-id'] = value.toString('latin1');
        break;
      case ATTRIBUTE.CHARGEABLE_USER_IDENTITY:
        identities['chargeable-user-identity'] = value.toString('latin1');
        break;
      case ATTRIBUTE.CLASS:
        identities.class = value.toString('latin1');
        break;
      case ATTRIBUTE.NAS_IDENTIFIER:
        nasIdentifier = value.toString('latin1');
        break;
      case ATTRIBUTE.NAS_IP_ADDRESS:
        if (value.length === 4) nasAddress = ipv4Words(value);
        break;
      case ATTRIBUTE.NAS_IPV6_ADDRESS:
        if (value.length === 16) nasIpv6Address = wordsOf(value);
        break;
      case ATTRIBUTE.ACCT_SESSION_ID:
        sessionId = value.toString('latin1');
        break;
      case ATTRIBUTE.PROXY_STATE:
        proxyState.push(message.subarray(at, at + size));
        break;
      case ATTRIBUTE.ACCT_STATUS_TYPE:
      case ATTRIBUTE.ACCT_DELAY_TIME:
      case ATTRIBUTE.EVENT_TIMESTAMP: {
        if (value.length !== 4) return undefined;
        const number = value.readUInt32BE(0);
        if (message[at] === ATTRIBUTE.ACCT_STATUS_TYPE) status = number;
        else if (message[at] === ATTRIBUTE.ACCT_DELAY_TIME) delaySeconds = number;
        else eventTimestamp = number;
        break;
      }
      case ATTRIBUTE.FRAMED_IP_ADDRESS:
        take(value.length === 4 ? { words: ipv4Words(value), bits: 128, ipv4: true } : undefined);
        break;
      case ATTRIBUTE.FRAMED_IPV6_ADDRESS:
        take(value.length === 16 ? { words: wordsOf(value), bits: 128, ipv4: false } : undefined);
        break;
      case ATTRIBUTE.FRAMED_IPV6_PREFIX:
      case ATTRIBUTE.DELEGATED_IPV6_PREFIX:
        take(ipv6Prefix(value));
        break;
    }
    at += size;
  }
  // RFC 2866 §5.13: every request has a status and, but for Accounting-On and -Off, a session.
  if (status === 0) return undefined;
  return {
    identifier: message[1]!,
    status,
    sessionId,
    identities,
    nas: { address: nasAddress, ipv6Address: nasIpv6Address, identifier: nasIdentifier },
    prefixes,
    unreadable,
    delaySeconds,
    eventTimestamp,
    proxyState,
  };
}

/**
 * RFC 3162 §2.3, RFC 4818 §3: a reserved byte, the length, and up to 16 bytes. Their bits beyond the length should be 0; where
 * a NAS sends its own address there, the prefix is meant anyway.
 */
function ipv6Prefix(value: Buffer): FramedPrefix | undefined {
  const bits = value[1] ?? 129;
  if (value.length < 2 || value.length > 18 || bits > 128 || (value.length - 2) * 8 < bits) return undefined;
  const bytes = Buffer.alloc(16);
  value.copy(bytes, 0, 2);
  return { ...withoutHostBits(wordsOf(bytes), bits), ipv4: false };
}

function ipv4Words(bytes: Buffer): Int32Array {
  return Int32Array.of(0, 0, 0xffff, bytes.readInt32BE(0));
}

function wordsOf(bytes: Buffer): Int32Array {
  return Int32Array.from({ length: 4 }, (_, i) => bytes.readInt32BE(i * 4));
}
