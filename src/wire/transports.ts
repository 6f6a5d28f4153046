/**
 * What a transport is like, by its number in `Query.transport`: whoever has to know asks for the property it cares about and
 * not for UDP or TCP, so that a new transport is a new row here.
 */
import { MAX_MESSAGE_BYTES, MAX_UDP_BYTES } from './constants.ts';

export interface Transport {
  /** As in metrics. */
  readonly name: 'udp' | 'tcp' | 'tls' | 'https';
  /** Messages come as parts of a connection; otherwise each is a datagram of its own. */
  readonly stream: boolean;
  readonly encrypted: boolean;
  /** Nobody completes the handshake who does not receive what is sent to the address (RFC 9293 §3.5): it is not forged. */
  readonly verifiedSource: boolean;
  /** A reply with TC says something: the client comes back over another transport (RFC 7766 §5). */
  readonly mayTruncate: boolean;
  /** Bytes of the largest reply, whatever the client says it can take. */
  readonly largestReply: number;
  /** Replies to padded queries are padded (RFC 8467 §4): of use only where nobody can read them. */
  readonly pads: boolean;
  /** How long a connection may idle is told in edns-tcp-keepalive (RFC 7828 §3.3: not over UDP). */
  readonly tellsKeepalive: boolean;
}

/** In the order of their numbers (query.ts). */
export const TRANSPORT_TABLE: readonly Transport[] = [
  {
    name: 'udp',
    stream: false,
    encrypted: false,
    verifiedSource: false,
    mayTruncate: true,
    largestReply: MAX_UDP_BYTES,
    pads: false,
    tellsKeepalive: false,
  },
  {
    name: 'tcp',
    stream: true,
    encrypted: false,
    verifiedSource: true,
    mayTruncate: false,
    largestReply: MAX_MESSAGE_BYTES,
    pads: false,
    tellsKeepalive: true,
  },
  {
    // RFC 7858.
    name: 'tls',
    stream: true,
    encrypted: true,
    verifiedSource: true,
    mayTruncate: false,
    largestReply: MAX_MESSAGE_BYTES,
    pads: true,
    tellsKeepalive: true,
  },
  {
    // RFC 8484. HTTP has its own ways to keep a connection, so RFC 7828 is not for it.
    name: 'https',
    stream: true,
    encrypted: true,
    verifiedSource: true,
    mayTruncate: false,
    largestReply: MAX_MESSAGE_BYTES,
    pads: true,
    tellsKeepalive: false,
  },
];

/** The transport that `query` came over. */
export function transportOf({ transport }: { readonly transport: number }): Transport {
  return TRANSPORT_TABLE[transport]!;
}
