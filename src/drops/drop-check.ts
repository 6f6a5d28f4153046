/**
 * The check of a packet's source that both programs contain: the one at the network interface and the one at the sockets.
 *
 *     host table (hash) ──found──▶ in force? ──▶ over its rate? ──yes──▶ counted by reason, dropped
 *        │ not there                  │ no            │ no
 *        ▼                            ▼               ▼
 *     network table (longest prefix)  └──── passes ───┘
 *
 * A host is an IPv4 address or an IPv6 /64, as for overload control. Rates are kept by GCRA: an entry remembers when its next
 * packet is due, and lets pass what comes at most TOLERANCE_NS early.
 */
import type { Assembler } from '../bpf/assembler.ts';
import { FP, R0, R1, R2, R3, R4, R9 } from '../bpf/assembler.ts';
import { CALL_KTIME_GET_COARSE_NS, CALL_MAP_LOOKUP } from '../bpf/bpf.ts';

/** The kernel's maps, as descriptors. */
export interface DropMaps {
  /** Hosts: key HOST_KEY_BYTES. */
  readonly hosts: number;
  /** Networks: key NETWORK_KEY_BYTES, the longest one that holds a source decides. */
  readonly networks: number;
  /** Packets dropped, by reason, for each processor. */
  readonly counters: number;
}

/** Family (4 or 6), then the address: four bytes, or the first eight, and zeros. */
export const HOST_KEY_BYTES = 20;
/** Bits that count, then family and the whole address; the family's 32 bits count. */
export const NETWORK_KEY_BYTES = 24;
export const FAMILY_BITS = 32;
/** An entry: end, interval and due time in nanoseconds of CLOCK_MONOTONIC (64 bits each), the reason (32 bits), padding. */
export const ENTRY_BYTES = 32;
const END = 0;
const INTERVAL = 8;
const DUE = 16;
const REASON = 24;

/** A burst that a rate allows: what comes in one epoch of overload control. */
export const TOLERANCE_NS = 25_000_000;

/** Where the program keeps the source on its stack: bits, family, both halves of the address, the lower half once more. */
const SOURCE = -64;
const FAMILY = SOURCE + 4;
const UPPER = SOURCE + 8;
const LOWER = SOURCE + 16;
const LOWER_LATER = SOURCE + 24;
const ALL_BITS = FAMILY_BITS + 128;

/**
 * Put the source on the stack. `load` puts 32 bits of the address into R1, counted from its first word. Stack below -64
 * and above -24 is the caller's.
 */
export function emitSource(program: Assembler, family: 4 | 6, load: (word: number) => void): void {
  program.store(32, FP, FAMILY, family);
  if (family === 4) {
    program.store(64, FP, UPPER, 0).store(64, FP, LOWER, 0).store(64, FP, LOWER_LATER, 0);
    load(0);
    program.store(32, FP, UPPER, R1);
    return;
  }
  program.store(64, FP, LOWER, 0);
  for (let word = 0; word < 4; word++) {
    load(word);
    program.store(32, FP, word < 2 ? UPPER + word * 4 : LOWER_LATER + (word - 2) * 4, R1);
  }
}

/** Jumps to `pass` or, counted, to `drop`. R0–R5 and R9 are lost. */
export function emitDropCheck(program: Assembler, maps: DropMaps, pass: string, drop: string): void {
  program
    .map(R1, maps.hosts)
    .mov(R2, FP)
    .add(R2, FAMILY)
    .call(CALL_MAP_LOOKUP)
    .jumpIf(R0, '!=', 0, 'entry')
    .load(64, R1, FP, LOWER_LATER)
    .store(64, FP, LOWER, R1)
    .store(32, FP, SOURCE, ALL_BITS)
    .map(R1, maps.networks)
    .mov(R2, FP)
    .add(R2, SOURCE)
    .call(CALL_MAP_LOOKUP)
    .jumpIf(R0, '==', 0, pass)
    .label('entry')
    .mov(R9, R0)
    .load(32, R1, R9, REASON)
    .jumpIf(R1, '==', 0, pass)
    .load(64, R1, R9, END)
    .load(64, R2, R9, INTERVAL)
    .mov(R3, R1)
    .or(R3, R2)
    // What lasts and lets nothing pass needs no clock.
    .jumpIf(R3, '==', 0, 'count')
    .call(CALL_KTIME_GET_COARSE_NS)
    .load(64, R1, R9, END)
    .jumpIf(R1, '==', 0, 'in force')
    .jumpIf(R0, '>=', R1, pass)
    .label('in force')
    .load(64, R2, R9, INTERVAL)
    .jumpIf(R2, '==', 0, 'count')
    .load(64, R3, R9, DUE)
    .jumpIf(R3, '>=', R0, 'due')
    .mov(R3, R0)
    .label('due')
    .mov(R4, R0)
    .add(R4, TOLERANCE_NS)
    .jumpIf(R3, '>', R4, 'count')
    .add(R3, R2)
    .store(64, R9, DUE, R3)
    .jump(pass)
    .label('count')
    .load(32, R1, R9, REASON)
    .store(32, FP, SOURCE, R1)
    .map(R1, maps.counters)
    .mov(R2, FP)
    .add(R2, SOURCE)
    .call(CALL_MAP_LOOKUP)
    .jumpIf(R0, '==', 0, drop)
    .load(64, R1, R0, 0)
    .add(R1, 1)
    .store(64, R0, 0, R1)
    .jump(drop);
}
