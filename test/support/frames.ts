/** Ethernet frames with queries in them, as any client could send them; and the same mutilated, by chosen numbers. */
import { addressWords, isMapped } from '../../src/address/address.ts';

export interface FrameSpec {
  readonly from: string;
  readonly to: string;
  readonly port?: number;
  readonly fromPort?: number;
  readonly payload: Uint8Array;
  readonly vlan?: number;
  readonly macTo?: readonly number[];
  readonly macFrom?: readonly number[];
  /** What the sender computes: the whole checksum, none, or the sum of the pseudo-header for the card to finish. */
  readonly checksum?: 'whole' | 'none' | 'partial';
}

export const SERVER_MAC = [0x02, 0, 0, 0, 0, 1];
export const CLIENT_MAC = [0x02, 0, 0, 0, 0, 2];

/** A sound frame. */
export function frame(spec: FrameSpec): Uint8Array {
  const { from, to, port = 53, fromPort = 4711, payload, vlan, checksum = 'whole' } = spec;
  const v4 = isMapped(addressWords(from));
  const udp = Buffer.alloc(8 + payload.length);
  udp.writeUInt16BE(fromPort, 0);
  udp.writeUInt16BE(port, 2);
  udp.writeUInt16BE(udp.length, 4);
  udp.set(payload, 8);
  const addresses = Buffer.concat([bytesOf(from), bytesOf(to)]);
  const pseudo = Buffer.concat([addresses, Buffer.from([0, 17, udp.length >>> 8, udp.length & 255])]);
  if (checksum === 'partial') udp.writeUInt16BE(sum(pseudo), 6);
  if (checksum === 'whole') udp.writeUInt16BE(~sum(Buffer.concat([pseudo, udp])) & 0xffff || 0xffff, 6);
  const header = Buffer.alloc(v4 ? 12 : 8);
  if (v4) {
    header.set([0x45, 0, 0, 0, 0x12, 0x34, 0x40, 0, 64, 17]);
    header.writeUInt16BE(20 + udp.length, 2);
    header.writeUInt16BE(~sum(Buffer.concat([header, addresses])) & 0xffff, 10);
  } else {
    header.set([0x60, 0, 0, 0, 0, 0, 17, 64]);
    header.writeUInt16BE(udp.length, 4);
  }
  const tag = vlan === undefined ? [] : [0x81, 0, (vlan >>> 8) | 0x60, vlan & 255];
  const type = v4 ? [8, 0] : [0x86, 0xdd];
  const macs = [...(spec.macTo ?? SERVER_MAC), ...(spec.macFrom ?? CLIENT_MAC)];
  return Buffer.concat([Buffer.from([...macs, ...tag, ...type]), header, addresses, udp]);
}

/** A few of its bytes changed, its end cut off or grown. `random(n)`: 0 … n - 1. */
export function mutilated(bytes: Uint8Array, random: (below: number) => number): Uint8Array {
  const grown = random(8) === 0 ? Buffer.concat([bytes, Buffer.alloc(random(64))]) : bytes;
  const copy = Uint8Array.from(random(4) === 0 ? grown.subarray(0, random(grown.length + 1)) : grown);
  for (let changes = random(6); changes > 0 && copy.length > 0; changes--) {
    // Mostly in the headers, where the lengths stand.
    const at = random(3) === 0 ? random(copy.length) : random(Math.min(copy.length, 66));
    copy[at] = random(3) === 0 ? [0, 255, 0x45, 0x60, 17][random(5)]! : random(256);
  }
  return copy;
}

/** One's complement sum of big-endian words (RFC 1071), computed another way than the server does. */
export function sum(bytes: Uint8Array): number {
  let total = 0n;
  for (let i = 0; i < bytes.length; i += 2) total += BigInt(((bytes[i] ?? 0) << 8) | (bytes[i + 1] ?? 0));
  return total === 0n ? 0 : Number(total % 0xffffn) || 0xffff;
}

function bytesOf(address: string): Buffer {
  const words = addressWords(address);
  const bytes = Buffer.alloc(16);
  for (let i = 0; i < 4; i++) bytes.writeInt32BE(words[i]!, i * 4);
  return isMapped(words) ? bytes.subarray(12) : bytes;
}
