/**
 * The header of the PROXY protocol, version 2, by which a proxy says for whom it asks: before each datagram, and once at the
 * beginning of a stream (https://www.haproxy.org/download/2.9/doc/proxy-protocol.txt, §2.2).
 *
 *     0            12        13            14        16
 *     │ signature  │ 2 │ cmd │ family, way │ length  │ addresses, ports │ TLVs, not looked at │ message …
 *
 * Version 1 is text, carries no datagrams and is refused.
 */

const SIGNATURE = [0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a];
export const PROXY_HEADER_BYTES = 16;
/** Addresses and TLVs together. Those of the field take some hundred bytes; a header of 64 KB is no header. */
const MOST_BYTES = 1024;

const COMMAND_LOCAL = 0;
const COMMAND_PROXY = 1;
const FAMILY_IPV4 = 1;
const FAMILY_IPV6 = 2;
const IPV4_BYTES = 12;
const IPV6_BYTES = 36;

/** What `ProxyHeader.read` says where it does not say how long the header is: more must come … */
export const PROXY_INCOMPLETE = 0;
/** … or it never was one. */
export const PROXY_INVALID = -1;

/** Reads headers into itself; nothing is allocated. */
export class ProxyHeader {
  /** The proxy speaks for itself, to see whether the server lives: the client is the proxy. */
  local = false;
  /** 4 or 6. */
  family = 4;
  /** As `Query.clientWords`. */
  readonly clientWords = new Int32Array(4);
  port = 0;

  /**
   * Read what `bytes` begin with at `from`, of which all up to `end` are there. `stream` says by which way it came. Returns the
   * length of the header, or PROXY_….
   */
  read(bytes: Uint8Array, from: number, end: number, stream: boolean): number {
    const there = end - from;
    for (let i = 0; i < SIGNATURE.length && i < there; i++) if (bytes[from + i] !== SIGNATURE[i]) return PROXY_INVALID;
    if (there < PROXY_HEADER_BYTES) return PROXY_INCOMPLETE;
    const command = bytes[from + 12]! & 0x0f;
    if (bytes[from + 12]! >>> 4 !== 2 || command > COMMAND_PROXY) return PROXY_INVALID;
    const length = (bytes[from + 14]! << 8) | bytes[from + 15]!;
    if (length > MOST_BYTES) return PROXY_INVALID;
    if (there < PROXY_HEADER_BYTES + length) return PROXY_INCOMPLETE;
    // §2.2: whatever the addresses of LOCAL say, they mean nothing.
    this.local = command === COMMAND_LOCAL;
    if (!this.local && !this.#readClient(bytes, from, length, stream)) return PROXY_INVALID;
    return PROXY_HEADER_BYTES + length;
  }

  #readClient(bytes: Uint8Array, from: number, length: number, stream: boolean): boolean {
    const family = bytes[from + 13]! >>> 4;
    // §2.2: 1 = STREAM, 2 = DGRAM, by which the client came to the proxy. A datagram's source may be forged, and what comes
    // over a stream counts as verified here: such a client would be believed more than it may be.
    const way = bytes[from + 13]! & 0x0f;
    if (way !== 1 && (way !== 2 || stream)) return false;
    const at = from + PROXY_HEADER_BYTES;
    const words = this.clientWords;
    if (family === FAMILY_IPV4 && length >= IPV4_BYTES) {
      this.family = 4;
      words[0] = 0;
      words[1] = 0;
      words[2] = 0xffff;
      words[3] = word(bytes, at);
      this.port = (bytes[at + 8]! << 8) | bytes[at + 9]!;
      return true;
    }
    if (family !== FAMILY_IPV6 || length < IPV6_BYTES) return false;
    for (let i = 0; i < 4; i++) words[i] = word(bytes, at + 4 * i);
    this.family = words[0] === 0 && words[1] === 0 && words[2] === 0xffff ? 4 : 6;
    this.port = (bytes[at + 32]! << 8) | bytes[at + 33]!;
    return true;
  }
}

function word(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!;
}
