/**
 * Puts the headers of an answer before its payload: everything turned round, so that it goes back to where the query came from,
 * over the same interface, with the same tag.
 */
import { ETHERNET_BYTES, IPV4_BYTES, IPV6_BYTES, UDP_BYTES, VLAN_BYTES } from './frame.ts';
import { type FrameReader, folded, sumOf } from './frame-reader.ts';

const UDP = 17;
/** Hop limit, as Linux sets it. */
const HOPS = 64;

export class FrameWriter {
  /** Where the frame that was written last begins, and its bytes. */
  frame = 0;
  frameBytes = 0;
  /** Identification of the next IPv4 packet, for whoever fragments it on its way (RFC 791 §3.2). */
  #identification: number;

  /** `identification`: 0–65535, not to be guessed. */
  constructor(identification: number) {
    this.#identification = identification & 0xffff;
  }

  /** Bytes of the answer's packet, as an interface's MTU counts them. */
  static packetBytes(family: number, payloadBytes: number): number {
    return (family === 4 ? IPV4_BYTES : IPV6_BYTES) + UDP_BYTES + payloadBytes;
  }

  /**
   * Write the headers of the answer whose payload stands at `payload` of `out`, to the query that `query` has read from
   * `bytes`. Before `payload` there are at least 66 bytes of room. Both may be the same memory.
   */
  write(query: FrameReader, bytes: Uint8Array, out: Uint8Array, payload: number, payloadBytes: number): void {
    const v4 = query.family === 4;
    const tagged = query.network - query.frame > ETHERNET_BYTES;
    const transport = payload - UDP_BYTES;
    const network = transport - (v4 ? IPV4_BYTES : IPV6_BYTES);
    const frame = network - ETHERNET_BYTES - (tagged ? VLAN_BYTES : 0);
    const { frame: asked } = query;
    for (let i = 0; i < 6; i++) {
      out[frame + i] = bytes[asked + 6 + i]!;
      out[frame + 6 + i] = bytes[asked + i]!;
    }
    // Tag, if there is one, and type are the query's.
    for (let i = 12; i < network - frame; i++) out[frame + i] = bytes[asked + i]!;
    const length = UDP_BYTES + payloadBytes;
    if (v4) this.#ipv4(bytes, query.network, out, network, length);
    else this.#ipv6(bytes, query.network, out, network, length);
    const from = query.transport;
    out[transport] = bytes[from + 2]!;
    out[transport + 1] = bytes[from + 3]!;
    out[transport + 2] = bytes[from]!;
    out[transport + 3] = bytes[from + 1]!;
    out[transport + 4] = length >>> 8;
    out[transport + 5] = length & 0xff;
    out[transport + 6] = 0;
    out[transport + 7] = 0;
    const addresses = v4 ? network + 12 : network + 8;
    const pseudo = sumOf(out, addresses, transport) + (UDP << 8) + (((length & 0xff) << 8) | (length >>> 8));
    const sum = ~folded(pseudo + sumOf(out, transport, payload + payloadBytes)) & 0xffff;
    // RFC 768, RFC 8200 §8.1: a sum of 0 is sent as all ones, for 0 says that there is none.
    const checksum = sum === 0 ? 0xffff : sum;
    out[transport + 6] = checksum & 0xff;
    out[transport + 7] = checksum >>> 8;
    this.frame = frame;
    this.frameBytes = payload + payloadBytes - frame;
  }

  #ipv4(bytes: Uint8Array, asked: number, out: Uint8Array, at: number, length: number): void {
    const total = IPV4_BYTES + length;
    // Another for each: multiplying by an odd number and adding one visits all of them.
    const id = (Math.imul(this.#identification, 0x6255) + 0x3619) & 0xffff;
    this.#identification = id;
    out[at] = 0x45;
    out[at + 1] = 0;
    out[at + 2] = total >>> 8;
    out[at + 3] = total & 0xff;
    out[at + 4] = id >>> 8;
    out[at + 5] = id & 0xff;
    out[at + 6] = 0;
    out[at + 7] = 0;
    out[at + 8] = HOPS;
    out[at + 9] = UDP;
    out[at + 10] = 0;
    out[at + 11] = 0;
    for (let i = 0; i < 4; i++) {
      out[at + 12 + i] = bytes[asked + 16 + i]!;
      out[at + 16 + i] = bytes[asked + 12 + i]!;
    }
    const sum = ~folded(sumOf(out, at, at + IPV4_BYTES)) & 0xffff;
    out[at + 10] = sum & 0xff;
    out[at + 11] = sum >>> 8;
  }

  #ipv6(bytes: Uint8Array, asked: number, out: Uint8Array, at: number, length: number): void {
    out[at] = 0x60;
    out[at + 1] = 0;
    out[at + 2] = 0;
    out[at + 3] = 0;
    out[at + 4] = length >>> 8;
    out[at + 5] = length & 0xff;
    out[at + 6] = UDP;
    out[at + 7] = HOPS;
    for (let i = 0; i < 16; i++) {
      out[at + 8 + i] = bytes[asked + 24 + i]!;
      out[at + 24 + i] = bytes[asked + 8 + i]!;
    }
  }
}
