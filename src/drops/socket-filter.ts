/**
 * The check of sources at a UDP socket (SO_ATTACH_BPF), for what comes past the network interface's program and for machines
 * where there is none: the kernel drops what it drops before it queues it, so the worker never wakes for it.
 */
import { Assembler, FP, R0, R1, R2, R3, R4, R5, R6 } from '../bpf/assembler.ts';
import { CALL_LOAD_BYTES_RELATIVE } from '../bpf/bpf.ts';
import { type DropMaps, emitDropCheck, emitSource } from './drop-check.ts';

/** Offsets into the network header; enum bpf_hdr_start_off. */
const SOURCE_OF = { 4: 12, 6: 8 } as const;
const FROM_NETWORK_HEADER = 1;
/** Stack of the copy of the address. */
const COPY = -24;
/** What a filter returns: bytes of the packet to keep. */
const KEEP_ALL = 0x7fffffff;

/** For sockets of one family (IPv6 sockets here are IPV6_V6ONLY). */
export function socketFilter(family: 4 | 6, maps: DropMaps): Assembler {
  const program = new Assembler();
  program
    .mov(R6, R1)
    .mov(R2, SOURCE_OF[family])
    .mov(R3, FP)
    .add(R3, COPY)
    .mov(R4, family === 4 ? 4 : 16)
    .mov(R5, FROM_NETWORK_HEADER)
    .call(CALL_LOAD_BYTES_RELATIVE)
    .jumpIf(R0, '!=', 0, 'pass');
  emitSource(program, family, (word) => void program.load(32, R1, FP, COPY + word * 4));
  emitDropCheck(program, maps, 'pass', 'drop');
  return program.label('pass').mov(R0, KEEP_ALL).exit().label('drop').mov(R0, 0).exit();
}
