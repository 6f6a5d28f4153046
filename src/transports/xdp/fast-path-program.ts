/**
 * The program at a network interface: it decides which frames are queries for us, and hands those to the AF_XDP socket of their
 * receive queue. Everything else goes on to the kernel as if the program were not there, and so do queries where no
 * socket is.
 *
 *   | Ethernet | VLAN tag or none | IPv4 without options, no fragment | UDP to an own address and port, not longer than a chunk
 *                                 | IPv6 without extension headers    |
 *
 * The key of an own place is what `ownKey` makes. Whatever is checked here is checked again by frame-reader.ts.
 */
import { Assembler, FP, R0, R1, R2, R3, R4, R5, R6, R7, R8, R9 } from '../../bpf/assembler.ts';
import { CALL_MAP_LOOKUP, CALL_REDIRECT_MAP } from '../../bpf/bpf.ts';
import { type DropMaps, emitDropCheck, emitSource } from '../../drops/drop-check.ts';
import { ETHERNET_BYTES, IPV4_BYTES, IPV6_BYTES, LONGEST_FRAME, UDP_BYTES, VLAN_BYTES } from './frame.ts';

/** What a program returns (enum xdp_action). */
const XDP_DROP = 1;
const XDP_PASS = 2;

/** struct xdp_md. */
const CONTEXT_DATA = 0;
const CONTEXT_DATA_END = 4;
const CONTEXT_QUEUE = 16;

/** Numbers of the wire as a little-endian machine loads them. */
const IS_IPV4 = 0x0008;
const IS_IPV6 = 0xdd86;
const IS_VLAN = 0x0081;
const IS_SERVICE_VLAN = 0xa888;
const VLAN_ID = 0x0fff;
const NO_OPTIONS = 0x45;
const UDP = 17;
/** fe80::/10. */
const LINK_LOCAL_BITS = 0xc0ff;
const LINK_LOCAL = 0x80fe;
/** "More fragments" and the offset; not "don't fragment". */
const FRAGMENT = 0xff3f;

/** Address, port in network order, VLAN, family. */
export const OWN_KEY_BYTES = 24;
const OWN = -24;

export interface FastPathMaps extends DropMaps {
  /** Own places: key OWN_KEY_BYTES, value 4 bytes that nobody reads. */
  readonly own: number;
  /** AF_XDP sockets by receive queue. */
  readonly sockets: number;
}

/** Key of the map of own places. `vlan` 0 = without a tag. `words`: address.ts. */
export function ownKey(words: Int32Array, port: number, vlan: number): Uint8Array {
  const key = new Uint8Array(OWN_KEY_BYTES);
  const view = new DataView(key.buffer);
  const family = words[0] === 0 && words[1] === 0 && words[2] === 0xffff ? 4 : 6;
  if (family === 4) view.setInt32(0, words[3]!);
  else for (let i = 0; i < 4; i++) view.setInt32(i * 4, words[i]!);
  view.setUint16(16, port);
  view.setUint16(18, vlan, true);
  view.setUint32(20, family, true);
  return key;
}

/** For an interface with this MAC address; frames for others (a bridge, a promiscuous card) are none of ours. */
export function fastPathProgram(mac: Uint8Array, maps: FastPathMaps): Assembler {
  const program = new Assembler();
  const macView = new DataView(mac.buffer, mac.byteOffset, 6);
  /** A header of `bytes` behind R7 is inside the frame. */
  const holds = (bytes: number) => program.mov(R4, R7).add(R4, bytes).jumpIf(R4, '>', R8, 'kernel');

  program
    .mov(R6, R1)
    .load(32, R7, R6, CONTEXT_DATA)
    .load(32, R8, R6, CONTEXT_DATA_END)
    .mov(R4, R7)
    .add(R4, LONGEST_FRAME + 1)
    .jumpIf(R4, '<=', R8, 'kernel');
  holds(ETHERNET_BYTES + VLAN_BYTES + IPV4_BYTES);
  program
    .load(32, R1, R7, 0)
    .jumpIf32(R1, '!=', macView.getInt32(0, true), 'kernel')
    .load(16, R1, R7, 4)
    .jumpIf(R1, '!=', macView.getUint16(4, true), 'kernel')
    .mov(R9, 0)
    .load(16, R5, R7, 12)
    .jumpIf(R5, '==', IS_VLAN, 'tagged')
    .jumpIf(R5, '!=', IS_SERVICE_VLAN, 'network')
    .label('tagged')
    .load(16, R9, R7, ETHERNET_BYTES)
    .fromNetwork16(R9)
    .and(R9, VLAN_ID)
    .load(16, R5, R7, ETHERNET_BYTES + 2)
    .add(R7, VLAN_BYTES)
    .label('network')
    .add(R7, ETHERNET_BYTES)
    .store(16, FP, OWN + 18, R9)
    .jumpIf(R5, '==', IS_IPV4, 'ipv4')
    .jumpIf(R5, '==', IS_IPV6, 'ipv6')
    .jump('kernel')
    .label('ipv4');
  holds(IPV4_BYTES + UDP_BYTES);
  program
    .load(8, R1, R7, 0)
    .jumpIf(R1, '!=', NO_OPTIONS, 'kernel')
    .load(16, R1, R7, 6)
    .and(R1, FRAGMENT)
    .jumpIf(R1, '!=', 0, 'kernel')
    .load(8, R1, R7, 9)
    .jumpIf(R1, '!=', UDP, 'kernel')
    .load(32, R1, R7, 16)
    .store(64, FP, OWN, 0)
    .store(64, FP, OWN + 8, 0)
    .store(32, FP, OWN, R1)
    .load(16, R1, R7, IPV4_BYTES + 2)
    .store(16, FP, OWN + 16, R1)
    .store(32, FP, OWN + 20, 4);
  emitSource(program, 4, () => void program.load(32, R1, R7, 12));
  program.jump('ours').label('ipv6');
  holds(IPV6_BYTES + UDP_BYTES);
  program
    .load(8, R1, R7, 0)
    .and(R1, 0xf0)
    .jumpIf(R1, '!=', 0x60, 'kernel')
    .load(8, R1, R7, 6)
    .jumpIf(R1, '!=', UDP, 'kernel')
    // An answer to a link-local address needs its interface named.
    .load(16, R1, R7, 8)
    .and(R1, LINK_LOCAL_BITS)
    .jumpIf(R1, '==', LINK_LOCAL, 'kernel');
  for (let word = 0; word < 4; word++) program.load(32, R1, R7, 24 + word * 4).store(32, FP, OWN + word * 4, R1);
  program
    .load(16, R1, R7, IPV6_BYTES + 2)
    .store(16, FP, OWN + 16, R1)
    .store(32, FP, OWN + 20, 6);
  emitSource(program, 6, (word) => void program.load(32, R1, R7, 8 + word * 4));
  program.label('ours').map(R1, maps.own).mov(R2, FP).add(R2, OWN).call(CALL_MAP_LOOKUP).jumpIf(R0, '==', 0, 'kernel');
  emitDropCheck(program, maps, 'take', 'drop');
  return program
    .label('take')
    .load(32, R2, R6, CONTEXT_QUEUE)
    .map(R1, maps.sockets)
    .mov(R3, XDP_PASS)
    .call(CALL_REDIRECT_MAP)
    .exit()
    .label('drop')
    .mov(R0, XDP_DROP)
    .exit()
    .label('kernel')
    .mov(R0, XDP_PASS)
    .exit();
}
