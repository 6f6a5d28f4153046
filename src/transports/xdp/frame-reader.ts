/**
 * Reads a frame that the program at the interface took for a query. Every byte of it is a stranger's, and what the program
 * checked is checked here again: nothing outside the frame is ever looked at, whatever lengths it claims.
 *
 *   | MAC to | MAC from | tag? | type | IPv4 or IPv6 header | source port | port | length | checksum | payload |
 *                                     ▲ network             ▲ transport                              ▲ payload
 */
import type { Query } from '../../wire/query.ts';
import { ETHERNET_BYTES, IPV4_BYTES, IPV6_BYTES, UDP_BYTES, VLAN_BYTES } from './frame.ts';

/** Why a frame was dropped, as the label of `sekisho_xdp_bad_frames_total`; by what `read` returns below 0, counted from -1. */
export const BAD_FRAMES = ['short', 'header', 'length', 'header-checksum', 'checksum', 'source'] as const;
export const FRAME_OK = 0;
const SHORT = -1;
const HEADER = -2;
const LENGTH = -3;
const HEADER_CHECKSUM = -4;
const CHECKSUM = -5;
const SOURCE = -6;

const UDP = 17;
const AF_INET = 2;
const AF_INET6 = 10;

export class FrameReader {
  /** Offsets in the memory that was read, and bytes. */
  frame = 0;
  network = 0;
  transport = 0;
  payload = 0;
  payloadBytes = 0;
  /** 4 or 6. */
  family = 0;
  /** Number of the VLAN, 0 = none: a tag with priority alone belongs to none. */
  vlan = 0;

  /** Read `length` bytes of `bytes` from `at`. Returns FRAME_OK, or why the frame is to be dropped. */
  read(bytes: Uint8Array, at: number, length: number): number {
    const end = at + length;
    if (at < 0 || length < ETHERNET_BYTES + IPV4_BYTES + UDP_BYTES || end > bytes.length) return SHORT;
    this.frame = at;
    this.vlan = 0;
    let network = at + ETHERNET_BYTES;
    let type = (bytes[at + 12]! << 8) | bytes[at + 13]!;
    if (type === 0x8100 || type === 0x88a8) {
      this.vlan = ((bytes[at + 14]! << 8) | bytes[at + 15]!) & 0xfff;
      type = (bytes[at + 16]! << 8) | bytes[at + 17]!;
      network += VLAN_BYTES;
    }
    this.network = network;
    const found = type === 0x0800 ? this.#ipv4(bytes, end) : type === 0x86dd ? this.#ipv6(bytes, end) : HEADER;
    return found < 0 ? found : this.#udp(bytes, found);
  }

  /** Describe where the query came from as the kernel would for a socket, so that its answer may take either way. */
  describe(bytes: Uint8Array, query: Query, wildcard: boolean): void {
    const { network, transport } = this;
    const { peerWords, clientWords, localWords, peer, local } = query;
    const v4 = this.family === 4;
    query.family = this.family;
    query.port = (bytes[transport]! << 8) | bytes[transport + 1]!;
    for (let i = 0; i < 7; i++) peerWords[i] = 0;
    peer[0] = v4 ? AF_INET : AF_INET6;
    peer[2] = bytes[transport]!;
    peer[3] = bytes[transport + 1]!;
    localWords[0] = 0;
    if (wildcard) local[0] = peer[0]!;
    if (v4) {
      clientWords[0] = 0;
      clientWords[1] = 0;
      clientWords[2] = 0xffff;
      clientWords[3] = bigEndian(bytes, network + 12);
      peerWords[1] = littleEndian(bytes, network + 12);
      if (wildcard) localWords[1] = littleEndian(bytes, network + 16);
      return;
    }
    for (let i = 0; i < 4; i++) {
      clientWords[i] = bigEndian(bytes, network + 8 + i * 4);
      peerWords[2 + i] = littleEndian(bytes, network + 8 + i * 4);
      if (wildcard) localWords[1 + i] = littleEndian(bytes, network + 24 + i * 4);
    }
  }

  /** Returns where the packet ends, or why it is bad. */
  #ipv4(bytes: Uint8Array, end: number): number {
    const at = this.network;
    if (at + IPV4_BYTES + UDP_BYTES > end) return SHORT;
    // No options, no fragment (RFC 791 §3.1): those were the kernel's.
    if (bytes[at] !== 0x45 || (bytes[at + 6]! & 0x3f) !== 0 || bytes[at + 7] !== 0 || bytes[at + 9] !== UDP)
      return HEADER;
    const total = (bytes[at + 2]! << 8) | bytes[at + 3]!;
    if (total < IPV4_BYTES + UDP_BYTES || at + total > end) return LENGTH;
    if (folded(sumOf(bytes, at, at + IPV4_BYTES)) !== 0xffff) return HEADER_CHECKSUM;
    // 0/8, 127/8, multicast, reserved and broadcast never ask (RFC 1122 §3.2.1.3).
    const first = bytes[at + 12]!;
    if (first === 0 || first === 127 || first >= 224) return SOURCE;
    this.family = 4;
    this.transport = at + IPV4_BYTES;
    return at + total;
  }

  #ipv6(bytes: Uint8Array, end: number): number {
    const at = this.network;
    if (at + IPV6_BYTES + UDP_BYTES > end) return SHORT;
    if ((bytes[at]! & 0xf0) !== 0x60 || bytes[at + 6] !== UDP) return HEADER;
    const payload = (bytes[at + 4]! << 8) | bytes[at + 5]!;
    if (payload < UDP_BYTES || at + IPV6_BYTES + payload > end) return LENGTH;
    // Neither multicast nor ::, ::1, nor an IPv4 address in disguise (RFC 4291 §2.5.2, §2.5.3, §2.7; RFC 4038 §4.2).
    if (bytes[at + 8] === 0xff || startsWithZeros(bytes, at + 8, 10)) return SOURCE;
    this.family = 6;
    this.transport = at + IPV6_BYTES;
    return at + IPV6_BYTES + payload;
  }

  #udp(bytes: Uint8Array, end: number): number {
    const at = this.transport;
    const length = (bytes[at + 4]! << 8) | bytes[at + 5]!;
    // What the packet has beyond is padding (RFC 768); less it cannot have.
    if (length < UDP_BYTES || at + length > end) return LENGTH;
    this.payload = at + UDP_BYTES;
    this.payloadBytes = length - UDP_BYTES;
    const checksum = littleEndian16(bytes, at + 6);
    // RFC 768: 0 = the sender made none. RFC 8200 §8.1: over IPv6 it must.
    if (checksum === 0) return this.family === 4 ? FRAME_OK : CHECKSUM;
    const pseudo = this.#pseudoHeader(bytes, length);
    if (folded(pseudo + sumOf(bytes, at, at + length)) === 0xffff) return FRAME_OK;
    // Between two interfaces of one machine nobody computes it: the field holds the sum of the pseudo-header alone.
    return folded(pseudo) === checksum ? FRAME_OK : CHECKSUM;
  }

  /** RFC 768, RFC 8200 §8.1: both addresses, the protocol, the length. */
  #pseudoHeader(bytes: Uint8Array, length: number): number {
    const at = this.network;
    const from = this.family === 4 ? at + 12 : at + 8;
    const to = this.family === 4 ? at + 20 : at + 40;
    return sumOf(bytes, from, to) + (UDP << 8) + (((length & 0xff) << 8) | (length >>> 8));
  }
}

/** Sum of 16-bit words as a little-endian machine reads them; the checksum does not mind (RFC 1071 §2 B). */
export function sumOf(bytes: Uint8Array, from: number, to: number): number {
  let sum = 0;
  let at = from;
  for (; at + 1 < to; at += 2) sum += bytes[at]! | (bytes[at + 1]! << 8);
  return at < to ? sum + bytes[at]! : sum;
}

/** Carries added back in until none is left. */
export function folded(sum: number): number {
  const once = (sum & 0xffff) + (sum >>> 16);
  return (once & 0xffff) + (once >>> 16);
}

function startsWithZeros(bytes: Uint8Array, at: number, count: number): boolean {
  for (let i = 0; i < count; i++) if (bytes[at + i] !== 0) return false;
  return true;
}

function bigEndian(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!;
}

function littleEndian(bytes: Uint8Array, at: number): number {
  return bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24);
}

function littleEndian16(bytes: Uint8Array, at: number): number {
  return bytes[at]! | (bytes[at + 1]! << 8);
}
